//! `xxd`.

use std::fs;
use std::io::{self, Read as _, Write as _};

use crate::own::{Call, R, reason};

#[derive(Default)]
struct Options {
    plain: bool,
    reverse: bool,
    bits: bool,
    include: bool,
    little: bool,
    upper: bool,
    columns: Option<usize>,
    group: Option<usize>,
    length: Option<u64>,
    seek: i64,
    name: Option<String>,
    files: Vec<String>,
}

const HELP: &str = "Usage:
       xxd [options] [infile [outfile]]
    or
       xxd -r [-s [-]offset] [-c cols] [-ps] [infile [outfile]]
Options:
    -b          binary digit dump (incompatible with -ps,-i,-r). Default hex.
    -c cols     format <cols> octets per line. Default 16 (-i: 12, -ps: 30).
    -e          little-endian dump (incompatible with -ps,-i,-r).
    -g bytes    number of octets per group in normal output. Default 2 (-e: 4).
    -h          print this summary.
    -i          output in C include file style.
    -l len      stop after <len> octets.
    -n name     set the variable name used in C include output (-i).
    -ps         output in postscript plain hexdump style.
    -r          reverse operation: convert (or patch) hexdump into binary.
    -s [+][-]seek  start at <seek> bytes abs. (or +: rel.) infile offset.
    -u          use upper case hex letters.
";

pub(crate) fn run(call: &Call<'_>) -> R {
    let Some(options) = Options::parse(&call.args) else {
        eprint!("{HELP}");
        return Ok(1);
    };
    let file = options.files.first().filter(|it| *it != "-");
    let mut input = vec![];
    let read = match file {
        Some(file) => fs::read(file).map(|bytes| input = bytes),
        None => match options.length.filter(|_| !options.reverse) {
            Some(length) => {
                let most = length + options.seek.unsigned_abs();
                io::stdin().take(most).read_to_end(&mut input).map(drop)
            }
            None => io::stdin().read_to_end(&mut input).map(drop),
        },
    };
    if let Err(e) = read {
        eprintln!("xxd: {}: {}", file.map_or("-", String::as_str), reason(&e));
        return Ok(2);
    }
    let output =
        if options.reverse { options.reversed(&input) } else { options.dump(&input).into_bytes() };
    match options.files.get(1) {
        Some(file) => fs::write(file, output)?,
        None => io::stdout().write_all(&output)?,
    }
    Ok(0)
}

