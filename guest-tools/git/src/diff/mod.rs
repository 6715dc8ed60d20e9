//! Differences: found between trees, index and files, paired up, and shown in all of git's formats.

pub(crate) mod binary;
pub(crate) mod collect;
pub(crate) mod combined;
pub(crate) mod drivers;
pub(crate) mod lists;
pub(crate) mod options;
pub(crate) mod pair;
pub(crate) mod parse;
pub(crate) mod patch;
pub(crate) mod pickaxe;
pub(crate) mod rename;
pub(crate) mod show;
pub(crate) mod similar;
pub(crate) mod stat;
pub(crate) mod words;

pub(crate) use options::{Formats, Options};
pub(crate) use pair::{Pair, Side};
pub(crate) use show::Diff;
