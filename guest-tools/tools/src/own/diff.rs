//! `diff`, as GNU's: files, folders, and every format that patches are read in.
//!
//! Ours, because the published one knows neither folders nor `-w` and `--label`, and its hunks lie
//! elsewhere than GNU's where lines repeat.

mod color;
mod script;
mod show;

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::path::Path;
use std::time::SystemTime;

use posix_regex::Regex;

use super::reason;
use show::{Format, Side};
pub(crate) use show::{date, time};

const HELP: &str = "Usage: diff [OPTION]... FILES
Compare FILES line by line.

      --normal                  output a normal diff (the default)
  -q, --brief                   report only when files differ
  -s, --report-identical-files  report when two files are the same
  -c, -C NUM, --context[=NUM]   output NUM (default 3) lines of copied context
  -u, -U NUM, --unified[=NUM]   output NUM (default 3) lines of unified context
  -e, --ed                      output an ed script
  -n, --rcs                     output an RCS format diff
  -y, --side-by-side            output in two columns
  -W, --width=NUM               output at most NUM (default 130) print columns
      --suppress-common-lines   do not output common lines
  -p, --show-c-function         show which C function each change is in
  -F, --show-function-line=RE   show the most recent line matching RE
      --label LABEL             use LABEL instead of file name and timestamp
  -r, --recursive                 recursively compare any subdirectories found
  -N, --new-file                  treat absent files as empty
  -x, --exclude=PAT               exclude files that match PAT
  -i, --ignore-case               ignore case differences in file contents
  -Z, --ignore-trailing-space     ignore white space at line end
  -b, --ignore-space-change       ignore changes in the amount of white space
  -w, --ignore-all-space          ignore all white space
  -B, --ignore-blank-lines        ignore changes where lines are all blank
  -I, --ignore-matching-lines=RE  ignore changes where all lines match RE
  -a, --text                      treat all files as text
      --strip-trailing-cr         strip trailing carriage return on input
      --color[=WHEN]              color output; WHEN is 'never', 'always', or 'auto'
      --palette=PALETTE           the colors to use when --color is active
      --help               display this help and exit
  -v, --version            output version information and exit

Exit status is 0 if inputs are the same, 1 if different, 2 if trouble.
";

/// What options say.
#[derive(Default)]
struct Options {
    format: Format,
    brief: bool,
    tells_identical: bool,
    recursive: bool,
    new_file: bool,
    exclude: Vec<String>,
    labels: Vec<String>,
    ignore: script::Ignore,
    text: bool,
    color: bool,
    palette: color::Palette,
    /// As they were given, for the headers of folders.
    given: Vec<String>,
}

/// The exit status of `diff` with these arguments, its name first.
pub(crate) fn main(args: &[String]) -> i32 {
    let done = run(args.get(1..).unwrap_or_default());
    drop(io::stdout().flush());
    done.unwrap_or_else(|message| {
        eprintln!("diff: {message}");
        2
    })
}

fn run(args: &[String]) -> Result<i32, String> {
    let Some((options, files)) = Options::parse(args)? else { return Ok(0) };
    let [old, new] = files.as_slice() else {
        return Err(match files.last() {
            Some(last) if files.len() > 2 => {
                format!("extra operand '{}'", files[2].clone() + &last[..0])
            }
            Some(last) => format!("missing operand after '{last}'"),
            None => "missing operand after 'diff'".to_owned(),
        } + "\ndiff: Try 'diff --help' for more information.");
    };
    let is_dir = |path: &str| path != "-" && Path::new(path).is_dir();
    match (is_dir(old), is_dir(new)) {
        (true, true) => options.folders(old, new, true),
        (true, false) => {
            let inside = join(old, base_name(new));
            options.files(&inside, new, false)
        }
        (false, true) => {
            let inside = join(new, base_name(old));
            options.files(old, &inside, false)
        }
        (false, false) => options.files(old, new, false),
    }
}

impl Options {
    /// The options and the files; `None` for help.
    fn parse(args: &[String]) -> Result<Option<(Self, Vec<String>)>, String> {
        let mut options = Self { format: Format::default(), ..Self::default() };
        let (mut files, mut at) = (vec![], 0);
        while let Some(word) = args.get(at) {
            at += 1;
            if word == "--" {
                files.extend(args[at..].iter().cloned());
                break;
            }
            if word == "-" || !word.starts_with('-') {
                files.push(word.clone());
                continue;
            }
            let first = at - 1;
            if word == "--help" {
                print!("{HELP}");
                return Ok(None);
            }
            if word == "--version" || word == "-v" {
                println!("diff (GNU diffutils) 3.8");
                return Ok(None);
            }
            match word.strip_prefix("--") {
                Some(long) => options.long(long, args, &mut at)?,
                None => options.short(&word[1..], args, &mut at)?,
            }
            options.given.extend(args[first..at].iter().cloned());
        }
        Ok(Some((options, files)))
    }

