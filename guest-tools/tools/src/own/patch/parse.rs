//! Diffs as text: unified, context and normal.
//!
//! Text is one `char` for each byte.

/// The changes of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct FilePatch {
    pub(super) old: Option<String>,
    pub(super) new: Option<String>,
    /// Of a line `Index:`.
    pub(super) index: Option<String>,
    pub(super) mode: Option<u32>,
    pub(super) hunks: Vec<Hunk>,
    /// The two lines that name the files, as they stand.
    pub(super) header: Vec<String>,
    /// Where in the input the first hunk is.
    pub(super) line: usize,
    is_context: bool,
}

/// Lines to find and what they become.
#[derive(Clone, Debug, Default)]
pub(super) struct Hunk {
    /// The first line, counted from 1.
    pub(super) old_start: usize,
    pub(super) new_start: usize,
    /// `' '`, `-` or `+`, and a line with its newline if it has one.
    pub(super) lines: Vec<(char, String)>,
}

impl Hunk {
    pub(super) fn side(&self, not: char) -> Vec<&str> {
        self.lines.iter().filter(|(it, _)| *it != not).map(|(_, line)| line.as_str()).collect()
    }

    fn count(&self, not: char) -> usize {
        self.lines.iter().filter(|(it, _)| *it != not).count()
    }
}

impl FilePatch {
    pub(super) fn reverse(&mut self) {
        std::mem::swap(&mut self.old, &mut self.new);
        for hunk in &mut self.hunks {
            std::mem::swap(&mut hunk.old_start, &mut hunk.new_start);
            for (sign, _) in &mut hunk.lines {
                *sign = match *sign {
                    '-' => '+',
                    '+' => '-',
                    other => other,
                };
            }
            // Removed lines stand before added ones.
            let mut start = 0;
            while start < hunk.lines.len() {
                let run = hunk.lines[start..].iter().take_while(|(it, _)| *it != ' ').count();
                hunk.lines[start..start + run].sort_by_key(|(it, _)| *it == '+');
                start += run.max(1);
            }
        }
    }

    /// Whether it makes a new file.
    pub(super) fn creates(&self) -> bool {
        self.old.as_deref() == Some("/dev/null")
            || self.hunks.len() == 1
                && self.hunks[0].old_start == 0
                && self.hunks[0].count('+') == 0
    }

    pub(super) fn deletes(&self) -> bool {
        self.new.as_deref() == Some("/dev/null")
            || self.hunks.len() == 1
                && self.hunks[0].new_start == 0
                && self.hunks[0].count('-') == 0
    }

    /// Hunks as they stand in a `.rej` file.
    /// Of the names so many parts are left out.
    pub(super) fn rejects(&self, hunks: &[&Hunk], strip: Option<usize>) -> String {
        let mut out = String::new();
        for line in &self.header {
            out.push_str(&without_parts(line, strip));
            out.push('\n');
        }
        for hunk in hunks {
            let range = |start: usize, count: usize| match count {
                1 => start.to_string(),
                n => format!("{start},{n}"),
            };
            let old = range(hunk.old_start, hunk.count('+'));
            let new = range(hunk.new_start, hunk.count('-'));
            out.push_str(&format!("@@ -{old} +{new} @@\n"));
            for (sign, line) in &hunk.lines {
                out.push(*sign);
                out.push_str(line);
                if !line.ends_with('\n') {
                    out.push_str("\n\\ No newline at end of file\n");
                }
            }
        }
        out
    }
}

/// `--- a/folder/file` with fewer parts of the path; without a number only the last one stays.
fn without_parts(line: &str, strip: Option<usize>) -> String {
    let Some((sign, name)) = line.split_at_checked(4).filter(|_| line.starts_with(['-', '+', '*']))
    else {
        return line.to_owned();
    };
    let (path, rest) = name.split_once('\t').map_or((name, None), |(path, it)| (path, Some(it)));
    let parts: Vec<&str> = path.split('/').collect();
    let n_left_out = strip.unwrap_or(parts.len() - 1).min(parts.len() - 1);
    let shown = if path == "/dev/null" { path.to_owned() } else { parts[n_left_out..].join("/") };
    let rest = rest.map_or(String::new(), |rest| format!("\t{rest}"));
    format!("{sign}{shown}{rest}")
}

