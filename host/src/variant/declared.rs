//! Variants that are described rather than programmed: code is taken out of a finished run, and an agent writes it again.
//!
//! A description is a TOML file. `tdd` and `featadd` are two of them, in `declared/`:
//!
//! ```toml
//! name = "tdd"               # of its folder, `RUN/variants/NAME`: small letters, digits, `-`
//! takes = "task"             # "task": once for each task; "library": all at once
//! shows_tests = false        # whether the agent is given the tests
//! role = "solver"            # "solver", "implementer" or "library_writer": its prompts' name in records
//! template = "variant/tdd"   # `variant/tdd.system` and `variant/tdd.user` among the prompts
//! is_scored = false          # optional: whether the part of the tests that pass counts
//! max_attempts = 3           # optional: as on the command line
//! ```
//!
//! What is taken out are the bodies of the functions that tests of the item run and no test of an earlier task does; what runs
//! when the library is imported stays. Tests of later tasks that need these functions fail too, and have to pass again.

use futures_util::future::BoxFuture;
use playpen_runtime::Tree;
use serde::Deserialize;
use std::{collections::BTreeSet, path::Path, time::Duration};

use super::{
    baseline::Baseline,
    desk::{Desk, Statement},
    edits::{self, Edit, Lines, edited},
    error::VariantError,
    repository::Repository,
    series::{Goal, Series},
    source::{Source, without_tests},
    stage::{Outcome, Variant, VariantRefusal},
    swe::number_of,
};
use crate::{
    agent::AgentRole,
    verify::{FrozenTests, Selection, Wanted},
};

/// What stands for a body.
const STUB: &str = "raise NotImplementedError";

/// Computing time of one run of the tests.
const CPU: Duration = Duration::from_mins(2);

/// The descriptions that are part of the program.
const TDD: &str = include_str!("declared/tdd.toml");
const FEATADD: &str = include_str!("declared/featadd.toml");

/// What is taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Takes {
    /// What one task brought.
    Task,
    /// All of the library.
    Library,
}

/// Who writes it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Role {
    Solver,
    Implementer,
    LibraryWriter,
}

/// A description as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Description {
    name: String,
    takes: Takes,
    shows_tests: bool,
    role: Role,
    template: String,
    #[serde(default)]
    is_scored: bool,
    max_attempts: Option<u32>,
}

/// A variant that is described.
#[derive(Clone, Debug)]
pub struct Declared {
    name: &'static str,
    description: Description,
}

impl Declared {
    /// A function from the description of its task, without tests.
    ///
    /// # Panics
    ///
    /// Never: the description is part of the program, and a test reads it.
    pub fn tdd() -> Declared {
        Declared::new(TDD).expect("it is part of the program")
    }

    /// A feature from its tests.
    ///
    /// # Panics
    ///
    /// Never: the description is part of the program, and a test reads it.
    pub fn featadd() -> Declared {
        Declared::new(FEATADD).expect("it is part of the program")
    }

    /// Reads a description from a file.
    ///
    /// # Errors
    ///
    /// Fails if the file cannot be read or is no description.
    pub fn load(path: &Path) -> Result<Declared, VariantError> {
        let text = fs_err::read_to_string(path)
            .map_err(|source| VariantError::Read { path: path.to_owned(), source })?;
        Declared::new(&text)
            .map_err(|said| VariantError::Description { path: path.to_owned(), said })
    }

    fn new(text: &str) -> Result<Declared, String> {
        let description: Description =
            toml::from_str(text).map_err(|error| error.to_string().trim().to_owned())?;
        let name = &description.name;
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        if name.is_empty() || !name.chars().all(is_plain) {
            return Err(format!("`name` is `{name}`: it may have small letters, digits and `-`"));
        }
        // Names of variants live as long as the program; a few bytes for each that is read.
        let name: &'static str = Box::leak(name.clone().into_boxed_str());
        Ok(Declared { name, description })
    }

    fn role(&self) -> AgentRole {
        match self.description.role {
            Role::Solver => AgentRole::Solver,
            Role::Implementer => AgentRole::Implementer,
            Role::LibraryWriter => AgentRole::LibraryWriter,
        }
    }
}

impl Variant for Declared {
    fn name(&self) -> &'static str {
        self.name
    }

    fn items(&self, source: &Source) -> Vec<String> {
        match self.description.takes {
            Takes::Task => source.solved.iter().map(|(number, _)| number.to_string()).collect(),
            Takes::Library => vec![source.project.name.clone()],
        }
    }

    fn work<'a>(
        &'a self,
        desk: &'a Desk<'a>,
        item: &'a str,
    ) -> BoxFuture<'a, Result<Outcome, VariantError>> {
        Box::pin(work(self, desk, item))
    }
}

