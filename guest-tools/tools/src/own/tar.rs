//! `tar`: create, append, list and extract, plain or packed, over the crate tar.

mod create;
mod read;
mod rewrite;

use std::cell::RefCell;

use super::compress::Packing;
use super::sed::Renaming;
use super::{Call, R, reason};

const HELP: &str = "Usage: tar [OPTION...] [FILE]...
GNU 'tar' saves many files together into a single tape or disk archive, and can
restore individual files from the archive.

  -c, --create               create a new archive
  -r, --append               append files to the end of an archive
      --delete               delete from the archive
  -d, --diff, --compare      find differences between archive and file system
  -t, --list                 list the contents of an archive
  -x, --extract, --get       extract files from an archive
  -f, --file=ARCHIVE         use archive file ARCHIVE
  -C, --directory=DIR        change to directory DIR
  -z, --gzip                 filter the archive through gzip
  -j, --bzip2                filter the archive through bzip2
  -J, --xz                   filter the archive through xz
  -a, --auto-compress        use archive suffix to determine the compression program
  -v, --verbose              verbosely list files processed
  -O, --to-stdout            extract files to standard output
  -k, --keep-old-files       don't replace existing files when extracting
  -h, --dereference          follow symlinks
  -T, --files-from=FILE      get names to extract or create from FILE
      --exclude=PATTERN      exclude files, given as a PATTERN
      --strip-components=NUMBER  strip NUMBER leading components from file names on extraction
      --transform=EXPRESSION use sed replace EXPRESSION to transform file names
      --wildcards            use wildcards
      --help                 give this help list
";

/// A parsed command line.
#[derive(Default)]
struct Options {
    /// `c`, `r`, `t`, `x`, `d`, or `D` for `--delete`.
    mode: Option<char>,
    packing: Option<Packing>,
    auto: bool,
    verbose: usize,
    /// `None`: standard input or output.
    file: Option<String>,
    /// Files, and folders to change to before them.
    names: Vec<Name>,
    exclude: Vec<String>,
    strip: usize,
    to_stdout: bool,
    keep_old: bool,
    follow: bool,
    wildcards: bool,
    absolute: bool,
    mtime: Option<u64>,
    /// Owner and group of what is stored.
    owner: Option<String>,
    group: Option<String>,
    no_recursion: bool,
    removes: bool,
    skips_old: bool,
    null: bool,
    full_time: bool,
    shows_stored: bool,
    same_owner_numbers: bool,
    renaming: Vec<RefCell<Renaming>>,
}

/// An operand.
#[derive(Debug)]
enum Name {
    Folder(String),
    File(String),
}

/// What ends `tar` early.
enum Stop {
    Help,
    Usage(String),
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let options = match Options::parse(&call.args) {
        Ok(options) => options,
        Err(Stop::Help) => return Ok(0),
        Err(Stop::Usage(message)) => {
            eprintln!("tar: {message}\nTry 'tar --help' or 'tar --usage' for more information.");
            return Ok(2);
        }
    };
    let done = match options.mode {
        Some('c' | 'r' | 'u') => create::run(&options),
        Some('x' | 't' | 'd') => read::run(&options),
        Some('D') => rewrite::delete(&options),
        _ => {
            eprintln!(
                "tar: You must specify one of the '-Acdtrux', '--delete' or '--test-label' options\nTry 'tar --help' or 'tar --usage' for more information."
            );
            return Ok(2);
        }
    };
    match done {
        Ok(true) => Ok(0),
        Ok(false) => {
            eprintln!("tar: Exiting with failure status due to previous errors");
            Ok(2)
        }
        Err(message) => {
            eprintln!("tar: {message}\ntar: Error is not recoverable: exiting now");
            Ok(2)
        }
    }
}

impl Options {
    fn parse(args: &[&str]) -> Result<Self, Stop> {
        let mut options = Self::default();
        let mut words = args.iter().enumerate();
        while let Some((i, word)) = words.next() {
            let mut next = || words.next().map(|(_, it)| (*it).to_owned());
            if let Some(long) = word.strip_prefix("--") {
                options.long(long, &mut next)?;
            } else if word.starts_with('-') && word.len() > 1 {
                options.short(&word[1..], true, &mut next)?;
            } else if i == 0 {
                options.short(word, false, &mut next)?;
            } else {
                options.names.push(Name::File((*word).to_owned()));
            }
        }
        options.file = options.file.filter(|file| file != "-");
        Ok(options)
    }

