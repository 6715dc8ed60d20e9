//! Finds projects that have been proposed before under other words.
//!
//! Two descriptions are compared by the pairs of neighboring content words they share: an estimate
//! that costs no model call and gives the same verdict on every machine.

use crate::project::Project;
use std::collections::BTreeSet;

/// From this share of common word pairs on (Jaccard index), two projects are the same one.
const MAX_SIMILARITY: f64 = 0.35;
/// From this share of the shorter text's word pairs on, the shorter is part of the longer one.
const MAX_CONTAINMENT: f64 = 0.75;
/// Texts with fewer pairs are not compared by containment: a few words are soon contained.
const MIN_PAIRS: usize = 12;

/// Words that say nothing about a project.
const STOP_WORDS: [&str; 40] = [
    "a",
    "an",
    "and",
    "are",
    "as",
    "at",
    "be",
    "by",
    "can",
    "each",
    "for",
    "from",
    "in",
    "into",
    "is",
    "it",
    "its",
    "line",
    "of",
    "on",
    "or",
    "python",
    "program",
    "project",
    "so",
    "such",
    "system",
    "that",
    "the",
    "their",
    "then",
    "this",
    "to",
    "tool",
    "using",
    "which",
    "will",
    "with",
    "command",
    "implement",
];

/// A project reduced to what it is compared by.
#[derive(Clone, Debug)]
pub(super) struct Fingerprint {
    name: String,
    name_words: BTreeSet<String>,
    pairs: BTreeSet<(String, String)>,
}

impl Fingerprint {
    pub(super) fn new(project: &Project) -> Fingerprint {
        let words = content_words(&project.project_description);
        Fingerprint {
            name: project.repo_name.to_string(),
            name_words: content_words(project.repo_name.as_str()).into_iter().collect(),
            pairs: words.windows(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect(),
        }
    }

    /// Returns why the projects are taken for the same one, or `None` if they differ.
    pub(super) fn duplicate_of(&self, other: &Fingerprint) -> Option<String> {
        let name = &other.name;
        if self.name == *name
            || (self.name_words == other.name_words && !self.name_words.is_empty())
        {
            return Some(format!("`{}` has the name of the earlier project `{name}`", self.name));
        }
        let n_common = self.pairs.intersection(&other.pairs).count();
        let n_all = self.pairs.len() + other.pairs.len() - n_common;
        let n_shorter = self.pairs.len().min(other.pairs.len());
        let is_same = share(n_common, n_all) >= MAX_SIMILARITY
            || (n_shorter >= MIN_PAIRS && share(n_common, n_shorter) >= MAX_CONTAINMENT);
        is_same.then(|| {
            format!("`{}` describes nearly the same as the earlier project `{name}`", self.name)
        })
    }
}

fn content_words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric())
        .map(str::to_lowercase)
        .filter(|word| !word.is_empty() && !STOP_WORDS.contains(&word.as_str()))
        .map(|word| {
            word.strip_suffix('s').filter(|stem| stem.len() > 3).map_or(word.clone(), str::to_owned)
        })
        .collect()
}

#[expect(clippy::cast_precision_loss, reason = "texts have far fewer than 2^52 words")]
fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::project::RepoName;

    const BLOCKFS: &str = "A file system on a simulated block device: a bitmap allocator, inodes with direct and indirect \
        blocks, directories, path lookup and a write-ahead journal that survives a crash at any write.";

    #[track_caller]
    fn check(first: (&str, &str), second: (&str, &str), expected: &str) {
        let fingerprint = |(name, text): (&str, &str)| {
            Fingerprint::new(&Project {
                project_description: text.to_owned(),
                repo_name: RepoName::sanitized(name).unwrap(),
                programming_language: "Python".to_owned(),
                constraints: "c".to_owned(),
            })
        };
        let verdict = fingerprint(first).duplicate_of(&fingerprint(second));
        assert_eq!(verdict.as_deref().unwrap_or("differs"), expected);
    }

    #[test]
    fn same_words_in_another_order_of_sentences_are_the_same() {
        let other = "Inodes with direct and indirect blocks, directories, path lookup and a write-ahead journal that \
            survives a crash at any write. All this on a simulated block device with a bitmap allocator.";
        check(
            ("diskfs", other),
            ("blockfs", BLOCKFS),
            "`diskfs` describes nearly the same as the earlier project `blockfs`",
        );
    }

    #[test]
    fn same_name_with_words_turned_is_the_same() {
        check(
            ("git-mini", "A"),
            ("mini-git", "B"),
            "`git-mini` has the name of the earlier project `mini-git`",
        );
    }

    #[test]
    fn other_projects_differ() {
        let other = "A discrete event simulator for elevators: a scheduler with a priority queue, dispatch policies, a text \
            format for buildings and passengers, and reports on waiting times with exact fractions.";
        check(("liftsim", other), ("blockfs", BLOCKFS), "differs");
    }
}
