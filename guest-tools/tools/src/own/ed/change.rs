//! The commands.

use onig::Region;

use super::address::{Range, group, pattern};
use super::{Done, Ed, Input, Line, Next, Substitution, is_name, shell, wrong};

impl Ed {
    pub(super) fn command(
        &mut self,
        line: &[u8],
        input: &mut Input<'_>,
        had_warned: bool,
    ) -> Done<Next> {
        let mut text = line;
        let range = self.range(&mut text)?;
        let Some((command, rest)) = text.split_first() else {
            let at = if range.given > 0 { range.last } else { self.dot + 1 };
            if at == 0 || at > self.lines.len() {
                return wrong("Invalid address");
            }
            self.show(at, at, b"p")?;
            return Ok(Next::On);
        };
        match command {
            b'q' | b'Q' => {
                self.no_address(range)?;
                suffix(rest)?;
                if *command == b'q' && self.modified && !had_warned {
                    self.warned = true;
                    return wrong("Warning: buffer modified");
                }
                return Ok(Next::Quit);
            }
            b'e' | b'E' => {
                self.no_address(range)?;
                if *command == b'e' && self.modified && !had_warned {
                    self.warned = true;
                    return wrong("Warning: buffer modified");
                }
                let name = self.name(rest, true)?;
                self.lines.clear();
                self.dot = 0;
                self.modified = false;
                self.undo = None;
                let read = self.read_file(&name, 0);
                self.modified = false;
                read?;
            }
            b'w' | b'W' => return self.write(*command, rest, range),
            b'a' | b'i' | b'c' => self.insert(*command, rest, range, input)?,
            b'd' | b'j' | b'y' | b'm' | b't' | b'x' | b'u' => self.edit(*command, rest, range)?,
            b's' => self.substitute(rest, range, input)?,
            b'g' | b'v' => return self.global(*command == b'g', rest, range, input),
            _ => self.small(*command, rest, range)?,
        }
        Ok(Next::On)
    }

    /// What changes no text.
    fn small(&mut self, command: u8, rest: &[u8], range: Range) -> Done {
        match command {
            b'p' | b'n' | b'l' => {
                let how = [&[command], suffix(rest)?].concat();
                let (first, last) = range.or(self.dot, self.dot);
                self.show(first, last, &how)
            }
            b'=' => {
                let shown = suffix(rest)?.to_vec();
                println!("{}", range.last_or(self.lines.len()));
                self.shown_too(&shown)
            }
            b'f' => {
                self.no_address(range)?;
                let name = self.name(rest, true)?;
                println!("{name}");
                Ok(())
            }
            b'r' => {
                let name = self.name(rest, false)?;
                if !is_name(&name) {
                    return wrong("No current filename");
                }
                self.remember();
                self.read_file(&name, range.last_or(self.lines.len()))
            }
            b'k' => {
                let Some(name) = rest.first().filter(|it| it.is_ascii_lowercase()) else {
                    return wrong("Invalid mark character");
                };
                suffix(&rest[1..])?;
                let at = range.last_or(self.dot);
                let Some(line) = at.checked_sub(1).and_then(|at| self.lines.get(at)) else {
                    return wrong("Invalid address");
                };
                self.marks.push((*name, line.0));
                Ok(())
            }
            b'h' | b'H' => {
                self.no_address(range)?;
                suffix(rest)?;
                self.explains ^= command == b'H';
                if !self.last_error.is_empty() && (command == b'h' || self.explains) {
                    println!("{}", self.last_error);
                }
                Ok(())
            }
            b'P' => {
                self.no_address(range)?;
                suffix(rest)?;
                self.prompts ^= true;
                Ok(())
            }
            b'z' => self.scroll(rest, range),
            b'!' => {
                self.no_address(range)?;
                let mut command = String::from_utf8_lossy(rest).into_owned();
                if let Some(more) = command.strip_prefix('!') {
                    command = format!("{}{more}", self.shell_command);
                    println!("{command}");
                }
                let command = command.replace('%', self.file.as_deref().unwrap_or("%"));
                self.shell_command.clone_from(&command);
                shell(&command).status().map_err(|e| e.to_string())?;
                if !self.silent {
                    println!("!");
                }
                Ok(())
            }
            b'#' => Ok(()),
            _ => wrong("Unknown command"),
        }
    }

    fn no_address(&self, range: Range) -> Done {
        if range.given > 0 { wrong("Unexpected address") } else { Ok(()) }
    }