impl Options {
    /// `None`: how to call it.
    fn parse(args: &[&str]) -> Option<Self> {
        let mut options = Self::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            if *word == "-" || !word.starts_with('-') {
                options.files.push((*word).to_owned());
                continue;
            }
            let word = word.strip_prefix("--").map_or(*word, |_| &word[1..]);
            let mut value = |length: usize| match &word[length..] {
                "" => words.next().map(|it| (*it).to_owned()),
                rest => Some(rest.to_owned()),
            };
            match word {
                "-p" | "-ps" | "-plain" | "-postscript" => options.plain = true,
                "-r" | "-revert" => options.reverse = true,
                "-rp" | "-pr" => (options.reverse, options.plain) = (true, true),
                "-b" | "-bits" => options.bits = true,
                "-i" | "-include" => options.include = true,
                "-e" => options.little = true,
                "-u" | "-upper" => options.upper = true,
                "-a" | "-autoskip" | "-C" | "-E" | "-d" => {}
                _ if word.starts_with("-cols") => options.columns = value(5)?.parse().ok(),
                _ if word.starts_with("-c") => options.columns = value(2)?.parse().ok(),
                _ if word.starts_with("-g") => options.group = value(2)?.parse().ok(),
                _ if word.starts_with("-l") && word.starts_with("-len") => {
                    options.length = super::number(&value(4)?);
                }
                _ if word.starts_with("-l") => options.length = super::number(&value(2)?),
                _ if word.starts_with("-n") => options.name = Some(value(2)?),
                _ if word.starts_with("-s") => {
                    let text = value(if word.starts_with("-seek") { 5 } else { 2 })?;
                    let (sign, digits) = match text.strip_prefix('-') {
                        Some(digits) => (-1, digits),
                        None => (1, text.trim_start_matches('+')),
                    };
                    options.seek = sign * i64::try_from(super::number(digits)?).ok()?;
                }
                _ => return None,
            }
        }
        Some(options)
    }

    fn dump(&self, input: &[u8]) -> String {
        let start = match self.seek {
            back if back < 0 => input.len().saturating_sub(back.unsigned_abs() as usize),
            ahead => (ahead as usize).min(input.len()),
        };
        let most = self.length.map_or(usize::MAX, |it| it as usize);
        let bytes = &input[start..][..most.min(input.len() - start)];
        if self.include {
            return self.included(bytes);
        }
        if self.plain {
            let columns = self.columns.unwrap_or(30).max(1);
            return bytes.chunks(columns).map(|it| self.hex(it) + "\n").collect();
        }
        let columns = self.columns.unwrap_or(if self.bits { 6 } else { 16 }).max(1);
        let rows = bytes.chunks(columns).enumerate();
        rows.map(|(i, row)| self.row(start + i * columns, row, columns)).collect()
    }

    fn hex(&self, bytes: &[u8]) -> String {
        let digit = |c: &u8| if self.upper { format!("{c:02X}") } else { format!("{c:02x}") };
        bytes.iter().map(digit).collect()
    }

    fn row(&self, offset: usize, row: &[u8], columns: usize) -> String {
        let default = if self.bits {
            1
        } else if self.little {
            4
        } else {
            2
        };
        let group = match self.group.unwrap_or(default) {
            0 => columns,
            group => group,
        };
        let digits = if self.bits { 8 } else { 2 };
        let mut cells = String::new();
        for piece in row.chunks(group) {
            if self.little {
                let reversed: Vec<u8> = piece.iter().rev().copied().collect();
                cells.push_str(&" ".repeat((group - piece.len()) * 2));
                cells.push_str(&self.hex(&reversed));
            } else if self.bits {
                piece.iter().for_each(|c| cells.push_str(&format!("{c:08b}")));
            } else {
                cells.push_str(&self.hex(piece));
            }
            cells.push(' ');
        }
        let width = columns * digits + columns.div_ceil(group);
        let text: String = row
            .iter()
            .map(|c| if (b' '..=b'~').contains(c) { char::from(*c) } else { '.' })
            .collect();
        format!("{offset:08x}: {cells:<width$} {text}\n")
    }

    fn included(&self, bytes: &[u8]) -> String {
        let prefix = if self.upper { "0X" } else { "0x" };
        let cells: Vec<String> =
            bytes.iter().map(|c| format!("{prefix}{}", self.hex(&[*c]))).collect();
        let columns = self.columns.unwrap_or(12).max(1);
        let rows: Vec<String> =
            cells.chunks(columns).map(|it| format!("  {}", it.join(", "))).collect();
        let body = rows.join(",\n");
        let name = self.name.as_ref().or(self.files.first().filter(|it| *it != "-"));
        match name {
            None => body + "\n",
            Some(name) => {
                let mut name: String =
                    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
                if name.starts_with(|c: char| c.is_ascii_digit()) {
                    name.insert_str(0, "__");
                }
                let n = bytes.len();
                format!(
                    "unsigned char {name}[] = {{\n{body}\n}};\nunsigned int {name}_len = {n};\n"
                )
            }
        }
    }

    /// The bytes of a dump.
    fn reversed(&self, input: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(input);
        let pairs = |text: &str| -> Vec<u8> {
            let digits: Vec<u32> = text.chars().map_while(|c| c.to_digit(16)).collect();
            digits.chunks_exact(2).map(|it| (it[0] * 16 + it[1]) as u8).collect()
        };
        let mut out = vec![];
        for line in text.lines() {
            if self.plain {
                let bare: String = line.chars().filter(|c| !c.is_whitespace()).collect();
                out.extend(pairs(&bare));
                continue;
            }
            let Some((offset, rest)) = line.split_once(':') else { continue };
            let Ok(offset) = usize::from_str_radix(offset.trim(), 16) else { continue };
            let cells = rest.trim_start().split("  ").next().unwrap_or_default();
            let mut bytes = vec![];
            for group in cells.split(' ').filter(|it| !it.is_empty()) {
                match self.bits {
                    true => bytes.extend(u8::from_str_radix(group, 2).ok()),
                    false => bytes.extend(pairs(group)),
                }
            }
            let offset = (offset as i64 + self.seek).max(0) as usize;
            if out.len() < offset {
                out.resize(offset.min(out.len() + (1 << 30)), 0);
            }
            out.truncate(offset);
            out.extend(bytes);
        }
        out
    }
}
