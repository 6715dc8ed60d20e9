//! The items of the input, one after the other as they come.

use std::io::{self, Bytes, Read};

/// How the input is taken apart.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    /// A byte ends each item, and nothing is special.
    Separated(u8),
    /// Words, with quotes and backslashes.
    Words,
    /// Lines, with quotes and backslashes.
    Lines,
}

/// An argument, and whether a line ends behind it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) text: String,
    pub(super) ends_line: bool,
}

/// Reads items.
pub(super) struct Items<R> {
    input: Bytes<R>,
    kind: Kind,
    /// The item that is taken for the end of the input.
    end: Option<String>,
    is_done: bool,
    /// Whether a byte of zero was seen where it stands for nothing.
    has_null: bool,
}

impl<R: Read> Items<R> {
    pub(super) fn new(input: R, kind: Kind, end: Option<String>) -> Self {
        Self { input: input.bytes(), kind, end, is_done: false, has_null: false }
    }

    /// The next item; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Item>, String> {
        if self.is_done {
            return Ok(None);
        }
        let found = match self.kind {
            Kind::Separated(end) => self.separated(end),
            Kind::Words => self.quoted(false),
            Kind::Lines => self.quoted(true),
        };
        let found = found?.filter(|item| self.end.as_ref() != Some(&item.text));
        self.is_done |= found.is_none();
        Ok(found)
    }

    fn byte(&mut self) -> Result<Option<u8>, String> {
        let byte: Option<io::Result<u8>> = self.input.next();
        byte.transpose().map_err(|e| super::reason(&e))
    }

    fn separated(&mut self, end: u8) -> Result<Option<Item>, String> {
        let mut item = vec![];
        loop {
            match self.byte()? {
                Some(byte) if byte == end => return Ok(Some(made(&item, true))),
                Some(byte) => item.push(byte),
                None => {
                    self.is_done = true;
                    return Ok((!item.is_empty()).then(|| made(&item, true)));
                }
            }
        }
    }

    /// Items as the shell would take them, or whole lines.
    fn quoted(&mut self, by_line: bool) -> Result<Option<Item>, String> {
        let (mut item, mut has_item, mut quote) = (vec![], false, None);
        loop {
            let read = self.byte()?;
            self.is_done |= read.is_none();
            let byte = read.unwrap_or(b'\n');
            match (quote, byte) {
                (Some(_), b'\n') => return Err(unmatched(quote)),
                (Some(open), byte) if byte == open => quote = None,
                (None, b'"' | b'\'') => {
                    quote = Some(byte);
                    has_item = true;
                }
                (None, b'\\') => {
                    if let Some(next) = self.byte()? {
                        item.push(next);
                        has_item = true;
                    }
                }
                (None, b' ' | b'\t') if by_line && has_item => item.push(byte),
                (None, b' ' | b'\t' | b'\n') => {
                    if has_item {
                        // A blank at its end carries a line on.
                        return Ok(Some(made(&item, byte == b'\n')));
                    }
                    if self.is_done {
                        return Ok(None);
                    }
                }
                (_, 0) => self.warn_of_null(),
                (_, byte) => {
                    item.push(byte);
                    has_item = true;
                }
            }
        }
    }

    fn warn_of_null(&mut self) {
        if !std::mem::replace(&mut self.has_null, true) {
            eprintln!(
                "xargs: WARNING: a NUL character occurred in the input.  It cannot be passed through in the argument list.  Did you mean to use the --null option?"
            );
        }
    }
}

fn made(item: &[u8], ends_line: bool) -> Item {
    Item { text: String::from_utf8_lossy(item).into_owned(), ends_line }
}

fn unmatched(quote: Option<u8>) -> String {
    let kind = if quote == Some(b'"') { "double" } else { "single" };
    format!(
        "unmatched {kind} quote; by default quotes are special to xargs unless you use the -0 option"
    )
}

/// The byte that `-d` names.
pub(super) fn delimiter(text: &str) -> Result<u8, String> {
    if let [byte] = text.as_bytes() {
        return Ok(*byte);
    }
    let Some(escape) = text.strip_prefix('\\') else {
        return Err(format!(
            "Invalid input delimiter specification {text}: the delimiter must be either a single character or an escape sequence starting with \\."
        ));
    };
    let plain =
        [('a', 7), ('b', 8), ('f', 12), ('n', 10), ('r', 13), ('t', 9), ('v', 11), ('\\', 92)];
    let first = escape.chars().next();
    if let Some((_, byte)) = plain.iter().find(|(letter, _)| Some(*letter) == first) {
        return Ok(*byte);
    }
    let (digits, base, largest) = match first {
        Some('x') => (&escape[1..], 16, "ff"),
        Some('0'..='9') => (escape, 8, "377"),
        _ => {
            return Err(format!(
                "Invalid escape sequence {text} in input delimiter specification."
            ));
        }
    };
    let end = digits.find(|c: char| !c.is_digit(base)).unwrap_or(digits.len());
    if end < digits.len() {
        return Err(format!(
            "Invalid escape sequence {text} in input delimiter specification; trailing characters {} not recognised.",
            &digits[end..]
        ));
    }
    if digits.is_empty() {
        return Ok(0);
    }
    u32::from_str_radix(digits, base).ok().and_then(|it| u8::try_from(it).ok()).ok_or_else(|| {
        format!(
            "Invalid escape sequence {text} in input delimiter specification; character values must not exceed {largest}."
        )
    })
}
