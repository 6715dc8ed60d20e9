//! Bugs that a model thinks up and an agent puts in: where `swe` and `swt` begin.

use playpen_runtime::Tree;
use serde::Deserialize;
use std::collections::BTreeSet;

use super::{
    desk::{Desk, Order},
    error::VariantError,
    source::bare,
    stage::{Outcome, VariantRefusal},
};
use crate::{
    agent::AgentRole,
    project::TaskNumber,
    record::{StoredClaim, unified_diff},
    verify::Bug,
};

/// The shortest line of code whose appearance in a report is no accident, in characters.
const MIN_LEAK_CHARS: usize = 12;

/// What the model thought up.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Issue {
    /// How to put the bug in.
    pub(super) recipe: String,
    /// What a user saw.
    pub(super) report: String,
}

/// A bug that was put in and verified.
#[derive(Clone, Debug)]
pub(super) struct Injected {
    pub(super) report: String,
    /// The project without the bug.
    pub(super) good: Tree,
    /// The project with it, tests and all.
    pub(super) buggy: Tree,
    pub(super) fail_to_pass: BTreeSet<String>,
    pub(super) pass_to_pass: BTreeSet<String>,
}

/// Has a bug thought up and put in, as often as is allowed; refusals go to `outcome`.
pub(super) async fn inject(
    desk: &Desk<'_>,
    number: TaskNumber,
    outcome: &mut Outcome,
) -> Result<Option<Injected>, VariantError> {
    let item = number.to_string();
    let tree = desk.committed(&desk.source.tree()).await?;
    let good = bare(&tree);
    let mut findings: Vec<String> = vec![];
    for attempt in 1..=desk.config.max_bugs {
        let mut variables = desk.variables(Some(number))?;
        variables.findings.clone_from(&findings);
        let issue = match desk.ask(&item, attempt, "variant/issue", &variables, read_issue).await? {
            Ok(issue) => issue,
            Err(problem) => {
                findings.push(problem.clone());
                outcome.refused.push(VariantRefusal::Unanswered { problem });
                continue;
            }
        };
        variables.recipe.clone_from(&issue.recipe);
        variables.findings.clear();
        let policy = AgentRole::BugInjector.policy();
        let order = Order {
            role: AgentRole::BugInjector,
            item: &item,
            attempt,
            tree: &tree,
            policy: &policy,
            template: "variant/injector",
            variables,
        };
        let left = desk.attempt(order).await?;
        outcome.n_attempts += 1;
        if !left.is_finished() {
            let reasons = desk.close(left, None, None)?;
            refuse(outcome, &mut findings, reasons);
            continue;
        }
        let result = bare(&left.result);
        let claim = Bug { base: &good, result: &result, policy: &policy, pristine: &good };
        let verified = desk.verifier().bug(&claim).await?;
        let stored = StoredClaim::bug(&desk.trees(), &claim)?;
        let reasons = desk.close(left, Some((&stored, &verified)), None)?;
        if !verified.accepted() {
            refuse(outcome, &mut findings, reasons);
            continue;
        }
        if let Some(line) = leak(&issue.report, &good, &verified.tree) {
            findings.push(format!("the report quotes the code: `{line}`"));
            outcome.refused.push(VariantRefusal::Leaks { line });
            continue;
        }
        return Ok(Some(Injected {
            report: issue.report,
            good,
            buggy: verified.tree,
            fail_to_pass: verified.record.fail_to_pass,
            pass_to_pass: verified.record.pass_to_pass,
        }));
    }
    Ok(None)
}

fn refuse(
    outcome: &mut Outcome,
    findings: &mut Vec<String>,
    reasons: Vec<crate::verify::gate::Reason>,
) {
    findings.extend(reasons.first().map(ToString::to_string));
    let role = AgentRole::BugInjector.name();
    outcome.refused.push(VariantRefusal::Gates { role, reasons });
}

/// Reads the answer: JSON in a code block or alone, or the tags `<issue>` and `<description>`.
pub(super) fn read_issue(answer: &str) -> Result<Issue, String> {
    let between = |open: &str, close: &str| {
        let (_, rest) = answer.split_once(open)?;
        rest.split_once(close).map(|(text, _)| text.trim().to_owned())
    };
    let tags = between("<issue>", "</issue>").zip(between("<description>", "</description>"));
    let issue = if let Some((recipe, report)) = tags {
        Issue { recipe, report }
    } else {
        let json = answer.find('{').zip(answer.rfind('}')).filter(|(start, end)| start < end);
        let (start, end) = json.ok_or("it has no JSON object")?;
        serde_json::from_str(&answer[start..=end])
            .map_err(|error| format!("its JSON cannot be read: {error}"))?
    };
    if issue.recipe.trim().is_empty() || issue.report.trim().is_empty() {
        return Err("`recipe` or `report` is empty".to_owned());
    }
    Ok(issue)
}

/// Returns a changed line of code that the report quotes.
fn leak(report: &str, good: &Tree, buggy: &Tree) -> Option<String> {
    let diff = unified_diff(good, &bare(buggy));
    let changed = diff.lines().filter(|line| {
        (line.starts_with('+') || line.starts_with('-'))
            && !line.starts_with("+++")
            && !line.starts_with("---")
    });
    let mut lines = changed.map(|line| line[1..].trim());
    lines
        .find(|line| line.chars().count() >= MIN_LEAK_CHARS && report.contains(line))
        .map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::{leak, read_issue};
    use playpen_runtime::Tree;

    #[test]
    fn answers_are_read_in_each_form() {
        for answer in [
            "```json\n{\"recipe\": \"a\", \"report\": \"b\"}\n```",
            "{\"recipe\": \"a\", \"report\": \"b\"}",
            "<issue>\na\n</issue><description> b </description>",
        ] {
            let issue = read_issue(answer).unwrap();
            assert_eq!((issue.recipe.as_str(), issue.report.as_str()), ("a", "b"), "{answer}");
        }
        for answer in ["", "}{", "{\"recipe\": \"a\"}", "{\"recipe\": \"\", \"report\": \"b\"}"] {
            read_issue(answer).unwrap_err();
        }
    }

    #[test]
    fn a_quoted_line_is_a_leak() {
        let mut good = Tree::new();
        good.write("a.py", "x = 1\nreturn lowest_free_block(x)\n", 0o644).unwrap();
        let mut buggy = Tree::new();
        buggy.write("a.py", "x = 1\nreturn lowest_free_block(x + 1)\n", 0o644).unwrap();
        let line = leak("I saw `return lowest_free_block(x)` in it", &good, &buggy);
        assert_eq!(line.as_deref(), Some("return lowest_free_block(x)"));
        assert_eq!(leak("the first block is never used", &good, &buggy), None);
    }
}
