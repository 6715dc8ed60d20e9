//! `tar -t` and `tar -x`.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use tar::{Archive, Entry, EntryType};

use super::{Name, Options};
use crate::own::compress::Packing;
use crate::own::diff::{date, matches};
use crate::own::{mode, reason};

/// Whether everything that was asked for was there and came out.
pub(super) fn run(options: &Options) -> Result<bool, String> {
    let shown = options.file.clone().unwrap_or_else(|| "-".into());
    let failed = |e: io::Error| format!("{shown}: Cannot open: {}", reason(&e));
    let mut input: Box<dyn BufRead> = match &options.file {
        Some(file) => Box::new(BufReader::new(File::open(file).map_err(failed)?)),
        None => Box::new(BufReader::new(io::stdin())),
    };
    let mut wanted: Vec<(String, bool)> = vec![];
    for name in &options.names {
        match name {
            Name::Folder(folder) => std::env::set_current_dir(folder)
                .map_err(|e| format!("{folder}: Cannot open: {}", reason(&e)))?,
            Name::File(file) => wanted.push((file.trim_end_matches('/').to_owned(), false)),
        }
    }
    let guessed = Packing::guess(input.fill_buf().map_err(failed)?);
    let input: Box<dyn Read> = match guessed.or(options.packing) {
        Some(packing) => packing.reader(input),
        None => Box::new(input),
    };
    let broken = |e: io::Error| match options.packing {
        Some(Packing::Gzip) if guessed.is_none() => {
            eprint!("\ngzip: stdin: not in gzip format\n");
            "Child returned status 1".to_owned()
        }
        _ => format!("This does not look like a tar archive ({})", reason(&e)),
    };
    let mut all_good = true;
    let mut is_same = true;
    let mut folders = vec![];
    for entry in Archive::new(input).entries().map_err(broken)? {
        let mut entry = entry.map_err(broken)?;
        if entry.header().entry_type().is_pax_global_extensions() {
            continue;
        }
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        if !is_wanted(options, &mut wanted, &name) {
            continue;
        }
        if options.mode == Some('t') {
            let shown = if options.shows_stored { options.renamed(&name) } else { name.clone() };
            println!("{}", listed(options, &entry, &shown));
            continue;
        }
        if options.mode == Some('d') {
            let differences = compare(&mut entry, &name);
            differences.iter().for_each(|it| println!("{it}"));
            is_same &= differences.is_empty();
            continue;
        }
        if let Err(message) = extract(options, &mut entry, &name, &mut folders) {
            eprintln!("tar: {message}");
            all_good = false;
        }
    }
    for (folder, time) in folders.into_iter().rev() {
        let _ = playpen_sys::set_times(&folder, time, time, true);
    }
    for (name, _) in wanted.iter().filter(|(_, found)| !found) {
        eprintln!("tar: {name}: Not found in archive");
        all_good = false;
    }
    match (all_good, is_same) {
        // Differences alone are the exit status 1, without a word about errors.
        (true, false) => std::process::exit(1),
        _ => Ok(all_good),
    }
}

/// What is not as it was stored, in the words of `tar -d`.
fn compare<T: Read>(entry: &mut Entry<'_, T>, name: &str) -> Vec<String> {
    let path = Path::new(name);
    let Ok(found) = fs::symlink_metadata(path) else {
        eprintln!("tar: {name}: Warning: Cannot stat: No such file or directory");
        return vec![];
    };
    let header = entry.header();
    let mut out = vec![];
    let bits = playpen_sys::stat(path, false).map_or(0, |it| it.0 & 0o7777);
    if !found.is_symlink() && header.mode().is_ok_and(|it| it & 0o7777 != bits) {
        out.push(format!("{name}: Mode differs"));
    }
    let modified = found.modified().ok().and_then(|it| it.duration_since(UNIX_EPOCH).ok());
    if !found.is_symlink() && header.mtime().ok() != modified.map(|it| it.as_secs()) {
        out.push(format!("{name}: Mod time differs"));
    }
    if header.entry_type().is_file() && found.is_file() {
        let (mut stored, mut there) = (vec![], vec![]);
        let _ = entry.read_to_end(&mut stored);
        let _ = File::open(path).and_then(|mut it| it.read_to_end(&mut there));
        if stored.len() != there.len() {
            out.push(format!("{name}: Size differs"));
        } else if stored != there {
            out.push(format!("{name}: Contents differ"));
        }
    }
    out
}

fn is_wanted(options: &Options, wanted: &mut [(String, bool)], name: &str) -> bool {
    if options.is_excluded(name) {
        return false;
    }
    if wanted.is_empty() {
        return true;
    }
    let bare = name.trim_end_matches('/');
    let mut any = false;
    for (it, found) in wanted {
        let below = bare.strip_prefix(it.as_str()).is_some_and(|rest| rest.starts_with('/'));
        if bare == it || below || options.wildcards && matches(it, bare) {
            *found = true;
            any = true;
        }
    }
    any
}