    fn long(&mut self, option: &str, next: &mut dyn FnMut() -> Option<String>) -> Result<(), Stop> {
        let (name, value) =
            option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v.to_owned())));
        let mut needed = || {
            value
                .clone()
                .or_else(&mut *next)
                .ok_or_else(|| Stop::Usage(format!("option '--{name}' requires an argument")))
        };
        match name {
            "create" => self.mode = Some('c'),
            "append" | "update" => self.mode = Some('r'),
            "delete" => self.mode = Some('D'),
            "diff" | "compare" => self.mode = Some('d'),
            "list" => self.mode = Some('t'),
            "extract" | "get" => self.mode = Some('x'),
            "file" => self.file = Some(needed()?),
            "directory" => self.names.push(Name::Folder(needed()?)),
            "gzip" | "gunzip" | "ungzip" => self.packing = Some(Packing::Gzip),
            "bzip2" => self.packing = Some(Packing::Bzip2),
            "xz" => self.packing = Some(Packing::Xz),
            "auto-compress" => self.auto = true,
            "verbose" => self.verbose += 1,
            "to-stdout" => self.to_stdout = true,
            "keep-old-files" => self.keep_old = true,
            "skip-old-files" => self.skips_old = true,
            "transform" | "xform" => {
                let renaming = Renaming::parse(&needed()?).map_err(Stop::Usage)?;
                self.renaming.push(RefCell::new(renaming));
            }
            "exclude-from" => {
                let text = std::fs::read_to_string(needed()?).unwrap_or_default();
                self.exclude.extend(text.lines().map(str::to_owned));
            }
            "null" => self.null = true,
            "no-recursion" => self.no_recursion = true,
            "remove-files" => self.removes = true,
            "full-time" => self.full_time = true,
            "show-transformed-names" | "show-stored-names" => self.shows_stored = true,
            "numeric-owner" => self.same_owner_numbers = true,
            "owner" => self.owner = Some(needed()?),
            "group" => self.group = Some(needed()?),
            "dereference" => self.follow = true,
            "exclude" => self.exclude.push(needed()?),
            "exclude-vcs" => self.exclude.extend([".git", ".svn", ".hg"].map(str::to_owned)),
            "strip-components" | "strip-path" => {
                let value = needed()?;
                self.strip = value
                    .parse()
                    .map_err(|_| Stop::Usage(format!("{value}: Invalid number of elements")))?;
            }
            "files-from" => {
                let file = needed()?;
                self.names_from(&file)?;
            }
            "wildcards" => self.wildcards = true,
            "absolute-names" => self.absolute = true,
            "mtime" => {
                let value = needed()?;
                let seconds = create::seconds(&value).ok_or_else(|| {
                    Stop::Usage(
                        format!("Invalid date format \u{2018}{value}\u{2019}")
                            .replace(['\u{2018}', '\u{2019}'], "'"),
                    )
                })?;
                self.mtime = Some(seconds);
            }
            "mode" | "format" | "sort" | "blocking-factor" | "warning" => {
                drop(needed()?);
            }
            "same-owner"
            | "no-same-owner"
            | "preserve-permissions"
            | "same-permissions"
            | "no-same-permissions"
            | "overwrite"
            | "totals"
            | "anchored"
            | "touch"
            | "recursion"
            | "sparse"
            | "posix"
            | "one-file-system"
            | "unlink-first"
            | "ignore-failed-read"
            | "no-wildcards"
            | "no-overwrite-dir" => {}
            "help" | "usage" => {
                print!("{HELP}");
                return Err(Stop::Help);
            }
            "version" => {
                println!("tar (GNU tar) 1.34");
                return Err(Stop::Help);
            }
            _ => return Err(Stop::Usage(format!("unrecognized option '--{option}'"))),
        }
        Ok(())
    }

    fn short(
        &mut self,
        letters: &str,
        has_dash: bool,
        next: &mut dyn FnMut() -> Option<String>,
    ) -> Result<(), Stop> {
        for (i, letter) in letters.char_indices() {
            let rest = &letters[i + 1..];
            let mut value = || {
                let attached = has_dash && !rest.is_empty();
                let value = if attached { Some(rest.to_owned()) } else { next() };
                value.ok_or_else(|| {
                    Stop::Usage(format!("option requires an argument -- '{letter}'"))
                })
            };
            match letter {
                'c' | 'x' | 't' | 'r' | 'd' => self.mode = Some(letter),
                'u' => self.mode = Some('r'),
                'z' => self.packing = Some(Packing::Gzip),
                'j' => self.packing = Some(Packing::Bzip2),
                'J' => self.packing = Some(Packing::Xz),
                'a' => self.auto = true,
                'v' => self.verbose += 1,
                'O' => self.to_stdout = true,
                'k' => self.keep_old = true,
                'h' => self.follow = true,
                'P' => self.absolute = true,
                'p' | 'm' | 'o' | 'w' | 'S' | 'n' | 'U' | 'l' | 'B' | 'i' => {}
                'f' | 'C' | 'T' | 'X' | 'b' => {
                    let value = value()?;
                    match letter {
                        'f' => self.file = Some(value),
                        'C' => self.names.push(Name::Folder(value)),
                        'T' => self.names_from(&value)?,
                        'X' => {
                            let text = std::fs::read_to_string(&value).unwrap_or_default();
                            self.exclude.extend(text.lines().map(str::to_owned));
                        }
                        _ => {}
                    }
                    if has_dash {
                        return Ok(());
                    }
                }
                other => return Err(Stop::Usage(format!("invalid option -- '{other}'"))),
            }
        }
        Ok(())
    }

    fn names_from(&mut self, file: &str) -> Result<(), Stop> {
        let text = match file {
            "-" => std::io::read_to_string(std::io::stdin()),
            _ => std::fs::read_to_string(file),
        };
        let text = text.map_err(|e| Stop::Usage(format!("{file}: {}", reason(&e))))?;
        let separator = if self.null { '\0' } else { '\n' };
        let names = text.split(separator).filter(|it| !it.is_empty());
        self.names.extend(names.map(|it| Name::File(it.to_owned())));
        Ok(())
    }

    /// A name after `--transform`.
    fn renamed(&self, name: &str) -> String {
        self.renaming.iter().fold(name.to_owned(), |name, it| it.borrow_mut().apply(&name))
    }

    fn is_excluded(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        self.exclude.iter().any(|glob| {
            let glob = glob.trim_end_matches('/');
            // At the start of any part of the name.
            let starts = std::iter::once(0).chain(path.match_indices('/').map(|(i, _)| i + 1));
            starts.into_iter().any(|start| super::diff::matches(glob, &path[start..]))
        })
    }

    /// By the name of the archive.
    fn packing_of_name(&self) -> Option<Packing> {
        let file = self.file.as_deref()?;
        match file.rsplit('.').next()? {
            "gz" | "tgz" => Some(Packing::Gzip),
            "bz2" | "tbz2" | "tbz" => Some(Packing::Bzip2),
            "xz" | "txz" => Some(Packing::Xz),
            _ => None,
        }
    }
}
