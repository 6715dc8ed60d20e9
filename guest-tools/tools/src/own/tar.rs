//! `tar c|x|t[zvf ARCHIVE] [-C FOLDER] [NAME]...`, over the crate tar.

use std::ffi::{CString, c_char};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::{Component, Path};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use tar::{Archive, Builder, EntryType, Header};

use super::{Call, R};

/// A parsed command line.
#[derive(Default)]
struct Options<'a> {
    /// `c`, `x` or `t`.
    mode: Option<char>,
    gzip: bool,
    verbose: bool,
    /// `None`: standard input or output.
    file: Option<&'a str>,
    folder: Option<&'a str>,
    names: Vec<&'a str>,
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let options = Options::parse(&call.args)?;
    match options.mode {
        Some('c') => create(&options),
        Some('x' | 't') => read(&options),
        _ => Err("one of c, x, t is needed".into()),
    }
}

impl<'a> Options<'a> {
    fn parse(args: &[&'a str]) -> Result<Self, String> {
        let mut options = Self::default();
        let mut words = args.iter().enumerate();
        while let Some((i, word)) = words.next() {
            let letters = match (word.strip_prefix("--"), word.strip_prefix('-')) {
                (Some(long), _) => letter(long).ok_or(format!("unknown option --{long}"))?,
                (None, Some(letters)) => letters,
                // The first word is letters with or without a dash.
                (None, None) if i == 0 => word,
                (None, None) => {
                    options.names.push(word);
                    continue;
                }
            };
            for letter in letters.chars() {
                match letter {
                    'c' | 'x' | 't' => options.mode = Some(letter),
                    'z' => options.gzip = true,
                    'v' => options.verbose = true,
                    'f' => options.file = words.next().map(|(_, file)| *file),
                    'C' => options.folder = words.next().map(|(_, folder)| *folder),
                    'p' | 'k' => {}
                    other => return Err(format!("unknown option {other}")),
                }
            }
        }
        options.file = options.file.filter(|file| *file != "-");
        Ok(options)
    }

    fn enter_folder(&self) -> io::Result<()> {
        self.folder.map_or(Ok(()), std::env::set_current_dir)
    }

    fn wants(&self, path: &Path) -> bool {
        self.names.is_empty() || self.names.iter().any(|name| path.starts_with(name))
    }
}

fn letter(long: &str) -> Option<&'static str> {
    Some(match long {
        "create" => "c",
        "extract" => "x",
        "list" => "t",
        "gzip" => "z",
        "verbose" => "v",
        _ => return None,
    })
}

fn create(options: &Options<'_>) -> R {
    let out: Box<dyn Write> = match options.file {
        Some(file) => Box::new(File::create(file)?),
        None => Box::new(io::stdout()),
    };
    let out: Box<dyn Write> =
        if options.gzip { Box::new(GzEncoder::new(out, Compression::default())) } else { out };
    options.enter_folder()?;
    let mut builder = Builder::new(out);
    for name in &options.names {
        add(&mut builder, Path::new(name), options.verbose)?;
    }
    builder.into_inner()?.flush()?;
    Ok(0)
}

/// Adds a file or a folder; the crate cannot turn metadata into a header on this platform.
fn add<W: Write>(builder: &mut Builder<W>, path: &Path, verbose: bool) -> io::Result<()> {
    let meta = fs::symlink_metadata(path)?;
    if verbose {
        eprintln!("{}", path.display());
    }
    let mut header = Header::new_gnu();
    header.set_mtime(meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs()));
    let default_mode = if meta.is_dir() { 0o755 } else { 0o644 };
    header
        .set_mode(playpen_sys::stat(path, false).map_or(default_mode, |(mode, ..)| mode & 0o7777));
    header.set_size(0);
    if meta.is_dir() {
        header.set_entry_type(EntryType::Directory);
        builder.append_data(&mut header, format!("{}/", path.display()), io::empty())?;
        let mut entries: Vec<_> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
        entries.sort();
        return entries.iter().try_for_each(|entry| add(builder, entry, verbose));
    }
    if meta.is_symlink() {
        header.set_entry_type(EntryType::Symlink);
        return builder.append_link(&mut header, path, fs::read_link(path)?);
    }
    header.set_size(meta.len());
    builder.append_data(&mut header, path, File::open(path)?)
}

/// Lists or extracts.
fn read(options: &Options<'_>) -> R {
    let mut input: Box<dyn BufRead> = match options.file {
        Some(file) => Box::new(BufReader::new(File::open(file)?)),
        None => Box::new(BufReader::new(io::stdin())),
    };
    options.enter_folder()?;
    let gzip = options.gzip || input.fill_buf()?.starts_with(&[0x1f, 0x8b]);
    let input: Box<dyn Read> = if gzip { Box::new(MultiGzDecoder::new(input)) } else { input };
    for entry in Archive::new(input).entries()? {
        let mut entry = entry?;
        let path = entry.path()?.into_owned();
        if !options.wants(&path) {
            continue;
        }
        if options.mode == Some('t') || options.verbose {
            println!("{}", path.display());
        }
        if options.mode == Some('x') {
            extract(&mut entry, &path)?;
        }
    }
    Ok(0)
}

fn extract<T: Read>(
    entry: &mut tar::Entry<'_, T>,
    path: &Path,
) -> Result<(), Box<dyn std::error::Error>> {
    if path.is_absolute() || path.components().any(|part| part == Component::ParentDir) {
        return Err(format!("{}: refused", path.display()).into());
    }
    let kind = entry.header().entry_type();
    if kind == EntryType::Directory {
        return Ok(fs::create_dir_all(path)?);
    }
    if let Some(parent) = path.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        fs::create_dir_all(parent)?;
    }
    match entry.link_name()? {
        Some(target) if kind == EntryType::Symlink => {
            symlink(&target.to_string_lossy(), &path.to_string_lossy())?
        }
        Some(target) => drop(fs::copy(target, path)?),
        None => {
            io::copy(entry, &mut File::create(path)?)?;
            if let Ok(mode) = entry.header().mode() {
                let _ = playpen_sys::chmod(path, mode & 0o777);
            }
        }
    }
    Ok(())
}

/// std has no stable symlink on this platform; its libc has.
fn symlink(target: &str, at: &str) -> io::Result<()> {
    unsafe extern "C" {
        #[link_name = "symlink"]
        fn c_symlink(target: *const c_char, at: *const c_char) -> i32;
    }
    let (target, at) = (CString::new(target)?, CString::new(at)?);
    // SAFETY: both are strings with a NUL at their end, and the call keeps neither.
    if unsafe { c_symlink(target.as_ptr(), at.as_ptr()) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