    fn long(&mut self, option: &str, args: &[String], at: &mut usize) -> Result<(), String> {
        let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
        let mut needed = || -> Result<String, String> {
            match value {
                Some(value) => Ok(value.to_owned()),
                None => {
                    *at += 1;
                    args.get(*at - 1)
                        .cloned()
                        .ok_or(format!("option '--{name}' requires an argument"))
                }
            }
        };
        match name {
            "normal" => self.format.kind = show::Kind::Normal,
            "brief" => self.brief = true,
            "report-identical-files" => self.tells_identical = true,
            "context" => self.context(show::Kind::Context, value)?,
            "unified" => self.context(show::Kind::Unified, value)?,
            "ed" => self.format.kind = show::Kind::Ed,
            "rcs" => self.format.kind = show::Kind::Rcs,
            "side-by-side" => self.format.kind = show::Kind::Side,
            "width" => self.format.width = number(&needed()?)?,
            "suppress-common-lines" => self.format.hides_common = true,
            "left-column" => self.format.left_column = true,
            "show-c-function" => self.format.function = Some(c_function()?),
            "show-function-line" => self.format.function = Some(pattern(&needed()?)?),
            "label" => self.labels.push(needed()?),
            "recursive" => self.recursive = true,
            "new-file" => self.new_file = true,
            "exclude" => self.exclude.push(needed()?),
            "ignore-case" => self.ignore.case = true,
            "ignore-trailing-space" => self.ignore.trailing_space = true,
            "ignore-space-change" => self.ignore.space_change = true,
            "ignore-all-space" => self.ignore.all_space = true,
            "ignore-blank-lines" => self.ignore.blank_lines = true,
            "ignore-matching-lines" => self.ignore.lines.push(pattern(&needed()?)?),
            "ignore-tab-expansion" => self.ignore.space_change = true,
            "strip-trailing-cr" => self.ignore.trailing_cr = true,
            "text" => self.text = true,
            "color" => match value.unwrap_or("auto") {
                "always" => self.color = true,
                // Output is never a terminal.
                "auto" | "never" => self.color = false,
                other => {
                    return Err(format!(
                        "invalid color '{other}'\ndiff: Try 'diff --help' for more information."
                    ));
                }
            },
            "palette" => self.palette.change(&needed()?),
            "minimal" | "speed-large-files" | "no-dereference" | "expand-tabs" => {}
            "horizon-lines" | "tabsize" => drop(needed()?),
            _ => {
                return Err(format!(
                    "unrecognized option '--{name}'\ndiff: Try 'diff --help' for more information."
                ));
            }
        }
        Ok(())
    }

    fn short(&mut self, letters: &str, args: &[String], at: &mut usize) -> Result<(), String> {
        for (i, letter) in letters.char_indices() {
            let rest = &letters[i + letter.len_utf8()..];
            let mut value = || -> Result<String, String> {
                if !rest.is_empty() {
                    return Ok(rest.to_owned());
                }
                *at += 1;
                args.get(*at - 1)
                    .cloned()
                    .ok_or(format!("option requires an argument -- '{letter}'"))
            };
            match letter {
                'q' => self.brief = true,
                's' => self.tells_identical = true,
                'c' => self.context(show::Kind::Context, None)?,
                'u' => self.context(show::Kind::Unified, None)?,
                'e' => self.format.kind = show::Kind::Ed,
                'n' => self.format.kind = show::Kind::Rcs,
                'y' => self.format.kind = show::Kind::Side,
                'p' => self.format.function = Some(c_function()?),
                'r' => self.recursive = true,
                'N' => self.new_file = true,
                'i' => self.ignore.case = true,
                'Z' => self.ignore.trailing_space = true,
                'b' | 'E' => self.ignore.space_change = true,
                'w' => self.ignore.all_space = true,
                'B' => self.ignore.blank_lines = true,
                'a' => self.text = true,
                'd' | 't' | 'T' | 'l' | 'H' => {}
                '0'..='9' => {
                    let lines = letter.to_digit(10).unwrap_or(3) as usize;
                    self.format.context = lines;
                }
                'C' | 'U' | 'W' | 'F' | 'x' | 'I' | 'L' => {
                    let value = value()?;
                    match letter {
                        'C' => self.context(show::Kind::Context, Some(&value))?,
                        'U' => self.context(show::Kind::Unified, Some(&value))?,
                        'W' => self.format.width = number(&value)?,
                        'F' => self.format.function = Some(pattern(&value)?),
                        'x' => self.exclude.push(value),
                        'I' => self.ignore.lines.push(pattern(&value)?),
                        _ => self.labels.push(value),
                    }
                    return Ok(());
                }
                other => {
                    return Err(format!(
                        "invalid option -- '{other}'\ndiff: Try 'diff --help' for more information."
                    ));
                }
            }
        }
        Ok(())
    }

