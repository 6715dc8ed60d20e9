//! What a script is made of.

use std::cell::RefCell;
use std::rc::Rc;

use posix_regex::Regex;

/// Which lines a command is for.
#[derive(Debug)]
pub(super) enum Address {
    Line(u64),
    /// `first~step`.
    Step(u64, u64),
    Last,
    /// `None`: the last one used.
    Match(Option<Rc<Regex>>),
    /// As the second of two: this many lines more.
    Plus(u64),
    /// As the second of two: up to a multiple of this.
    Multiple(u64),
}

/// One command with its addresses.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) from: Option<Address>,
    pub(super) to: Option<Address>,
    pub(super) is_negated: bool,
    pub(super) range: RefCell<Range>,
    pub(super) action: Action,
}

/// Where a range of two addresses is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Range {
    #[default]
    Outside,
    /// Inside; it ends at this line, or where the second address matches.
    Until(Option<u64>),
    /// Its first address was a line number, and it is over.
    Over,
}

/// What a command does.
#[derive(Debug)]
pub(super) enum Action {
    /// `{`: where the matching `}` is.
    Block(usize),
    /// `}`, `:label`, `#`.
    Nothing,
    Append(Vec<u8>),
    Insert(Vec<u8>),
    Change(Vec<u8>),
    /// Where to; `None`: to the end of the script.
    Branch(Option<usize>),
    BranchIf(Option<usize>),
    BranchUnless(Option<usize>),
    Substitute(Box<Substitution>),
    Translate(Vec<(char, char)>),
    Read(String),
    ReadLine(String),
    Write(String),
    WriteFirst(String),
    Execute(String),
    Quit(i32),
    QuitSilently(i32),
    List(Option<usize>),
    /// A command of one letter.
    Plain(char),
}

/// `s`.
#[derive(Debug)]
pub(super) struct Substitution {
    pub(super) pattern: Option<Rc<Regex>>,
    pub(super) replacement: Vec<Part>,
    pub(super) global: bool,
    pub(super) number: usize,
    pub(super) print: bool,
    pub(super) execute: bool,
    pub(super) write: Option<String>,
}

/// One part of a replacement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Text(Vec<u8>),
    Group(usize),
    Case(Case),
}

/// How letters are changed from here on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Case {
    /// `\E`
    Keep,
    /// `\U`
    Upper,
    /// `\L`
    Lower,
    /// `\u`
    NextUpper,
    /// `\l`
    NextLower,
}
