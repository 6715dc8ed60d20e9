//! `hexdump`, `hd` and `xxd`.

mod format;
mod xxd;

use std::fs::File;
use std::io::{self, Read};

use super::options::{self, Spec};
use super::{Call, R, reason};

pub(crate) use xxd::run as xxd;

const SPEC: Spec = Spec {
    flags: "CbcdoxvhV",
    values: "nsef",
    attached: "",
    longs: &[
        ("canonical", 'C'),
        ("one-byte-octal", 'b'),
        ("one-byte-char", 'c'),
        ("two-bytes-decimal", 'd'),
        ("two-bytes-octal", 'o'),
        ("two-bytes-hex", 'x'),
        ("no-squeezing", 'v'),
        ("length", 'n'),
        ("skip", 's'),
        ("format", 'e'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: false,
};

const HELP: &str = "Usage:\n hexdump [options] <file>...\n\nOptions:\n -b  one-byte octal display\n -c  one-byte character display\n -C  canonical hex+ASCII display\n -d  two-byte decimal display\n -o  two-byte octal display\n -x  two-byte hexadecimal display\n -e <format>  format string to be used for displaying data\n -n <length>  interpret only length bytes of input\n -s <offset>  skip offset bytes from the beginning\n -v  output identical lines";

pub(crate) fn run(call: &Call<'_>) -> R {
    let Some(parsed) = options::or_usage(call, &SPEC, HELP) else { return Ok(1) };
    if parsed.has('h') {
        return Ok(0);
    }
    let number =
        |letter| parsed.value(letter).map(|it| number(it).ok_or(format!("bad number `{it}`")));
    let skip = number('s').transpose()?.unwrap_or(0);
    let length = number('n').transpose()?;
    let (bytes, failed) = read(call.name, &parsed.operands, skip, length);
    let shown = match parsed.value('e') {
        Some(text) => format::with(text, &bytes)?,
        None => {
            let kind = parsed.options.iter().rev().find(|(it, _)| "bcdoxC".contains(*it));
            let default = if call.name == "hd" { 'C' } else { 'w' };
            dump(&bytes, skip, kind.map_or(default, |(it, _)| *it), parsed.has('v'))
        }
    };
    print!("{shown}");
    Ok(i32::from(failed))
}

/// `10`, `0x10`, `1k`.
fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => options::size(text),
    }
}

/// All inputs, one behind the other; whether one could not be read.
fn read(tool: &str, files: &[String], skip: u64, length: Option<u64>) -> (Vec<u8>, bool) {
    let here = ["-".to_owned()];
    let files = if files.is_empty() { &here[..] } else { files };
    let (mut bytes, mut failed) = (vec![], false);
    let most = length.map_or(u64::MAX, |it| it.saturating_add(skip));
    for file in files {
        let left = most.saturating_sub(bytes.len() as u64);
        let read = match file.as_str() {
            "-" => io::stdin().take(left).read_to_end(&mut bytes),
            name => File::open(name).and_then(|it| it.take(left).read_to_end(&mut bytes)),
        };
        if let Err(e) = read {
            eprintln!("{tool}: {file}: {}", reason(&e));
            failed = true;
        }
    }
    bytes.drain(..(skip as usize).min(bytes.len()));
    (bytes, failed)
}

fn dump(bytes: &[u8], start: u64, kind: char, shows_all: bool) -> String {
    let (mut out, mut last, mut squeezed) = (String::new(), None, false);
    for (i, row) in bytes.chunks(16).enumerate() {
        if !shows_all && last == Some(row) {
            if !squeezed {
                out.push_str("*\n");
                squeezed = true;
            }
            continue;
        }
        (last, squeezed) = (Some(row), false);
        line(&mut out, start + i as u64 * 16, row, kind);
    }
    if !bytes.is_empty() {
        let end = start + bytes.len() as u64;
        out.push_str(&if kind == 'C' { format!("{end:08x}\n") } else { format!("{end:07x}\n") });
    }
    out
}

fn line(out: &mut String, offset: u64, row: &[u8], kind: char) {
    let word = |pair: &[u8]| u16::from_le_bytes([pair[0], pair.get(1).copied().unwrap_or(0)]);
    let words = |show: &dyn Fn(u16) -> String, width: usize| {
        let cells: String = row.chunks(2).map(|it| show(word(it))).collect();
        format!("{cells:<width$}")
    };
    let bytes = |show: &dyn Fn(u8) -> String, width: usize| {
        let cells: String = row.iter().map(|it| show(*it)).collect();
        format!("{cells:<width$}")
    };
    match kind {
        'C' => {
            let (left, right) = row.split_at(row.len().min(8));
            let hex = |half: &[u8]| half.iter().map(|c| format!("{c:02x} ")).collect::<String>();
            let text: String = row
                .iter()
                .map(|c| if (b' '..=b'~').contains(c) { char::from(*c) } else { '.' })
                .collect();
            let cells = format!("{:<24} {:<24}", hex(left), hex(right));
            out.push_str(&format!("{offset:08x}  {cells} |{text}|\n"));
            return;
        }
        'w' => {
            let cells = words(&|it| format!(" {it:04x}"), 40);
            out.push_str(&format!("{offset:07x}{cells}\n").replace(" \n", " \n"));
        }
        'x' => out.push_str(&format!("{offset:07x}{}\n", words(&|it| format!("    {it:04x}"), 64))),
        'd' => out.push_str(&format!("{offset:07x}{}\n", words(&|it| format!("   {it:05}"), 64))),
        'o' => out.push_str(&format!("{offset:07x}{}\n", words(&|it| format!("  {it:06o}"), 64))),
        'b' => out.push_str(&format!("{offset:07x}{}\n", bytes(&|it| format!(" {it:03o}"), 64))),
        _ => out.push_str(&format!("{offset:07x}{}\n", bytes(&character, 64))),
    }
}

/// A byte as `-c` shows it.
fn character(byte: u8) -> String {
    let escape = match byte {
        0 => "\\0",
        7 => "\\a",
        8 => "\\b",
        9 => "\\t",
        10 => "\\n",
        11 => "\\v",
        12 => "\\f",
        13 => "\\r",
        b' '..=b'~' => return format!("   {}", char::from(byte)),
        other => return format!(" {other:03o}"),
    };
    format!("  {escape}")
}