pub(super) fn parse(text: &str) -> Result<Vec<FilePatch>, String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut reader = Reader { lines, at: 0 };
    let mut files = vec![];
    let mut mode = None;
    let mut index = None;
    while let Some(line) = reader.peek(0) {
        let bare = line.trim_end_matches(['\n', '\r']);
        let next = reader.peek(1).unwrap_or_default();
        if line.starts_with("--- ") && next.starts_with("+++ ") {
            let file = reader.unified(mode.take(), index.take())?;
            files.extend((!file.hunks.is_empty()).then_some(file));
        } else if line.starts_with("*** ") && next.starts_with("--- ") {
            files.push(reader.context(index.take())?);
        } else if is_normal(bare) {
            files.push(reader.normal(index.take())?);
        } else {
            let number = bare.strip_prefix("new file mode ").or(bare.strip_prefix("new mode "));
            if let Some(number) = number {
                mode = u32::from_str_radix(number.trim(), 8).ok();
            }
            if bare.starts_with("diff ") {
                mode = None;
            }
            if let Some(name) = bare.strip_prefix("Index: ") {
                index = Some(name.trim().to_owned());
            }
            reader.at += 1;
        }
    }
    Ok(files)
}

struct Reader<'a> {
    lines: Vec<&'a str>,
    at: usize,
}

/// The name in a line that names a file, without the time behind it.
fn name(line: &str) -> Option<String> {
    let name = line.get(4..)?.trim_end_matches(['\n', '\r']);
    let name = match name.strip_prefix('"') {
        Some(quoted) => quoted.split('"').next().unwrap_or(quoted),
        None => match name.split_once('\t') {
            Some((name, _)) => name,
            None => name.split("  ").next().unwrap_or(name).trim_end(),
        },
    };
    (!name.is_empty()).then(|| name.to_owned())
}

