//! `fs`: operations on files in a sandbox, with and without a record, beside `std::fs`.
//!
//! All sides do the same operations on the same files, one after the other in each round: natively in
//! a temporary folder, in a sandbox whose accesses nobody records, and in sandboxes that write a record
//! at each level. A guest of a few instructions makes the calls, so that what is measured is what a
//! program pays for a call: the way into the kernel, the walk, the decision, the event. Then programs work on
//! files in the same way.

mod guest;
mod native;
mod programs;

pub use programs::{compare_programs, n_program_steps};

use super::{BenchError, Comparison, NativeError, Series, ratio, series};
use crate::audit::{EventFile, FileError, Redaction};
use native::Folder;
use playpen_runtime::{
    Engine, Mount, Sandbox, Tree,
    audit::{AuditLevel, AuditSink, End, Header, LogOptions},
};
use serde::Serialize;
use std::{
    num::NonZeroU32,
    sync::Arc,
    time::{Duration, Instant},
};

/// Rounds before anything is counted.
const N_WARM_UP: u32 = 2;

/// Files that the operations take turns with.
const N_FILES: u32 = 64;

/// Bytes of each of these.
const FILE_BYTES: usize = 4096;

/// Bytes of the file that is read and written in bulk.
const BULK_BYTES: usize = 16 << 20;

/// Bytes that one call reads or writes in bulk.
const PIECE_BYTES: usize = 256 << 10;

/// Where the files are, below the folder of the bench.
const FOLDER: &str = "src/pkg";

/// The levels that are measured.
const LEVELS: [AuditLevel; 3] = [AuditLevel::Denied, AuditLevel::Changes, AuditLevel::All];

/// One kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Work {
    Stat,
    /// Open for reading, and close.
    Open,
    /// Make a file, close it, remove it.
    Create,
    /// Make a directory and remove it.
    Mkdir,
    /// Rename there and back.
    Rename,
    /// Open, read 4 KiB, close.
    ReadSmall,
    /// Open and empty, write 4 KiB, close.
    WriteSmall,
    /// Read a large file to its end.
    ReadBulk,
    /// Write a large file anew.
    WriteBulk,
}

impl Work {
    const ALL: [Self; 9] = [
        Self::Stat,
        Self::Open,
        Self::Create,
        Self::Mkdir,
        Self::Rename,
        Self::ReadSmall,
        Self::WriteSmall,
        Self::ReadBulk,
        Self::WriteBulk,
    ];

    fn name(self) -> &'static str {
        match self {
            Self::Stat => "stat",
            Self::Open => "open, close",
            Self::Create => "create, close, unlink",
            Self::Mkdir => "mkdir, rmdir",
            Self::Rename => "rename there and back",
            Self::ReadSmall => "open, read 4 KiB, close",
            Self::WriteSmall => "open, write 4 KiB, close",
            Self::ReadBulk => "read 16 MiB",
            Self::WriteBulk => "write 16 MiB",
        }
    }

    /// Repetitions in one measurement, so many that starting a process is no part of the figure.
    fn repetitions(self) -> u32 {
        match self {
            Self::Stat | Self::Open | Self::ReadSmall => 20_000,
            Self::Create | Self::Mkdir | Self::Rename | Self::WriteSmall => 5000,
            Self::ReadBulk => 16,
            Self::WriteBulk => 8,
        }
    }

    fn bytes(self) -> Option<u64> {
        matches!(self, Self::ReadBulk | Self::WriteBulk).then_some(BULK_BYTES as u64)
    }
}

/// What operations cost while they are recorded.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Audited {
    /// Which events are made.
    pub level: AuditLevel,
    /// What guests paid.
    pub series: Series,
    /// How many times slower that is than without a record.
    pub over_unaudited: f64,
    /// The median until the record was written to its end, by the thread that writes it, in
    /// microseconds for each operation.
    pub written_us: f64,
}

/// The sides of one comparison, with what was measured on each.
struct Sides {
    work: Work,
    folder: Folder,
    native: Vec<Duration>,
    plain: (Sandbox, Vec<Duration>),
    audited: Vec<AuditedSide>,
}

struct AuditedSide {
    level: AuditLevel,
    base: Sandbox,
    took: Vec<Duration>,
    written: Vec<Duration>,
}

/// Returns how many turns [`compare_files`] takes.
pub fn n_file_steps(n: NonZeroU32) -> u64 {
    u64::from(n.get()) * Work::ALL.len() as u64
}

/// Measures operations on files `n` times on every side; `on_step` is called after each turn.
///
/// # Errors
///
/// Fails if one of the sides cannot run, or an operation fails.
pub async fn compare_files(
    engine: &Engine,
    n: NonZeroU32,
    on_step: impl Fn(),
) -> Result<Vec<Comparison>, BenchError> {
    let mut comparisons = vec![];
    for work in Work::ALL {
        let mut sides = Sides::new(work, engine)?;
        for round in 0..n.get() + N_WARM_UP {
            sides.round(round >= N_WARM_UP).await?;
            if round >= N_WARM_UP {
                on_step();
            }
        }
        comparisons.push(sides.conclude());
    }
    Ok(comparisons)
}

