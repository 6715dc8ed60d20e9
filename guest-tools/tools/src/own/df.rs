//! `df [-h] [-T] [-i] [-k|-m|-B SIZE] [FILE]...`: what a command may write and what it has written, as the
//! sandbox counts it. There is one file system; what was there before counts nothing.

use super::options::{self, Spec};
use super::{Call, R, reason};

const SPEC: Spec = Spec {
    flags: "ahHiklPTm",
    values: "Btx",
    attached: "",
    longs: &[
        ("human-readable", 'h'),
        ("si", 'H'),
        ("inodes", 'i'),
        ("print-type", 'T'),
        ("portability", 'P'),
        ("all", 'a'),
        ("local", 'l'),
        ("block-size", 'B'),
        ("output?", 'o'),
        ("total", 'c'),
        ("help", '?'),
    ],
    stops: false,
};

const HELP: &str = "Usage: df [OPTION]... [FILE]...
Show how much the command may write, and how much it has written.

  -h  print sizes in powers of 1024
  -m  print sizes in MiB
  -B SIZE  print sizes in units of SIZE
  -T  print file system type
  -i  list numbers of files";

/// A limit and what is used of it.
struct Usage {
    limit: u64,
    used: u64,
}

impl Usage {
    fn free(&self) -> u64 {
        self.limit.saturating_sub(self.used)
    }

    fn percent(&self) -> String {
        let percent = (self.used as f64 * 100. / self.limit.max(1) as f64).ceil();
        format!("{percent}%")
    }
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let Some(parsed) = options::or_usage(call, &SPEC, HELP) else { return Ok(1) };
    if parsed.has('?') {
        return Ok(0);
    }
    for file in &parsed.operands {
        if let Err(e) = std::fs::metadata(file) {
            eprintln!("df: {file}: {}", reason(&e));
            return Ok(1);
        }
    }
    let text = std::fs::read_to_string("/proc/self/disk")?;
    let (bytes, files) = (usage(&text, "bytes")?, usage(&text, "files")?);
    let unit =
        if parsed.has('m') { Some(1 << 20) } else { parsed.value('B').and_then(options::size) };
    let blocks = |n: u64| n.div_ceil(unit.unwrap_or(1024)).to_string();
    let is_human = parsed.has('h') || parsed.has('H');
    let heads = if parsed.has('i') {
        ["Inodes", "IUsed", "IFree", "IUse%"]
    } else if is_human {
        ["Size", "Used", "Avail", "Use%"]
    } else {
        [if unit.is_some() { "Blocks" } else { "1K-blocks" }, "Used", "Available", "Use%"]
    };
    let cells = if parsed.has('i') {
        [files.limit.to_string(), files.used.to_string(), files.free().to_string(), files.percent()]
    } else {
        let show = |n: u64| if is_human { options::human(n) } else { blocks(n) };
        [show(bytes.limit), show(bytes.used), show(bytes.free()), bytes.percent()]
    };
    let kind = |text: &str| if parsed.has('T') { format!("{text:<6}") } else { String::new() };
    println!(
        "{}",
        row("Filesystem", &kind("Type"), &heads.map(str::to_owned), &cells, "Mounted on")
    );
    println!("{}", row("playpen", &kind("tmpfs"), &cells, &heads.map(str::to_owned), "/"));
    Ok(0)
}

/// A line whose columns are as wide as the wider of both lines has them.
fn row(name: &str, kind: &str, cells: &[String; 4], others: &[String; 4], place: &str) -> String {
    let columns: Vec<String> = cells
        .iter()
        .zip(others)
        .map(|(cell, other)| format!("{cell:>width$}", width = other.len().max(cell.len())))
        .collect();
    format!("{name:<14} {kind}{} {place}", columns.join(" "))
}

fn usage(text: &str, kind: &str) -> Result<Usage, String> {
    let line = text.lines().find_map(|line| line.strip_prefix(kind));
    let numbers: Vec<u64> =
        line.unwrap_or_default().split_whitespace().filter_map(|it| it.parse().ok()).collect();
    match numbers[..] {
        [limit, used] => Ok(Usage { limit, used }),
        _ => Err(format!("`/proc/self/disk` has no {kind}")),
    }
}
