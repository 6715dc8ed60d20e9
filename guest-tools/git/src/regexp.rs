//! Regular expressions: basic and extended POSIX ones, put into the words of the PCRE2 that libgit2 carries.

use std::ffi::{c_int, c_void};

use crate::fail::{Outcome, fatal};

const CASELESS: u32 = 0x8;
const MULTILINE: u32 = 0x400;
const UTF: u32 = 0x0008_0000;
const INVALID_UTF: u32 = 0x0400_0000;
const DOLLAR_ENDONLY: u32 = 0x10;

unsafe extern "C" {
    fn pcre2_compile_8(
        p: *const u8,
        len: usize,
        options: u32,
        error: *mut c_int,
        at: *mut usize,
        cx: *mut c_void,
    ) -> *mut c_void;
    fn pcre2_match_data_create_from_pattern_8(code: *const c_void, cx: *mut c_void) -> *mut c_void;
    fn pcre2_match_8(
        code: *const c_void,
        s: *const u8,
        len: usize,
        start: usize,
        options: u32,
        data: *mut c_void,
        cx: *mut c_void,
    ) -> c_int;
    fn pcre2_get_ovector_pointer_8(data: *mut c_void) -> *mut usize;
    fn pcre2_match_data_free_8(data: *mut c_void);
    fn pcre2_code_free_8(code: *mut c_void);
}

/// The language of a pattern.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Syntax {
    #[default]
    Basic,
    Extended,
    Fixed,
    Perl,
}

/// A compiled pattern.
pub(crate) struct Regexp {
    code: *mut c_void,
    data: *mut c_void,
}

impl Drop for Regexp {
    fn drop(&mut self) {
        // SAFETY: both were made by `new` and are freed once.
        unsafe {
            pcre2_match_data_free_8(self.data);
            pcre2_code_free_8(self.code);
        }
    }
}

impl Regexp {
    /// Compiles a pattern; `^` and `$` match at lines.
    pub(crate) fn new(
        pattern: &str,
        syntax: Syntax,
        fold: bool,
        whole_words: bool,
    ) -> Outcome<Self> {
        let mut text = match syntax {
            Syntax::Basic => from_posix(pattern.as_bytes(), false),
            Syntax::Extended => from_posix(pattern.as_bytes(), true),
            Syntax::Fixed => escaped(pattern.as_bytes()),
            Syntax::Perl => pattern.as_bytes().to_vec(),
        };
        if whole_words {
            text = [b"(?<!\\w)(?:", text.as_slice(), b")(?!\\w)"].concat();
        }
        let utf = if pattern.is_ascii() { 0 } else { UTF | INVALID_UTF };
        let options = MULTILINE | DOLLAR_ENDONLY | utf | if fold { CASELESS } else { 0 };
        let (mut error, mut at) = (0, 0);
        // SAFETY: the pattern outlives the call; what is made is freed by `drop`.
        unsafe {
            let code = pcre2_compile_8(
                text.as_ptr(),
                text.len(),
                options,
                &mut error,
                &mut at,
                std::ptr::null_mut(),
            );
            if code.is_null() {
                return Err(fatal(format!("invalid regular expression: '{pattern}'")));
            }
            Ok(Self {
                code,
                data: pcre2_match_data_create_from_pattern_8(code, std::ptr::null_mut()),
            })
        }
    }

    /// Where the pattern matches first, from a position on.
    pub(crate) fn find_at(&self, text: &[u8], start: usize) -> Option<(usize, usize)> {
        // SAFETY: the text outlives the call, and the vector has at least one pair after a match.
        unsafe {
            let n = pcre2_match_8(
                self.code,
                text.as_ptr(),
                text.len(),
                start,
                0,
                self.data,
                std::ptr::null_mut(),
            );
            if n < 0 {
                return None;
            }
            let vector = pcre2_get_ovector_pointer_8(self.data);
            Some((*vector, *vector.add(1)))
        }
    }

    pub(crate) fn matches(&self, text: &[u8]) -> bool {
        self.find_at(text, 0).is_some()
    }

    /// What group 1 caught, else the whole match.
    pub(crate) fn caught<'a>(&self, text: &'a [u8]) -> Option<&'a [u8]> {
        // SAFETY: as above; the number of groups that were set is the return value.
        unsafe {
            let n = pcre2_match_8(
                self.code,
                text.as_ptr(),
                text.len(),
                0,
                0,
                self.data,
                std::ptr::null_mut(),
            );
            if n < 0 {
                return None;
            }
            let vector = pcre2_get_ovector_pointer_8(self.data);
            let at = if n > 1 && *vector.add(2) != usize::MAX { 2 } else { 0 };
            text.get(*vector.add(at)..*vector.add(at + 1))
        }
    }
}