impl Sides {
    fn new(work: Work, engine: &Engine) -> Result<Self, BenchError> {
        let native = |source| BenchError::Native { case: work.name(), source };
        let sandbox = |level| sandbox(work, engine, level);
        let side = |level| Ok(AuditedSide::new(level, sandbox(level)?));
        Ok(Self {
            work,
            folder: Folder::new().map_err(|source| native(NativeError::Folder(source)))?,
            native: vec![],
            plain: (sandbox(AuditLevel::All)?, vec![]),
            audited: LEVELS.into_iter().map(side).collect::<Result<_, BenchError>>()?,
        })
    }

    /// Lets every side do it once.
    async fn round(&mut self, counts: bool) -> Result<(), BenchError> {
        let work = self.work;
        let failed =
            |source| BenchError::Native { case: work.name(), source: NativeError::Folder(source) };
        let started = Instant::now();
        self.folder.work(work).map_err(failed)?;
        let native = started.elapsed();
        let plain = execute(work, &self.plain.0.fork(None)).await?;
        if counts {
            self.native.push(native / work.repetitions());
            self.plain.1.push(plain / work.repetitions());
        }
        for side in &mut self.audited {
            let run = async |sandbox: &Sandbox| execute(work, sandbox).await;
            side.round(work.name(), work.repetitions(), counts, run).await?;
        }
        Ok(())
    }

    fn conclude(self) -> Comparison {
        let Self { work, native, plain, audited, .. } = self;
        let series = |what: &str, times| series(what.to_owned(), times, work.bytes());
        let native = series("std::fs", native);
        let sandbox = series("no record", plain.1);
        let conclude = |side: AuditedSide| side.conclude(&sandbox, work.bytes());
        let audited = audited.into_iter().map(conclude).collect();
        let native_over_sandbox = ratio(&native, &sandbox);
        let (bench, name) = (super::FILES.to_owned(), work.name().to_owned());
        Comparison { bench, name, sandbox, native, native_over_sandbox, audited, beside: None }
    }
}

impl AuditedSide {
    fn new(level: AuditLevel, base: Sandbox) -> Self {
        Self { level, base, took: vec![], written: vec![] }
    }

    /// Lets `run` work in a sandbox with a record; it does the same so many times.
    async fn round(
        &mut self,
        name: &'static str,
        n_repetitions: u32,
        counts: bool,
        run: impl AsyncFn(&Sandbox) -> Result<Duration, BenchError>,
    ) -> Result<(), BenchError> {
        let folder = tempfile::tempdir().map_err(|source| BenchError::Native {
            case: name,
            source: NativeError::Folder(source),
        })?;
        let header = Header { version: 1, level: self.level, ..Header::default() };
        let none = Redaction::new(&[], false).expect("no globs are good globs");
        let path = folder.path().join("events.jsonl");
        let file = Arc::new(EventFile::create(&path, &header, LogOptions::default(), none)?);
        let sandbox = self.base.fork(Some(Arc::clone(&file) as Arc<dyn AuditSink>));
        let started = Instant::now();
        let took = run(&sandbox).await?;
        file.finish(End::default(), None)?;
        if counts {
            self.took.push(took / n_repetitions);
            self.written.push(started.elapsed() / n_repetitions);
        }
        Ok(())
    }

    /// Holds what was measured against the same without a record.
    fn conclude(self, without: &Series, bytes: Option<u64>) -> Audited {
        let audited = series("with a record".to_owned(), self.took, bytes);
        let over_unaudited = ratio(&audited, without);
        let written_us = series("written".to_owned(), self.written, bytes).median_us;
        Audited { level: self.level, series: audited, over_unaudited, written_us }
    }
}

impl From<FileError> for BenchError {
    fn from(source: FileError) -> Self {
        Self::Record(source)
    }
}

fn sandbox(work: Work, engine: &Engine, level: AuditLevel) -> Result<Sandbox, BenchError> {
    let mut tree = Tree::new();
    for n in 0..N_FILES {
        let path = format!("{FOLDER}/f{n:02o}");
        tree.write(&path, vec![b'x'; FILE_BYTES], 0o644).expect("the tree is empty");
    }
    tree.write("bulk", vec![b'x'; BULK_BYTES], 0o644).expect("the tree is empty");
    let module = wat::parse_str(guest::text(work)).expect("the guest is well-formed");
    let builder = Sandbox::with_modules(engine, vec![(GUEST.to_owned(), module)]);
    Ok(builder.mount(Mount::tree(super::POINT, tree)).audit_level(level).build()?)
}

/// The name of the guest.
const GUEST: &str = "operations";

async fn execute(work: Work, sandbox: &Sandbox) -> Result<Duration, BenchError> {
    let started = Instant::now();
    let outcome = sandbox.command(GUEST).output().await?;
    let took = started.elapsed();
    if outcome.exit.is_success() {
        return Ok(took);
    }
    Err(BenchError::Failed {
        case: work.name(),
        exit: outcome.exit.to_string(),
        output: String::new(),
    })
}
