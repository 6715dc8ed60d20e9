//! `column`, `strings`, `rev`, and `less` and `more`, which nobody pages through here.

use std::fs::File;
use std::io::{self, Read, Write};

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};

const COLUMN: Spec = Spec {
    flags: "txenJhVLrdm",
    values: "csoNRHTWElOp",
    attached: "",
    longs: &[
        ("table", 't'),
        ("separator", 's'),
        ("output-separator", 'o'),
        ("table-columns", 'N'),
        ("table-right", 'R'),
        ("table-hide", 'H'),
        ("table-name", 'n'),
        ("output-width", 'c'),
        ("columns", 'c'),
        ("fillrows", 'x'),
        ("json", 'J'),
        ("table-noheadings", 'd'),
        ("table-columns-limit", 'l'),
        ("keep-empty-lines", 'L'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: false,
};

/// Everything that the files hold; whether one could not be read.
fn read(tool: &str, files: &[String]) -> (Vec<u8>, bool) {
    let here = ["-".to_owned()];
    let files = if files.is_empty() { &here[..] } else { files };
    let (mut all, mut failed) = (vec![], false);
    for file in files {
        let read = match file.as_str() {
            "-" => io::stdin().read_to_end(&mut all),
            name => File::open(name).and_then(|mut it| it.read_to_end(&mut all)),
        };
        if let Err(e) = read {
            eprintln!("{tool}: {file}: {}", reason(&e));
            failed = true;
        }
    }
    (all, failed)
}

pub(crate) fn column(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &COLUMN) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("column: {e}\nTry 'column --help' for more information.");
            return Ok(1);
        }
    };
    if parsed.has('h') {
        println!(
            "Usage:\n column [options] [<file>...]\n\nColumnate lists.\n\nOptions:\n -t, --table                  create a table\n -N, --table-columns <names>  comma separated columns names\n -R, --table-right <columns>  right align text in these columns\n -o, --output-separator <string>  columns separator for table output (default is two spaces)\n -s, --separator <string>     possible table delimiters\n -c, --output-width <width>   width of output in number of characters\n -x, --fillrows               fill rows before columns"
        );
        return Ok(0);
    }
    let (bytes, failed) = read("column", &parsed.operands);
    let text = String::from_utf8_lossy(&bytes);
    let lines: Vec<&str> = text.lines().filter(|it| !it.trim().is_empty()).collect();
    let out = if parsed.has('t') || parsed.has('J') {
        table(&lines, &parsed)
    } else {
        fill(&lines, &parsed)
    };
    print!("{out}");
    Ok(i32::from(failed))
}

