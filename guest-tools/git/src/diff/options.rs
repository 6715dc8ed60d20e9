//! How differences are found and shown.

use crate::regexp::Regexp;
use crate::xdiff::Params;
use std::rc::Rc;

/// The highest score of likeness.
pub(crate) const MAX_SCORE: u32 = 60_000;

/// What is printed; several may be asked for at once.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Formats {
    pub(crate) patch: bool,
    pub(crate) raw: bool,
    pub(crate) stat: bool,
    pub(crate) numstat: bool,
    pub(crate) shortstat: bool,
    pub(crate) summary: bool,
    pub(crate) compact_summary: bool,
    pub(crate) name_only: bool,
    pub(crate) name_status: bool,
    pub(crate) check: bool,
    pub(crate) dirstat: bool,
    /// Nothing, as `-s` says.
    pub(crate) none: bool,
}

impl Formats {
    pub(crate) const PATCH: Self = Self { patch: true, ..Self::NOTHING };
    pub(crate) const NOTHING: Self = Self {
        patch: false,
        raw: false,
        stat: false,
        numstat: false,
        shortstat: false,
        summary: false,
        compact_summary: false,
        name_only: false,
        name_status: false,
        check: false,
        dirstat: false,
        none: false,
    };

    /// Whether anything was asked for.
    pub(crate) fn any(&self) -> bool {
        *self != Self::NOTHING
    }
}

/// Whether files that went and files that came are brought together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Renames {
    No,
    Moves,
    Copies,
}

/// What changes must be about.
#[derive(Clone)]
pub(crate) enum Pickaxe {
    /// The number of times that a text occurs changes.
    Count(Rc<Regexp>),
    /// A changed line matches.
    Line(Rc<Regexp>),
}

/// What words are shown as changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Words {
    No,
    Plain,
    Color,
    Porcelain,
}

/// All of it.
#[derive(Clone)]
pub(crate) struct Options {
    pub(crate) formats: Formats,
    pub(crate) params: Params,
    pub(crate) renames: Renames,
    pub(crate) rename_score: u32,
    pub(crate) rename_limit: usize,
    pub(crate) rename_empty: bool,
    pub(crate) harder: bool,
    /// Scores at which a file is taken apart, and shown as rewritten.
    pub(crate) breaks: Option<(u32, u32)>,
    pub(crate) full_index: bool,
    pub(crate) abbrev: Option<usize>,
    pub(crate) binary: bool,
    pub(crate) text: bool,
    pub(crate) old_prefix: String,
    pub(crate) new_prefix: String,
    /// The folder that paths are shown from.
    pub(crate) relative: Option<Vec<u8>>,
    pub(crate) nul: bool,
    pub(crate) reverse: bool,
    pub(crate) exit_code: bool,
    pub(crate) quiet: bool,
    pub(crate) pickaxe: Option<Pickaxe>,
    pub(crate) pickaxe_all: bool,
    pub(crate) filter: Option<String>,
    pub(crate) stat_width: Option<usize>,
    pub(crate) stat_name_width: Option<usize>,
    pub(crate) stat_graph_width: Option<usize>,
    pub(crate) stat_count: Option<usize>,
    pub(crate) color: bool,
    pub(crate) words: Words,
    pub(crate) word_regexp: Option<Rc<Regexp>>,
    pub(crate) without_content_of_deleted: bool,
    /// Shown instead of `+`, `-` and blank.
    pub(crate) indicators: [u8; 3],
    pub(crate) output: Option<String>,
    /// What stands before each line.
    pub(crate) line_prefix: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            formats: Formats::NOTHING,
            params: Params::default(),
            renames: Renames::Moves,
            rename_score: MAX_SCORE / 2,
            rename_limit: 1000,
            rename_empty: true,
            harder: false,
            breaks: None,
            full_index: false,
            abbrev: None,
            binary: false,
            text: false,
            old_prefix: "a/".to_owned(),
            new_prefix: "b/".to_owned(),
            relative: None,
            nul: false,
            reverse: false,
            exit_code: false,
            quiet: false,
            pickaxe: None,
            pickaxe_all: false,
            filter: None,
            stat_width: None,
            stat_name_width: None,
            stat_graph_width: None,
            stat_count: None,
            color: false,
            words: Words::No,
            word_regexp: None,
            without_content_of_deleted: false,
            indicators: *b"+- ",
            output: None,
            line_prefix: String::new(),
        }
    }
}
