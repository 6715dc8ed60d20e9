//! `unzip [-l | -v | -t | -p | -Z1] [-o | -n] [-j] [-q] ARCHIVE [NAME]... [-x NAME...] [-d FOLDER]`.

use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use zip::{CompressionMethod, ZipArchive};

use super::why;
use crate::own::diff::matches;
use crate::own::{Call, R, reason};

const HELP: &str = "Usage: unzip [-opts[modifiers]] file[.zip] [list] [-x xlist] [-d exdir]
  -p  extract files to pipe, no messages     -l  list files (short format)
  -f  freshen existing files, create none    -t  test compressed archive data
  -u  update files, create if necessary      -v  list verbosely/show version info
  -x  exclude files that follow (in xlist)   -d  extract files into exdir
modifiers:
  -n  never overwrite existing files         -q  quiet mode (-qq => quieter)
  -o  overwrite files WITHOUT prompting      -j  junk paths (do not make directories)
";

#[derive(Default)]
struct Options {
    list: bool,
    verbose: bool,
    names_only: bool,
    test: bool,
    to_stdout: bool,
    overwrite: bool,
    never: bool,
    junk: bool,
    quiet: usize,
    folder: Option<String>,
    archive: Option<String>,
    wanted: Vec<String>,
    exclude: Vec<String>,
}

impl Options {
    fn parse(args: &[&str]) -> Option<Self> {
        let mut options = Self::default();
        let mut excludes = false;
        let mut at = 0;
        while let Some(word) = args.get(at) {
            at += 1;
            let Some(letters) = word.strip_prefix('-').filter(|it| !it.is_empty()) else {
                match (&options.archive, excludes) {
                    (None, _) => options.archive = Some((*word).to_owned()),
                    (_, true) => options.exclude.push((*word).to_owned()),
                    (_, false) => options.wanted.push((*word).to_owned()),
                }
                continue;
            };
            if letters == "Z1" || letters == "Z" {
                options.names_only = true;
                continue;
            }
            for (i, letter) in letters.char_indices() {
                match letter {
                    'l' => options.list = true,
                    'v' => options.verbose = true,
                    't' => options.test = true,
                    'p' | 'c' => options.to_stdout = true,
                    'o' => options.overwrite = true,
                    'n' => options.never = true,
                    'j' => options.junk = true,
                    'q' => options.quiet += 1,
                    'x' => excludes = true,
                    'd' => {
                        let rest = &letters[i + 1..];
                        options.folder = Some(if rest.is_empty() {
                            at += 1;
                            (*args.get(at - 1)?).to_owned()
                        } else {
                            rest.to_owned()
                        });
                        break;
                    }
                    'a' | 'b' | 'f' | 'u' | 'C' | 'L' | 'X' | 'K' | 'U' | 'O' | 'I' => {}
                    _ => return None,
                }
            }
        }
        Some(options)
    }

    fn takes(&self, name: &str) -> bool {
        let any = |list: &[String]| list.iter().any(|glob| matches(glob, name));
        (self.wanted.is_empty() || any(&self.wanted)) && !any(&self.exclude)
    }
}

type Archive = ZipArchive<BufReader<File>>;

pub(crate) fn run(call: &Call<'_>) -> R {
    let Some(options) = Options::parse(&call.args) else {
        eprint!("{HELP}");
        return Ok(10);
    };
    let Some(name) = options.archive.clone() else {
        print!("{HELP}");
        return Ok(0);
    };
    let found = ["", ".zip", ".ZIP"].map(|it| format!("{name}{it}"));
    let Some(path) = found.iter().find(|it| Path::new(it).is_file()) else {
        eprintln!("unzip:  cannot find or open {name}, {name}.zip or {name}.ZIP.");
        return Ok(9);
    };
    let mut archive = match ZipArchive::new(BufReader::new(File::open(path)?)) {
        Ok(archive) => archive,
        Err(e) => {
            eprintln!(
                "  End-of-central-directory signature not found.  Either this file is not\n  a zipfile, or it constitutes one disk of a multi-part archive ({}).\nunzip:  cannot find zipfile directory in one of {name} or\n        {name}.zip, and cannot find {name}.ZIP, period.",
                why(&e)
            );
            return Ok(9);
        }
    };
    match () {
        () if options.names_only => names(&options, &mut archive),
        () if options.list || options.verbose => list(&options, &mut archive, path),
        () if options.test => test(&options, &mut archive, path),
        () => extract(&options, &mut archive, path),
    }
}

fn names(options: &Options, archive: &mut Archive) -> R {
    for i in 0..archive.len() {
        let entry = archive.by_index(i)?;
        let name = entry.name()?;
        if options.takes(&name) {
            println!("{name}");
        }
    }
    Ok(0)
}

