//! `gzip`, `gunzip`, `zcat`, `bzip2`, `bunzip2`, `bzcat`, `xz`, `unxz`, `xzcat`: over flate2, bzip2 and
//! lzma-rust2.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::path::Path;

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};

/// How bytes are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    Gzip,
    Bzip2,
    Xz,
}

const SPEC: Spec = Spec {
    flags: "cdfhklLnNqrtvV123456789ezaM0T",
    values: "SF",
    attached: "T",
    longs: &[
        ("stdout", 'c'),
        ("to-stdout", 'c'),
        ("decompress", 'd'),
        ("uncompress", 'd'),
        ("compress", 'z'),
        ("force", 'f'),
        ("keep", 'k'),
        ("list", 'l'),
        ("no-name", 'n'),
        ("name", 'N'),
        ("quiet", 'q'),
        ("recursive", 'r'),
        ("suffix", 'S'),
        ("test", 't'),
        ("verbose", 'v'),
        ("fast", '1'),
        ("best", '9'),
        ("extreme", 'e'),
        ("format", 'F'),
        ("threads=", 'T'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: false,
};

impl Packing {
    fn of(tool: &str) -> Self {
        match tool {
            "bzip2" | "bunzip2" | "bzcat" => Self::Bzip2,
            "xz" | "unxz" | "xzcat" | "lzma" => Self::Xz,
            _ => Self::Gzip,
        }
    }

    /// What the first bytes say.
    pub(crate) fn guess(start: &[u8]) -> Option<Self> {
        match start {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [b'B', b'Z', b'h', ..] => Some(Self::Bzip2),
            [0xfd, b'7', b'z', b'X', b'Z', ..] => Some(Self::Xz),
            _ => None,
        }
    }

    fn tool(self) -> &'static str {
        ["gzip", "bzip2", "xz"][self as usize]
    }

    fn suffix(self) -> &'static str {
        [".gz", ".bz2", ".xz"][self as usize]
    }

    /// A reader of what is packed.
    pub(crate) fn reader<'a>(self, from: impl BufRead + 'a) -> Box<dyn Read + 'a> {
        match self {
            Self::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(from)),
            Self::Bzip2 => Box::new(bzip2::bufread::MultiBzDecoder::new(from)),
            Self::Xz => Box::new(lzma_rust2::XzReader::new(from, true)),
        }
    }

    /// Packs everything.
    pub(crate) fn pack(
        self,
        from: &mut dyn Read,
        to: &mut dyn Write,
        level: u32,
    ) -> io::Result<()> {
        match self {
            Self::Gzip => {
                let mut out = flate2::GzBuilder::new()
                    .operating_system(3)
                    .write(to, flate2::Compression::new(level.clamp(1, 9)));
                io::copy(from, &mut out)?;
                out.finish().map(drop)
            }
            Self::Bzip2 => {
                let level = bzip2::Compression::new(if level == 6 { 9 } else { level.clamp(1, 9) });
                let mut out = bzip2::write::BzEncoder::new(to, level);
                io::copy(from, &mut out)?;
                out.finish().map(drop)
            }
            Self::Xz => {
                let options = lzma_rust2::XzOptions::with_preset(level.min(9));
                let mut out = lzma_rust2::XzWriter::new(to, options)?;
                io::copy(from, &mut out)?;
                out.finish().map(drop)
            }
        }
    }
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let packing = Packing::of(call.name);
    let tool = packing.tool();
    let mut parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("{tool}: {e}\nTry `{tool} --help' for more information.");
            return Ok(1);
        }
    };
    if parsed.has('h') {
        println!(
            "Usage: {} [OPTION]... [FILE]...\nCompress or uncompress FILEs (by default, compress FILES in-place).\n\n  -c  write on standard output, keep original files unchanged\n  -d  decompress\n  -f  force overwrite of output file\n  -k  keep (don't delete) input files\n  -l  list compressed file contents\n  -r  operate recursively on directories\n  -t  test compressed file integrity\n  -1 to -9  compress faster or better",
            call.name
        );
        return Ok(0);
    }
    if parsed.has('V') {
        println!("{tool} (playpen) 1.0");
        return Ok(0);
    }
    if call.name != tool {
        parsed.options.push(('d', String::new()));
    }
    if call.name.ends_with("cat") {
        parsed.options.push(('c', String::new()));
    }
    let work = Work::new(packing, call.name, &parsed);
    if parsed.has('l') {
        return Ok(work.list(&parsed.operands));
    }
    let here = ["-".to_owned()];
    let files = if parsed.operands.is_empty() { &here[..] } else { &parsed.operands };
    Ok(files.iter().map(|file| work.path(file)).max().unwrap_or(0))
}

