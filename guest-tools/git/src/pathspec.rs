//! Paths of the command line: plain ones, patterns, and the magic of `:(exclude)`, `:!` and `:/`.

use crate::fail::{Outcome, fatal};
use crate::place::Place;
use crate::wildmatch::{self, Rules};

/// A list of path specifications; an empty one means everything.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pathspec {
    pub(crate) items: Vec<Item>,
}

/// One of them.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// As it was typed.
    pub(crate) word: String,
    /// From the root, no slash at the end.
    pub(crate) path: Vec<u8>,
    literal: bool,
    folder_only: bool,
    pub(crate) excludes: bool,
    rules: Rules,
}

impl Pathspec {
    /// Reads the paths of a command line.
    pub(crate) fn new(place: &Place, words: &[String]) -> Outcome<Self> {
        let items =
            words.iter().map(|word| Item::parse(place, word)).collect::<Outcome<Vec<_>>>()?;
        Ok(Self { items })
    }

    /// Everything below the working folder, as `.` says.
    pub(crate) fn here(place: &Place) -> Outcome<Self> {
        Self::new(place, &[".".to_owned()])
    }

    /// One path from the root, as it stands.
    pub(crate) fn literal(path: &[u8]) -> Self {
        let word = String::from_utf8_lossy(path).into_owned();
        let item = Item {
            word,
            path: path.to_vec(),
            literal: true,
            folder_only: false,
            excludes: false,
            rules: Rules::default(),
        };
        Self { items: vec![item] }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Whether a path is meant.
    pub(crate) fn fits(&self, path: &[u8]) -> bool {
        self.fits_as(path, false)
    }

    pub(crate) fn fits_as(&self, path: &[u8], folder: bool) -> bool {
        let excluded = self.items.iter().any(|item| item.excludes && item.fits(path, folder));
        !excluded && self.positive(|item| item.fits(path, folder))
    }

    /// Whether something below a folder may be meant.
    pub(crate) fn reaches(&self, folder: &[u8]) -> bool {
        self.positive(|item| item.reaches(folder))
    }

    fn positive(&self, test: impl Fn(&Item) -> bool) -> bool {
        let mut positive = self.items.iter().filter(|item| !item.excludes).peekable();
        positive.peek().is_none() || positive.any(test)
    }

    /// The first word that fits none of the paths.
    pub(crate) fn unmatched<'a>(&self, paths: impl Iterator<Item = &'a [u8]>) -> Option<&Item> {
        let mut open: Vec<&Item> =
            self.items.iter().filter(|item| !item.excludes && !item.path.is_empty()).collect();
        for path in paths {
            if open.is_empty() {
                return None;
            }
            open.retain(|item| !item.fits(path, false));
        }
        open.first().copied()
    }
}

impl Item {
    fn parse(place: &Place, word: &str) -> Outcome<Self> {
        let mut item = Self {
            word: word.to_owned(),
            path: vec![],
            literal: place.globals.literal_pathspecs,
            folder_only: false,
            excludes: false,
            rules: Rules::default(),
        };
        if word.is_empty() {
            return Err(fatal(
                "empty string is not a valid pathspec. please use . instead if you meant to match all paths",
            ));
        }
        let (rest, from_root) = if item.literal { (word, false) } else { item.magic(word)? };
        item.folder_only = rest.ends_with('/');
        let from =
            if from_root { format!("{}/{rest}", place.root()?.display()) } else { rest.to_owned() };
        item.path = place.relative(&from)?;
        // A word of magic alone, as `:!` or `:/`, means the root or the working folder.
        item.literal |= !wildmatch::is_pattern(&item.path);
        Ok(item)
    }

    /// Reads the magic at the start of a word: the rest, and whether it counts from the root.
    fn magic<'a>(&mut self, word: &'a str) -> Outcome<(&'a str, bool)> {
        let Some(rest) = word.strip_prefix(':') else { return Ok((word, false)) };
        let mut from_root = false;
        if let Some(long) = rest.strip_prefix('(') {
            let (names, rest) = long.split_once(')').ok_or_else(|| {
                fatal(format!("Missing ')' at the end of pathspec magic in '{word}'"))
            })?;
            for name in names.split(',').filter(|name| !name.is_empty()) {
                match name {
                    "top" => from_root = true,
                    "exclude" => self.excludes = true,
                    "literal" => self.literal = true,
                    "glob" => self.rules.path = true,
                    "icase" => self.rules.fold = true,
                    other => {
                        return Err(fatal(format!("Invalid pathspec magic '{other}' in '{word}'")));
                    }
                }
            }
            return Ok((rest, from_root));
        }
        let mut end = 0;
        for c in rest.chars() {
            match c {
                '!' | '^' => self.excludes = true,
                '/' => from_root = true,
                ':' => {
                    end += 1;
                    break;
                }
                _ => break,
            }
            end += 1;
        }
        Ok((&rest[end..], from_root))
    }

    /// Whether it is a path and nothing else.
    pub(crate) fn is_plain(&self) -> bool {
        self.literal && !self.excludes && !self.rules.fold && !self.path.is_empty()
    }

    pub(crate) fn fits(&self, path: &[u8], folder: bool) -> bool {
        if self.path.is_empty() {
            return true;
        }
        let below = path.strip_prefix(self.path.as_slice()).or_else(|| {
            let folded = self.rules.fold && path.len() >= self.path.len();
            (folded && path[..self.path.len()].eq_ignore_ascii_case(&self.path))
                .then(|| &path[self.path.len()..])
        });
        match below {
            Some([]) => return !self.folder_only || folder,
            Some([b'/', ..]) => return true,
            _ => {}
        }
        !self.literal && wildmatch::fits(&self.path, path, self.rules)
    }

    fn reaches(&self, folder: &[u8]) -> bool {
        if self.fits(folder, true) || self.path.is_empty() {
            return true;
        }
        let fixed = if self.literal { self.path.len() } else { wildmatch::literal_len(&self.path) };
        let fixed = &self.path[..fixed];
        if fixed.len() <= folder.len() {
            return !self.literal && folder.starts_with(fixed);
        }
        fixed.starts_with(folder) && fixed[folder.len()] == b'/'
    }
}