    /// What stands behind a command: how the line that it leaves is shown.
    fn shown_too(&mut self, how: &[u8]) -> Done {
        if how.is_empty() { Ok(()) } else { self.show(self.dot, self.dot, how) }
    }

    fn scroll(&mut self, rest: &[u8], range: Range) -> Done {
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let n = std::str::from_utf8(&rest[..digits]).ok().and_then(|it| it.parse().ok());
        let how = [b"p", suffix(&rest[digits..])?].concat();
        let first = range.last_or(self.dot + 1);
        if first == 0 || first > self.lines.len() {
            return wrong("Invalid address");
        }
        let last = (first + n.unwrap_or(22) - 1).min(self.lines.len());
        self.show(first, last, &how)
    }

    fn write(&mut self, command: u8, rest: &[u8], range: Range) -> Done<Next> {
        let (quits, rest) = match rest {
            [b'q', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let (first, last) = range.or(usize::from(!self.lines.is_empty()), self.lines.len());
        let name = self.name(rest, false)?;
        self.write_file(&name, first, last, command == b'W')?;
        Ok(if quits { Next::Quit } else { Next::On })
    }

    /// `a`, `i` and `c` with the lines that follow up to a dot.
    fn insert(&mut self, command: u8, rest: &[u8], range: Range, input: &mut Input<'_>) -> Done {
        let how = suffix(rest)?.to_vec();
        let (first, last) = range.or(self.dot, self.dot);
        self.remember();
        let mut texts = vec![];
        while let Some(line) = input.line().filter(|line| line != b".") {
            texts.push(line);
        }
        let at = match command {
            b'a' => last,
            b'i' => last.saturating_sub(1),
            _ => {
                let first = first.max(1);
                if last == 0 {
                    return wrong("Invalid address");
                }
                self.remove(first, last);
                self.dot = first.min(self.lines.len());
                first - 1
            }
        };
        if texts.is_empty() && command != b'c' {
            self.dot = last;
        }
        self.add(at, texts);
        self.shown_too(&how)
    }

    fn edit(&mut self, command: u8, rest: &[u8], range: Range) -> Done {
        let (mut first, mut last) = range.or(self.dot, self.dot);
        if command == b'j' && range.given < 2 {
            (first, last) = (range.last_or(self.dot), range.last_or(self.dot) + 1);
            if range.given == 1 {
                last = first;
            }
        }
        if last > self.lines.len() || (first == 0 && !matches!(command, b'x' | b'u')) {
            return wrong("Invalid address");
        }
        let mut rest = rest;
        let target = match command {
            b'm' | b't' => {
                let target = self.range(&mut rest)?;
                Some(target.last_or(self.dot))
            }
            _ => None,
        };
        let how = suffix(rest)?.to_vec();
        if command == b'u' {
            return self.take_back(range, &how);
        }
        if command == b'm' && target.is_some_and(|at| at >= first && at < last) {
            return wrong("Invalid destination");
        }
        if command != b'y' {
            self.remember();
        }
        match (command, target) {
            (b'd', _) => {
                self.remove(first, last);
                self.dot = first.min(self.lines.len());
            }
            (b'j', _) if first < last => {
                let joined = self.texts(first, last).concat();
                self.remove(first, last);
                self.add(first - 1, vec![joined]);
            }
            (b'y', _) => self.cut = self.texts(first, last),
            (b'x', _) => {
                if self.cut.is_empty() {
                    return wrong("Nothing to put");
                }
                self.add(range.last_or(self.dot), self.cut.clone());
            }
            (b't', Some(at)) => self.add(at, self.texts(first, last)),
            (b'm', Some(at)) => self.move_lines(first, last, at),
            _ => {}
        }
        self.shown_too(&how)
    }

    fn move_lines(&mut self, first: usize, last: usize, at: usize) {
        let moved: Vec<Line> = self.lines.drain(first - 1..last).collect();
        let n = moved.len();
        let at = if at >= last { at - n } else { at };
        self.lines.splice(at..at, moved);
        self.dot = at + n;
        self.modified = true;
    }

    fn take_back(&mut self, range: Range, how: &[u8]) -> Done {
        self.no_address(range)?;
        let Some(before) = self.undo.take() else { return wrong("Nothing to undo") };
        self.undo = Some(self.snapshot());
        self.lines = before.lines;
        self.dot = before.dot;
        self.modified = before.modified;
        self.shown_too(how)
    }

    fn substitute(&mut self, rest: &[u8], range: Range, input: &mut Input<'_>) -> Done {
        let (first, last) = range.or(self.dot, self.dot);
        let (regex, what) = match rest.first() {
            None | Some(b'g' | b'p' | b'r' | b'1'..=b'9') => {
                let Some(what) = self.substitution.clone() else {
                    return wrong("No previous substitution");
                };
                (self.regex(b"", false)?, with_flags(what, rest)?.0)
            }
            Some(b' ' | b'\n' | b'\\') => return wrong("Invalid pattern delimiter"),
            Some(delimiter) => {
                let mut text = &rest[1..];
                let (wanted, is_closed) = pattern(&mut text, *delimiter);
                if !is_closed {
                    return wrong("Missing pattern delimiter");
                }
                let (replacement, flags) = self.replacement(text, *delimiter, input);
                let mut what = Substitution { replacement, nth: 1, ..Substitution::default() };
                let ignore_case;
                match flags {
                    Some(flags) => (what, ignore_case) = with_flags(what, &flags)?,
                    None => {
                        what.suffix = b"p".to_vec();
                        ignore_case = false;
                    }
                }
                (self.regex(&wanted, ignore_case)?, what)
            }
        };
        self.substitution = Some(Substitution { suffix: vec![], ..what.clone() });
        if first == 0 {
            return wrong("Invalid address");
        }
        let before = self.snapshot();
        let (mut at, mut end, mut changed) = (first, last, None);
        while at <= end {
            let text = self.lines[at - 1].1.clone();
            if let Some(new) = replaced(&regex, &text, &what)? {
                let texts: Vec<Vec<u8>> = new.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
                let n = texts.len();
                let id = self.lines[at - 1].0;
                self.lines.remove(at - 1);
                self.add(at - 1, texts);
                self.lines[at - 1].0 = id;
                at += n - 1;
                end += n - 1;
                changed = Some(at);
            }
            at += 1;
        }
        match changed {
            Some(at) => {
                if !self.in_global {
                    self.undo = Some(before);
                }
                self.dot = at;
                self.modified = true;
                self.shown_too(&what.suffix)
            }
            None if self.in_global => Ok(()),
            None => wrong("No match"),
        }
    }

    /// The replacement, with lines that follow a backslash at the end of one; and the flags, if it was closed.
    fn replacement(
        &mut self,
        text: &[u8],
        delimiter: u8,
        input: &mut Input<'_>,
    ) -> (Vec<u8>, Option<Vec<u8>>) {
        let mut found = vec![];
        let mut line = text.to_vec();
        loop {
            let mut at = 0;
            let mut goes_on = false;
            while at < line.len() {
                match line[at] {
                    b'\\' if at + 1 == line.len() => {
                        goes_on = true;
                        at += 1;
                    }
                    b'\\' => {
                        if line[at + 1] != delimiter || delimiter == b'&' {
                            found.push(b'\\');
                        }
                        found.push(line[at + 1]);
                        at += 2;
                    }
                    byte if byte == delimiter => {
                        return (self.with_last(found), Some(line[at + 1..].to_vec()));
                    }
                    byte => {
                        found.push(byte);
                        at += 1;
                    }
                }
            }
            match goes_on.then(|| input.line()).flatten() {
                Some(next) => {
                    found.push(b'\n');
                    line = next;
                }
                None => return (self.with_last(found), None),
            }
        }
    }

    /// `%` alone is the replacement before.
    fn with_last(&self, replacement: Vec<u8>) -> Vec<u8> {
        match &self.substitution {
            Some(last) if replacement == b"%" => last.replacement.clone(),
            _ => replacement,
        }
    }

    /// `g/pattern/commands` and `v`.
    fn global(
        &mut self,
        wants_match: bool,
        rest: &[u8],
        range: Range,
        input: &mut Input<'_>,
    ) -> Done<Next> {
        if self.in_global {
            return wrong("Cannot nest global commands");
        }
        let Some((delimiter, mut text)) = rest.split_first() else {
            return wrong("Invalid pattern delimiter");
        };
        let (wanted, is_closed) = pattern(&mut text, *delimiter);
        let mut flags = false;
        if is_closed && text.first() == Some(&b'I') {
            flags = true;
            text = &text[1..];
        }
        let regex = self.regex(&wanted, flags)?;
        let mut list = vec![];
        let mut line = text.to_vec();
        while line.last() == Some(&b'\\') {
            line.pop();
            list.push(line);
            line = input.line().unwrap_or_default();
        }
        list.push(line);
        if list == [b"".to_vec()] {
            list = vec![b"p".to_vec()];
        }
        let (first, last) = range.or(usize::from(!self.lines.is_empty()), self.lines.len());
        if first == 0 {
            return Ok(Next::On);
        }
        let marked: Vec<u64> = self.lines[first - 1..last]
            .iter()
            .filter(|line| regex.is_match(&line.1) == wants_match)
            .map(|line| line.0)
            .collect();
        let before = self.snapshot();
        self.in_global = true;
        let done = self.for_each(&marked, &list, input);
        self.in_global = false;
        self.undo = Some(before);
        done
    }

    fn for_each(&mut self, ids: &[u64], list: &[Vec<u8>], input: &mut Input<'_>) -> Done<Next> {
        for id in ids {
            let Some(at) = self.lines.iter().position(|line| line.0 == *id) else { continue };
            self.dot = at + 1;
            let mut lines = list.to_vec().into_iter();
            while let Some(line) = lines.next() {
                let mut nested = Input { list: Some(lines), stdin: &mut *input.stdin };
                let done = self.command(&line, &mut nested, true);
                lines = nested.list.take().unwrap_or_else(|| vec![].into_iter());
                if let Next::Quit = done? {
                    return Ok(Next::Quit);
                }
            }
        }
        Ok(Next::On)
    }
}

/// `p`, `l` and `n` behind a command.
fn suffix(rest: &[u8]) -> Done<&[u8]> {
    let rest = rest.trim_ascii();
    match rest.iter().all(|b| b"pln".contains(b)) {
        true => Ok(rest),
        false => wrong("Unexpected command suffix"),
    }
}

/// The flags of `s`; and whether case does not count.
fn with_flags(mut what: Substitution, flags: &[u8]) -> Done<(Substitution, bool)> {
    let mut ignore_case = false;
    let mut digits = String::new();
    for flag in flags {
        match flag {
            b'g' => what.global = true,
            b'i' | b'I' => ignore_case = true,
            b'p' | b'l' | b'n' => what.suffix.push(*flag),
            b'0'..=b'9' => digits.push(char::from(*flag)),
            b' ' | b'\t' => {}
            _ => return wrong("Unexpected command suffix"),
        }
    }
    if !digits.is_empty() {
        what.nth = digits.parse().map_err(|_| "Number out of range".to_owned())?;
    }
    Ok((what, ignore_case))
}

/// A line after the substitution; none if nothing matches.
fn replaced(regex: &posix_regex::Regex, text: &[u8], what: &Substitution) -> Done<Option<Vec<u8>>> {
    let (mut out, mut at, mut n, mut is_changed) = (vec![], 0, 0, false);
    while at <= text.len() {
        let mut region = Region::new();
        if !regex.find_at(text, at, &mut region) {
            break;
        }
        let Some((start, end)) = group(&region, 0) else { break };
        if start == end && what.global {
            return wrong("Infinite substitution loop");
        }
        n += 1;
        out.extend_from_slice(&text[at..start]);
        let is_wanted = n == what.nth || (what.global && n >= what.nth);
        if is_wanted {
            expand(&what.replacement, text, &region, &mut out);
            is_changed = true;
        } else {
            out.extend_from_slice(&text[start..end]);
        }
        at = end;
        if start == end {
            out.extend(text.get(end));
            at += 1;
        }
        if is_changed && !what.global {
            break;
        }
    }
    out.extend_from_slice(text.get(at..).unwrap_or_default());
    Ok(is_changed.then_some(out))
}

fn expand(replacement: &[u8], text: &[u8], region: &Region, out: &mut Vec<u8>) {
    let mut bytes = replacement.iter();
    let take = |n: usize, out: &mut Vec<u8>| {
        if let Some((start, end)) = group(region, n) {
            out.extend_from_slice(&text[start..end]);
        }
    };
    while let Some(byte) = bytes.next() {
        match byte {
            b'&' => take(0, out),
            b'\\' => match bytes.next() {
                Some(digit @ b'0'..=b'9') => take(usize::from(digit - b'0'), out),
                Some(other) => out.push(*other),
                None => {}
            },
            byte => out.push(*byte),
        }
    }
}
