//! `install [-d] [-D] [-m MODE] [-t FOLDER] [-v] [-p] SOURCE... DEST`.

use std::fs;
use std::path::{Path, PathBuf};

use super::options::{self, Parsed, Spec};
use super::{Call, R, mode, reason};

const HELP: &str = "Usage: install [OPTION]... [-T] SOURCE DEST
  or:  install [OPTION]... SOURCE... DIRECTORY
  or:  install [OPTION]... -t DIRECTORY SOURCE...
  or:  install [OPTION]... -d DIRECTORY...
Copy files while setting attributes.

  -D                  create all leading components of DEST except the last
  -d, --directory     treat all arguments as directory names; create them
  -m, --mode=MODE     set permission mode (as in chmod), instead of rwxr-xr-x
  -p, --preserve-timestamps   apply times of SOURCE files to those of DEST
  -t, --target-directory=DIRECTORY  copy all SOURCE arguments into DIRECTORY
  -v, --verbose       print the name of each directory as it is created
      --help          display this help and exit
";

const SPEC: Spec = Spec {
    flags: "DdpvTsCbc",
    values: "mtogS",
    attached: "",
    longs: &[
        ("directory", 'd'),
        ("mode", 'm'),
        ("preserve-timestamps", 'p'),
        ("target-directory", 't'),
        ("no-target-directory", 'T'),
        ("verbose", 'v'),
        ("owner", 'o'),
        ("group", 'g'),
        ("strip", 's'),
        ("compare", 'C'),
        ("help", '?'),
    ],
    stops: false,
};

pub(crate) fn run(call: &Call<'_>) -> R {
    let done = options::parse(&call.args, &SPEC).and_then(|parsed| install(&parsed));
    Ok(match done {
        Ok(()) => 0,
        Err(message) => {
            eprintln!("install: {message}");
            1
        }
    })
}

fn install(parsed: &Parsed) -> Result<(), String> {
    if parsed.has('?') {
        print!("{HELP}");
        return Ok(());
    }
    let bits = match parsed.value('m') {
        None => 0o755,
        Some(text) => mode::changed(0, false, text, 0).ok_or(format!("invalid mode '{text}'"))?,
    };
    if parsed.operands.is_empty() {
        return Err("missing file operand\nTry 'install --help' for more information.".into());
    }
    if parsed.has('d') {
        return parsed.operands.iter().try_for_each(|it| folder(Path::new(it), bits, parsed));
    }
    let mut sources = parsed.operands.clone();
    let target = match parsed.value('t') {
        Some(target) => PathBuf::from(target),
        None => {
            let target = sources.pop().unwrap_or_default();
            if sources.is_empty() {
                return Err(format!(
                    "missing destination file operand after '{target}'\nTry 'install --help' for more information."
                ));
            }
            PathBuf::from(target)
        }
    };
    let is_folder = !parsed.has('T') && (parsed.value('t').is_some() || target.is_dir());
    if !is_folder && sources.len() > 1 {
        return Err(format!("target '{}' is not a directory", target.display()));
    }
    if parsed.has('D') {
        let needed = if is_folder { Some(target.as_path()) } else { target.parent() };
        if let Some(needed) = needed.filter(|it| !it.as_os_str().is_empty()) {
            fs::create_dir_all(needed).map_err(|e| {
                format!("cannot create directory '{}': {}", needed.display(), reason(&e))
            })?;
        }
    }
    sources.iter().try_for_each(|source| file(Path::new(source), &target, is_folder, bits, parsed))
}

fn folder(path: &Path, bits: u32, parsed: &Parsed) -> Result<(), String> {
    let failed =
        |e: std::io::Error| format!("cannot create directory '{}': {}", path.display(), reason(&e));
    if parsed.has('v') && !path.exists() {
        println!("install: creating directory '{}'", path.display());
    }
    fs::create_dir_all(path).map_err(failed)?;
    playpen_sys::chmod(path, bits).map_err(failed)
}

fn file(
    source: &Path,
    target: &Path,
    is_folder: bool,
    bits: u32,
    parsed: &Parsed,
) -> Result<(), String> {
    let metadata = fs::metadata(source)
        .map_err(|e| format!("cannot stat '{}': {}", source.display(), reason(&e)))?;
    if metadata.is_dir() {
        return Err(format!("omitting directory '{}'", source.display()));
    }
    let target = match (is_folder, source.file_name()) {
        (true, Some(name)) => target.join(name),
        _ => target.to_owned(),
    };
    let failed = |e: std::io::Error| {
        format!("cannot create regular file '{}': {}", target.display(), reason(&e))
    };
    drop(fs::remove_file(&target));
    fs::copy(source, &target).map_err(failed)?;
    playpen_sys::chmod(&target, bits).map_err(failed)?;
    if parsed.has('p')
        && let (Ok(accessed), Ok(modified)) = (metadata.accessed(), metadata.modified())
    {
        playpen_sys::set_times(&target, accessed, modified, true).map_err(failed)?;
    }
    if parsed.has('v') {
        println!("'{}' -> '{}'", source.display(), target.display());
    }
    Ok(())
}