    fn context(&mut self, kind: show::Kind, lines: Option<&str>) -> Result<(), String> {
        self.format.kind = kind;
        if let Some(lines) = lines {
            self.format.context = number(lines)?;
        }
        Ok(())
    }

    /// Compares two folders.
    fn folders(&self, old: &str, new: &str, is_top: bool) -> Result<i32, String> {
        if !is_top && !self.recursive {
            println!("Common subdirectories: {old} and {new}");
            return Ok(0);
        }
        let (of_old, of_new) = (self.names(old)?, self.names(new)?);
        let mut code = 0;
        for name in of_old.union(&of_new) {
            let (a, b) = (join(old, name), join(new, name));
            let found = match (of_old.contains(name), of_new.contains(name)) {
                (true, false) if !self.takes_absent(&a) => {
                    println!("Only in {old}: {name}");
                    1
                }
                (false, true) if !self.takes_absent(&b) => {
                    println!("Only in {new}: {name}");
                    1
                }
                _ => self.entry(&a, &b)?,
            };
            code = code.max(found);
        }
        Ok(code)
    }

    fn takes_absent(&self, present: &str) -> bool {
        self.new_file && (self.recursive || !Path::new(present).is_dir())
    }

    fn entry(&self, old: &str, new: &str) -> Result<i32, String> {
        let (a, b) = (Path::new(old), Path::new(new));
        match (a.is_dir(), b.is_dir()) {
            (true, true) => self.folders(old, new, false),
            (true, false) if !b.exists() => self.folders(old, new, false),
            (false, true) if !a.exists() => self.folders(old, new, false),
            (false, false) => self.files(old, new, true),
            (is_dir, _) => {
                let kind = |is_dir| if is_dir { "directory" } else { "regular file" };
                println!(
                    "File {old} is a {} while file {new} is a {}",
                    kind(is_dir),
                    kind(!is_dir)
                );
                Ok(1)
            }
        }
    }

    fn names(&self, folder: &str) -> Result<BTreeSet<String>, String> {
        let path = Path::new(folder);
        if !path.exists() {
            return Ok(BTreeSet::new());
        }
        let entries = fs::read_dir(path).map_err(|e| format!("{folder}: {}", reason(&e)))?;
        let names = entries.flatten().map(|it| it.file_name().to_string_lossy().into_owned());
        Ok(names.filter(|it| !self.exclude.iter().any(|glob| matches(glob, it))).collect())
    }

    /// Compares two files; with a header if they are in folders.
    fn files(&self, old: &str, new: &str, in_folder: bool) -> Result<i32, String> {
        let read = |path: &str| self.read(path, in_folder);
        let (a, b) = match (read(old), read(new)) {
            (Ok(a), Ok(b)) => (a, b),
            (a, b) => {
                let messages: Vec<String> = [a.err(), b.err()].into_iter().flatten().collect();
                messages.iter().for_each(|it| eprintln!("diff: {it}"));
                return Ok(2);
            }
        };
        let shows_all = matches!(self.format.kind, show::Kind::Side) && !self.brief;
        if a.0 == b.0 && !shows_all {
            return Ok(self.identical(old, new));
        }
        let is_binary = |it: &[u8]| !self.text && it.iter().take(32768).any(|c| *c == 0);
        if is_binary(&a.0) || is_binary(&b.0) {
            let word = if self.brief { "Files" } else { "Binary files" };
            println!("{word} {old} and {new} differ");
            return Ok(1);
        }
        let label = |i: usize, name: &str, time| {
            self.labels
                .get(i)
                .cloned()
                .map_or_else(|| format!("{name}\t{}", show::time(time)), |label| label)
        };
        let side = |bytes, label| Side::new(bytes, label, self.ignore.trailing_cr);
        let (a, b) = (side(&a.0, label(0, old, a.1)), side(&b.0, label(1, new, b.1)));
        let changes = script::changes(&a, &b, &self.ignore);
        let is_same = changes.iter().all(|it| it.is_ignored);
        if is_same {
            if shows_all {
                let text = show::show(&a, &b, &changes, &self.format);
                drop(io::stdout().write_all(&show::bytes(&text)));
            }
            return Ok(self.identical(old, new));
        }
        if self.brief {
            println!("Files {old} and {new} differ");
            return Ok(1);
        }
        if in_folder {
            let given: Vec<String> = self.given.iter().map(|it| quoted(it)).collect();
            let words = ["diff".to_owned()].into_iter().chain(given);
            let words: Vec<String> = words.chain([quoted(old), quoted(new)]).collect();
            println!("{}", words.join(" "));
        }
        let mut text = show::show(&a, &b, &changes, &self.format);
        if self.color {
            text = self.palette.paint(&text, self.format.kind);
        }
        // Lines may hold any bytes.
        drop(io::stdout().write_all(&show::bytes(&text)));
        Ok(1)
    }

