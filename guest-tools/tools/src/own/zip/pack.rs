//! `zip [-r] [-q] [-j] [-u] [-d] [-0..-9] [-x PATTERN...] [-i PATTERN...] ARCHIVE [FILE]...`.

use std::fs::{self, File};
use std::io::{self, Cursor, Read, Write};
use std::path::Path;
use std::time::UNIX_EPOCH;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::io_error;
use crate::own::diff::{date, matches};
use crate::own::{Call, R};

const HELP: &str = "zip [-options] [zipfile list]
  -r   recurse into directories     -j   junk (don't record) directory names
  -u   update: only changed or new  -d   delete entries in zipfile
  -0   store only                   -9   compress better
  -q   quiet operation              -m   move into zipfile (delete OS files)
  -x   exclude the following names  -i   include only the following names
  -@   read names from stdin        -y   store symbolic links as the link
  -D   do not add directory entries
";

#[derive(Default)]
struct Options {
    recursive: bool,
    quiet: bool,
    junk: bool,
    delete: bool,
    moves: bool,
    links: bool,
    no_folders: bool,
    level: i64,
    exclude: Vec<String>,
    include: Vec<String>,
    archive: Option<String>,
    names: Vec<String>,
}

/// Something to put in.
struct Entry {
    name: String,
    /// `None`: standard input.
    path: Option<String>,
    is_dir: bool,
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let options = match Options::parse(&call.args) {
        Ok(Some(options)) => options,
        Ok(None) => {
            print!("{HELP}");
            return Ok(0);
        }
        Err(message) => {
            eprintln!("\nzip error: Invalid command arguments ({message})");
            return Ok(16);
        }
    };
    let Some(mut archive) = options.archive.clone() else {
        print!("{HELP}");
        return Ok(0);
    };
    if !archive.rsplit('/').next().unwrap_or_default().contains('.') && archive != "-" {
        archive.push_str(".zip");
    }
    Ok(options.write(&archive)?)
}

impl Options {
    fn parse(args: &[&str]) -> Result<Option<Self>, String> {
        let mut options = Self { level: 6, ..Self::default() };
        let mut at = 0;
        while let Some(word) = args.get(at) {
            at += 1;
            let letters = match *word {
                "--help" | "-h" => return Ok(None),
                "-" => "",
                _ if word.starts_with("--") => match &word[2..] {
                    "recurse-paths" => "r",
                    "quiet" => "q",
                    "junk-paths" => "j",
                    "delete" => "d",
                    "move" => "m",
                    "symlinks" => "y",
                    "exclude" => "x",
                    "include" => "i",
                    other => return Err(format!("long option '{other}' not supported")),
                },
                _ => word.strip_prefix('-').unwrap_or_default(),
            };
            if letters.is_empty() {
                if options.archive.is_none() {
                    options.archive = Some((*word).to_owned());
                } else {
                    options.names.push((*word).to_owned());
                }
                continue;
            }
            for (i, letter) in letters.char_indices() {
                match letter {
                    'r' | 'R' => options.recursive = true,
                    'q' => options.quiet = true,
                    'j' => options.junk = true,
                    'd' => options.delete = true,
                    'm' => options.moves = true,
                    'y' => options.links = true,
                    'D' => options.no_folders = true,
                    '0'..='9' => options.level = i64::from(letter.to_digit(10).unwrap_or(6)),
                    'u' | 'f' | 'v' | 'X' | 'o' | 'T' | 'l' | 'g' | 'S' => {}
                    '@' => {
                        let text = io::read_to_string(io::stdin()).unwrap_or_default();
                        options.names.extend(text.lines().map(str::to_owned));
                    }
                    'x' | 'i' => {
                        let list = match letter {
                            'x' => &mut options.exclude,
                            _ => &mut options.include,
                        };
                        let rest = &letters[i + 1..];
                        if !rest.is_empty() {
                            list.push(rest.to_owned());
                            break;
                        }
                        // All that follows, up to an option or `@`.
                        while let Some(name) = args.get(at).filter(|it| !it.starts_with('-')) {
                            at += 1;
                            if *name == "@" {
                                break;
                            }
                            list.push((*name).to_owned());
                            // A list that stands before the archive is of one word.
                            if options.archive.is_none() {
                                break;
                            }
                        }
                    }
                    other => return Err(format!("short option '{other}' not supported")),
                }
            }
        }
        Ok(Some(options))
    }

    fn write(&self, archive: &str) -> io::Result<i32> {
        let old = fs::read(archive).ok();
        if self.delete {
            return self.remove(archive, old);
        }
        let mut entries = vec![];
        let mut missing = false;
        for name in &self.names {
            if name == "-" {
                entries.push(Entry { name: "-".into(), path: None, is_dir: false });
            } else if !self.collect(name, &mut entries) {
                eprintln!("\tzip warning: name not matched: {name}");
                missing = true;
            }
        }
        if entries.is_empty() {
            println!("\nzip error: Nothing to do! ({archive})");
            return Ok(12);
        }
        let mut writer = ZipWriter::new(Cursor::new(vec![]));
        let had: Vec<String> = match &old {
            Some(bytes) => {
                let replaced = |name: &str| entries.iter().any(|it| it.name == name);
                copy(bytes, &mut writer, replaced)?
            }
            None => vec![],
        };
        for entry in &entries {
            self.add(entry, &mut writer, had.contains(&entry.name))?;
        }
        let bytes = writer.finish().map_err(io_error)?.into_inner();
        if archive == "-" {
            io::stdout().write_all(&bytes)?;
        } else {
            fs::write(archive, bytes)?;
        }
        if self.moves {
            entries.iter().rev().filter_map(|it| it.path.as_ref()).for_each(|path| {
                drop(fs::remove_file(path).or_else(|_| fs::remove_dir(path)));
            });
        }
        Ok(if missing && entries.is_empty() { 12 } else { 0 })
    }

    /// Adds a path and, if asked for, what is below it; false if there is nothing.
    fn collect(&self, name: &str, entries: &mut Vec<Entry>) -> bool {
        let path = Path::new(name);
        let Ok(metadata) = fs::metadata(path) else { return false };
        let stored = name.trim_start_matches("./").trim_start_matches('/').trim_end_matches('/');
        let stored = if self.junk { stored.rsplit('/').next().unwrap_or(stored) } else { stored };
        if metadata.is_dir() {
            let folder = format!("{stored}/");
            if !self.junk
                && !self.no_folders
                && stored != "."
                && !stored.is_empty()
                && self.takes(&folder)
            {
                entries.push(Entry { name: folder, path: Some(name.to_owned()), is_dir: true });
            }
            if self.recursive {
                let mut names: Vec<String> = fs::read_dir(path)
                    .into_iter()
                    .flatten()
                    .flatten()
                    .map(|it| it.file_name().to_string_lossy().into_owned())
                    .collect();
                names.sort();
                let base = name.trim_end_matches('/');
                names.iter().for_each(|it| {
                    let _ = self.collect(&format!("{base}/{it}"), entries);
                });
            }
        } else if self.takes(stored) {
            let path = Some(name.to_owned());
            entries.push(Entry { name: stored.to_owned(), path, is_dir: false });
        }
        true
    }

    fn takes(&self, name: &str) -> bool {
        let any = |list: &[String]| list.iter().any(|glob| matches(glob, name));
        !any(&self.exclude) && (self.include.is_empty() || any(&self.include))
    }

    fn add(
        &self,
        entry: &Entry,
        writer: &mut ZipWriter<Cursor<Vec<u8>>>,
        is_update: bool,
    ) -> io::Result<()> {
        let mut options = SimpleFileOptions::default();
        let mut bytes = vec![];
        match &entry.path {
            Some(path) => {
                let mode = playpen_sys::stat(Path::new(path), true).map_or(0o644, |it| it.0);
                options = options.unix_permissions(mode & 0o7777);
                if let Some(time) = fs::metadata(path)?.modified().ok().and_then(stamp) {
                    options = options.last_modified_time(time);
                }
                if !entry.is_dir {
                    File::open(path)?.read_to_end(&mut bytes)?;
                }
            }
            None => drop(io::stdin().read_to_end(&mut bytes)?),
        }
        let verb = if is_update { "updating" } else { "  adding" };
        if entry.is_dir {
            writer.add_directory(&entry.name, options).map_err(io_error)?;
            return self.say(&format!("{verb}: {} (stored 0%)", entry.name));
        }
        let packed = packed_len(&bytes, self.level)?;
        let is_stored = self.level == 0 || packed >= bytes.len();
        options = if is_stored {
            options.compression_method(CompressionMethod::Stored)
        } else {
            options
                .compression_method(CompressionMethod::Deflated)
                .compression_level(Some(self.level))
        };
        writer.start_file(&entry.name, options).map_err(io_error)?;
        writer.write_all(&bytes)?;
        let saved = match is_stored {
            true => "stored 0%".to_owned(),
            false => {
                let percent = (bytes.len() - packed) * 100 / bytes.len().max(1);
                format!("deflated {percent}%")
            }
        };
        self.say(&format!("{verb}: {} ({saved})", entry.name))
    }

    fn say(&self, text: &str) -> io::Result<()> {
        if !self.quiet {
            println!("{text}");
        }
        Ok(())
    }

    fn remove(&self, archive: &str, old: Option<Vec<u8>>) -> io::Result<i32> {
        let Some(bytes) = old else {
            println!("\nzip error: Nothing to do! ({archive})");
            return Ok(12);
        };
        let mut writer = ZipWriter::new(Cursor::new(vec![]));
        let gone = |name: &str| self.names.iter().any(|glob| matches(glob, name));
        for name in copy(&bytes, &mut writer, gone)?.iter().filter(|it| gone(it)) {
            self.say(&format!("deleting: {name}"))?;
        }
        fs::write(archive, writer.finish().map_err(io_error)?.into_inner())?;
        Ok(0)
    }
}

/// Copies what stays of an archive; the names of all that is in it.
fn copy(
    bytes: &[u8],
    writer: &mut ZipWriter<Cursor<Vec<u8>>>,
    is_left_out: impl Fn(&str) -> bool,
) -> io::Result<Vec<String>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(io_error)?;
    let mut names = vec![];
    for i in 0..archive.len() {
        let entry = archive.by_index_raw(i).map_err(io_error)?;
        let name = entry.name().map_err(io_error)?.into_owned();
        if !is_left_out(&name) {
            writer.raw_copy_file(entry).map_err(io_error)?;
        }
        names.push(name);
    }
    Ok(names)
}

fn packed_len(bytes: &[u8], level: i64) -> io::Result<usize> {
    let level = flate2::Compression::new(u32::try_from(level).unwrap_or(6));
    let mut encoder = flate2::write::DeflateEncoder::new(vec![], level);
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?.len())
}

fn stamp(time: std::time::SystemTime) -> Option<DateTime> {
    let seconds = time.duration_since(UNIX_EPOCH).ok()?.as_secs();
    let (year, month, day) = date((seconds / 86_400) as i64);
    let of_day = seconds % 86_400;
    DateTime::from_date_and_time(
        u16::try_from(year).ok()?,
        month as u8,
        day as u8,
        (of_day / 3600) as u8,
        (of_day / 60 % 60) as u8,
        (of_day % 60) as u8,
    )
    .ok()
}
