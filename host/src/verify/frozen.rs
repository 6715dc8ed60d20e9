//! The tests of a task as they were accepted.

use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

use super::parse::TestFile;

/// The ids of a task's tests, fixed when the tests are accepted.
///
/// A file that imports what is not written yet cannot be collected, so the ids of parametrized tests
/// in it are not known. For such a file the test functions are frozen instead, as they stand in the
/// source: each must yield at least one id, and every id must belong to one of them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrozenTests {
    ids: BTreeSet<String>,
    deferred: BTreeMap<String, Deferred>,
}

/// A file whose ids are not known yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Deferred {
    /// Why it could not be imported.
    because: String,
    /// The ids of its test functions, without parameters.
    functions: BTreeSet<String>,
}

impl FrozenTests {
    /// Freezes `ids`.
    pub fn new(ids: BTreeSet<String>) -> FrozenTests {
        FrozenTests { ids, deferred: BTreeMap::new() }
    }

    /// Returns whether `id` is frozen, or of a function that is.
    pub(super) fn is_frozen(&self, id: &str) -> bool {
        self.ids.contains(id) || self.functions().any(|function| is_of_function(id, function))
    }

    /// Freezes the functions of a file that could not be imported, and why. What a mark skips or expects to fail is
    /// neither wanted to pass nor to fail.
    pub(super) fn defer(&mut self, file: &TestFile, because: &str) {
        let counts = |name: &&String| !file.idle.contains(name);
        let functions = file.functions.iter().filter(counts);
        let functions = functions.map(|name| format!("{}::{name}", file.path));
        let deferred = Deferred { because: because.to_owned(), functions: functions.collect() };
        if !deferred.functions.is_empty() {
            self.deferred.insert(file.path.clone(), deferred);
        }
    }

    /// Returns whether there is no test at all.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty() && self.deferred.is_empty()
    }

    /// Returns the ids that are known.
    pub fn ids(&self) -> &BTreeSet<String> {
        &self.ids
    }

    /// Returns the ids that are known, and the functions whose ids are not.
    pub fn all(&self) -> BTreeSet<String> {
        self.ids.iter().chain(self.functions()).cloned().collect()
    }

    /// Returns the number of tests that are known: ids, and functions whose ids are not known.
    pub fn n_tests(&self) -> usize {
        self.ids.len() + self.functions().count()
    }

    /// Returns what is frozen and not among `reported`.
    pub fn missing_of(&self, reported: &BTreeSet<&str>) -> Vec<String> {
        let ids = self.ids.iter().filter(|id| !reported.contains(id.as_str()));
        let functions = self
            .functions()
            .filter(|function| !reported.iter().any(|id| is_of_function(id, function)));
        ids.chain(functions).cloned().collect()
    }

    /// Returns what is among `reported` and not frozen.
    pub fn extra_of(&self, reported: &BTreeSet<&str>) -> Vec<String> {
        reported.iter().filter(|id| !self.is_frozen(id)).map(|id| (*id).to_owned()).collect()
    }

    fn functions(&self) -> impl Iterator<Item = &String> {
        self.deferred.values().flat_map(|deferred| &deferred.functions)
    }
}

/// Returns whether `id` is `function`, or `function` with parameters in brackets.
pub(super) fn is_of_function(id: &str, function: &str) -> bool {
    id.strip_prefix(function)
        .is_some_and(|rest| rest.is_empty() || (rest.starts_with('[') && rest.ends_with(']')))
}