fn escaped(text: &[u8]) -> Vec<u8> {
    let mut out = vec![];
    for &b in text {
        if !(b.is_ascii_alphanumeric() || b == b'_' || b >= 0x80) {
            out.push(b'\\');
        }
        out.push(b);
    }
    out
}

/// Translates a POSIX pattern with GNU's extensions.
fn from_posix(text: &[u8], extended: bool) -> Vec<u8> {
    let mut out: Vec<u8> = vec![];
    let mut at = 0;
    // Whether a `*` here would have nothing to repeat.
    let mut opens = true;
    while at < text.len() {
        let b = text[at];
        let next = text.get(at + 1).copied();
        let mut opens_after = false;
        match b {
            b'[' => {
                at = bracket(text, at, &mut out);
                opens = false;
                continue;
            }
            b'\\' => {
                opens_after = escape(next, extended, &mut out);
                at += 1;
            }
            b'*' if opens && !extended => out.extend_from_slice(b"\\*"),
            b'(' | b'|' => {
                if !extended {
                    out.push(b'\\');
                }
                opens_after = extended;
                out.push(b);
            }
            b')' | b'{' | b'}' | b'+' | b'?' if !extended => out.extend_from_slice(&[b'\\', b]),
            b'^' if !extended && !opens => out.extend_from_slice(b"\\^"),
            b'^' => {
                opens_after = true;
                out.push(b);
            }
            b'$' if !extended && !closes(text, at + 1) => out.extend_from_slice(b"\\$"),
            _ => out.push(b),
        }
        opens = opens_after;
        at += 1;
    }
    out
}

/// Whether a basic pattern or a group of it ends here.
fn closes(text: &[u8], at: usize) -> bool {
    at >= text.len() || text[at..].starts_with(b"\\)") || text[at..].starts_with(b"\\|")
}

/// Translates what follows a backslash; returns whether it opens a group or an alternative.
fn escape(next: Option<u8>, extended: bool, out: &mut Vec<u8>) -> bool {
    match next {
        Some(b @ (b'(' | b'|')) if !extended => {
            out.push(b);
            return true;
        }
        Some(b @ (b')' | b'{' | b'}' | b'+' | b'?')) if !extended => out.push(b),
        Some(b'<') => out.extend_from_slice(b"\\b(?=\\w)"),
        Some(b'>') => out.extend_from_slice(b"\\b(?<=\\w)"),
        Some(b'`') => out.extend_from_slice(b"\\A"),
        Some(b'\'') => out.extend_from_slice(b"\\z"),
        Some(b @ (b'w' | b'W' | b's' | b'S' | b'b' | b'B' | b'1'..=b'9')) => {
            out.extend_from_slice(&[b'\\', b])
        }
        Some(b) if b.is_ascii_alphanumeric() => out.push(b),
        Some(b) => out.extend_from_slice(&[b'\\', b]),
        None => out.extend_from_slice(b"\\\\"),
    }
    false
}

/// Copies a bracket expression; returns where it ends.
fn bracket(text: &[u8], start: usize, out: &mut Vec<u8>) -> usize {
    let mut at = start + 1;
    out.push(b'[');
    if text.get(at) == Some(&b'^') {
        out.push(b'^');
        at += 1;
    }
    let first = at;
    while let Some(&b) = text.get(at) {
        if b == b']' && at > first {
            out.push(b']');
            return at + 1;
        }
        if b == b'['
            && matches!(text.get(at + 1), Some(b':'))
            && let Some(len) = text[at..].windows(2).position(|w| w == b":]")
        {
            out.extend_from_slice(&text[at..at + len + 2]);
            at += len + 2;
            continue;
        }
        if matches!(b, b'[' | b'\\' | b']') {
            out.push(b'\\');
        }
        out.push(b);
        at += 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn posix_patterns_keep_their_meaning() {
        let table: &[(&str, Syntax, &str, bool)] = &[
            (r"a\+b", Syntax::Basic, "aab", true),
            ("a+b", Syntax::Basic, "a+b", true),
            ("a+b", Syntax::Extended, "aab", true),
            (r"\(x\|y\)z", Syntax::Basic, "yz", true),
            ("*x", Syntax::Basic, "*x", true),
            (r"[\]x", Syntax::Basic, r"\x", true),
            ("a$b", Syntax::Basic, "a$b", true),
            (r"\<foo\>", Syntax::Basic, "a foo b", true),
            (r"\<foo\>", Syntax::Basic, "afoo b", false),
            ("a.b", Syntax::Fixed, "axb", false),
            (r"\d+", Syntax::Perl, "x12", true),
        ];
        for (pattern, syntax, text, expected) in table {
            let regexp = Regexp::new(pattern, *syntax, false, false).unwrap();
            assert_eq!(regexp.matches(text.as_bytes()), *expected, "{pattern} {text}");
        }
    }
}
