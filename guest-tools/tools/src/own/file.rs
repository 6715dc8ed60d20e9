//! `file [-b] [-i] [-L] [--mime-type] FILE...`: by content, for what agents meet; texts are told in detail.

use std::fs::{self, File};
use std::io::{self, Read};

use super::options::{self, Parsed, Spec};
use super::{Call, R};

const SPEC: Spec = Spec {
    flags: "biLhkz0EINsv",
    values: "Ffm",
    attached: "",
    longs: &[
        ("brief", 'b'),
        ("mime", 'i'),
        ("mime-type", 't'),
        ("mime-encoding", 'e'),
        ("dereference", 'L'),
        ("no-dereference", 'h'),
        ("separator", 'F'),
        ("files-from", 'f'),
        ("help", '?'),
        ("version", 'v'),
    ],
    stops: false,
};
/// How much of a file is looked at.
const MOST: u64 = 1 << 20;

/// First bytes, what they are, and their MIME type.
const MAGIC: &[(&[u8], &str, &str)] = &[
    (b"\x7fELF", "ELF", "application/x-executable"),
    (b"\x1f\x8b", "gzip compressed data", "application/gzip"),
    (b"BZh", "bzip2 compressed data", "application/x-bzip2"),
    (b"\xfd7zXZ\0", "XZ compressed data", "application/x-xz"),
    (b"\x28\xb5\x2f\xfd", "Zstandard compressed data", "application/zstd"),
    (b"7z\xbc\xaf\x27\x1c", "7-zip archive data", "application/x-7z-compressed"),
    (b"PK\x03\x04", "Zip archive data, at least v2.0 to extract", "application/zip"),
    (b"PK\x05\x06", "Zip archive data (empty)", "application/zip"),
    (b"GIF8", "GIF image data", "image/gif"),
    (b"\xff\xd8\xff", "JPEG image data", "image/jpeg"),
    (b"BM", "PC bitmap", "image/bmp"),
    (b"%PDF-", "PDF document", "application/pdf"),
    (b"\0asm", "WebAssembly (wasm) binary module", "application/wasm"),
    (b"SQLite format 3\0", "SQLite 3.x database", "application/vnd.sqlite3"),
    (b"OggS", "Ogg data", "application/ogg"),
    (b"\x00\x00\x01\x00", "MS Windows icon resource", "image/vnd.microsoft.icon"),
    (b"wOFF", "Web Open Font Format", "font/woff"),
    (b"wOF2", "Web Open Font Format (Version 2)", "font/woff2"),
    (b"\xca\xfe\xba\xbe", "compiled Java class data", "application/x-java-applet"),
    (b"!<arch>\n", "current ar archive", "application/x-archive"),
];

/// What a file is.
struct Kind {
    text: String,
    mime: String,
    encoding: &'static str,
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("file: {e}");
            return Ok(1);
        }
    };
    if parsed.has('?') || parsed.operands.is_empty() && parsed.value('f').is_none() {
        println!(
            "Usage: file [OPTION...] [FILE...]\nDetermine type of FILEs.\n\n  -b, --brief        do not prepend filenames to output lines\n  -i, --mime         output MIME type strings\n      --mime-type    output the MIME type\n      --mime-encoding  output the MIME encoding\n  -L, --dereference  follow symlinks"
        );
        return Ok(i32::from(!parsed.has('?')));
    }
    let mut files = parsed.operands.clone();
    if let Some(list) = parsed.value('f') {
        files.extend(fs::read_to_string(list)?.lines().map(str::to_owned));
    }
    let widest = files.iter().map(|it| it.chars().count()).max().unwrap_or(0);
    let separator = parsed.value('F').unwrap_or(":");
    for file in &files {
        let shown = shown(&look(file, &parsed), &parsed);
        if parsed.has('b') {
            println!("{shown}");
        } else {
            let fill = " ".repeat(widest - file.chars().count());
            println!("{file}{separator} {fill}{shown}");
        }
    }
    Ok(0)
}

fn shown(kind: &Kind, parsed: &Parsed) -> String {
    match () {
        () if parsed.has('i') => format!("{}; charset={}", kind.mime, kind.encoding),
        () if parsed.has('t') => kind.mime.clone(),
        () if parsed.has('e') => kind.encoding.to_owned(),
        () => kind.text.clone(),
    }
}

