//! Processes: one wasm instance each, in a tree under one command.
//!
//! A [`Job`] is the tree of one command: its processes, its budget and its end. A process runs as a
//! task of its own, is preempted at every tick of the engine's epoch, and can be ended at any point
//! where it gives way. What a guest does wrong ends its process, and is kept as data.

mod exec;
mod job;
mod signals;
mod state;
mod status;
mod threads;
mod turns;

pub(crate) use self::status::Status;
pub use self::status::{Exit, Incident, IncidentKind, TrapKind};
pub(crate) use self::{
    exec::{Start, detached},
    job::{End, Job, Kernel, Target, WaitFor, Waited},
    signals::{Action, MAX_SIGNAL, SignalSet, is_changeable},
    state::{Ended, Identity, Process},
    threads::{Layout, NewThread, Threads, Woken, park, waiting},
    turns::{MAX_CALLS, Turns, give_way},
};