/// `3,7` as a start and a count.
fn range(text: &str) -> Option<(usize, usize)> {
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

/// `2,3c4`, `5a6,7`, `8d7`.
fn is_normal(line: &str) -> bool {
    let digits = |text: &str| {
        let mut parts = text.split(',');
        let is_number = |it: &str| !it.is_empty() && it.chars().all(|c| c.is_ascii_digit());
        parts.all(is_number)
    };
    match line.find(['a', 'c', 'd']) {
        Some(at) => at > 0 && digits(&line[..at]) && digits(&line[at + 1..]),
        None => false,
    }
}

impl<'a> Reader<'a> {
    fn peek(&self, ahead: usize) -> Option<&'a str> {
        self.lines.get(self.at + ahead).copied()
    }

    fn next(&mut self) -> Option<&'a str> {
        let line = self.peek(0);
        self.at += 1;
        line
    }

    /// Whether the next line says that the one before has no newline.
    fn takes_no_newline(&mut self) -> bool {
        let found = self.peek(0).is_some_and(|it| it.starts_with('\\'));
        self.at += usize::from(found);
        found
    }

    fn header(&mut self, old: &str, new: &str) -> FilePatch {
        let header =
            [old, new].iter().map(|it| it.trim_end_matches(['\n', '\r']).to_owned()).collect();
        FilePatch { old: name(old), new: name(new), header, ..FilePatch::default() }
    }

    fn unified(&mut self, mode: Option<u32>, index: Option<String>) -> Result<FilePatch, String> {
        let (old, new) = (self.next().unwrap_or_default(), self.next().unwrap_or_default());
        let mut file = FilePatch { mode, index, ..self.header(old, new) };
        file.line = self.at + 1;
        while let Some(line) = self.peek(0).filter(|it| it.starts_with("@@ -")) {
            let mut words = line[4..].split_whitespace();
            let old = words.next().and_then(range);
            let new = words.next().and_then(|it| range(it.strip_prefix('+')?));
            let (Some((old_start, n_old)), Some((new_start, n_new))) = (old, new) else {
                return Err(format!("malformed patch at line {}: {line}", self.at + 1));
            };
            self.at += 1;
            file.hunks.push(self.unified_hunk((old_start, n_old), (new_start, n_new))?);
        }
        Ok(file)
    }

    fn unified_hunk(&mut self, old: (usize, usize), new: (usize, usize)) -> Result<Hunk, String> {
        let mut hunk = Hunk { old_start: old.0, new_start: new.0, lines: vec![] };
        let (mut n_old, mut n_new) = (old.1, new.1);
        while n_old > 0 || n_new > 0 {
            let number = self.at + 1;
            let Some(line) = self.next() else {
                return Err(format!("malformed patch at line {number}: "));
            };
            let malformed = || Err(format!("malformed patch at line {number}: {line}"));
            let (sign, rest) = match line.chars().next() {
                Some(sign @ (' ' | '-' | '+')) => (sign, &line[1..]),
                // An editor may have taken the blank of an empty line.
                Some('\n' | '\t') => (' ', line),
                Some('\\') => continue,
                _ => return malformed(),
            };
            n_old = match (sign, n_old) {
                ('+', n) => n,
                (_, 0) => return malformed(),
                (_, n) => n - 1,
            };
            n_new = match (sign, n_new) {
                ('-', n) => n,
                (_, 0) => return malformed(),
                (_, n) => n - 1,
            };
            let has_no_newline = self.takes_no_newline();
            let text = if has_no_newline { rest.trim_end_matches('\n') } else { rest };
            let mut text = text.to_owned();
            if !has_no_newline && !text.ends_with('\n') {
                text.push('\n');
            }
            hunk.lines.push((sign, text));
        }
        Ok(hunk)
    }

    fn context(&mut self, index: Option<String>) -> Result<FilePatch, String> {
        let (old, new) = (self.next().unwrap_or_default(), self.next().unwrap_or_default());
        let mut file = FilePatch { index, is_context: true, ..self.header(old, new) };
        file.line = self.at + 1;
        while self.peek(0).is_some_and(|it| it.starts_with("***************")) {
            self.at += 1;
            let (old_start, old) = self.context_half("*** ", " ****")?;
            let (new_start, new) = self.context_half("--- ", " ----")?;
            file.hunks.push(merge(old_start, new_start, old, new));
        }
        Ok(file)
    }

    fn context_half(
        &mut self,
        before: &str,
        behind: &str,
    ) -> Result<(usize, Vec<(char, String)>), String> {
        let number = self.at + 1;
        let line = self.next().unwrap_or_default();
        let start = line.strip_prefix(before).and_then(|it| {
            it.trim_end()
                .strip_suffix(behind.trim_start())
                .map(str::trim)
                .and_then(|it| it.split(',').next()?.parse().ok())
        });
        let start = start.ok_or_else(|| format!("malformed patch at line {number}: {line}"))?;
        let mut lines = vec![];
        while let Some(line) = self.peek(0) {
            let sign = line.chars().next().unwrap_or(' ');
            let is_content = matches!(sign, ' ' | '!' | '+' | '-')
                && line.chars().nth(1).is_none_or(|c| c == ' ' || c == '\n')
                && !line.starts_with("--- ");
            if !is_content {
                break;
            }
            self.at += 1;
            let text = line.get(2..).unwrap_or("\n");
            let no_newline = self.takes_no_newline();
            lines.push((
                sign,
                if no_newline { text.trim_end_matches('\n') } else { text }.to_owned(),
            ));
        }
        Ok((start, lines))
    }

    fn normal(&mut self, index: Option<String>) -> Result<FilePatch, String> {
        let mut file = FilePatch { index, line: self.at + 1, ..FilePatch::default() };
        while let Some(line) = self.peek(0).filter(|it| is_normal(it.trim_end())) {
            self.at += 1;
            let line = line.trim_end();
            let at = line.find(['a', 'c', 'd']).unwrap_or(0);
            let start = |text: &str| text.split(',').next().and_then(|it| it.parse().ok());
            let old_start: usize = start(&line[..at]).unwrap_or(0);
            let new_start: usize = start(&line[at + 1..]).unwrap_or(0);
            let mut hunk = Hunk { old_start, new_start, lines: vec![] };
            if line[at..].starts_with('a') {
                hunk.old_start += 1;
            }
            while let Some(line) = self.peek(0) {
                let sign = match line.get(..2) {
                    Some("< ") => '-',
                    Some("> ") => '+',
                    _ if line.starts_with("---") => {
                        self.at += 1;
                        continue;
                    }
                    _ => break,
                };
                self.at += 1;
                let text = &line[2..];
                let no_newline = self.takes_no_newline();
                let text = if no_newline { text.trim_end_matches('\n') } else { text };
                hunk.lines.push((sign, text.to_owned()));
            }
            file.hunks.push(hunk);
        }
        Ok(file)
    }
}

/// The two halves of a hunk of a context diff as one.
fn merge(
    old_start: usize,
    new_start: usize,
    old: Vec<(char, String)>,
    new: Vec<(char, String)>,
) -> Hunk {
    let mut lines = vec![];
    // A half without changes is left out.
    let (mut a, mut b) = match (old.is_empty(), new.is_empty()) {
        (true, _) => {
            let same = new.iter().filter(|(it, _)| *it == ' ').cloned().collect::<Vec<_>>();
            (same, new)
        }
        (_, true) => {
            let same = old.iter().filter(|(it, _)| *it == ' ').cloned().collect::<Vec<_>>();
            (old, same)
        }
        _ => (old, new),
    };
    a.reverse();
    b.reverse();
    while !a.is_empty() || !b.is_empty() {
        while let Some((_, line)) = a.pop_if(|(it, _)| *it != ' ') {
            lines.push(('-', line));
        }
        while let Some((_, line)) = b.pop_if(|(it, _)| *it != ' ') {
            lines.push(('+', line));
        }
        match (a.pop(), b.pop()) {
            (Some((_, line)), _) | (None, Some((_, line))) => lines.push((' ', line)),
            (None, None) => {}
        }
    }
    Hunk { old_start, new_start, lines }
}