fn kind(text: impl Into<String>, mime: &str, encoding: &'static str) -> Kind {
    Kind { text: text.into(), mime: mime.to_owned(), encoding }
}

fn look(file: &str, parsed: &Parsed) -> Kind {
    if file == "-" {
        let mut bytes = vec![];
        let _ = io::stdin().take(MOST).read_to_end(&mut bytes);
        return of(&bytes);
    }
    let metadata = match parsed.has('L') {
        true => fs::metadata(file),
        false => fs::symlink_metadata(file),
    };
    let metadata = match metadata {
        Ok(metadata) => metadata,
        Err(e) => {
            let text = format!("cannot open `{file}' ({})", super::reason(&e));
            return kind(text, "cannot open", "binary");
        }
    };
    if metadata.is_symlink() {
        let target = fs::read_link(file).map_or(String::new(), |it| it.display().to_string());
        let word = if fs::metadata(file).is_ok() { "symbolic" } else { "broken symbolic" };
        return kind(format!("{word} link to {target}"), "inode/symlink", "binary");
    }
    if metadata.is_dir() {
        return kind("directory", "inode/directory", "binary");
    }
    if !metadata.is_file() {
        return kind("character special", "inode/chardevice", "binary");
    }
    let mut bytes = vec![];
    match File::open(file).and_then(|it| it.take(MOST).read_to_end(&mut bytes)) {
        Ok(_) => of(&bytes),
        Err(e) => {
            kind(format!("cannot open `{file}' ({})", super::reason(&e)), "cannot open", "binary")
        }
    }
}

fn of(bytes: &[u8]) -> Kind {
    if bytes.is_empty() {
        return kind("empty", "inode/x-empty", "binary");
    }
    if let Some(found) = image(bytes).or_else(|| packed(bytes)) {
        return found;
    }
    if let Some((_, text, mime)) = MAGIC.iter().find(|(magic, ..)| bytes.starts_with(magic)) {
        return kind(*text, mime, "binary");
    }
    match encoding(bytes) {
        Some((name, charset)) => of_text(bytes, name, charset),
        None => kind("data", "application/octet-stream", "binary"),
    }
}

fn image(bytes: &[u8]) -> Option<Kind> {
    let header = bytes.get(..29)?;
    if !header.starts_with(b"\x89PNG\r\n\x1a\n") {
        return None;
    }
    let number = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let color = match header[25] {
        0 => "grayscale",
        2 => "RGB",
        3 => "colormap",
        4 => "gray+alpha",
        _ => "RGBA",
    };
    let depth = if header[25] == 3 {
        format!("{}-bit {color}", header[24])
    } else {
        format!("{}-bit/color {color}", header[24])
    };
    let interlaced = if header[28] == 0 { "non-interlaced" } else { "interlaced" };
    let text = format!("PNG image data, {} x {}, {depth}, {interlaced}", number(16), number(20));
    Some(kind(text, "image/png", "binary"))
}

fn packed(bytes: &[u8]) -> Option<Kind> {
    if bytes.get(257..262) == Some(b"ustar") {
        let gnu = bytes.get(262) == Some(&b' ');
        let text = if gnu { "POSIX tar archive (GNU)" } else { "POSIX tar archive" };
        return Some(kind(text, "application/x-tar", "binary"));
    }
    (bytes.len() > 16 && &bytes[4..8] == b"ftyp")
        .then(|| kind("ISO Media, MP4", "video/mp4", "binary"))
}

/// How a text is encoded; `None` if it is none.
fn encoding(bytes: &[u8]) -> Option<(&'static str, &'static str)> {
    let is_text = |c: &u8| matches!(c, 7..=13 | 27 | b' '..=b'~' | 0x80..);
    if let [0xff, 0xfe, ..] = bytes {
        return Some(("Unicode text, UTF-16, little-endian", "utf-16le"));
    }
    if !bytes.iter().all(is_text) {
        return None;
    }
    if bytes.is_ascii() {
        return Some(("ASCII", "us-ascii"));
    }
    if let Some(rest) = bytes.strip_prefix(b"\xef\xbb\xbf") {
        let _ = rest;
        return Some(("Unicode text, UTF-8 (with BOM)", "utf-8"));
    }
    // A character may be cut at the end of what was read.
    let is_utf8 = match std::str::from_utf8(bytes) {
        Ok(_) => true,
        Err(e) => e.error_len().is_none(),
    };
    Some(if is_utf8 {
        ("Unicode text, UTF-8", "utf-8")
    } else if bytes.iter().any(|c| (0x80..0xa0).contains(c)) {
        ("Non-ISO extended-ASCII", "unknown-8bit")
    } else {
        ("ISO-8859", "iso-8859-1")
    })
}

