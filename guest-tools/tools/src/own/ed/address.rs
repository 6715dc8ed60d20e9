//! Addresses of lines, and patterns between delimiters.

use onig::Region;

use super::{Done, Ed, wrong};

/// Which lines a command is for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Range {
    pub(super) first: usize,
    pub(super) last: usize,
    /// How many addresses were given.
    pub(super) given: usize,
}

impl Range {
    /// Both, or those of a command without addresses.
    pub(super) fn or(self, first: usize, last: usize) -> (usize, usize) {
        if self.given == 0 { (first, last) } else { (self.first, self.last) }
    }

    /// The last one, or that of a command without addresses.
    pub(super) fn last_or(self, last: usize) -> usize {
        if self.given == 0 { last } else { self.last }
    }
}

fn skip_blanks(text: &mut &[u8]) {
    while let [b' ' | b'\t', rest @ ..] = *text {
        *text = rest;
    }
}

fn number(text: &mut &[u8]) -> Option<usize> {
    let length = text.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = text.split_at(length);
    let value = std::str::from_utf8(digits).ok()?.parse().ok()?;
    *text = rest;
    Some(value)
}

/// Takes a pattern up to its delimiter, which goes too; `true` if it was there.
pub(super) fn pattern(text: &mut &[u8], delimiter: u8) -> (Vec<u8>, bool) {
    let mut found = vec![];
    let mut in_brackets = false;
    while let Some((byte, rest)) = text.split_first() {
        *text = rest;
        match byte {
            b'\\' if !in_brackets => {
                let Some((next, rest)) = text.split_first() else {
                    found.push(b'\\');
                    break;
                };
                *text = rest;
                if *next != delimiter || delimiter == b'&' {
                    found.push(b'\\');
                }
                found.push(*next);
            }
            b'[' if !in_brackets => {
                in_brackets = true;
                found.push(b'[');
                // A bracket at the start is one of the letters.
                for start in [b'^', b']'] {
                    if text.first() == Some(&start) {
                        found.push(start);
                        *text = &text[1..];
                    }
                }
            }
            b']' if in_brackets => {
                in_brackets = false;
                found.push(b']');
            }
            byte if *byte == delimiter && !in_brackets => return (found, true),
            byte => found.push(*byte),
        }
    }
    (found, false)
}

impl Ed {
    /// Takes the addresses in front of a command.
    pub(super) fn range(&mut self, text: &mut &[u8]) -> Done<Range> {
        let mut range = Range { first: self.dot, last: self.dot, given: 0 };
        let before = self.dot;
        let mut is_open = false;
        loop {
            skip_blanks(text);
            let address = self.address(text)?;
            skip_blanks(text);
            if let Some(at) = address {
                range.first = if range.given == 0 { at } else { range.last };
                if range.given == 0 {
                    range.last = at;
                }
                if is_open {
                    range.last = at;
                }
                range.given = (range.given + 1).min(2);
            }
            match text.first() {
                Some(separator @ (b',' | b';')) => {
                    *text = &text[1..];
                    if range.given == 0 {
                        let (first, last) = if *separator == b',' {
                            (1, self.lines.len())
                        } else {
                            (self.dot, self.lines.len())
                        };
                        range = Range { first: first.min(last), last: first.min(last), given: 1 };
                        skip_blanks(text);
                        if !self.starts_address(text) {
                            range.last = last;
                            range.given = 2;
                            break;
                        }
                    } else {
                        range.first = range.last;
                    }
                    if *separator == b';' {
                        self.dot = range.last;
                    }
                    is_open = true;
                    skip_blanks(text);
                    if !self.starts_address(text) && !matches!(text.first(), Some(b',' | b';')) {
                        range.given = 2;
                        break;
                    }
                }
                _ => break,
            }
        }
        if range.given > 0 && (range.last > self.lines.len() || range.first > range.last) {
            self.dot = before;
            return wrong("Invalid address");
        }
        Ok(range)
    }

    fn starts_address(&self, text: &[u8]) -> bool {
        let first = text.first();
        first.is_some_and(|b| b.is_ascii_digit() || b"./?$'+-^".contains(b))
            && !self.lines.is_empty()
            || first.is_some_and(|b| b.is_ascii_digit() || b"$.".contains(b))
    }

    fn address(&mut self, text: &mut &[u8]) -> Done<Option<usize>> {
        let Some(first) = text.first().copied() else { return Ok(None) };
        let mut at: Option<i64> = match first {
            b'.' | b'$' => {
                *text = &text[1..];
                Some(if first == b'.' { self.dot } else { self.lines.len() } as i64)
            }
            b'0'..=b'9' => number(text).map(|n| n as i64),
            b'\'' => {
                let Some(name) = text.get(1).copied() else {
                    return wrong("Invalid mark character");
                };
                *text = &text[2..];
                Some(self.marked(name)? as i64)
            }
            b'/' | b'?' => {
                *text = &text[1..];
                let (wanted, _) = pattern(text, first);
                Some(self.find(&wanted, first == b'/')? as i64)
            }
            _ => None,
        };
        loop {
            skip_blanks(text);
            match text.first() {
                Some(sign @ (b'+' | b'-' | b'^')) => {
                    *text = &text[1..];
                    let n = number(text).unwrap_or(1) as i64;
                    let base = at.unwrap_or(self.dot as i64);
                    at = Some(if *sign == b'+' { base + n } else { base - n });
                }
                Some(b'0'..=b'9') if at.is_some() => {
                    let n = number(text).unwrap_or(0) as i64;
                    at = at.map(|base| base + n);
                }
                _ => break,
            }
        }
        match at {
            Some(n) if n < 0 => wrong("Invalid address"),
            at => Ok(at.map(|n| n as usize)),
        }
    }

    fn marked(&self, name: u8) -> Done<usize> {
        let id = self.marks.iter().rev().find(|(it, _)| *it == name).map(|(_, id)| *id);
        let at = id.and_then(|id| self.lines.iter().position(|line| line.0 == id));
        at.map(|at| at + 1).ok_or_else(|| "Invalid address".to_owned())
    }

    /// The next line with a pattern, around the end.
    fn find(&mut self, wanted: &[u8], forward: bool) -> Done<usize> {
        let regex = self.regex(wanted, false)?;
        let n = self.lines.len();
        for step in 1..=n {
            let at = if forward {
                (self.dot + step - 1) % n + 1
            } else {
                (self.dot + 2 * n - step - 1) % n + 1
            };
            if regex.is_match(&self.lines[at - 1].1) {
                return Ok(at);
            }
        }
        wrong("No match")
    }
}

/// The groups of a match.
pub(super) fn group(region: &Region, n: usize) -> Option<(usize, usize)> {
    region.pos(n)
}