struct Work {
    packing: Packing,
    /// The name that it was called by, which all but gzip's begin their messages with.
    called: String,
    unpack: bool,
    to_stdout: bool,
    keep: bool,
    force: bool,
    test: bool,
    recursive: bool,
    verbose: bool,
    level: u32,
    suffix: String,
}

impl Work {
    fn new(packing: Packing, called: &str, parsed: &Parsed) -> Self {
        let digit = parsed.options.iter().rev().find_map(|(it, _)| it.to_digit(10));
        let suffix = parsed.value('S').unwrap_or(packing.suffix());
        let called = if packing == Packing::Gzip { "gzip" } else { called };
        Self {
            packing,
            called: called.to_owned(),
            unpack: parsed.has('d') || parsed.has('t'),
            to_stdout: parsed.has('c'),
            keep: parsed.has('k') || parsed.has('c'),
            force: parsed.has('f'),
            test: parsed.has('t'),
            recursive: parsed.has('r'),
            verbose: parsed.has('v'),
            level: digit.unwrap_or(6),
            suffix: if suffix.starts_with('.') { suffix.to_owned() } else { format!(".{suffix}") },
        }
    }

    fn tool(&self) -> &str {
        &self.called
    }

    /// What is said about a file that cannot be opened.
    fn unopened(&self, name: &str, e: &io::Error) -> String {
        match self.packing {
            Packing::Bzip2 if self.test => format!("Can't open input {name}: {}.", reason(e)),
            Packing::Bzip2 => format!("Can't open input file {name}: {}.", reason(e)),
            _ => format!("{name}: {}", reason(e)),
        }
    }

    /// Works on a file; the exit status.
    fn path(&self, name: &str) -> i32 {
        let path = Path::new(name);
        if name != "-" && path.is_dir() {
            if !self.recursive {
                eprintln!("{}: {name} is a directory -- ignored", self.tool());
                return 2;
            }
            let mut inside: Vec<_> =
                fs::read_dir(path).into_iter().flatten().flatten().map(|it| it.path()).collect();
            inside.sort();
            return inside.iter().map(|it| self.path(&it.to_string_lossy())).max().unwrap_or(0);
        }
        match self.file(name) {
            Ok(()) => 0,
            Err(message) => {
                // Before what it says about a stream gzip ends the line that may be there.
                let ends = matches!(self.packing, Packing::Gzip)
                    && [": not in gzip format", ": unexpected end of file"]
                        .iter()
                        .any(|it| message.ends_with(it));
                let before = if ends { "\n" } else { "" };
                eprintln!("{before}{}: {message}", self.tool());
                let is_refused =
                    message.ends_with("not overwritten") && self.packing == Packing::Gzip;
                if message.ends_with(" is not a bzip2 file.") || is_refused {
                    return 2;
                }
                match message.rsplit(" -- ").next() {
                    Some("unchanged") => 0,
                    Some("ignored") => 2,
                    _ => 1,
                }
            }
        }
    }

    fn file(&self, name: &str) -> Result<(), String> {
        if name == "-" {
            let mut input = BufReader::new(io::stdin());
            return self.work(&mut input, &mut io::stdout(), "stdin");
        }
        let (name, target) = self.names(name)?;
        let failed = |e: io::Error| format!("{name}: {}", reason(&e));
        let opened = File::open(&name).map_err(|e| self.unopened(&name, &e))?;
        let mut input = BufReader::new(opened);
        if self.to_stdout || self.test {
            return self.work(&mut input, &mut io::stdout(), &name);
        }
        if Path::new(&target).exists() && !self.force {
            return Err(format!("{target} already exists;\tnot overwritten"));
        }
        let mut output = File::create(&target).map_err(failed)?;
        if let Err(message) = self.work(&mut input, &mut output, &name) {
            drop(fs::remove_file(&target));
            return Err(message);
        }
        let (from, to) = (Path::new(&name), Path::new(&target));
        let _ = playpen_sys::copy_mode(from, to, 0);
        if let Ok(it) = fs::metadata(from)
            && let (Ok(accessed), Ok(modified)) = (it.accessed(), it.modified())
        {
            let _ = playpen_sys::set_times(to, accessed, modified, true);
        }
        if self.verbose {
            let word = if self.keep { "created" } else { "replaced with" };
            eprintln!("{name}:\t{word} {target}");
        }
        if self.keep { Ok(()) } else { fs::remove_file(&name).map_err(failed) }
    }

