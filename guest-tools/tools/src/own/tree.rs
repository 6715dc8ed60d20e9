//! `tree [-a] [-d] [-f] [-L LEVEL] [-I PATTERN] [-P PATTERN] [-s] [-h] [-F] [--noreport] [--dirsfirst] [FOLDER]...`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use playpen_sys::FileId;

use super::diff::matches;
use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};

const SPEC: Spec = Spec {
    flags: "adfilshFpugDnCNrtUxqvSQ",
    values: "LIPo",
    attached: "",
    longs: &[
        ("noreport", 'z'),
        ("dirsfirst", 'y'),
        ("filesfirst", 'w'),
        ("prune", 'k'),
        ("gitignore", 'j'),
        ("charset=", 'c'),
        ("sort=", 'e'),
        ("filelimit=", 'm'),
        ("matchdirs", 'b'),
        ("ignore-case", 'T'),
        ("help", '?'),
        ("version", 'V'),
    ],
    stops: false,
};

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("tree: {e}");
            return Ok(1);
        }
    };
    if parsed.has('?') {
        println!(
            "usage: tree [-adflFshp] [-L level] [-P pattern] [-I pattern] [--dirsfirst] [--noreport] [directory ...]\n  -a  all files are listed\n  -d  list directories only\n  -f  print the full path prefix for each file\n  -l  follow symbolic links like directories\n  -L  descend only level directories deep\n  -P  list only those files that match the pattern given\n  -I  do not list files that match the given pattern\n  -s  print the size in bytes of each file\n  -h  print the size in a more human readable way\n  -F  appends '/', '*' or '@' as per ls -F"
        );
        return Ok(0);
    }
    let mut walk = Walk {
        depth: match parsed.value('L').map(str::parse) {
            None => usize::MAX,
            Some(Ok(depth)) if depth > 0 => depth,
            Some(_) => {
                eprintln!("tree: Invalid level, must be greater than 0.");
                return Ok(1);
            }
        },
        ignore: parsed.all('I').flat_map(|it| it.split('|')).map(str::to_owned).collect(),
        only: parsed.all('P').flat_map(|it| it.split('|')).map(str::to_owned).collect(),
        parsed: &parsed,
        folders: 0,
        files: 0,
        failed: false,
        seen: BTreeSet::new(),
    };
    let here = [".".to_owned()];
    let roots = if parsed.operands.is_empty() { &here[..] } else { &parsed.operands };
    for root in roots {
        walk.root(root);
    }
    if !parsed.has('z') {
        let plural =
            |n: usize, one: &str, many: &str| format!("{n} {}", if n == 1 { one } else { many });
        let folders = plural(walk.folders, "directory", "directories");
        if parsed.has('d') {
            println!("\n{folders}");
        } else {
            println!("\n{folders}, {}", plural(walk.files, "file", "files"));
        }
    }
    Ok(if walk.failed { 2 } else { 0 })
}

struct Walk<'a> {
    parsed: &'a Parsed,
    depth: usize,
    ignore: Vec<String>,
    only: Vec<String>,
    folders: usize,
    files: usize,
    failed: bool,
    /// The folders that were listed, where links are followed.
    seen: BTreeSet<FileId>,
}

/// What is shown of an entry.
struct Entry {
    name: String,
    is_dir: bool,
    is_link: bool,
    /// Whether it is a link to a folder that was listed already.
    is_again: bool,
    size: u64,
    mode: u32,
}

