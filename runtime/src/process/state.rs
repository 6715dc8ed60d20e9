//! What the kernel keeps for one process: the data of its wasm store.

use super::{Job, Status, Threads, signals::Signals};
use crate::{
    clock::Computing,
    errno::{Errno, SysResult},
    fd::{Description, FdTable},
    image::SigPipe,
    locks::Owner,
    random::RandomStream,
    semaphores::OpenSemaphores,
    vfs::Actor,
};
use bytes::Bytes;
use std::{
    fmt,
    sync::{Arc, OnceLock},
};
use wasmtime::{Memory, ResourceLimiter};
use wasmtime_wasi::p1::WasiP1Ctx;

/// What a process was started as, and what `/proc/self` tells of it.
#[derive(Clone, Debug)]
pub(crate) struct Identity {
    pub(crate) argv: Vec<String>,
    pub(crate) env: Vec<String>,
    /// `argv` and `env` as `/proc/self` shows them, once somebody looks: all descriptors share them.
    pub(crate) shown: [OnceLock<Bytes>; 2],
    /// Canonical path of the program.
    pub(crate) exe: String,
}

/// The state of one process.
pub(crate) struct Process {
    pub(crate) job: Arc<Job>,
    pub(crate) actor: Actor,
    pub(crate) identity: Identity,
    pub(crate) fds: FdTable,
    pub(crate) umask: u32,
    /// Mode for the next file or directory that is created, given just before.
    pub(crate) create_mode: Option<u32>,
    pub(crate) sig_pipe: SigPipe,
    pub(crate) random: RandomStream,
    pub(crate) wasi: WasiP1Ctx,
    pub(crate) computing: Arc<Computing>,
    /// The guest's memory; set once the instance exists.
    pub(crate) memory: Option<Memory>,
    /// Set while a `sched_yield` gives way.
    pub(crate) has_yielded: bool,
    /// Memory taken from the budget, given back at the end.
    pub(crate) memory_taken: u64,
    /// System calls since the process last had to give way, where processes take turns.
    pub(crate) turn_calls: u32,
    /// It has to give way at the next opportunity.
    pub(crate) is_turn_over: bool,
    pub(crate) threads: Threads,
    pub(crate) semaphores: OpenSemaphores,
    /// It may hold locks on ranges of files.
    pub(crate) has_locked: bool,
    pub(crate) signals: Arc<Signals>,
    /// Where the guest is told that a caught signal has come: an address, and the bits to set there.
    pub(crate) signal_notice: Option<(u32, u32)>,
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("actor", &self.actor)
            .field("identity", &self.identity)
            .field("fds", &self.fds)
            .finish_non_exhaustive()
    }
}

impl Process {
    pub(crate) fn pid(&self) -> u32 {
        self.actor.pid
    }

    pub(crate) fn fd(&self, fd: u32) -> SysResult<Arc<Description>> {
        self.fds.get(fd).cloned()
    }

    /// Puts a description under the lowest free number from `min` on.
    pub(crate) fn add_fd(&mut self, min: u32, it: Arc<Description>) -> SysResult<u32> {
        let limit = self.actor.budget.limits.descriptors;
        self.fds.add(min, limit, it).inspect_err(|errno| {
            if *errno == Errno::MFILE {
                self.actor.budget.meet_soft(crate::limits::LimitKind::Descriptors);
            }
        })
    }

    /// Returns the monotonic clock as the guest reads it.
    pub(crate) fn monotonic_nanos(&self) -> u64 {
        self.job.kernel.clock.monotonic_nanos()
    }

    /// Returns what this process has computed; a virtual clock knows only how late it is.
    pub(crate) fn computed_nanos(&self) -> u64 {
        let clock = &self.job.kernel.clock;
        if clock.is_virtual() { clock.monotonic_nanos() } else { self.computing.nanos() }
    }

    /// Takes the mode for something that is about to be created.
    pub(crate) fn take_create_mode(&mut self, default: u32) -> u32 {
        self.create_mode.take().unwrap_or(default) & !self.umask
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.actor.budget.give_memory(self.memory_taken);
        if self.has_locked {
            self.job.kernel.locks.unset_all(Owner::Process(self.pid()));
        }
    }
}

/// Table elements of one guest. Answers TM-MEM-2: growing a table instead of memory.
const MAX_TABLE_ELEMENTS: usize = 1 << 20;

impl ResourceLimiter for Process {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = desired.saturating_sub(current) as u64;
        let granted = self.actor.budget.take_memory(growth);
        if granted {
            self.memory_taken += growth;
        }
        Ok(granted)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= MAX_TABLE_ELEMENTS)
    }
}

/// The error by which a host function ends the process that called it.
#[derive(Debug)]
pub(crate) struct Ended(pub(crate) Status);

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process ended with {}", self.0)
    }
}

impl std::error::Error for Ended {}