    /// The file to read and the file to write.
    fn names(&self, name: &str) -> Result<(String, String), String> {
        if !self.unpack {
            if name.ends_with(&self.suffix) && !self.to_stdout {
                return Err(format!("{name} already has {} suffix -- unchanged", self.suffix));
            }
            return Ok((name.to_owned(), format!("{name}{}", self.suffix)));
        }
        let known = [self.suffix.as_str(), ".gz", ".z", ".bz2", ".xz"];
        let with_suffix = format!("{name}{}", self.suffix);
        let name = match Path::new(name).exists() || !Path::new(&with_suffix).exists() {
            true => name.to_owned(),
            false => with_suffix.clone(),
        };
        if let Some(base) = name.strip_suffix(".tgz").or(name.strip_suffix(".tbz2")) {
            let target = format!("{base}.tar");
            return Ok((name, target));
        }
        let target = known.iter().find_map(|it| name.strip_suffix(it)).map(str::to_owned);
        match target {
            Some(target) => Ok((name, target)),
            None if self.to_stdout || self.test => Ok((name, String::new())),
            None if !Path::new(&name).exists() => {
                let looked = if self.packing == Packing::Gzip { &with_suffix } else { &name };
                Err(self.unopened(looked, &io::Error::from_raw_os_error(44)))
            }
            None if self.packing == Packing::Xz => {
                Err(format!("{name}: File format not recognized"))
            }
            None => Err(format!("{name}: unknown suffix -- ignored")),
        }
    }

    fn work(
        &self,
        input: &mut dyn BufRead,
        output: &mut dyn Write,
        name: &str,
    ) -> Result<(), String> {
        if !self.unpack {
            let mut input = input;
            return self
                .packing
                .pack(&mut input, output, self.level)
                .map_err(|e| format!("{name}: {}", reason(&e)));
        }
        let start = input.fill_buf().map_err(|e| format!("{name}: {}", reason(&e)))?;
        if Packing::guess(start) != Some(self.packing) {
            if self.force && self.to_stdout {
                return io::copy(&mut { input }, output).map(drop).map_err(|e| reason(&e));
            }
            return Err(match (start.is_empty(), self.packing) {
                (true, _) => format!("{name}: unexpected end of file"),
                (_, Packing::Gzip) => format!("{name}: not in gzip format"),
                (_, Packing::Bzip2) => format!("{name} is not a bzip2 file."),
                (_, Packing::Xz) => format!("{name}: File format not recognized"),
            });
        }
        let mut reader = self.packing.reader(input);
        let mut nowhere = io::sink();
        let output: &mut dyn Write = if self.test { &mut nowhere } else { output };
        io::copy(&mut reader, output)
            .and_then(|_| output.flush())
            .map_err(|e| format!("{name}: {}", reason(&e)))
    }

    /// `gzip -l`.
    fn list(&self, files: &[String]) -> i32 {
        println!("         compressed        uncompressed  ratio uncompressed_name");
        let mut code = 0;
        for file in files {
            let counted = File::open(file).and_then(|it| {
                let mut reader = self.packing.reader(BufReader::new(it));
                io::copy(&mut reader, &mut io::sink())
            });
            let packed = fs::metadata(file).map_or(0, |it| it.len());
            match counted {
                Ok(n) => {
                    let ratio = if n == 0 { 0. } else { 100. * (1. - packed as f64 / n as f64) };
                    let name = file.strip_suffix(&self.suffix).unwrap_or(file);
                    println!("{packed:>19} {n:>19} {ratio:>5.1}% {name}");
                }
                Err(e) => {
                    eprintln!("{}: {file}: {}", self.tool(), reason(&e));
                    code = 1;
                }
            }
        }
        code
    }
}