/// A line of `-t`.
fn listed<T: Read>(options: &Options, entry: &Entry<'_, T>, name: &str) -> String {
    let target = entry.link_name_bytes().map(|it| String::from_utf8_lossy(&it).into_owned());
    if options.verbose == 0 {
        return name.to_owned();
    }
    let header = entry.header();
    let kind = match header.entry_type() {
        EntryType::Directory => 'd',
        EntryType::Symlink => 'l',
        EntryType::Link => 'h',
        _ => '-',
    };
    let bits = mode::letters(header.mode().unwrap_or(0));
    let owner = |name: Option<&str>, number: io::Result<u64>| match name {
        Some(name) if !name.is_empty() => name.to_owned(),
        _ => number.unwrap_or(0).to_string(),
    };
    let user = owner(header.username().ok().flatten(), header.uid());
    let group = owner(header.groupname().ok().flatten(), header.gid());
    let size = entry.size().to_string();
    let owners = format!("{user}/{group}");
    let width = 18usize.saturating_sub(owners.len()).max(size.len());
    let time = header.mtime().unwrap_or(0);
    let (year, month, day) = date((time / 86_400) as i64);
    let (hour, minute) = (time % 86_400 / 3600, time % 3600 / 60);
    let second = if options.full_time { format!(":{:02}", time % 60) } else { String::new() };
    let arrow = match (kind, target) {
        ('l', Some(target)) => format!(" -> {target}"),
        ('h', Some(target)) => format!(" link to {target}"),
        _ => String::new(),
    };
    format!(
        "{kind}{bits} {owners} {size:>width$} {year:04}-{month:02}-{day:02} {hour:02}:{minute:02}{second} {name}{arrow}"
    )
}

type Folders = Vec<(PathBuf, std::time::SystemTime)>;

fn extract<T: Read>(
    options: &Options,
    entry: &mut Entry<'_, T>,
    name: &str,
    folders: &mut Folders,
) -> Result<(), String> {
    let Some(path) = target(options, &options.renamed(name))? else { return Ok(()) };
    let failed = |e: io::Error| format!("{name}: Cannot open: {}", reason(&e));
    if options.to_stdout {
        if entry.header().entry_type().is_file() {
            io::copy(entry, &mut io::stdout()).map_err(failed)?;
        }
        return Ok(());
    }
    if options.verbose > 0 {
        let shown = if options.shows_stored { options.renamed(name) } else { name.to_owned() };
        println!("{shown}");
    }
    let kind = entry.header().entry_type();
    let time = UNIX_EPOCH + Duration::from_secs(entry.header().mtime().unwrap_or(0));
    if kind == EntryType::Directory {
        fs::create_dir_all(&path).map_err(failed)?;
        if let Ok(bits) = entry.header().mode() {
            let _ = playpen_sys::chmod(&path, bits & 0o7777);
        }
        folders.push((path, time));
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    if options.skips_old && fs::symlink_metadata(&path).is_ok() {
        return Ok(());
    }
    if options.keep_old && fs::symlink_metadata(&path).is_ok() {
        return Err(format!("{name}: Cannot open: File exists"));
    }
    drop(fs::remove_file(&path));
    let link = entry.link_name().map_err(failed)?.map(|it| it.into_owned());
    match link {
        Some(to) if kind == EntryType::Symlink => playpen_sys::symlink(&to, &path).map_err(failed),
        Some(to) if kind == EntryType::Link => {
            let to = target(options, &to.to_string_lossy())?.unwrap_or(to);
            fs::hard_link(&to, &path).or_else(|_| fs::copy(&to, &path).map(drop)).map_err(failed)
        }
        _ => {
            let mut file = File::create(&path).map_err(failed)?;
            io::copy(entry, &mut file).map_err(failed)?;
            drop(file);
            if let Ok(bits) = entry.header().mode() {
                let _ = playpen_sys::chmod(&path, bits & 0o777);
            }
            let _ = playpen_sys::set_times(&path, time, time, true);
            Ok(())
        }
    }
}

/// Where a member goes: below here, whatever it is called.
fn target(options: &Options, name: &str) -> Result<Option<PathBuf>, String> {
    let name = if options.absolute { name } else { name.trim_start_matches('/') };
    let parts: Vec<Component<'_>> = Path::new(name).components().collect();
    if parts.contains(&Component::ParentDir) && !options.absolute {
        return Err(format!("{name}: Member name contains '..'"));
    }
    let parts: PathBuf =
        parts.into_iter().skip(options.strip).filter(|it| *it != Component::CurDir).collect();
    Ok((!parts.as_os_str().is_empty()).then_some(parts))
}
