//! Audit logs: writing them while a command runs, and answering questions about them.
//!
//! The format is the runtime's ([`playpen_runtime::audit`]). What is added here is a file that is
//! written on a thread of its own ([`EventFile`]), reading with every check that a reader can make
//! ([`Record`]), the names that a node ever had ([`Trace`]), and the questions: who read a path, who
//! wrote it, and whether something was never read ([`never_read`]), git's copies included ([`git`]).

mod attempt;
mod file;
pub mod git;
mod pattern;
mod query;
mod read;
mod redact;
pub mod report;
mod sign;
mod trace;

pub use self::{
    file::{EventFile, FileError},
    pattern::Paths,
    query::{Access, Bases, NeverRead, Stats, denied, never_read, stats, who_read, who_wrote},
    read::{Fault, LogError, Record},
    redact::Redaction,
    sign::{Key, KeyError, PublicKey},
    trace::Trace,
};
