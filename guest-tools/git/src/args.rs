//! Options as git parses them: bundles of letters, `--name=value`, unique abbreviations, `--no-name`,
//! and operands in between.

use crate::fail::{Fail, Outcome, fatal, plain, usage};

/// Whether an option takes a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Takes {
    No,
    Value,
    /// Only in the same word: `-M50`, `--color=always`.
    Maybe,
}

/// An option: its letter (or a blank), its name (or the letter again), its value.
pub(crate) struct Opt(pub(crate) char, pub(crate) &'static str, pub(crate) Takes);

/// Shorthands for tables of options.
pub(crate) const fn flag(letter: char, name: &'static str) -> Opt {
    Opt(letter, name, Takes::No)
}
pub(crate) const fn value(letter: char, name: &'static str) -> Opt {
    Opt(letter, name, Takes::Value)
}
pub(crate) const fn maybe(letter: char, name: &'static str) -> Opt {
    Opt(letter, name, Takes::Maybe)
}

/// How an unknown option is told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// ``error: unknown option `x'``, 129.
    Option,
    /// `fatal: unrecognized argument: --x`, 128.
    Fatal,
    /// `error: invalid option: --x`, 129.
    Invalid,
}

/// An option as it was given.
#[derive(Debug)]
pub(crate) struct Given {
    pub(crate) name: &'static str,
    /// It was `--no-name`.
    pub(crate) no: bool,
    pub(crate) value: Option<String>,
}

impl Given {
    pub(crate) fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    /// A number, or git's complaint.
    pub(crate) fn number<T: std::str::FromStr>(&self) -> Outcome<T> {
        self.text().parse().map_err(|_| {
            plain(129, format!("error: option `{}' expects a numerical value", self.name))
        })
    }
}

/// A parsed command line.
#[derive(Debug, Default)]
pub(crate) struct Words {
    pub(crate) given: Vec<Given>,
    pub(crate) operands: Vec<String>,
    /// How many operands stood before `--`.
    pub(crate) dashes: Option<usize>,
}

impl Words {
    pub(crate) fn has(&self, name: &str) -> bool {
        self.given.iter().rev().find(|g| g.name == name).is_some_and(|g| !g.no)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, name: &str) -> Option<&str> {
        self.given.iter().rev().find(|g| g.name == name && !g.no)?.value.as_deref()
    }

    pub(crate) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.given.iter().filter(move |g| g.name == name).filter_map(|g| g.value.as_deref())
    }

    /// Operands before and after `--`; without it all are before.
    pub(crate) fn split(&self) -> (&[String], &[String]) {
        self.operands.split_at(self.dashes.unwrap_or(self.operands.len()))
    }
}

/// The parser of one command.
pub(crate) struct Parser<'a> {
    pub(crate) usage: &'a str,
    pub(crate) tables: &'a [&'a [Opt]],
    pub(crate) unknown: Unknown,
    /// `-3` is an option of name `#`.
    pub(crate) numbers: bool,
}

/// Parses with the usual complaints.
pub(crate) fn parse(usage: &str, table: &[Opt], words: &[String]) -> Outcome<Words> {
    let tables: &[&[Opt]] = &[table];
    Parser { usage, tables, unknown: Unknown::Option, numbers: false }.parse(words)
}

