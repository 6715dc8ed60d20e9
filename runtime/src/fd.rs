//! Descriptors: what a process holds open.
//!
//! A [`Description`] is POSIX's open file description: offset, flags and the thing itself, shared
//! by every descriptor that was duplicated or inherited from the same open. A [`FdTable`] maps the
//! numbers of one process to descriptions; it lives in the host, so that a child can inherit.

mod capture;
mod description;
mod events;
mod pipe;
mod table;
mod waiting;

pub(crate) use self::{
    capture::Capture,
    description::{Description, Flags, Held, Kind, Listing, Opener},
    events::Events,
    pipe::{Moved, PipeReader, PipeWriter, Readiness, pipe},
    table::{FdTable, ROOT_FD},
    waiting::Waiting,
};
pub use self::{
    capture::{OutputSink, Stream},
    pipe::StdinWriter,
};
