//! Memory that a process leaves behind mapped, so that the next process of the same module takes no page faults there.
//!
//! When a process ends, wasmtime copies the module's image over the pages that it wrote to, and leaves them mapped. It
//! does that for the first 32 runs of such pages and gives back everything behind them, also what was only read. A
//! Python that prints a line writes to about 130 pages in 85 runs. So before the memory is given up, the smallest gaps
//! between the runs are written to as well, with what they hold, until few enough runs are left. That costs a page fault
//! for each page of a gap, once in each slot, since the pages then stay.

use super::KEEP_RESIDENT_BYTES;
use cap_std::{
    ambient_authority,
    fs::{Dir, File, FileExt as _},
};
use std::{cmp::Reverse, hint::black_box, ops::Range};
use wasmtime::PoolingAllocationConfig;

/// Runs of pages that are reset by copying: `MAX_RUNS` and one more are as many as wasmtime asks the host for.
const MAX_RUNS: usize = 31;

/// Memories below this size have few runs, and belong to short programs that looking at the pages would slow down.
const MIN_BYTES: usize = 16 << 20;

/// Bytes of a memory that are looked at; pages behind them are given back, as before.
const MAX_BYTES: usize = 64 << 20;

/// What the kernel of the host says of a page in `/proc/PID/pagemap` (its Documentation/admin-guide/mm/pagemap.rst): it
/// is there, it is one of a file, nobody else has it. A page of an image is one of a file until it is written to.
const PRESENT: u64 = 1 << 63;
const OF_A_FILE: u64 = 1 << 61;
const EXCLUSIVE: u64 = 1 << 56;

/// Looks at the pages of memories that are given up.
#[derive(Debug)]
pub(super) struct WarmPages {
    pagemap: File,
    page_size: usize,
}

impl WarmPages {
    /// Returns `None` where wasmtime cannot find out which pages were written to.
    pub(super) fn new() -> Option<Self> {
        if !PoolingAllocationConfig::is_pagemap_scan_available() {
            return None;
        }
        let dir = Dir::open_ambient_dir("/proc/self", ambient_authority()).ok()?;
        let pagemap = dir.open("pagemap").ok()?;
        Some(Self { pagemap, page_size: rustix::param::page_size() })
    }

    /// Writes to pages of a memory that is about to be given up, so that it stays mapped.
    pub(super) fn keep(&self, memory: &mut [u8]) {
        if memory.len() < MIN_BYTES {
            return;
        }
        let Some(runs) = self.written_to(memory) else { return };
        for page in gaps_to_close(&runs, KEEP_RESIDENT_BYTES / self.page_size).into_iter().flatten()
        {
            let byte = &mut memory[page * self.page_size];
            *byte = black_box(*byte);
        }
    }

    /// Returns the runs of pages that were written to, by their numbers from the beginning of the memory.
    fn written_to(&self, memory: &[u8]) -> Option<Vec<Range<usize>>> {
        let n_pages = memory.len().min(MAX_BYTES) / self.page_size;
        let mut entries = vec![0; n_pages * 8];
        let first = memory.as_ptr().addr() / self.page_size;
        self.pagemap.read_exact_at(&mut entries, u64::try_from(first * 8).ok()?).ok()?;
        let (entries, _) = entries.as_chunks();
        let mut runs: Vec<Range<usize>> = Vec::new();
        for (page, entry) in entries.iter().enumerate() {
            let flags = u64::from_ne_bytes(*entry) & (PRESENT | OF_A_FILE | EXCLUSIVE);
            if flags != PRESENT | EXCLUSIVE {
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end == page => run.end += 1,
                _ => runs.push(page..page + 1),
            }
        }
        Some(runs)
    }
}

/// Returns the smallest gaps between runs that are too many; none if more than `most` pages would stay with them.
fn gaps_to_close(runs: &[Range<usize>], most: usize) -> Vec<Range<usize>> {
    let mut gaps: Vec<_> = runs.windows(2).map(|pair| pair[0].end..pair[1].start).collect();
    gaps.sort_unstable_by_key(|gap| (gap.len(), Reverse(gap.start)));
    gaps.truncate(runs.len().saturating_sub(MAX_RUNS));
    let n_pages: usize = runs.iter().chain(&gaps).map(ExactSizeIterator::len).sum();
    if n_pages > most {
        gaps.clear();
    }
    gaps
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Engine, EngineConfig, Exit, Sandbox};

    #[test]
    fn the_smallest_gaps_are_closed() {
        // Run `n` begins `n` pages behind the end of the one before.
        let runs: Vec<_> = (0..40).map(|n| n * (n + 3) / 2..n * (n + 3) / 2 + 1).collect();
        let closed = |n_runs: usize, most| -> Vec<usize> {
            gaps_to_close(&runs[..n_runs], most).iter().map(ExactSizeIterator::len).collect()
        };
        assert_eq!(closed(40, 1000), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
        assert_eq!(closed(40, 40 + 45).len(), 9);
        assert_eq!(closed(40, 40 + 44).len(), 0);
        assert_eq!(closed(MAX_RUNS, 1000).len(), 0);
        assert_eq!(closed(0, 1000).len(), 0);
    }

    /// 100 pages in 100 runs, which must be zero at the start.
    const SCATTERED: &str = r#"(module
        (memory (export "memory") 512)
        (func (export "_start") (local $at i32)
            (loop $more
                (if (i32.load (local.get $at)) (then unreachable))
                (i32.store (local.get $at) (i32.const 1))
                (local.set $at (i32.add (local.get $at) (i32.const 0x6000)))
                (br_if $more (i32.lt_u (local.get $at) (i32.const 0x258000))))))"#;

    #[tokio::test]
    async fn what_was_written_to_stays_mapped_and_is_as_new() {
        let engine = Engine::new(EngineConfig::default()).unwrap();
        let guest = wat::parse_str(SCATTERED).unwrap();
        let modules = vec![("scattered".to_owned(), guest)];
        let sandbox = Sandbox::with_modules(&engine, modules).build().unwrap();
        for _ in 0..3 {
            let outcome = sandbox.command("scattered").output().await.unwrap();
            assert_eq!(outcome.exit, Exit::Code(0));
        }
        if let Some(warm_pages) = &engine.inner.warm_pages {
            let metrics = engine.wasmtime().pooling_allocator_metrics().unwrap();
            let n_pages = metrics.unused_memory_bytes_resident() / warm_pages.page_size;
            assert!((100..=1024).contains(&n_pages), "{n_pages} pages stay");
        }
    }
}
