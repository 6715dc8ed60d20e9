//! Several bugs in one file or one folder as one.

use std::collections::{BTreeMap, BTreeSet};

use super::{Baseline, Bug, Funnel, Mutant, Refusal, judge};
use crate::variant::VariantError;

/// Joins validated bugs of one file, or else of one folder, `n_places` at a time, to at most `n_wanted`
/// new bugs.
///
/// A combination is kept if each of its places is needed: with any one of them alone, other tests fail.
///
/// # Errors
///
/// Fails if the host does.
pub async fn combine(
    baseline: &Baseline,
    bugs: &[Bug],
    n_places: usize,
    n_wanted: usize,
    max_broken: f64,
) -> Result<(Vec<Bug>, Funnel), VariantError> {
    let mut combined = vec![];
    let mut funnel = Funnel::default();
    for group in groups(bugs, n_places) {
        if combined.len() >= n_wanted {
            break;
        }
        funnel.n_validated += 1;
        let changes: Vec<Mutant> = group.iter().map(|bug| mutant(baseline, bug)).collect();
        match judge(baseline, &changes, max_broken).await? {
            Ok(bug) if group.iter().all(|part| part.fail_to_pass != bug.fail_to_pass) => {
                combined.push(bug);
            }
            Ok(_) => funnel.refuse(Refusal::Redundant),
            Err(refusal) => funnel.refuse(refusal),
        }
    }
    funnel.n_kept = combined.len();
    Ok((combined, funnel))
}

/// Makes groups of bugs with one place each, in different functions: by file first, then by folder.
fn groups(bugs: &[Bug], n_places: usize) -> Vec<Vec<&Bug>> {
    let folder = |path: &str| path.rsplit_once('/').map_or("", |(folder, _)| folder).to_owned();
    let mut by_file: BTreeMap<String, Vec<&Bug>> = BTreeMap::new();
    let mut by_folder: BTreeMap<String, Vec<&Bug>> = BTreeMap::new();
    for bug in bugs.iter().filter(|bug| bug.places.len() == 1) {
        let path = &bug.places[0].0;
        by_file.entry(path.clone()).or_default().push(bug);
        by_folder.entry(folder(path)).or_default().push(bug);
    }
    let mut groups: Vec<Vec<&Bug>> = vec![];
    let mut seen = BTreeSet::new();
    for list in by_file.values().chain(by_folder.values()) {
        // Neighbors in the order in which they were found, then those that are further apart.
        for step in 1..list.len().min(8) {
            for begin in 0..list.len() {
                let group: Vec<&Bug> =
                    (0..n_places).filter_map(|idx| list.get(begin + idx * step)).copied().collect();
                let functions: BTreeSet<(&str, &str)> = group
                    .iter()
                    .map(|bug| (bug.places[0].0.as_str(), bug.places[0].1.function.as_str()))
                    .collect();
                let mut names: Vec<String> = group.iter().map(|bug| bug.digest()).collect();
                names.sort();
                if functions.len() == n_places && n_places > 1 && seen.insert(names) {
                    groups.push(group);
                }
            }
        }
    }
    groups
}

/// Returns the change of a bug, with the tests that it touches.
fn mutant(baseline: &Baseline, bug: &Bug) -> Mutant {
    let (path, site) = bug.places[0].clone();
    let tests = baseline.tests_of(&path, site.line, site.last_line());
    Mutant { path, site, tests }
}
