//! Git's formats, written without git: ids of objects, repositories, and binary patches.
//!
//! Only what exports need. Histories that agents work on are made by git itself, in a sandbox.

mod binary;
mod object;
mod repository;

pub(crate) use binary::binary_patch;
pub use repository::{Commit, GitError, Repository, Skipped};
