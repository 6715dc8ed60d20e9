//! Diffs as text: unified, context and normal.
//!
//! Text is one `char` for each byte.

/// How a patch is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Form {
    #[default]
    Unified,
    Context,
    Normal,
}

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
    /// What stands before it, its header among that.
    pub(super) intro: Vec<String>,
    pub(super) form: Form,
    /// How many blanks stand before each of its lines.
    pub(super) indent: usize,
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

    /// The line, counted from 1, where it begins; nothing goes behind the line that is named.
    pub(super) fn first(&self) -> usize {
        self.old_start + usize::from(self.side('+').is_empty())
    }

    /// How many lines of context stand at its start.
    pub(super) fn context_before(&self) -> usize {
        self.lines.iter().take_while(|(it, _)| *it == ' ').count()
    }

    /// As many at its end.
    pub(super) fn context_behind(&self) -> usize {
        self.lines.iter().rev().take_while(|(it, _)| *it == ' ').count()
    }

    /// The longer of both.
    pub(super) fn context(&self) -> usize {
        self.context_before().max(self.context_behind())
    }

    /// What takes it back.
    pub(super) fn reversed(&self) -> Self {
        let turned = |(sign, line): &(char, String)| match sign {
            '-' => ('+', line.clone()),
            '+' => ('-', line.clone()),
            _ => (' ', line.clone()),
        };
        let mut lines: Vec<_> = self.lines.iter().map(turned).collect();
        // Removed lines stand before added ones.
        let mut start = 0;
        while start < lines.len() {
            let run = lines[start..].iter().take_while(|(it, _)| *it != ' ').count();
            lines[start..start + run].sort_by_key(|(it, _)| *it == '+');
            start += run.max(1);
        }
        Self { old_start: self.new_start, new_start: self.old_start, lines }
    }
}

impl FilePatch {
    pub(super) fn reverse(&mut self) {
        std::mem::swap(&mut self.old, &mut self.new);
        self.hunks.iter_mut().for_each(|hunk| *hunk = hunk.reversed());
        self.header.reverse();
    }

    /// Whether it makes a new file.
    pub(super) fn creates(&self) -> bool {
        self.says_absent(false) > 0
    }

    pub(super) fn deletes(&self) -> bool {
        self.says_absent(true) > 0
    }

    /// What it says of the file before it, or behind it: 2 that there is none, 1 that it is empty.
    pub(super) fn says_absent(&self, behind: bool) -> u8 {
        let [hunk] = &self.hunks[..] else { return 0 };
        let (start, added, name) = match behind {
            false => (hunk.old_start, '+', &self.old),
            true => (hunk.new_start, '-', &self.new),
        };
        if start > 0 || !hunk.side(added).is_empty() || self.form == Form::Normal {
            return 0;
        }
        let time = self.header.get(usize::from(behind)).and_then(|line| line.split_once('\t'));
        let is_epoch = time.is_some_and(|(_, time)| time.starts_with("1970-01-01 00:00:00"));
        if is_epoch || name.as_deref() == Some("/dev/null") { 2 } else { 1 }
    }
}

pub(super) fn parse(text: &str) -> Result<Vec<FilePatch>, String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut reader = Reader { lines, at: 0 };
    let mut files: Vec<FilePatch> = vec![];
    let mut intro = vec![];
    let mut mode = None;
    let mut index = None;
    while let Some(line) = reader.peek(0) {
        let bare = line.trim_end_matches(['\n', '\r']);
        let next = reader.peek(1).unwrap_or_default();
        let n_files = files.len();
        let first = reader.at;
        if line.starts_with("--- ") && next.starts_with("+++ ") {
            let file = reader.unified(mode.take(), index.take())?;
            files.extend((!file.hunks.is_empty()).then_some(file));
        } else if line.starts_with("*** ") && next.starts_with("--- ") {
            files.push(reader.context(index.take())?);
        } else if is_normal(bare) {
            files.push(reader.normal(index.take())?);
        } else if let Some(indent) = reader.indented() {
            let rest: String =
                reader.lines[reader.at..].iter().map(|it| out_of(it, indent)).collect();
            let at = reader.at;
            let mut inner = parse(&rest)?;
            inner.iter_mut().for_each(|it| (it.indent, it.line) = (indent, it.line + at));
            if let Some(first) = inner.first_mut() {
                first.intro.splice(0..0, intro);
            }
            files.extend(inner);
            break;
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
            intro.push(bare.to_owned());
            reader.at += 1;
        }
        if let Some(file) = files.get_mut(n_files) {
            let n_header = file.header.len();
            let header = reader.lines[first..].iter().take(n_header);
            intro.extend(header.map(|it| it.trim_end_matches(['\n', '\r']).to_owned()));
            file.intro = std::mem::take(&mut intro);
        }
    }
    Ok(files)
}

/// A line without so many of the blanks at its start.
fn out_of(line: &str, indent: usize) -> &str {
    let blanks = line.len() - line.trim_start_matches([' ', '\t']).len();
    &line[blanks.min(indent)..]
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

    /// How many blanks stand before a patch that begins here, if it is indented.
    fn indented(&self) -> Option<usize> {
        let line = self.peek(0)?;
        let indent = line.len() - line.trim_start_matches([' ', '\t']).len();
        let rest = |ahead: usize| Some(out_of(self.peek(ahead)?, indent));
        let is_patch = rest(0)?.starts_with("--- ") && rest(1)?.starts_with("+++ ")
            || rest(0)?.starts_with("*** ") && rest(1)?.starts_with("--- ");
        (indent > 0 && is_patch).then_some(indent)
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
        let mut file = FilePatch { index, form: Form::Context, ..self.header(old, new) };
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
        let mut file =
            FilePatch { index, line: self.at + 1, form: Form::Normal, ..FilePatch::default() };
        while let Some(line) = self.peek(0).filter(|it| is_normal(it.trim_end())) {
            self.at += 1;
            let line = line.trim_end();
            let at = line.find(['a', 'c', 'd']).unwrap_or(0);
            let start = |text: &str| text.split(',').next().and_then(|it| it.parse().ok());
            let old_start: usize = start(&line[..at]).unwrap_or(0);
            let new_start: usize = start(&line[at + 1..]).unwrap_or(0);
            let mut hunk = Hunk { old_start, new_start, lines: vec![] };
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
