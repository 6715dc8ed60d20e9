//! Bringing trees together: switching from one to another, and merging two that have a common ancestor.

pub(crate) mod apply;
pub(crate) mod command;
pub(crate) mod pick;
pub(crate) mod stash;
pub(crate) mod switch;
pub(crate) mod trees;