async fn work(declared: &Declared, desk: &Desk<'_>, item: &str) -> Result<Outcome, VariantError> {
    let description = &declared.description;
    let mut outcome = Outcome::default();
    let good = desk.source.tree();
    let (start, wanted) = taken_out(desk, &good, description.takes, item).await?;
    if wanted.fail_to_pass.is_empty() {
        outcome.refused.push(VariantRefusal::NothingTaken);
        return Ok(outcome);
    }
    let shown =
        |tree: &Tree| if description.shows_tests { tree.clone() } else { without_tests(tree) };
    let given = desk.committed(&shown(&start)).await?;
    let number = (description.takes == Takes::Task).then(|| number_of(desk.source, item));
    let mut variables = desk.variables(number)?;
    if !description.shows_tests {
        variables.test_files.clear();
    }
    let problem = match number {
        Some(_) => format!("{}\n\n{}", variables.title, variables.description),
        None => variables.project_description.clone(),
    };
    outcome.posed = Some(desk.posed(&Statement {
        item,
        base: &given,
        fixed: &shown(&good),
        good: &good,
        problem: &problem,
        fail_to_pass: wanted.fail_to_pass.ids(),
        pass_to_pass: &wanted.pass_to_pass,
    })?);
    let series = Series {
        role: declared.role(),
        item,
        max_attempts: description.max_attempts.unwrap_or(desk.config.max_attempts),
        given: &given,
        template: &description.template,
        variables,
        goal: Goal::Passing { pristine: &good, wanted: &wanted },
        is_scored: description.is_scored,
    };
    series.work(desk, &mut outcome).await?;
    Ok(outcome)
}

/// Takes out what tests of the item run and no earlier ones, and finds out which tests fail without it.
async fn taken_out(
    desk: &Desk<'_>,
    good: &Tree,
    takes: Takes,
    item: &str,
) -> Result<(Tree, Wanted), VariantError> {
    let name = &desk.source.project.name;
    let repository = Repository::new(good.clone(), Tree::new(), &["tests".to_owned()], name)?;
    let baseline = Baseline::new(desk.ctx, &repository, CPU).await?;
    let (earlier, own) = match takes {
        Takes::Library => (BTreeSet::new(), baseline.ids.clone()),
        Takes::Task => before_and_of(desk.source, item),
    };
    let sandbox = baseline.suite.fork(Some(good));
    let mut tree = good.clone();
    for (path, stubbed) in edits::stubs(&sandbox, &repository.sources, &Lines::new(), STUB).await? {
        let text = good.read(&path)?;
        let is_own = |edit: &Edit| {
            let (first, last) = lines_of(&text, edit);
            let tests = baseline.tests_of(&path, first, last);
            let is_imported = (first..=last).any(|line| baseline.is_shared(&path, line));
            !is_imported
                && tests.iter().any(|id| own.contains(id))
                && !tests.iter().any(|id| earlier.contains(id))
        };
        let edits: Vec<Edit> = stubbed.edits.into_iter().filter(is_own).collect();
        if !edits.is_empty() {
            tree = edited(&tree, &path, &edits)?;
        }
    }
    let seen = desk.verifier().observe(&tree, &Selection::All).await?;
    let passing = seen.passing();
    let pass_to_pass = baseline.ids.intersection(&passing).cloned().collect();
    let mut failing: BTreeSet<String> = baseline.ids.difference(&passing).cloned().collect();
    if failing.is_disjoint(&own) {
        failing.clear();
    }
    let fail_to_pass = FrozenTests::new(failing);
    Ok((tree, Wanted { fail_to_pass, pass_to_pass, must_fail: BTreeSet::new() }))
}

/// Returns the tests of the tasks before an item, and those of the item.
fn before_and_of(source: &Source, item: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let number = number_of(source, item);
    let n_before = source.solved.iter().take_while(|(solved, _)| *solved != number).count();
    let before = source.solved[..n_before].iter().flat_map(|(_, ids)| ids.iter().cloned());
    let own = source.solved.get(n_before).map(|(_, ids)| ids.clone());
    (before.collect(), own.unwrap_or_default())
}

/// Returns the first and the last line of what an edit replaces, from 1.
fn lines_of(text: &[u8], edit: &Edit) -> (u32, u32) {
    let line_at = |at: usize| {
        let before = &text[..at.min(text.len())];
        u32::try_from(before.split(|byte| *byte == b'\n').count()).unwrap_or(u32::MAX)
    };
    (line_at(edit.start), line_at(edit.end.saturating_sub(1).max(edit.start)))
}

#[cfg(test)]
mod tests {
    use super::{Declared, lines_of};
    use crate::variant::{edits::Edit, stage::Variant as _};

    #[test]
    fn descriptions_of_the_program_can_be_read() {
        assert_eq!((Declared::tdd().name(), Declared::featadd().name()), ("tdd", "featadd"));
        assert!(!Declared::tdd().description.shows_tests);
    }

    #[test]
    fn what_is_wrong_with_a_description_is_said() {
        let good = include_str!("declared/tdd.toml");
        for (old, new, said) in [
            ("name = \"tdd\"", "name = \"../x\"", "`name` is `../x`"),
            ("takes = \"task\"", "takes = \"tasks\"", "unknown variant `tasks`"),
            ("shows_tests", "show_tests", "unknown field `show_tests`"),
            ("role = \"solver\"", "", "missing field `role`"),
        ] {
            let error = Declared::new(&good.replace(old, new)).unwrap_err();
            assert!(error.contains(said), "{error}");
        }
    }

    #[test]
    fn an_edit_has_lines() {
        let text = b"a\nbc\nd\n";
        let lines = |start, end| lines_of(text, &Edit { start, end, text: String::new() });
        assert_eq!((lines(0, 1), lines(2, 5), lines(2, 6)), ((1, 1), (2, 2), (2, 3)));
    }
}