impl Walk<'_> {
    fn root(&mut self, root: &str) {
        match fs::metadata(root) {
            Ok(it) if it.is_dir() => {
                println!("{root}");
                self.folders += 1;
                self.seen.extend(playpen_sys::path_id(Path::new(root), true));
                self.below(root, "", 0);
            }
            _ => {
                println!("{root}  [error opening dir]");
                self.failed = true;
            }
        }
    }

    fn entries(&self, folder: &str) -> Vec<Entry> {
        let has = |it| self.parsed.has(it);
        let any = |list: &[String], name: &str| list.iter().any(|glob| matches(glob, name));
        let mut found: Vec<Entry> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .flatten()
            .filter_map(|it| {
                let name = it.file_name().to_string_lossy().into_owned();
                let metadata = fs::symlink_metadata(it.path()).ok()?;
                let mode = playpen_sys::stat(&it.path(), false).map_or(0, |it| it.0);
                let is_link = metadata.is_symlink();
                let is_dir = metadata.is_dir() || is_link && has('l') && it.path().is_dir();
                Some(Entry { name, is_dir, is_link, is_again: false, size: metadata.len(), mode })
            })
            .filter(|it| has('a') || !it.name.starts_with('.'))
            .filter(|it| !has('d') || it.is_dir)
            .filter(|it| !any(&self.ignore, &it.name))
            .filter(|it| it.is_dir || self.only.is_empty() || any(&self.only, &it.name))
            .collect();
        found.sort_by(|a, b| a.name.cmp(&b.name));
        if has('r') {
            found.reverse();
        }
        if has('y') {
            found.sort_by_key(|it| !it.is_dir);
        }
        found
    }

    fn below(&mut self, folder: &str, prefix: &str, level: usize) {
        if level >= self.depth {
            return;
        }
        let mut entries = self.entries(folder);
        let last = entries.len().saturating_sub(1);
        for (i, entry) in entries.iter_mut().enumerate() {
            let path = format!("{}/{}", folder.trim_end_matches('/'), entry.name);
            let branch = match (self.parsed.has('i'), i == last) {
                (true, _) => "",
                (_, true) => "\u{2514}\u{2500}\u{2500} ",
                (_, false) => "\u{251c}\u{2500}\u{2500} ",
            };
            if entry.is_dir && self.parsed.has('l') {
                let id = playpen_sys::path_id(Path::new(&path), true);
                entry.is_again = id.is_ok_and(|id| !self.seen.insert(id)) && entry.is_link;
            }
            println!("{prefix}{branch}{}", self.shown(entry, &path));
            *(if entry.is_dir { &mut self.folders } else { &mut self.files }) += 1;
            if entry.is_dir && !entry.is_again {
                let more = match (self.parsed.has('i'), i == last) {
                    (true, _) => "",
                    (_, true) => "    ",
                    (_, false) => "\u{2502}\u{a0}\u{a0} ",
                };
                self.below(&path, &format!("{prefix}{more}"), level + 1);
            }
        }
    }

    fn shown(&self, entry: &Entry, path: &str) -> String {
        let mut facts = vec![];
        if self.parsed.has('p') {
            let (_, first) = super::mode::kind(entry.mode, entry.size);
            facts.push(format!("{first}{}", super::mode::letters(entry.mode)));
        }
        if self.parsed.has('h') {
            facts.push(format!("{:>4}", options::human(entry.size)));
        } else if self.parsed.has('s') {
            facts.push(format!("{:>11}", entry.size));
        }
        let facts =
            if facts.is_empty() { String::new() } else { format!("[{}]  ", facts.join(" ")) };
        let name = if self.parsed.has('f') { path } else { &entry.name };
        let sign = match () {
            () if !self.parsed.has('F') => "",
            () if entry.is_dir => "/",
            () if entry.is_link => "",
            () if entry.mode & 0o111 != 0 => "*",
            () => "",
        };
        let target = match fs::read_link(Path::new(path)) {
            Ok(target) if entry.is_again => {
                format!(" -> {}  [recursive, not followed]", target.display())
            }
            Ok(target) if entry.is_link => format!(" -> {}", target.display()),
            Err(e) if entry.is_link => format!(" -> ({})", reason(&e)),
            _ => String::new(),
        };
        format!("{facts}{name}{sign}{target}")
    }
}
