//! POSIX basic and extended regular expressions with GNU's extensions, over oniguruma.
//!
//! oniguruma has syntaxes of these names, but they take `\` in brackets for an escape, anchors for
//! anchors everywhere, and the first alternative that fits instead of the longest match. So patterns
//! are rewritten into its own syntax first, with every literal escaped ([`translate`]), and a match
//! that could be longer is looked for again from where it starts.

mod translate;

use std::cell::OnceCell;

use onig::{EncodedBytes, RegexOptions, Region, SearchOptions, Syntax};

pub use translate::{Dialect, Translated, translate};

/// A compiled pattern.
#[derive(Debug)]
pub struct Regex {
    text: String,
    options: RegexOptions,
    utf8: OnceCell<onig::Regex>,
    bytes: OnceCell<onig::Regex>,
    longest: OnceCell<onig::Regex>,
    is_ambiguous: bool,
    is_utf8: bool,
}

/// How a pattern is to be read.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Extended instead of basic syntax.
    pub extended: bool,
    /// Without regard to case.
    pub ignore_case: bool,
    /// `^` and `$` also match at newlines.
    pub multi_line: bool,
    /// `\n`, `\t`, `\x41` and the like are characters, as in sed and awk.
    pub escapes: bool,
    /// Backslashes in brackets escape, as in awk.
    pub bracket_escapes: bool,
    /// Texts are UTF-8 where they can be, otherwise bytes.
    pub utf8: bool,
}

impl Regex {
    /// Compiles a pattern.
    ///
    /// # Errors
    ///
    /// Fails with GNU's words if it is none.
    pub fn new(pattern: &str, options: Options) -> Result<Self, String> {
        let translated = translate(pattern, Dialect::from(options))?;
        let mut flags = RegexOptions::REGEX_OPTION_CAPTURE_GROUP;
        if options.ignore_case {
            flags |= RegexOptions::REGEX_OPTION_IGNORECASE;
        }
        let regex = Self {
            text: translated.text,
            options: flags,
            utf8: OnceCell::new(),
            bytes: OnceCell::new(),
            longest: OnceCell::new(),
            is_ambiguous: translated.is_ambiguous,
            is_utf8: options.utf8,
        };
        let compiled = if options.utf8 { &regex.utf8 } else { &regex.bytes };
        let first = regex.compile(options.utf8, flags).map_err(|e| e.description().to_owned())?;
        drop(compiled.set(first));
        Ok(regex)
    }

    /// The number of groups.
    #[must_use]
    pub fn groups(&self) -> usize {
        let compiled = self.utf8.get().or(self.bytes.get());
        compiled.map_or(0, onig::Regex::captures_len)
    }

    /// Finds the leftmost longest match at or after `start`; `region` gets its groups.
    pub fn find_at(&self, text: &[u8], start: usize, region: &mut Region) -> bool {
        let utf8 = self.is_utf8 && std::str::from_utf8(text).is_ok();
        let found = self.compiled(utf8).search_with_encoding(
            encoded(text, utf8),
            start,
            text.len(),
            SearchOptions::SEARCH_OPTION_NONE,
            Some(region),
        );
        let Some(at) = found else { return false };
        if self.is_ambiguous && utf8 == self.is_utf8 {
            let options = self.options | RegexOptions::REGEX_OPTION_FIND_LONGEST;
            let longest = self.longest.get_or_init(|| self.must(utf8, options));
            let text = encoded(text, utf8);
            let none = SearchOptions::SEARCH_OPTION_NONE;
            // It leaves what it found in the region also where it says that there is no match.
            let mut found = Region::new();
            longest.match_with_encoding(text, at, none, Some(&mut found));
            if found.pos(0).is_some_and(|best| region.pos(0).is_some_and(|it| best.1 > it.1)) {
                *region = found;
            }
        }
        true
    }

    /// Whether it matches anywhere in a text.
    #[must_use]
    pub fn is_match(&self, text: &[u8]) -> bool {
        let utf8 = self.is_utf8 && std::str::from_utf8(text).is_ok();
        let none = SearchOptions::SEARCH_OPTION_NONE;
        let compiled = self.compiled(utf8);
        compiled.search_with_encoding(encoded(text, utf8), 0, text.len(), none, None).is_some()
    }

    fn compiled(&self, utf8: bool) -> &onig::Regex {
        let cell = if utf8 { &self.utf8 } else { &self.bytes };
        cell.get_or_init(|| self.must(utf8, self.options))
    }

    /// Compiles what compiled before in the other encoding.
    fn must(&self, utf8: bool, options: RegexOptions) -> onig::Regex {
        self.compile(utf8, options).unwrap_or_else(|e| {
            eprintln!("regular expression: {e}");
            std::process::exit(2)
        })
    }

    fn compile(&self, utf8: bool, options: RegexOptions) -> Result<onig::Regex, onig::Error> {
        onig::Regex::with_options_and_encoding(
            encoded(self.text.as_bytes(), utf8),
            options,
            Syntax::ruby(),
        )
    }
}

fn encoded(text: &[u8], utf8: bool) -> EncodedBytes<'_> {
    if utf8 {
        EncodedBytes::from_parts(text, &raw mut onig_sys::OnigEncodingUTF8)
    } else {
        EncodedBytes::ascii(text)
    }
}
