//! Histories: `git log`, `git show`, and what they are made of.

pub(crate) mod command;
pub(crate) mod decorate;
pub(crate) mod entry;
pub(crate) mod graph;
pub(crate) mod grep;
pub(crate) mod lines;
pub(crate) mod marks;
pub(crate) mod options;
pub(crate) mod placeholders;
pub(crate) mod pretty;
pub(crate) mod show;
pub(crate) mod walk;
