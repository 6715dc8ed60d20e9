//! What is ignored: `.gitignore` in each folder, `.git/info/exclude`, and `core.excludesFile`.

use std::collections::HashMap;

use crate::place::Place;
use crate::sys;
use crate::wildmatch::{self, Rules};

/// One line of a file of patterns.
#[derive(Clone, Debug)]
pub(crate) struct Pattern {
    text: Vec<u8>,
    /// The line as it stands.
    pub(crate) line: String,
    /// File and number of the line, as `check-ignore -v` shows them.
    pub(crate) source: String,
    pub(crate) number: usize,
    pub(crate) negated: bool,
    folders_only: bool,
    /// It has a slash before its end: it is matched from the folder of its file.
    anchored: bool,
}

/// The patterns of a repository, read folder by folder as they are needed.
pub(crate) struct Ignore<'a> {
    place: &'a Place,
    /// Given with `-e` or `-x`.
    given: Vec<Pattern>,
    everywhere: Vec<Pattern>,
    folders: HashMap<Vec<u8>, Vec<Pattern>>,
    verdicts: HashMap<Vec<u8>, bool>,
    rules: Rules,
    /// Files of patterns are read at all.
    standard: bool,
}

impl<'a> Ignore<'a> {
    pub(crate) fn new(place: &'a Place) -> Self {
        let mut everywhere = vec![];
        let file =
            place.setting("core.excludesfile").map_or_else(default_file, |name| expand(&name));
        if let Ok(text) = std::fs::read(&file) {
            everywhere.extend(parse(&text, &file));
        }
        if let Ok(text) = std::fs::read(place.repo.commondir().join("info/exclude")) {
            everywhere.extend(parse(&text, ".git/info/exclude"));
        }
        let fold = place.setting_bool("core.ignorecase").unwrap_or(false);
        Self {
            place,
            given: vec![],
            everywhere,
            folders: HashMap::new(),
            verdicts: HashMap::new(),
            rules: Rules { path: true, fold },
            standard: true,
        }
    }

    /// Nothing but what is given.
    pub(crate) fn only_given(place: &'a Place) -> Self {
        let mut ignore = Self::new(place);
        ignore.everywhere.clear();
        ignore.standard = false;
        ignore
    }

    pub(crate) fn give(&mut self, pattern: &str) {
        self.given.extend(parse(pattern.as_bytes(), ""));
    }

    /// Whether a path is ignored, by a pattern for itself or for a folder above it.
    pub(crate) fn is_ignored(&mut self, path: &[u8], folder: bool) -> bool {
        if let Some(at) = path.iter().rposition(|b| *b == b'/') {
            let above = &path[..at];
            let known = self.verdicts.get(above).copied();
            let verdict = known.unwrap_or_else(|| self.is_ignored(above, true));
            if known.is_none() {
                self.verdicts.insert(above.to_vec(), verdict);
            }
            if verdict {
                return true;
            }
        }
        self.pattern(path, folder).is_some_and(|pattern| !pattern.negated)
    }

    /// The pattern that decides on a path itself.
    pub(crate) fn pattern(&mut self, path: &[u8], folder: bool) -> Option<Pattern> {
        let rules = self.rules;
        let last = |patterns: &[Pattern], base: usize| {
            patterns.iter().rev().find(|p| p.fits(&path[base..], folder, rules)).cloned()
        };
        if let Some(found) = last(&self.given, 0) {
            return Some(found);
        }
        if self.standard {
            let slashes =
                path.iter().enumerate().rev().filter(|(_, b)| **b == b'/').map(|(at, _)| at + 1);
            for base in slashes.chain([0]) {
                self.load(&path[..base]);
                if let Some(found) = last(&self.folders[&path[..base]], base) {
                    return Some(found);
                }
            }
        }
        last(&self.everywhere, 0)
    }

    /// As `pattern`, but a folder above the path decides before it.
    pub(crate) fn deciding(&mut self, path: &[u8], folder: bool) -> Option<Pattern> {
        let slashes: Vec<usize> =
            path.iter().enumerate().filter(|(_, b)| **b == b'/').map(|(at, _)| at).collect();
        for at in slashes {
            if let Some(found) = self.pattern(&path[..at], true).filter(|p| !p.negated) {
                return Some(found);
            }
        }
        self.pattern(path, folder)
    }

    fn load(&mut self, folder: &[u8]) {
        if self.folders.contains_key(folder) {
            return;
        }
        let name = [folder, b".gitignore"].concat();
        let file = self.place.file(&name);
        let patterns = match std::fs::read(file) {
            Ok(text) => parse(&text, &String::from_utf8_lossy(&name)),
            Err(_) => vec![],
        };
        self.folders.insert(folder.to_vec(), patterns);
    }
}

impl Pattern {
    /// Whether the pattern fits a path below its folder.
    fn fits(&self, path: &[u8], folder: bool, rules: Rules) -> bool {
        if self.folders_only && !folder {
            return false;
        }
        let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
        let text = if self.anchored { path } else { name };
        wildmatch::fits(&self.text, text, rules)
    }
}

/// Reads a file of patterns.
fn parse(text: &[u8], source: &str) -> Vec<Pattern> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let lines = text.split(|b| *b == b'\n').enumerate();
    lines.filter_map(|(number, line)| parse_line(line, source, number + 1)).collect()
}

fn parse_line(line: &[u8], source: &str, number: usize) -> Option<Pattern> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let line = trim_blanks(line);
    if line.is_empty() || line.starts_with(b"#") {
        return None;
    }
    let (negated, mut text) = match line.strip_prefix(b"!") {
        Some(rest) => (true, rest),
        None => (false, line),
    };
    let folders_only = text.len() > 1 && text.ends_with(b"/");
    if folders_only {
        text = &text[..text.len() - 1];
    }
    let anchored = text.contains(&b'/');
    let text = text.strip_prefix(b"/").unwrap_or(text);
    Some(Pattern {
        text: text.to_vec(),
        line: String::from_utf8_lossy(line).into_owned(),
        source: source.to_owned(),
        number,
        negated,
        folders_only,
        anchored,
    })
}

/// Cuts blanks off the end that no backslash protects.
fn trim_blanks(line: &[u8]) -> &[u8] {
    let mut end = line.len();
    while end > 0 && line[end - 1] == b' ' && !(end > 1 && line[end - 2] == b'\\') {
        end -= 1;
    }
    &line[..end]
}

fn default_file() -> String {
    let home = || std::env::var("HOME").map(|home| format!("{home}/.config"));
    let folder = std::env::var("XDG_CONFIG_HOME").or_else(|_| home()).unwrap_or_default();
    format!("{folder}/git/ignore")
}

/// A path with the home folder in the place of `~`.
pub(crate) fn expand(name: &str) -> String {
    match (name.strip_prefix("~/"), std::env::var("HOME")) {
        (Some(rest), Ok(home)) => format!("{home}/{rest}"),
        _ => name.to_owned(),
    }
}

/// Whether a folder is a repository of its own.
pub(crate) fn is_repository(place: &Place, folder: &[u8]) -> bool {
    sys::find(&place.file(folder).join(".git")).is_some()
}
