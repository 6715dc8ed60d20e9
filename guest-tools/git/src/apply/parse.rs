//! Reading patches, of git and of `diff -u`.

use crate::diff::binary;
use crate::fail::{Fail, Outcome, plain};
use crate::quote;

/// A run of changed lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hunk {
    pub(crate) old: (usize, usize),
    pub(crate) new: (usize, usize),
    /// A sign and a line with its end; a line without one has none.
    pub(crate) lines: Vec<(u8, Vec<u8>)>,
    heading: Vec<u8>,
}

impl Hunk {
    /// The hunk as it was.
    pub(crate) fn text(&self) -> Vec<u8> {
        let mut out = [self.heading.as_slice(), b"\n"].concat();
        for (sign, line) in &self.lines {
            out.push(*sign);
            out.extend_from_slice(line);
            if !line.ends_with(b"\n") {
                out.extend_from_slice(b"\n\\ No newline at end of file\n");
            }
        }
        out
    }
}

/// The content of a binary file.
#[derive(Clone, Debug)]
pub(crate) enum Binary {
    /// The patch only says that it differs.
    Absent,
    Data {
        delta: bool,
        packed: Vec<u8>,
        size: usize,
    },
}

/// A patch of one file.
#[derive(Clone, Debug, Default)]
pub(crate) struct Patch {
    pub(crate) old: Option<Vec<u8>>,
    pub(crate) new: Option<Vec<u8>>,
    pub(crate) old_mode: Option<u32>,
    pub(crate) new_mode: Option<u32>,
    pub(crate) copy: bool,
    pub(crate) similarity: u32,
    pub(crate) hunks: Vec<Hunk>,
    pub(crate) binary: Option<Binary>,
    back: Option<Binary>,
    pub(crate) old_id: Option<String>,
    new_id: Option<String>,
}

impl Patch {
    pub(crate) fn name(&self) -> &[u8] {
        self.new.as_deref().or(self.old.as_deref()).unwrap_or_default()
    }

    pub(crate) fn old_or_new(&self) -> &[u8] {
        self.old.as_deref().or(self.new.as_deref()).unwrap_or_default()
    }

    pub(crate) fn shown_name(&self) -> String {
        let text = |name: &[u8]| String::from_utf8_lossy(name).into_owned();
        match (&self.old, &self.new) {
            (Some(old), Some(new)) if old != new => format!("{} => {}", text(old), text(new)),
            _ => text(self.name()),
        }
    }

    /// Puts a folder before the names.
    pub(crate) fn prefix(&mut self, folder: &[u8]) {
        for name in [&mut self.old, &mut self.new].into_iter().flatten() {
            *name = [folder, name].concat();
        }
    }

    pub(crate) fn reverse(&mut self) {
        std::mem::swap(&mut self.old, &mut self.new);
        std::mem::swap(&mut self.old_mode, &mut self.new_mode);
        std::mem::swap(&mut self.binary, &mut self.back);
        std::mem::swap(&mut self.old_id, &mut self.new_id);
        for hunk in &mut self.hunks {
            std::mem::swap(&mut hunk.old, &mut hunk.new);
            for line in &mut hunk.lines {
                line.0 = match line.0 {
                    b'+' => b'-',
                    b'-' => b'+',
                    other => other,
                };
            }
            // Of a change the lines that go come first.
            let mut sorted: Vec<(u8, Vec<u8>)> = vec![];
            let mut added = vec![];
            for line in hunk.lines.drain(..) {
                match line.0 {
                    b'+' => added.push(line),
                    b'-' => sorted.push(line),
                    _ => {
                        sorted.append(&mut added);
                        sorted.push(line);
                    }
                }
            }
            sorted.append(&mut added);
            hunk.lines = sorted;
        }
    }
}

struct Reader<'a> {
    lines: Vec<&'a [u8]>,
    at: usize,
    level: usize,
    recount: bool,
    zero: bool,
}