impl Parser<'_> {
    pub(crate) fn parse(&self, words: &[String]) -> Outcome<Words> {
        let mut parsed = Words::default();
        let mut rest = words.iter();
        while let Some(word) = rest.next() {
            if word == "--" {
                parsed.dashes = Some(parsed.operands.len());
                parsed.operands.extend(rest.by_ref().cloned());
            } else if word == "--end-of-options" {
                parsed.operands.extend(rest.by_ref().cloned());
            } else if word == "-h" && !self.letter_known('h') {
                return Err(plain(129, format!("usage: {}", self.usage)));
            } else if let Some(long) = word.strip_prefix("--") {
                self.long(long, word, &mut rest, &mut parsed)?;
            } else if word.len() > 1 && word.starts_with('-') {
                self.short(word, &mut rest, &mut parsed)?;
            } else {
                parsed.operands.push(word.clone());
            }
        }
        Ok(parsed)
    }

    fn all(&self) -> impl Iterator<Item = &Opt> {
        self.tables.iter().flat_map(|table| table.iter())
    }

    fn letter_known(&self, letter: char) -> bool {
        self.all().any(|opt| opt.0 == letter)
    }

    fn long(
        &self,
        long: &str,
        word: &str,
        rest: &mut std::slice::Iter<'_, String>,
        parsed: &mut Words,
    ) -> Outcome<()> {
        let (name, attached) = match long.split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (long, None),
        };
        let Some((opt, no)) = self.find_long(name)? else {
            return Err(self.complaint(word, &format!("unknown option `{name}'")));
        };
        let value =
            match (opt.2, attached) {
                (Takes::No, Some(_)) => {
                    return Err(plain(129, format!("error: option `{name}' takes no value")));
                }
                (Takes::Value, None) if !no => Some(rest.next().cloned().ok_or_else(|| {
                    plain(129, format!("error: option `{name}' requires a value"))
                })?),
                (_, attached) => attached,
            };
        parsed.given.push(Given { name: opt.1, no, value });
        Ok(())
    }

    /// The option of a name or of a unique beginning of one; whether it is negated.
    fn find_long(&self, name: &str) -> Outcome<Option<(&Opt, bool)>> {
        if let Some(opt) = self.all().find(|opt| opt.1 == name && name.len() > 1) {
            return Ok(Some((opt, false)));
        }
        if let Some(positive) = name.strip_prefix("no-")
            && let Some(opt) = self.all().find(|opt| opt.1 == positive)
        {
            return Ok(Some((opt, true)));
        }
        let (positive, no) = match name.strip_prefix("no-") {
            Some(positive) => (positive, true),
            None => (name, false),
        };
        let fits = |opt: &&Opt| opt.1.len() > 1 && opt.1.starts_with(positive);
        let mut found: Vec<&Opt> = self.all().filter(fits).collect();
        found.dedup_by_key(|opt| opt.1);
        match found.as_slice() {
            [opt] if positive.len() > 1 => Ok(Some((opt, no))),
            [a, b, ..] if positive.len() > 1 && self.unknown == Unknown::Option => Err(plain(
                129,
                format!("error: ambiguous option: {name} (could be --{} or --{})", a.1, b.1),
            )),
            _ => Ok(None),
        }
    }

    fn short(
        &self,
        word: &str,
        rest: &mut std::slice::Iter<'_, String>,
        parsed: &mut Words,
    ) -> Outcome<()> {
        let letters = &word[1..];
        if self.numbers && letters.bytes().all(|b| b.is_ascii_digit()) {
            parsed.given.push(Given { name: "#", no: false, value: Some(letters.to_owned()) });
            return Ok(());
        }
        for (at, letter) in letters.char_indices() {
            let Some(opt) = self.all().find(|opt| opt.0 == letter && letter != ' ') else {
                return Err(self.complaint(word, &format!("unknown switch `{letter}'")));
            };
            let after = &letters[at + letter.len_utf8()..];
            let attached = (!after.is_empty()).then(|| after.to_owned());
            let value = match opt.2 {
                Takes::No => {
                    parsed.given.push(Given { name: opt.1, no: false, value: None });
                    continue;
                }
                Takes::Maybe => attached,
                Takes::Value => Some(match attached {
                    Some(value) => value,
                    None => rest.next().cloned().ok_or_else(|| {
                        plain(129, format!("error: switch `{letter}' requires a value"))
                    })?,
                }),
            };
            parsed.given.push(Given { name: opt.1, no: false, value });
            break;
        }
        Ok(())
    }

    fn complaint(&self, word: &str, text: &str) -> Fail {
        match self.unknown {
            Unknown::Option => usage(text, self.usage),
            Unknown::Fatal => fatal(format!("unrecognized argument: {word}")),
            Unknown::Invalid => {
                plain(129, format!("error: invalid option: {word}\nusage: {}", self.usage))
            }
        }
    }
}
