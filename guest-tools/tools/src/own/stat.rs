//! `stat [-L] [-t] [-c FORMAT | --printf=FORMAT] FILE...`, and `-f` for file systems.

use std::fs::{self, Metadata};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use super::diff::time;
use super::options::{self, Spec};
use super::{Call, R, mode, reason};

const HELP: &str = "Usage: stat [OPTION]... FILE...
Display file or file system status.

  -L, --dereference     follow links
  -f, --file-system     display file system status instead of file status
  -c  --format=FORMAT   use the specified FORMAT instead of the default;
                          output a newline after each use of FORMAT
      --printf=FORMAT   like --format, but interpret backslash escapes,
                          and do not output a mandatory trailing newline
  -t, --terse           print the information in terse form
      --help            display this help and exit
";

const SPEC: Spec = Spec {
    flags: "Lft",
    values: "c",
    attached: "",
    longs: &[
        ("dereference", 'L'),
        ("file-system", 'f'),
        ("format", 'c'),
        ("printf=", 'P'),
        ("terse", 't'),
        ("cached=", 'C'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: false,
};

const DEFAULT: &str = "  File: %Q\n  Size: %-10s\tBlocks: %-10b IO Block: %-6o %F\nDevice: %Hd,%Ld\tInode: %-11i Links: %h\nAccess: (%04a/%10.10A)  Uid: (%5u/%8U)   Gid: (%5g/%8G)\nAccess: %x\nModify: %y\nChange: %z\n Birth: %w\n";
const TERSE: &str = "%n %s %b %f %u %g %D %i %h %t %T %X %Y %Z %W %o\n";
const SYSTEM: &str = "  File: \"%n\"\n    ID: 0        Namelen: 255     Type: tmpfs\nBlock size: 4096       Fundamental block size: 4096\n";

pub(crate) fn run(call: &Call<'_>) -> R {
    let Some(parsed) = options::or_usage(call, &SPEC, HELP) else { return Ok(1) };
    if parsed.has('h') {
        return Ok(0);
    }
    if parsed.operands.is_empty() {
        eprintln!("stat: missing operand\nTry 'stat --help' for more information.");
        return Ok(1);
    }
    let format = match (parsed.value('P'), parsed.value('c')) {
        (Some(format), _) => super::unescape(format),
        (None, Some(format)) => format.to_owned() + "\n",
        _ if parsed.has('f') => SYSTEM.to_owned(),
        _ if parsed.has('t') => TERSE.to_owned(),
        _ => DEFAULT.to_owned(),
    };
    let mut code = 0;
    for file in &parsed.operands {
        match File::look_up(file, parsed.has('L')) {
            Ok(found) if parsed.has('f') => print!("{}", fill(&format, |c, _| found.system(c))),
            Ok(found) => print!("{}", fill(&format, |c, high| found.field(c, high))),
            Err(e) => {
                eprintln!("stat: cannot statx '{file}': {}", reason(&e));
                code = 1;
            }
        }
    }
    Ok(code)
}

struct File<'a> {
    name: &'a str,
    metadata: Metadata,
    mode: u32,
    links: u64,
    inode: u64,
}

impl<'a> File<'a> {
    fn look_up(name: &'a str, follow: bool) -> std::io::Result<Self> {
        let path = Path::new(name);
        let metadata = if follow { fs::metadata(path) } else { fs::symlink_metadata(path) }?;
        let (mode, ..) = playpen_sys::stat(path, follow)?;
        let (links, inode) = playpen_sys::links(path, follow)?;
        Ok(Self { name, metadata, mode, links, inode })
    }

    fn field(&self, letter: char, modifier: char) -> Option<String> {
        let modified = || self.metadata.modified().unwrap_or(UNIX_EPOCH);
        let accessed = || self.metadata.accessed().unwrap_or(UNIX_EPOCH);
        let seconds = |time: SystemTime| {
            time.duration_since(UNIX_EPOCH).map_or(0, |it| it.as_secs()).to_string()
        };
        let size = self.metadata.len();
        let (kind, first) = mode::kind(self.mode, size);
        Some(match letter {
            'n' => self.name.to_owned(),
            'N' => self.quoted(true),
            // Ours, for the format without `-c`: quoted where the shell needs it.
            'Q' => self.quoted(false),
            's' => size.to_string(),
            'b' if self.metadata.is_file() => (size.div_ceil(4096) * 8).to_string(),
            'b' => "0".into(),
            'B' => "512".into(),
            'o' => "4096".into(),
            'F' => kind.into(),
            'a' => format!("{:o}", self.mode & 0o7777),
            'A' => format!("{first}{}", mode::letters(self.mode)),
            'f' => format!("{:x}", self.mode),
            'u' | 'g' => "0".into(),
            'U' | 'G' => "root".into(),
            'h' => self.links.to_string(),
            'i' => self.inode.to_string(),
            'd' if modifier == 'H' => "0".into(),
            'd' => "1".into(),
            'D' => "1".into(),
            't' | 'T' => "0".into(),
            'm' => "/".into(),
            'X' => seconds(accessed()),
            'Y' | 'Z' => seconds(modified()),
            'W' => "0".into(),
            'x' => time(accessed()),
            'y' | 'z' => time(modified()),
            'w' => "-".into(),
            'C' => "?".into(),
            _ => return None,
        })
    }

    fn system(&self, letter: char) -> Option<String> {
        Some(match letter {
            'n' => self.name.to_owned(),
            'T' => "tmpfs".into(),
            's' | 'S' => "4096".into(),
            'l' => "255".into(),
            'a' | 'b' | 'c' | 'd' | 'f' | 'i' => "0".into(),
            't' => "1021994".into(),
            _ => return None,
        })
    }

    fn quoted(&self, always: bool) -> String {
        let quoted = |text: &str| {
            let is_plain = |c: char| c.is_alphanumeric() || "-_./+,:@%".contains(c);
            match !always && text.chars().all(is_plain) {
                true => text.to_owned(),
                false => format!("'{text}'"),
            }
        };
        match fs::read_link(self.name) {
            Ok(target) if self.metadata.is_symlink() => {
                format!("{} -> {}", quoted(self.name), quoted(&target.to_string_lossy()))
            }
            _ => quoted(self.name),
        }
    }
}

/// A format with its fields filled in: `%` flags width precision, `H` or `L`, and a letter.
fn fill(format: &str, field: impl Fn(char, char) -> Option<String>) -> String {
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        while let Some(c) = rest.next_if(|c| "-+ #0.123456789".contains(*c)) {
            spec.push(c);
        }
        let modifier = rest.next_if(|c| matches!(c, 'H' | 'L')).unwrap_or(' ');
        match rest.next() {
            Some('%') => out.push('%'),
            Some(letter) => match field(letter, modifier) {
                Some(value) => out.push_str(&padded(&value, &spec)),
                None => out.push_str(&format!("%{spec}{letter}").replace("% ", "%")),
            },
            None => out.push('%'),
        }
    }
    out
}

fn padded(value: &str, spec: &str) -> String {
    let flags: String = spec.chars().take_while(|c| "-+ #0".contains(*c)).collect();
    let (width, precision) =
        spec[flags.len()..].split_once('.').unwrap_or((&spec[flags.len()..], ""));
    let cut = precision.parse().unwrap_or(usize::MAX);
    let value: String = value.chars().take(cut).collect();
    let width = width.parse().unwrap_or(0);
    if flags.contains('-') {
        format!("{value:<width$}")
    } else if flags.contains('0') {
        format!("{value:0>width$}")
    } else {
        format!("{value:>width$}")
    }
}
