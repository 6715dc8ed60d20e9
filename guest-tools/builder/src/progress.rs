//! What a build tells its caller while it runs.

use std::path::Path;
use std::time::Duration;

/// Takes the events of a build, for a progress bar or a log.
pub trait Progress: Sync {
    /// Is called in order, from the thread that called [`ensure`](crate::ensure).
    fn event(&self, event: &BuildEvent<'_>);

    /// Says whether the build should stop; asked several times a second.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Something happened.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum BuildEvent<'a> {
    /// Another process builds in the same home; this one waits for it.
    Waiting {
        /// The lock file.
        lock: &'a Path,
    },
    /// A cached result is not what was written and will be built again.
    Damaged {
        /// The step whose result it is.
        step: &'a str,
        /// The file and what is wrong with it.
        reason: &'a str,
    },
    /// The steps to run are known.
    Planned {
        /// How many.
        steps: usize,
        /// How long they take on two cores.
        expected: Duration,
    },
    /// A step starts.
    Started(StepStatus<'a>),
    /// A step still runs; sent about twice a second.
    Running(StepStatus<'a>),
    /// A step is done and its result cached.
    Finished(StepStatus<'a>),
}

/// Where a build is.
#[derive(Debug, Clone, Copy)]
pub struct StepStatus<'a> {
    /// Position among the planned steps, from 1.
    pub index: usize,
    /// How many steps are planned.
    pub total: usize,
    /// The step's name.
    pub step: &'a str,
    /// What it does, for people.
    pub about: &'a str,
    /// How long it takes on two cores.
    pub expected: Duration,
    /// How long it has taken so far.
    pub elapsed: Duration,
    /// How long the steps after this one take on two cores.
    pub remaining: Duration,
    /// Where its output goes.
    pub log: &'a Path,
}

/// Says nothing.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn event(&self, _: &BuildEvent<'_>) {}
}
