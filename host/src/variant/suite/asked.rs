//! What the script that runs pytest is asked: which tests, in which order, with which mutants.

use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Tests up to which pytest is told their ids, so that nothing else is collected.
const MAX_NAMED: usize = 200;

/// Options of every run. The two plugins that are left out look for garbage at the end, which takes longer than some tests.
pub(super) const OPTIONS: [&str; 13] = [
    "-q",
    "--tb=short",
    "--color=no",
    "-p",
    "no:cacheprovider",
    "-p",
    "no:unraisableexception",
    "-p",
    "no:threadexception",
    "--rootdir=/workspace",
    "--continue-on-collection-errors",
    "--maxfail=0",
    "--import-mode=prepend",
];

/// Which tests to run, and how.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// The ids to run; all if absent.
    pub ids: Option<BTreeSet<String>>,
    /// The ids not to run.
    pub exclude: BTreeSet<String>,
    /// 0: as they come; 1: the other way round; else shuffled with this seed.
    pub order: u64,
    /// Whether only `ids` are collected, or only their files where there are very many.
    pub is_narrow: bool,
}

impl Selection {
    /// Selects some tests.
    pub fn of(ids: BTreeSet<String>, order: u64) -> Selection {
        Selection { ids: Some(ids), order, ..Selection::default() }
    }

    /// Selects some tests, and collects as little besides as can be.
    pub fn narrow(ids: BTreeSet<String>, order: u64) -> Selection {
        Selection { is_narrow: true, ..Selection::of(ids, order) }
    }

    /// Returns what pytest is told to collect, if it is not everything.
    pub(super) fn arguments(&self) -> Option<Vec<String>> {
        let ids = self.ids.as_ref().filter(|ids| self.is_narrow && !ids.is_empty())?;
        if ids.len() <= MAX_NAMED && ids.iter().all(|id| can_be_named(id)) {
            return Some(ids.iter().cloned().collect());
        }
        let files = ids.iter().filter_map(|id| id.split("::").next());
        let files: BTreeSet<&str> = files.collect();
        Some(files.into_iter().map(str::to_owned).collect())
    }
}

/// A mutant as the worker is given it.
#[derive(Clone, Debug, Serialize)]
pub struct WorkerMutant {
    /// Its number.
    pub id: usize,
    /// The file.
    pub path: String,
    /// The first byte that goes.
    pub start: usize,
    /// The first byte that stays.
    pub end: usize,
    /// What comes in its place.
    pub text: String,
    /// The tests to run, in order.
    pub tests: Vec<String>,
}

/// A request, as the script reads it.
#[derive(Debug, Serialize)]
pub(super) struct Request<'a> {
    pub(super) mode: &'static str,
    pub(super) root: &'static str,
    pub(super) args: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) select: Option<&'a BTreeSet<String>>,
    pub(super) exclude: &'a BTreeSet<String>,
    pub(super) order: u64,
    pub(super) files: &'a [String],
    pub(super) most_ticks: u64,
    pub(super) ticks: &'a BTreeMap<String, u64>,
    pub(super) mutants: &'a [WorkerMutant],
    pub(super) control_every: usize,
    pub(super) all_tests: bool,
}

/// Returns whether pytest finds the test by its id and nothing else: what it writes of a parameter can be escaped.
fn can_be_named(id: &str) -> bool {
    !id.contains(['\\', '\n']) && !id.starts_with('-')
}
