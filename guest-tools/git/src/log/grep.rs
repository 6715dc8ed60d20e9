//! `--grep`, `--author` and `--committer`.

use std::rc::Rc;

use git2::Commit;

use crate::fail::Outcome;
use crate::place::Place;
use crate::regexp::{Regexp, Syntax};

/// What a commit must say.
#[derive(Clone, Default)]
pub(crate) struct Filter {
    authors: Vec<Rc<Regexp>>,
    committers: Vec<Rc<Regexp>>,
    messages: Vec<Rc<Regexp>>,
    all: bool,
    invert: bool,
    /// Whether people are compared as `.mailmap` has them.
    pub(crate) mailmap: bool,
}

/// The words from which a filter is made.
#[derive(Default)]
pub(crate) struct Asked {
    pub(crate) authors: Vec<String>,
    pub(crate) committers: Vec<String>,
    pub(crate) messages: Vec<String>,
    pub(crate) syntax: Syntax,
    pub(crate) fold: bool,
    pub(crate) all: bool,
    pub(crate) invert: bool,
}

impl Asked {
    pub(crate) fn filter(&self) -> Outcome<Filter> {
        let compile = |texts: &[String]| -> Outcome<Vec<Rc<Regexp>>> {
            texts
                .iter()
                .map(|text| Ok(Rc::new(Regexp::new(text, self.syntax, self.fold, false)?)))
                .collect()
        };
        Ok(Filter {
            authors: compile(&self.authors)?,
            committers: compile(&self.committers)?,
            messages: compile(&self.messages)?,
            all: self.all,
            invert: self.invert,
            mailmap: false,
        })
    }
}

impl Filter {
    pub(crate) fn is_empty(&self) -> bool {
        self.authors.is_empty() && self.committers.is_empty() && self.messages.is_empty()
    }

    pub(crate) fn fits(&self, commit: &Commit<'_>, place: &Place) -> bool {
        let who = |who: git2::Signature<'_>| {
            let who = if self.mailmap { place.mapped(&who) } else { who.to_owned() };
            [who.name_bytes(), b" <", who.email_bytes(), b">"].concat()
        };
        let any = |list: &[Rc<Regexp>], text: &[u8]| {
            list.is_empty() || list.iter().any(|r| r.matches(text))
        };
        let heads = any(&self.authors, &who(commit.author()))
            && any(&self.committers, &who(commit.committer()));
        let text = commit.message_bytes();
        let says = match self.all {
            true => self.messages.iter().all(|r| r.matches(text)),
            false => any(&self.messages, text),
        };
        if self.invert && !self.messages.is_empty() { heads && !says } else { heads && says }
    }
}
