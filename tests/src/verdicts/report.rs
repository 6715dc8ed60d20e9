//! Counts verdicts, and says which are wrong.

use std::{collections::BTreeSet, fmt::Write as _};

use super::{judge::Judgement, persona::Persona};

/// Lines that are printed of one wrong verdict.
const MAX_LINES: usize = 12;

/// Classes of reasons, for personas that do not name one exactly.
const CLASSES: [(&str, &[&str]); 8] = [
    ("nothing", &["nothing_handed_in", "no_test_files", "no_tests"]),
    ("fails", &["fails", "missing", "not_collected", "earlier_lost", "exit_status"]),
    (
        "tampering",
        &[
            "tampers",
            "canary",
            "contradicted",
            "needs_test_run",
            "report_malformed",
            "report_incomplete",
            "status_mismatch",
            "exit_status",
            "pytest_hook",
            "duplicate_id",
        ],
    ),
    ("flaky", &["flaky"]),
    ("limit", &["limit", "stopped"]),
    (
        "bad_tests",
        &[
            "wrong_before",
            "not_collected",
            "syntax_error",
            "fails_on_fixed",
            "no_reproduction",
            "reads_source",
            "no_tests",
            "no_test_files",
            "pytest_hook",
            "earlier_lost",
        ],
    ),
    (
        "no_bug",
        &[
            "breaks_nothing",
            "breaks_everything",
            "syntax_error",
            "not_collected",
            "unneeded",
            "nothing_handed_in",
        ],
    ),
    ("not_finished", &["not_finished"]),
];

/// Counts over all personas and seeds.
#[derive(Debug, Default)]
pub struct Report {
    n_bad: u64,
    n_false_accepts: u64,
    n_good: u64,
    n_false_rejects: u64,
    n_with_reason: u64,
    n_other_reason: u64,
    /// Personas that could not be judged.
    pub n_errors: u64,
}

impl Report {
    /// Counts a verdict. Returns what to print if it is not the expected one.
    pub fn add(&mut self, persona: &Persona, seed: u64, judgement: &Judgement) -> Option<String> {
        let word = |is_accepted: bool| if is_accepted { "accept" } else { "reject" };
        if persona.is_accepted {
            self.n_good += 1;
            self.n_false_rejects += u64::from(!judgement.is_accepted);
        } else {
            self.n_bad += 1;
            self.n_false_accepts += u64::from(judgement.is_accepted);
        }
        let (name, stage) = (&persona.name, persona.stage);
        let (expected, found) = (word(persona.is_accepted), word(judgement.is_accepted));
        if persona.is_accepted != judgement.is_accepted {
            let mut text = format!(
                "WRONG {name} ({stage}, seed {seed}): expected {expected}, found {found}\n"
            );
            for line in judgement.details.iter().take(MAX_LINES) {
                let _ = writeln!(text, "    {line}");
            }
            return Some(text);
        }
        if persona.is_accepted || persona.reasons.is_empty() {
            return None;
        }
        self.n_with_reason += 1;
        if persona.reasons.iter().any(|wanted| is_given(wanted, &judgement.reasons)) {
            return None;
        }
        self.n_other_reason += 1;
        let wanted: Vec<&str> = persona.reasons.iter().map(String::as_str).collect();
        let given: Vec<&str> = judgement.reasons.iter().map(String::as_str).collect();
        Some(format!(
            "other reason {name} ({stage}, seed {seed}): expected {}, found {}\n",
            wanted.join(" or "),
            given.join(", ")
        ))
    }

    /// Returns whether every verdict was the expected one.
    pub fn is_right(&self) -> bool {
        self.n_false_accepts == 0 && self.n_false_rejects == 0 && self.n_errors == 0
    }

    /// Returns the last lines.
    pub fn summary(&self) -> String {
        let mut text = String::new();
        if self.n_errors > 0 {
            let _ = writeln!(text, "not judged: {}", self.n_errors);
        }
        let n_right = self.n_with_reason - self.n_other_reason;
        let _ = writeln!(text, "reasons as expected {n_right} of {}", self.n_with_reason);
        let _ = write!(
            text,
            "false accepts {} of {}, false rejects {} of {}",
            self.n_false_accepts, self.n_bad, self.n_false_rejects, self.n_good
        );
        text
    }
}

/// Returns whether a reason of the kind, or of the class, `wanted` is among those given.
fn is_given(wanted: &str, given: &BTreeSet<String>) -> bool {
    let class = CLASSES.iter().find(|(name, _)| *name == wanted).map(|(_, kinds)| *kinds);
    given.contains(wanted)
        || class.is_some_and(|kinds| kinds.iter().any(|kind| given.contains(*kind)))
}

#[cfg(test)]
mod tests {
    use super::is_given;

    #[test]
    fn a_class_stands_for_its_kinds() {
        let given = ["canary".to_owned()].into();
        assert!(is_given("canary", &given));
        assert!(is_given("tampering", &given));
        assert!(!is_given("flaky", &given));
        assert!(!is_given("unheard_of", &given));
    }
}