    fn identical(&self, old: &str, new: &str) -> i32 {
        if self.tells_identical {
            println!("Files {old} and {new} are identical");
        }
        0
    }

    /// The bytes of a file, and when it was changed.
    fn read(&self, path: &str, in_folder: bool) -> Result<(Vec<u8>, SystemTime), String> {
        let failed = |e: io::Error| format!("{path}: {}", reason(&e));
        if path == "-" {
            let mut bytes = vec![];
            io::stdin().read_to_end(&mut bytes).map_err(failed)?;
            return Ok((bytes, SystemTime::now()));
        }
        match fs::metadata(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound && self.new_file => {
                Ok((vec![], SystemTime::UNIX_EPOCH))
            }
            Err(e) => Err(failed(e)),
            Ok(it) if it.is_dir() && !in_folder => Err(format!("{path}: Is a directory")),
            Ok(it) => {
                let bytes = fs::read(path).map_err(failed)?;
                Ok((bytes, it.modified().unwrap_or(SystemTime::UNIX_EPOCH)))
            }
        }
    }
}

fn number(text: &str) -> Result<usize, String> {
    text.parse().map_err(|_| format!("invalid context length '{text}'"))
}

fn pattern(text: &str) -> Result<Regex, String> {
    Regex::new(text, posix_regex::Options::default()).map_err(|e| format!("{text}: {e}"))
}

fn c_function() -> Result<Regex, String> {
    pattern("^[[:alpha:]$_]")
}

fn base_name(path: &str) -> &str {
    path.trim_end_matches('/').rsplit('/').next().unwrap_or(path)
}

fn join(folder: &str, name: &str) -> String {
    format!("{}/{name}", folder.strip_suffix('/').unwrap_or(folder))
}

pub(crate) fn quoted(word: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || "-_./=+,:@%".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// Whether a name fits a pattern of `*`, `?` and brackets.
pub(super) fn matches(glob: &str, name: &str) -> bool {
    fn fits(glob: &[char], name: &[char]) -> bool {
        match (glob.first(), name.first()) {
            (None, None) => true,
            (Some('*'), _) => fits(&glob[1..], name) || !name.is_empty() && fits(glob, &name[1..]),
            (Some('?'), Some(_)) => fits(&glob[1..], &name[1..]),
            (Some('['), Some(c)) => match glob.iter().skip(2).position(|it| *it == ']') {
                Some(end) => {
                    let set = &glob[1..end + 2];
                    let (is_negated, set) = match set.first() {
                        Some('!' | '^') => (true, &set[1..]),
                        _ => (false, set),
                    };
                    let mut found = set.contains(c);
                    for range in set.windows(3).filter(|it| it[1] == '-') {
                        found |= range[0] <= *c && *c <= range[2];
                    }
                    found != is_negated && fits(&glob[end + 3..], &name[1..])
                }
                None => *c == '[' && fits(&glob[1..], &name[1..]),
            },
            (Some('\\'), Some(c)) if glob.len() > 1 => {
                glob[1] == *c && fits(&glob[2..], &name[1..])
            }
            (Some(a), Some(b)) => a == b && fits(&glob[1..], &name[1..]),
            _ => false,
        }
    }
    let chars = |text: &str| text.chars().collect::<Vec<_>>();
    fits(&chars(glob), &chars(name))
}
