//! `du`: what files take, in blocks of 4 KiB.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use playpen_sys::FileId;

use super::options::{self, Parsed, Spec};
use super::{Call, R, diff, reason};

const HELP: &str = "Usage: du [OPTION]... [FILE]...
Summarize device usage of the set of FILEs, recursively for directories.

  -0, --null            end each output line with NUL, not newline
  -a, --all             write counts for all files, not just directories
      --apparent-size   print apparent sizes rather than device usage
  -B, --block-size=SIZE  scale sizes by SIZE before printing them
  -b, --bytes           equivalent to '--apparent-size --block-size=1'
  -c, --total           produce a grand total
  -d, --max-depth=N     print the total for a directory only if it is N or
                          fewer levels below the command line argument
  -h, --human-readable  print sizes in human readable format (e.g., 1K 234M 2G)
  -k                    like --block-size=1K
  -m                    like --block-size=1M
  -L, --dereference     dereference all symbolic links
  -S, --separate-dirs   for directories do not include size of subdirectories
  -s, --summarize       display only a total for each argument
      --exclude=PATTERN  exclude files that match PATTERN
      --help            display this help and exit
";

const SPEC: Spec = Spec {
    flags: "0abchkmLSsxlPDH",
    values: "Bdtx",
    attached: "",
    longs: &[
        ("null", '0'),
        ("all", 'a'),
        ("apparent-size", 'A'),
        ("block-size", 'B'),
        ("bytes", 'b'),
        ("total", 'c'),
        ("max-depth", 'd'),
        ("human-readable", 'h'),
        ("si", 'h'),
        ("dereference", 'L'),
        ("separate-dirs", 'S'),
        ("summarize", 's'),
        ("exclude=", 'X'),
        ("one-file-system", 'x'),
        ("count-links", 'l'),
        ("threshold", 't'),
        ("time?", 'T'),
        ("help", '?'),
        ("version", 'V'),
    ],
    stops: false,
};

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("du: {e}\nTry 'du --help' for more information.");
            return Ok(1);
        }
    };
    if parsed.has('?') {
        print!("{HELP}");
        return Ok(0);
    }
    let mut count = Count::new(&parsed);
    let mut total = 0;
    let here = [".".to_owned()];
    let files = if parsed.operands.is_empty() { &here[..] } else { &parsed.operands };
    for file in files {
        total += count.walk(Path::new(file), file, 0).unwrap_or(0);
    }
    if parsed.has('c') {
        count.print(total, "total");
    }
    Ok(i32::from(count.failed))
}

struct Count {
    all: bool,
    apparent: bool,
    human: bool,
    block: u64,
    max_depth: usize,
    separate: bool,
    follow: bool,
    end: char,
    exclude: Vec<String>,
    /// Whether a folder too may be met twice: with several operands, and where links are followed.
    counts_each_once: bool,
    seen: BTreeSet<FileId>,
    failed: bool,
}

impl Count {
    fn new(parsed: &Parsed) -> Self {
        let bytes = parsed.has('b');
        let block = if bytes { Some(1) } else { parsed.value('B').and_then(block_size) };
        let unit = if parsed.has('m') { 1 << 20 } else { 1024 };
        let depth = parsed.value('d').and_then(|it| it.parse().ok()).unwrap_or(usize::MAX);
        Self {
            all: parsed.has('a'),
            apparent: bytes || parsed.has('A'),
            human: parsed.has('h'),
            block: block.unwrap_or(unit),
            max_depth: if parsed.has('s') { 0 } else { depth },
            separate: parsed.has('S'),
            follow: parsed.has('L'),
            end: if parsed.has('0') { '\0' } else { '\n' },
            exclude: parsed.all('X').map(str::to_owned).collect(),
            counts_each_once: parsed.has('L') || parsed.operands.len() > 1,
            seen: BTreeSet::new(),
            failed: false,
        }
    }

    fn walk(&mut self, path: &Path, shown: &str, depth: usize) -> Option<u64> {
        let metadata = if self.follow || depth == 0 && shown.ends_with('/') {
            fs::metadata(path)
        } else {
            fs::symlink_metadata(path)
        };
        let metadata = match metadata {
            Ok(metadata) => metadata,
            Err(e) => {
                eprintln!("du: cannot access '{shown}': {}", reason(&e));
                self.failed = true;
                return None;
            }
        };
        let links = playpen_sys::links(path, self.follow).map_or(1, |(links, _)| links);
        let is_once_only = links > 1 && !metadata.is_dir() || self.counts_each_once;
        if is_once_only
            && let Ok(id) = playpen_sys::path_id(path, self.follow)
            && !self.seen.insert(id)
        {
            return None;
        }
        let mut size = match (self.apparent, metadata.is_file()) {
            (true, _) => metadata.len(),
            (false, true) => metadata.len().div_ceil(4096) * 4096,
            (false, false) if metadata.is_dir() => 4096,
            (false, false) => 0,
        };
        if metadata.is_dir() {
            size += self.inside(path, shown, depth);
        }
        if depth <= self.max_depth && (metadata.is_dir() || self.all || depth == 0) {
            self.print(size, shown);
        }
        Some(if self.separate && metadata.is_dir() { 0 } else { size })
    }

    fn inside(&mut self, path: &Path, shown: &str, depth: usize) -> u64 {
        let mut names: Vec<String> = match fs::read_dir(path) {
            Ok(entries) => {
                entries.flatten().map(|it| it.file_name().to_string_lossy().into_owned()).collect()
            }
            Err(e) => {
                eprintln!("du: cannot read directory '{shown}': {}", reason(&e));
                self.failed = true;
                vec![]
            }
        };
        names.sort();
        names.retain(|name| !self.exclude.iter().any(|glob| diff::matches(glob, name)));
        let mut size = 0;
        for name in names {
            let shown = format!("{}/{name}", shown.trim_end_matches('/'));
            size += self.walk(&path.join(&name), &shown, depth + 1).unwrap_or(0);
        }
        size
    }

    fn print(&self, size: u64, shown: &str) {
        let size = match self.human {
            true => options::human(size),
            false => size.div_ceil(self.block).to_string(),
        };
        print!("{size}\t{shown}{}", self.end);
    }
}

fn block_size(text: &str) -> Option<u64> {
    options::size(text).or_else(|| options::size(&format!("1{text}")))
}
