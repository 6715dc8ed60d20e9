//! What a process tree may use, and the counters that enforce it.
//!
//! Every limit names the abuse that it answers (the threat ids are listed in ARCHITECTURE.md). A
//! limit is *hard* when passing it ends the whole tree at once, and *soft* when the guest gets the
//! errno that POSIX has for the case; a soft limit becomes the reason of the outcome only if the
//! command then fails.

use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use std::{
    fmt,
    sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// Bounds on one command and everything that it starts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Wall time; hard. Answers TM-LOOP-1: a command that waits or computes for ever.
    pub wall: Duration,
    /// Time spent computing, over all processes; hard. Answers TM-LOOP-2: many busy processes.
    pub cpu: Duration,
    /// Linear memory of all processes together, in bytes; soft (`ENOMEM`). Answers TM-MEM-1: a
    /// memory bomb.
    pub memory_bytes: u64,
    /// Processes alive at once; hard. Answers TM-PROC-1: a fork bomb.
    pub processes: u32,
    /// Open descriptors of one process; soft (`EMFILE`). Answers TM-FD-1: a descriptor leak.
    pub descriptors: u32,
    /// Files, directories and links that may exist in the writable trees; soft (`ENOSPC`). Answers
    /// TM-DISK-2: an inode storm.
    pub files: u64,
    /// Bytes that files in the writable trees may hold; soft (`ENOSPC`). Answers TM-DISK-1: a disk
    /// fill. Of a file, 17 MiB at most lie in memory, and the rest in a temporary file.
    pub bytes: u64,
    /// Directories one inside the other; soft (`ENAMETOOLONG`). Answers TM-DISK-3: a tree that
    /// breaks whoever walks it.
    pub depth: u32,
    /// Bytes that the command may write to its captured output; hard. Answers TM-OUT-1: an output
    /// flood.
    pub output_bytes: u64,
}

impl Default for Limits {
    /// 10 minutes of wall and 10 of computing, 1 GiB of memory, 256 processes, 1,024 descriptors,
    /// 1 GiB in 200,000 files, 256 levels, 16 MiB of output.
    fn default() -> Self {
        Self {
            wall: Duration::from_mins(10),
            cpu: Duration::from_mins(10),
            memory_bytes: 1 << 30,
            processes: 256,
            descriptors: 1024,
            files: 200_000,
            bytes: 1 << 30,
            depth: 256,
            output_bytes: 16 << 20,
        }
    }
}

/// Which of the [`Limits`] was met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LimitKind {
    /// [`Limits::wall`].
    Wall,
    /// [`Limits::cpu`].
    Cpu,
    /// [`Limits::memory_bytes`].
    Memory,
    /// [`Limits::processes`].
    Processes,
    /// [`Limits::descriptors`].
    Descriptors,
    /// [`Limits::files`].
    Files,
    /// [`Limits::bytes`].
    Bytes,
    /// [`Limits::depth`].
    Depth,
    /// [`Limits::output_bytes`].
    Output,
}

impl fmt::Display for LimitKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Wall => "wall time",
            Self::Cpu => "computing time",
            Self::Memory => "memory",
            Self::Processes => "number of processes",
            Self::Descriptors => "open descriptors",
            Self::Files => "number of files",
            Self::Bytes => "bytes in files",
            Self::Depth => "depth of directories",
            Self::Output => "bytes of output",
        })
    }
}

/// What a command and everything that it started used.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Time from start to end, in microseconds.
    pub wall_us: u64,
    /// Time spent computing over all processes, host functions included, in microseconds.
    pub cpu_us: u64,
    /// The most linear memory held at one time, in bytes.
    pub peak_memory_bytes: u64,
    /// Processes started, the first included.
    pub n_processes: u64,
    /// Bytes written to captured output.
    pub output_bytes: u64,
}

/// Counters of one process tree against its limits.
#[derive(Debug)]
pub(crate) struct Budget {
    pub(crate) limits: Limits,
    memory: AtomicU64,
    peak_memory: AtomicU64,
    cpu_nanos: AtomicU64,
    output: AtomicU64,
    alive: AtomicU32,
    started: AtomicU64,
    /// The first soft limit that was met.
    soft: Mutex<Option<LimitKind>>,
}

impl Budget {
    pub(crate) fn new(limits: Limits) -> Self {
        Self {
            limits,
            memory: AtomicU64::new(0),
            peak_memory: AtomicU64::new(0),
            cpu_nanos: AtomicU64::new(0),
            output: AtomicU64::new(0),
            alive: AtomicU32::new(0),
            started: AtomicU64::new(0),
            soft: Mutex::new(None),
        }
    }

    /// Returns how many bytes of memory may be held, and how many are.
    pub(crate) fn memory(&self) -> (u64, u64) {
        (self.limits.memory_bytes, self.memory.load(Relaxed))
    }

    /// Takes `n_bytes` of memory, or says that there is not so much left.
    pub(crate) fn take_memory(&self, n_bytes: u64) -> bool {
        let limit = self.limits.memory_bytes;
        let taken = self.memory.fetch_update(Relaxed, Relaxed, |held| {
            held.checked_add(n_bytes).filter(|total| *total <= limit)
        });
        if let Ok(before) = taken {
            self.peak_memory.fetch_max(before + n_bytes, Relaxed);
        } else {
            self.meet_soft(LimitKind::Memory);
        }
        taken.is_ok()
    }

    pub(crate) fn give_memory(&self, n_bytes: u64) {
        self.memory.fetch_sub(n_bytes, Relaxed);
    }

    /// Counts one more process, or says that there are as many as may be.
    pub(crate) fn take_process(&self) -> bool {
        let limit = self.limits.processes;
        let taken = self
            .alive
            .fetch_update(Relaxed, Relaxed, |alive| (alive < limit).then_some(alive + 1))
            .is_ok();
        if taken {
            self.started.fetch_add(1, Relaxed);
        }
        taken
    }

    pub(crate) fn give_process(&self) {
        self.alive.fetch_sub(1, Relaxed);
    }

    /// Adds computing time; returns whether the limit is still kept.
    pub(crate) fn add_cpu(&self, time: Duration) -> bool {
        let nanos = u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let before = self.cpu_nanos.fetch_add(nanos, Relaxed);
        u128::from(before) + u128::from(nanos) <= self.limits.cpu.as_nanos()
    }

    /// Takes room for captured output; returns how much of `n_bytes` may be kept.
    pub(crate) fn take_output(&self, n_bytes: usize) -> usize {
        let before = self.output.fetch_add(n_bytes as u64, Relaxed);
        let left = self.limits.output_bytes.saturating_sub(before);
        usize::try_from(left).unwrap_or(usize::MAX).min(n_bytes)
    }

    pub(crate) fn meet_soft(&self, kind: LimitKind) {
        self.soft.lock().get_or_insert(kind);
    }

    pub(crate) fn soft_limit_met(&self) -> Option<LimitKind> {
        *self.soft.lock()
    }

    pub(crate) fn usage(&self, wall: Duration) -> Usage {
        Usage {
            wall_us: u64::try_from(wall.as_micros()).unwrap_or(u64::MAX),
            cpu_us: self.cpu_nanos.load(Relaxed) / 1000,
            peak_memory_bytes: self.peak_memory.load(Relaxed),
            n_processes: self.started.load(Relaxed),
            output_bytes: self.output.load(Relaxed).min(self.limits.output_bytes),
        }
    }
}