/// Reads all patches of a text; other lines between them are passed over.
pub(crate) fn parse(text: &[u8], level: usize, recount: bool, zero: bool) -> Outcome<Vec<Patch>> {
    let lines = text.split_inclusive(|b| *b == b'\n').collect();
    let mut reader = Reader { lines, at: 0, level, recount, zero };
    let mut patches = vec![];
    while let Some(line) = reader.peek() {
        if line.starts_with(b"diff --git ") {
            patches.push(reader.of_git()?);
        } else if line.starts_with(b"--- ") && reader.is_plain() {
            patches.push(reader.plain()?);
        } else if line.starts_with(b"@@ -") && is_header(line) {
            return Err(reader.corrupt("patch fragment without header"));
        } else {
            reader.at += 1;
        }
    }
    Ok(patches)
}

fn is_header(line: &[u8]) -> bool {
    ranges(line).is_some()
}

fn chomp(line: &[u8]) -> &[u8] {
    line.strip_suffix(b"\n").unwrap_or(line)
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<&'a [u8]> {
        self.lines.get(self.at).copied()
    }

    fn corrupt(&self, what: &str) -> Fail {
        let line =
            self.lines.get(self.at).map(|line| String::from_utf8_lossy(chomp(line)).into_owned());
        if what == "patch fragment without header" {
            return plain(
                128,
                format!("error: {what} at line {}: {}", self.at + 1, line.unwrap_or_default()),
            );
        }
        plain(128, format!("error: corrupt patch at line {}", self.at + 1))
    }

    fn is_plain(&self) -> bool {
        let next = self.lines.get(self.at + 1).copied().unwrap_or_default();
        let after = self.lines.get(self.at + 2).copied().unwrap_or_default();
        next.starts_with(b"+++ ") && after.starts_with(b"@@ -")
    }

    /// Without the first parts of a name.
    fn stripped(&self, name: &[u8]) -> Vec<u8> {
        let mut rest = name;
        for _ in 0..self.level {
            match rest.iter().position(|b| *b == b'/') {
                Some(at) => rest = &rest[at + 1..],
                None => break,
            }
        }
        rest.to_vec()
    }

    /// The name of a `---` or `+++` line; none for `/dev/null`.
    fn label(&self, line: &[u8]) -> Option<Vec<u8>> {
        let rest = chomp(&line[4..]);
        let name = match quote::unquote(rest) {
            Some((name, _)) => name,
            None => rest.split(|b| *b == b'\t').next().unwrap_or(rest).to_vec(),
        };
        let name = name.strip_suffix(b"\r").unwrap_or(&name).to_vec();
        (name != b"/dev/null").then(|| self.stripped(&name))
    }

    fn of_git(&mut self) -> Outcome<Patch> {
        let first = chomp(&self.lines[self.at][11..]);
        let mut patch = Patch::default();
        let both = self.default_name(first);
        (patch.old, patch.new) = (both.clone(), both);
        self.at += 1;
        let (mut created, mut deleted) = (false, false);
        while let Some(line) = self.peek() {
            let text = chomp(line);
            let after = |start: &[u8]| text.strip_prefix(start).map(<[u8]>::to_vec);
            let octal =
                |digits: &[u8]| u32::from_str_radix(&String::from_utf8_lossy(digits), 8).ok();
            let path = |text: Vec<u8>| Some(quote::unquote(&text).map_or(text, |(name, _)| name));
            if let Some(mode) = after(b"old mode ") {
                patch.old_mode = octal(&mode);
            } else if let Some(mode) = after(b"new mode ") {
                patch.new_mode = octal(&mode);
            } else if let Some(mode) = after(b"deleted file mode ") {
                (patch.old_mode, deleted) = (octal(&mode), true);
            } else if let Some(mode) = after(b"new file mode ") {
                (patch.new_mode, created) = (octal(&mode), true);
            } else if let Some(name) = after(b"rename from ").or_else(|| after(b"copy from ")) {
                patch.copy = text.starts_with(b"copy");
                patch.old = path(name);
            } else if let Some(name) = after(b"rename to ").or_else(|| after(b"copy to ")) {
                patch.new = path(name);
            } else if let Some(percent) = after(b"similarity index ") {
                patch.similarity =
                    String::from_utf8_lossy(&percent).trim_end_matches('%').parse().unwrap_or(0);
            } else if let Some(ids) = after(b"index ") {
                self.index_line(&ids, &mut patch);
            } else if text.starts_with(b"dissimilarity index ") {
            } else if text.starts_with(b"--- ") {
                if let Some(name) = self.label(line) {
                    patch.old = Some(name);
                }
            } else if text.starts_with(b"+++ ") {
                if let Some(name) = self.label(line) {
                    patch.new = Some(name);
                }
            } else if text.starts_with(b"GIT binary patch") {
                self.at += 1;
                self.binary(&mut patch)?;
                break;
            } else if text.starts_with(b"Binary files ") {
                self.at += 1;
                patch.binary = Some(Binary::Absent);
                break;
            } else if text.starts_with(b"@@ -") {
                self.hunks(&mut patch)?;
                break;
            } else {
                break;
            }
            self.at += 1;
        }
        if created {
            patch.old = None;
        }
        if deleted {
            patch.new = None;
        }
        if patch.old.is_none() && patch.new.is_none() {
            return Err(plain(
                128,
                format!(
                    "error: git diff header lacks filename information when removing {} leading pathname component (line {})",
                    self.level, self.at
                ),
            ));
        }
        Ok(patch)
    }

    fn index_line(&self, text: &[u8], patch: &mut Patch) {
        let text = String::from_utf8_lossy(text).into_owned();
        let (ids, mode) = text.split_once(' ').unwrap_or((&text, ""));
        if let Some((old, new)) = ids.split_once("..") {
            patch.old_id = Some(old.to_owned());
            patch.new_id = Some(new.to_owned());
        }
        if let Ok(mode) = u32::from_str_radix(mode, 8) {
            patch.old_mode = patch.old_mode.or(Some(mode));
        }
    }

    /// The name in `diff --git a/name b/name`, if both are the same.
    fn default_name(&self, text: &[u8]) -> Option<Vec<u8>> {
        if let Some((first, len)) = quote::unquote(text) {
            let rest = text[len..].strip_prefix(b" ")?;
            let second = quote::unquote(rest).map_or(rest.to_vec(), |(name, _)| name);
            let (a, b) = (self.stripped(&first), self.stripped(&second));
            return (a == b).then_some(a);
        }
        let blanks = text.iter().enumerate().filter(|(_, b)| **b == b' ').map(|(at, _)| at);
        for at in blanks {
            let second = &text[at + 1..];
            let second = quote::unquote(second).map_or(second.to_vec(), |(name, _)| name);
            let (a, b) = (self.stripped(&text[..at]), self.stripped(&second));
            if a == b && !a.is_empty() {
                return Some(a);
            }
        }
        None
    }

    fn plain(&mut self) -> Outcome<Patch> {
        let (old, new) = (self.lines[self.at], self.lines[self.at + 1]);
        let (mut old_name, mut new_name) = (self.label(old), self.label(new));
        // A time of 1970 says that a file is not there.
        let epoch = |line: &[u8]| {
            let text = String::from_utf8_lossy(line).into_owned();
            text.split_once('\t').is_some_and(|(_, time)| {
                time.starts_with("1970-01-01") || time.starts_with("1969-12-31")
            })
        };
        self.at += 2;
        let mut patch = Patch::default();
        self.hunks(&mut patch)?;
        let first = patch.hunks.first();
        if first.is_some_and(|h| h.old == (0, 0)) && epoch(old) {
            old_name = None;
        }
        if first.is_some_and(|h| h.new == (0, 0)) && epoch(new) {
            new_name = None;
        }
        // Names that differ mean the shorter one, as for `file.orig`.
        if let (Some(a), Some(b)) = (&old_name, &new_name)
            && a != b
        {
            let name = if a.len() < b.len() { a.clone() } else { b.clone() };
            (old_name, new_name) = (Some(name.clone()), Some(name));
        }
        (patch.old, patch.new) = (old_name, new_name);
        Ok(patch)
    }

    fn hunks(&mut self, patch: &mut Patch) -> Outcome<()> {
        while let Some(line) = self.peek().filter(|line| line.starts_with(b"@@ -")) {
            let (old, new) = ranges(line).ok_or_else(|| self.corrupt(""))?;
            let mut hunk = Hunk { old, new, lines: vec![], heading: chomp(line).to_vec() };
            self.at += 1;
            self.hunk_lines(&mut hunk)?;
            patch.hunks.push(hunk);
        }
        Ok(())
    }

    fn hunk_lines(&mut self, hunk: &mut Hunk) -> Outcome<()> {
        let (mut old, mut new) = (hunk.old.1, hunk.new.1);
        loop {
            let done = if self.recount { false } else { old == 0 && new == 0 };
            let Some(line) = self.peek() else { break };
            if line.starts_with(b"\\") {
                self.no_newline(hunk);
                self.at += 1;
                continue;
            }
            if done {
                break;
            }
            let (sign, text) = match line.first() {
                Some(sign @ (b' ' | b'+' | b'-')) => (*sign, &line[1..]),
                Some(b'\n') => (b' ', line),
                _ if self.recount => break,
                _ => return Err(self.corrupt("")),
            };
            if self.recount && (line.starts_with(b"diff --git ") || line.starts_with(b"@@ -")) {
                break;
            }
            let short = (sign != b'+' && old == 0) || (sign != b'-' && new == 0);
            if short && !self.recount {
                return Err(self.corrupt(""));
            }
            old = old.saturating_sub(usize::from(sign != b'+'));
            new = new.saturating_sub(usize::from(sign != b'-'));
            hunk.lines.push((sign, text.to_vec()));
            self.at += 1;
        }
        if self.recount {
            hunk.old.1 = hunk.lines.iter().filter(|l| l.0 != b'+').count();
            hunk.new.1 = hunk.lines.iter().filter(|l| l.0 != b'-').count();
        } else if old > 0 || new > 0 {
            return Err(self.corrupt(""));
        }
        if hunk.lines.iter().all(|line| line.0 == b' ') && !self.zero {
            return Err(self.corrupt(""));
        }
        Ok(())
    }

    fn no_newline(&self, hunk: &mut Hunk) {
        if let Some((_, line)) = hunk.lines.last_mut()
            && line.ends_with(b"\n")
        {
            line.pop();
        }
    }

    fn binary(&mut self, patch: &mut Patch) -> Outcome<()> {
        patch.binary = self.binary_half()?;
        patch.back = self.binary_half()?;
        Ok(())
    }

    fn binary_half(&mut self) -> Outcome<Option<Binary>> {
        let Some(line) = self.peek() else { return Ok(None) };
        let text = String::from_utf8_lossy(chomp(line)).into_owned();
        let (delta, size) = match (text.strip_prefix("literal "), text.strip_prefix("delta ")) {
            (Some(size), _) => (false, size.parse().ok()),
            (_, Some(size)) => (true, size.parse().ok()),
            _ => return Ok(None),
        };
        let Some(size) = size else { return Err(self.corrupt("")) };
        self.at += 1;
        let mut packed = vec![];
        while let Some(line) = self.peek() {
            self.at += 1;
            let line = chomp(line);
            if line.is_empty() {
                break;
            }
            packed.extend(binary::decode_line(line).ok_or_else(|| self.corrupt(""))?);
        }
        Ok(Some(Binary::Data { delta, packed, size }))
    }
}

type Range = (usize, usize);

/// The numbers of `@@ -1,2 +3,4 @@`.
fn ranges(line: &[u8]) -> Option<(Range, Range)> {
    let text = String::from_utf8_lossy(line).into_owned();
    let rest = text.strip_prefix("@@ -")?;
    let (old, rest) = rest.split_once(" +")?;
    let (new, _) = rest.split_once(" @@")?;
    let range = |text: &str| -> Option<Range> {
        match text.split_once(',') {
            Some((start, n)) => Some((start.parse().ok()?, n.parse().ok()?)),
            None => Some((text.parse().ok()?, 1)),
        }
    };
    Some((range(old)?, range(new)?))
}