fn of_text(bytes: &[u8], name: &str, charset: &'static str) -> Kind {
    let text = String::from_utf8_lossy(bytes);
    let (language, mime) = language(&text);
    let tail = details(bytes, &text);
    let text = match language {
        Some("JSON text data") => "JSON text data".to_owned(),
        Some(language) if language.ends_with("executable") => {
            format!("{language}, {name} text executable{tail}")
        }
        Some(language) => format!("{language}, {name} text{tail}"),
        None => format!("{name} text{tail}"),
    };
    let text = text.replace(" script executable, ", " script, ");
    kind(text, mime, charset)
}

/// What is said about lines.
fn details(bytes: &[u8], text: &str) -> String {
    let n_crlf = text.matches("\r\n").count();
    let n_lf = text.matches('\n').count() - n_crlf;
    let mut tail = String::new();
    if text.split('\n').any(|line| line.len() > 300) {
        let longest = text.split('\n').map(str::len).max().unwrap_or(0);
        tail.push_str(&format!(", with very long lines ({longest})"));
    }
    match (n_crlf, n_lf) {
        (0, 0) => tail.push_str(", with no line terminators"),
        (0, _) => {}
        (_, 0) => tail.push_str(", with CRLF line terminators"),
        _ => tail.push_str(", with CRLF, LF line terminators"),
    }
    if bytes.contains(&27) {
        tail.push_str(", with escape sequences");
    }
    tail
}

fn language(text: &str) -> (Option<&'static str>, &'static str) {
    let first = text.lines().next().unwrap_or_default();
    if let Some(program) = first.strip_prefix("#!") {
        let words: Vec<&str> = program.split_whitespace().collect();
        let base = |it: &&str| it.rsplit('/').next().unwrap_or(it).to_owned();
        let name = match words.as_slice() {
            [env, rest @ ..] if base(env) == "env" => {
                rest.iter().find(|it| !it.starts_with('-')).map(base)
            }
            [program, ..] => Some(base(program)),
            [] => None,
        };
        return match name.as_deref() {
            Some("bash") => (Some("Bourne-Again shell script executable"), "text/x-shellscript"),
            Some("sh" | "dash") => (Some("POSIX shell script executable"), "text/x-shellscript"),
            Some(python) if python.starts_with("python") => {
                (Some("Python script executable"), "text/x-script.python")
            }
            Some("perl") => (Some("Perl script executable"), "text/x-perl"),
            Some("node") => (Some("Node.js script executable"), "application/javascript"),
            _ => (Some("a script executable"), "text/plain"),
        };
    }
    let start = text.trim_start();
    if start.starts_with("<?xml") {
        return (Some("XML 1.0 document"), "text/xml");
    }
    let lower = start.get(..200).unwrap_or(start).to_lowercase();
    if lower.starts_with("<!doctype html") || lower.starts_with("<html") {
        return (Some("HTML document"), "text/html");
    }
    if (start.starts_with('{') || start.starts_with('['))
        && serde_json::from_str::<serde_json::Value>(text).is_ok()
    {
        return (Some("JSON text data"), "application/json");
    }
    let line = |test: &dyn Fn(&str) -> bool| text.lines().take(200).any(test);
    let is_python = line(&|it| {
        (it.starts_with("def ") || it.trim_start().starts_with("def ") || it.starts_with("class "))
            && it.trim_end().ends_with(':')
    }) || line(&|it| it.starts_with("from ") && it.contains(" import "));
    if is_python {
        return (Some("Python script executable"), "text/x-script.python");
    }
    if line(&|it| it.starts_with("#include ")) {
        return (Some("C source"), "text/x-c");
    }
    if text.starts_with("diff ") || text.starts_with("--- ") && text.contains("\n+++ ") {
        return (Some("unified diff output"), "text/x-diff");
    }
    (None, "text/plain")
}