fn list(options: &Options, archive: &mut Archive, path: &str) -> R {
    if options.quiet == 0 {
        println!("Archive:  {path}");
    }
    if options.verbose {
        println!(" Length   Method    Size  Cmpr    Date    Time   CRC-32   Name");
        println!("--------  ------  ------- ---- ---------- ----- --------  ----");
    } else if options.quiet < 2 {
        println!("  Length      Date    Time    Name");
        println!("---------  ---------- -----   ----");
    }
    let (mut count, mut total, mut packed) = (0, 0, 0);
    for i in 0..archive.len() {
        let entry = archive.by_index(i)?;
        let name = entry.name()?.into_owned();
        if !options.takes(&name) {
            continue;
        }
        let (size, small) = (entry.size(), entry.compressed_size());
        count += 1;
        total += size;
        packed += small;
        let time = entry.last_modified().map_or("1980-01-01 00:00".to_owned(), |it| {
            let (year, month, day) = (it.year(), it.month(), it.day());
            format!("{year:04}-{month:02}-{day:02} {:02}:{:02}", it.hour(), it.minute())
        });
        if options.verbose {
            let method =
                if entry.compression() == CompressionMethod::Stored { "Stored" } else { "Defl:N" };
            let ratio = saved(size, small);
            println!(
                "{size:>8}  {method} {small:>8} {ratio:>3}% {time} {:08x}  {name}",
                entry.crc32()
            );
        } else {
            println!("{size:>9}  {time}   {name}");
        }
    }
    let plural = if count == 1 { "" } else { "s" };
    if options.verbose {
        println!("--------          -------  ---                            -------");
        let ratio = saved(total, packed);
        println!(
            "{total:>8}         {packed:>8} {ratio:>3}%                            {count} file{plural}"
        );
    } else if options.quiet < 2 {
        println!("---------                     -------");
        println!("{total:>9}                     {count} file{plural}");
    }
    Ok(0)
}

fn saved(size: u64, packed: u64) -> u64 {
    if size == 0 { 0 } else { size.saturating_sub(packed) * 100 / size }
}

fn test(options: &Options, archive: &mut Archive, path: &str) -> R {
    if options.quiet == 0 {
        println!("Archive:  {path}");
    }
    let mut bad = 0;
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i)?;
        let name = entry.name()?.into_owned();
        if !options.takes(&name) {
            continue;
        }
        let is_good = io::copy(&mut entry, &mut io::sink()).is_ok();
        bad += usize::from(!is_good);
        if options.quiet == 0 || !is_good {
            println!("    testing: {name:<22} {}", if is_good { "  OK" } else { "  bad CRC" });
        }
    }
    if bad == 0 {
        println!("No errors detected in compressed data of {path}.");
    }
    Ok(if bad == 0 { 0 } else { 2 })
}

fn extract(options: &Options, archive: &mut Archive, path: &str) -> R {
    if options.quiet == 0 && !options.to_stdout {
        println!("Archive:  {path}");
    }
    let folder = PathBuf::from(options.folder.as_deref().unwrap_or(""));
    let (mut code, mut any) = (0, false);
    for i in 0..archive.len() {
        let mut entry = archive.by_index(i)?;
        let name = entry.name()?.into_owned();
        if !options.takes(&name) {
            continue;
        }
        any = true;
        if options.to_stdout {
            io::copy(&mut entry, &mut io::stdout())?;
            continue;
        }
        let Some(inside) = entry.enclosed_name() else {
            eprintln!("warning:  skipped \"../\" path component(s) in {name}");
            code = 1;
            continue;
        };
        let is_dir = entry.is_dir();
        if options.junk && is_dir {
            continue;
        }
        let inside = match (options.junk, inside.file_name()) {
            (true, Some(file)) => PathBuf::from(file),
            _ => inside,
        };
        let target = folder.join(inside);
        let mode = entry.unix_mode();
        let is_link = entry.is_symlink();
        let is_stored = entry.compression() == CompressionMethod::Stored;
        if let Err(e) = place(options, &mut entry, &target, is_dir, is_link, is_stored) {
            eprintln!("error:  cannot create {}\n        {}", target.display(), reason(&e));
            code = 50;
            continue;
        }
        if let Some(mode) = mode.filter(|_| !is_link) {
            let _ = playpen_sys::chmod(&target, mode & 0o777);
        }
    }
    if !any && !options.wanted.is_empty() {
        let list = options.wanted.join(" ");
        eprintln!("caution: filename not matched:  {list}");
        return Ok(11);
    }
    Ok(code)
}

fn place(
    options: &Options,
    entry: &mut impl Read,
    target: &Path,
    is_dir: bool,
    is_link: bool,
    is_stored: bool,
) -> io::Result<()> {
    let say = |verb: &str, behind: &str| {
        if options.quiet == 0 {
            println!("{verb:>11}: {:<22}{behind}", target.display());
        }
    };
    if is_dir {
        if !target.is_dir() {
            fs::create_dir_all(target)?;
            if options.quiet == 0 {
                println!("   creating: {}/", target.display());
            }
        }
        return Ok(());
    }
    if let Some(parent) = target.parent() {
        fs::create_dir_all(parent)?;
    }
    if fs::symlink_metadata(target).is_ok() {
        if options.never {
            return Ok(());
        }
        if !options.overwrite {
            // Nobody is there to answer the question.
            print!("replace {}? [y]es, [n]o, [A]ll, [N]one, [r]ename: ", target.display());
            println!(" NULL\n(EOF or read error, treating as \"[N]one\" ...)");
            return Ok(());
        }
        fs::remove_file(target)?;
    }
    if is_link {
        let mut text = String::new();
        entry.read_to_string(&mut text)?;
        say("linking", &format!(" -> {text}"));
        return playpen_sys::symlink(Path::new(&text), target);
    }
    io::copy(entry, &mut File::create(target)?)?;
    say(if is_stored { "extracting" } else { "inflating" }, "  ");
    Ok(())
}