fn table(lines: &[&str], parsed: &Parsed) -> String {
    let mut rows: Vec<Vec<String>> = lines
        .iter()
        .map(|line| match parsed.value('s') {
            Some(separators) => line.split(|c| separators.contains(c)).map(str::to_owned).collect(),
            None => line.split_whitespace().map(str::to_owned).collect(),
        })
        .collect();
    let names: Vec<String> =
        parsed.value('N').map_or(vec![], |it| it.split(',').map(str::to_owned).collect());
    if !names.is_empty() && !parsed.has('d') {
        rows.insert(0, names.clone());
    }
    let n_columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let right: Vec<bool> = (0..n_columns)
        .map(|i| {
            let wanted = parsed.value('R').unwrap_or("");
            wanted
                .split(',')
                .any(|it| it == (i + 1).to_string() || names.get(i).is_some_and(|n| n == it))
        })
        .collect();
    let widths: Vec<usize> = (0..n_columns)
        .map(|i| {
            rows.iter().filter_map(|row| row.get(i)).map(|it| it.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let separator = parsed.value('o').unwrap_or("  ");
    let mut out = String::new();
    for row in &rows {
        for i in 0..n_columns {
            let cell = row.get(i).map_or("", String::as_str);
            let fill = " ".repeat(widths[i] - cell.chars().count());
            let is_last = i + 1 == n_columns;
            // Behind the last cell nothing is filled, and nothing behind what is missing.
            let (before, behind) = match right[i] {
                true => (fill.as_str(), ""),
                false => ("", if is_last { "" } else { fill.as_str() }),
            };
            out.push_str(before);
            out.push_str(cell);
            out.push_str(behind);
            if !is_last {
                out.push_str(separator);
            }
        }
        let trimmed = out.trim_end_matches(' ').len();
        if row.len() < n_columns && separator.trim().is_empty() {
            // Rows that are shorter keep their padding.
            let _ = trimmed;
        }
        out.push('\n');
    }
    out
}

fn fill(lines: &[&str], parsed: &Parsed) -> String {
    let width: usize = parsed
        .value('c')
        .and_then(|it| it.parse().ok())
        .or_else(|| std::env::var("COLUMNS").ok()?.parse().ok())
        .unwrap_or(80);
    let longest = lines.iter().map(|it| it.chars().count()).max().unwrap_or(0);
    let cell = (longest + 8) & !7;
    if longest >= width || lines.is_empty() {
        return lines.iter().map(|it| format!("{it}\n")).collect();
    }
    let n_columns = (width / cell.max(1)).max(1);
    let n_rows = lines.len().div_ceil(n_columns);
    let mut out = String::new();
    let rows = if parsed.has('x') { lines.len().div_ceil(n_columns) } else { n_rows };
    for row in 0..rows {
        let indexes: Vec<usize> = if parsed.has('x') {
            (row * n_columns..((row + 1) * n_columns).min(lines.len())).collect()
        } else {
            (0..).map(|i| row + i * n_rows).take_while(|i| *i < lines.len()).collect()
        };
        for (i, index) in indexes.iter().enumerate() {
            let text = lines[*index];
            out.push_str(text);
            if i + 1 < indexes.len() {
                let mut column = text.chars().count();
                while column < cell {
                    out.push('\t');
                    column = (column + 8) & !7;
                }
            }
        }
        out.push('\n');
    }
    out
}

const STRINGS: Spec = Spec {
    flags: "afdhwV",
    values: "ntes",
    attached: "",
    longs: &[
        ("all", 'a'),
        ("bytes", 'n'),
        ("radix", 't'),
        ("print-file-name", 'f'),
        ("encoding", 'e'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: false,
};

pub(crate) fn strings(call: &Call<'_>) -> R {
    // `-8` is `-n 8`.
    let args: Vec<String> = call
        .args
        .iter()
        .map(|it| match it.strip_prefix('-') {
            Some(n) if !n.is_empty() && n.chars().all(|c| c.is_ascii_digit()) => format!("-n{n}"),
            _ => (*it).to_owned(),
        })
        .collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let parsed = options::parse(&args, &STRINGS)?;
    if parsed.has('h') {
        println!(
            "Usage: strings [option(s)] [file(s)]\n Display printable strings in [file(s)] (stdin by default)\n  -a  scan the entire file\n  -n <number>  minimum length (default 4)\n  -t {{o,d,x}}  print the location of the string in base 8, 10 or 16\n  -f  print the name of the file before each string"
        );
        return Ok(0);
    }
    let least: usize = parsed.value('n').and_then(|it| it.parse().ok()).unwrap_or(4);
    let files =
        if parsed.operands.is_empty() { vec!["-".to_owned()] } else { parsed.operands.clone() };
    let (mut out, mut code) = (io::stdout().lock(), 0);
    for file in files {
        let (bytes, failed) = read("strings", std::slice::from_ref(&file));
        code |= i32::from(failed);
        let mut at = 0;
        for run in bytes.split(|c| !matches!(c, b'\t' | b' '..=b'~')) {
            if run.len() >= least {
                if parsed.has('f') {
                    write!(out, "{file}: ")?;
                }
                match parsed.value('t') {
                    Some("d") => write!(out, "{at:>7} ")?,
                    Some("x") => write!(out, "{at:>7x} ")?,
                    Some("o") => write!(out, "{at:>7o} ")?,
                    _ => {}
                }
                out.write_all(run)?;
                out.write_all(b"\n")?;
            }
            at += run.len() + 1;
        }
    }
    Ok(code)
}

pub(crate) fn rev(call: &Call<'_>) -> R {
    let files: Vec<String> = call
        .args
        .iter()
        .filter(|it| **it == "-" || !it.starts_with('-'))
        .map(|it| (*it).to_owned())
        .collect();
    let (bytes, failed) = read("rev", &files);
    let mut out = io::stdout().lock();
    for line in bytes.split_inclusive(|c| *c == b'\n') {
        let (text, end) = line.strip_suffix(b"\n").map_or((line, &b""[..]), |it| (it, &b"\n"[..]));
        match (super::text_encoding(), std::str::from_utf8(text)) {
            (true, Ok(text)) => write!(out, "{}", text.chars().rev().collect::<String>())?,
            _ => out.write_all(&text.iter().rev().copied().collect::<Vec<u8>>())?,
        }
        out.write_all(end)?;
    }
    Ok(i32::from(failed))
}

/// `less` and `more`: the files as they are; options are about a terminal.
pub(crate) fn pager(call: &Call<'_>) -> R {
    let is_file = |it: &&&str| **it == "-" || !it.starts_with(['-', '+']);
    let files: Vec<String> =
        call.args.iter().filter(|it| is_file(it)).map(|it| (*it).to_owned()).collect();
    let here = ["-".to_owned()];
    let files = if files.is_empty() { &here[..] } else { &files };
    let mut out = io::stdout().lock();
    for file in files {
        let copied = match file.as_str() {
            "-" => io::copy(&mut io::stdin(), &mut out),
            name => File::open(name).and_then(|mut it| io::copy(&mut it, &mut out)),
        };
        if let Err(e) = copied {
            // As less has it: told on stdout's side, and no failure.
            eprintln!("{file}: {}", reason(&e));
            return Ok(i32::from(call.name == "more"));
        }
    }
    Ok(0)
}
