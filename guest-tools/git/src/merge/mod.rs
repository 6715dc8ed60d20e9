//! Bringing trees together: switching from one to another, and merging two that have a common ancestor.

pub(crate) mod apply;
pub(crate) mod bisect;
pub(crate) mod command;
mod halves;
pub(crate) mod pick;
pub(crate) mod rebase;
pub(crate) mod replay;
mod start;
pub(crate) mod stash;
pub(crate) mod switch;
pub(crate) mod todo;
pub(crate) mod trees;
