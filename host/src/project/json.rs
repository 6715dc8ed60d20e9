//! Reads and writes `tasks.json`, and the task document in the answer of a model, which has the same
//! layout without the identifiers.
//!
//! The layout is that of the reference system with one more key, `detailed_documentation`, which is left
//! out when there is nothing in it.

use super::{
    MAX_DOCUMENT_BYTES, MAX_TASKS, MAX_TESTS, Module, ModuleNumber, Phase, Project, Task,
    TaskDocument, TaskIssue, TaskIssueKind, TaskNumber, UnitTest, issue, number::numbers,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

/// What `tasks.json` holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TaskFile {
    /// A decimal number that identifies the project. The reference system takes the time; ours is made
    /// from the project, so that the same project gives the same file.
    pub project_id: String,
    /// The name of the repository.
    pub project_name: String,
    /// The constraints of the project.
    pub constraints: String,
    /// The tasks.
    pub document: TaskDocument,
}

/// Why a text is not a task document in JSON.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum TaskFileError {
    /// The text is longer than [`MAX_DOCUMENT_BYTES`].
    #[error("the task document has {bytes} bytes, more than the {MAX_DOCUMENT_BYTES} allowed")]
    TooLarge {
        /// Its length.
        bytes: usize,
    },
    /// The text is not JSON, or lacks a field.
    #[error("failed to read the task document as JSON")]
    Json(#[source] serde_json::Error),
    /// A number of a phase, module or task has another form.
    #[error("`{found}` is not the number of a {what}")]
    Number {
        /// `phase`, `module` or `task`.
        what: &'static str,
        /// What stands there.
        found: String,
    },
    /// There are more tasks or tests than allowed.
    #[error("the task document has too many {what}")]
    TooMany {
        /// `tasks` or `tests`.
        what: &'static str,
    },
}

impl TaskFile {
    /// Puts together the file of a project.
    pub fn new(project: &Project, document: TaskDocument) -> TaskFile {
        let name = project.repo_name.as_str();
        let digest = blake3::hash(format!("{name}\0{}", project.project_description).as_bytes());
        let mut id = [0; 8];
        id.copy_from_slice(&digest.as_bytes()[..8]);
        TaskFile {
            project_id: format!("{:010}", u64::from_le_bytes(id) % 10_000_000_000),
            project_name: name.to_owned(),
            constraints: project.constraints.clone(),
            document,
        }
    }

    /// Writes the file, indented by four blanks.
    pub fn to_json(&self) -> String {
        let wire = Wire::from_file(self);
        let mut out = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(b"    ");
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
        wire.serialize(&mut serializer).expect("strings and numbers always serialize");
        out.push(b'\n');
        String::from_utf8(out).expect("serde_json writes UTF-8")
    }

    /// Reads a file, or an answer in the same layout, and reports what is wrong with its tasks.
    ///
    /// # Errors
    ///
    /// Returns an error if the text is not JSON, lacks a field that cannot be guessed, or is too large.
    pub fn from_json(text: &str) -> Result<(TaskFile, Vec<TaskIssue>), TaskFileError> {
        if text.len() > MAX_DOCUMENT_BYTES {
            return Err(TaskFileError::TooLarge { bytes: text.len() });
        }
        let wire: Wire = serde_json::from_str(text).map_err(TaskFileError::Json)?;
        let mut issues = Vec::new();
        let file = wire.into_file(&mut issues)?;
        issues.extend(issue::check(&file.document, &issue::Lines::default()));
        Ok((file, issue::limited(issues)))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(expecting = "an object with the key `phases`")]
struct Wire {
    #[serde(default)]
    project_id: String,
    #[serde(default)]
    project_name: String,
    #[serde(default)]
    project_description: String,
    #[serde(default)]
    project_instruction: String,
    #[serde(default)]
    constraints: String,
    #[serde(default, alias = "documentation", skip_serializing_if = "String::is_empty")]
    detailed_documentation: String,
    phases: Vec<WirePhase>,
}

#[derive(Serialize, Deserialize)]
struct WirePhase {
    #[serde(alias = "number")]
    phase_number: Value,
    title: String,
    #[serde(default)]
    goal: String,
    modules: Vec<WireModule>,
}

#[derive(Serialize, Deserialize)]
struct WireModule {
    #[serde(alias = "number")]
    module_number: Value,
    title: String,
    tasks: Vec<WireTask>,
}

#[derive(Serialize, Deserialize)]
struct WireTask {
    #[serde(default)]
    task_id: String,
    #[serde(alias = "number")]
    task_number: String,
    title: String,
    description: String,
    #[serde(default)]
    dependencies: Value,
    #[serde(default)]
    difficulty: Value,
    #[serde(default, alias = "tests")]
    unit_tests: WireTests,
}

#[derive(Default, Serialize, Deserialize)]
struct WireTests {
    #[serde(default)]
    code_tests: Vec<WireTest>,
    #[serde(default)]
    visual_tests: Vec<WireTest>,
}

#[derive(Serialize, Deserialize)]
struct WireTest {
    name: String,
    #[serde(default)]
    description: String,
}

impl Wire {
    fn from_file(file: &TaskFile) -> Wire {
        let document = &file.document;
        Wire {
            project_id: file.project_id.clone(),
            project_name: file.project_name.clone(),
            project_description: document.project_description.clone(),
            project_instruction: document.project_instruction.clone(),
            constraints: file.constraints.clone(),
            detailed_documentation: document.detailed_documentation.clone(),
            phases: document
                .phases
                .iter()
                .map(|phase| WirePhase::from_phase(&file.project_name, phase))
                .collect(),
        }
    }

    fn into_file(self, issues: &mut Vec<TaskIssue>) -> Result<TaskFile, TaskFileError> {
        let mut count = Count::default();
        let phases = self
            .phases
            .into_iter()
            .map(|phase| phase.into_phase(&mut count, issues))
            .collect::<Result<_, _>>()?;
        let document = TaskDocument {
            project_description: self.project_description,
            project_instruction: self.project_instruction,
            detailed_documentation: self.detailed_documentation,
            phases,
        };
        Ok(TaskFile {
            project_id: self.project_id,
            project_name: self.project_name,
            constraints: self.constraints,
            document: document.normalized(),
        })
    }
}

impl WirePhase {
    fn from_phase(project: &str, phase: &Phase) -> WirePhase {
        WirePhase {
            phase_number: phase.number.into(),
            title: phase.title.clone(),
            goal: phase.goal.clone(),
            modules: phase
                .modules
                .iter()
                .map(|module| WireModule::from_module(project, module))
                .collect(),
        }
    }

    fn into_phase(
        self,
        count: &mut Count,
        issues: &mut Vec<TaskIssue>,
    ) -> Result<Phase, TaskFileError> {
        let found = plain(&self.phase_number);
        let Some(&[number]) = numbers(&found).as_deref() else {
            return Err(TaskFileError::Number { what: "phase", found });
        };
        let modules =
            self.modules.into_iter().map(|module| module.into_module(number, count, issues));
        Ok(Phase {
            number,
            title: self.title,
            goal: self.goal,
            modules: modules.collect::<Result<_, _>>()?,
        })
    }
}

impl WireModule {
    fn from_module(project: &str, module: &Module) -> WireModule {
        WireModule {
            module_number: module.number.to_string().into(),
            title: module.title.clone(),
            tasks: module.tasks.iter().map(|task| WireTask::from_task(project, task)).collect(),
        }
    }

    fn into_module(
        self,
        phase: u32,
        count: &mut Count,
        issues: &mut Vec<TaskIssue>,
    ) -> Result<Module, TaskFileError> {
        let found = plain(&self.module_number);
        let number = match numbers(&found).as_deref() {
            Some(&[phase, module]) => ModuleNumber { phase, module },
            Some(&[module]) => ModuleNumber { phase, module },
            _ => return Err(TaskFileError::Number { what: "module", found }),
        };
        let tasks = self
            .tasks
            .into_iter()
            .map(|task| task.into_task(count, issues))
            .collect::<Result<_, _>>()?;
        Ok(Module { number, title: self.title, tasks })
    }
}

impl WireTask {
    fn from_task(project: &str, task: &Task) -> WireTask {
        let dependencies: Vec<String> = task.dependencies.iter().map(ToString::to_string).collect();
        WireTask {
            task_id: task_id(project, task.number),
            task_number: task.number.to_string(),
            title: task.title.clone(),
            description: task.description.clone(),
            dependencies: dependencies.into(),
            difficulty: task.difficulty.map_or(Value::Null, Value::from),
            unit_tests: WireTests {
                code_tests: task.code_tests.iter().map(WireTest::from_test).collect(),
                visual_tests: task.visual_tests.iter().map(WireTest::from_test).collect(),
            },
        }
    }

    fn into_task(
        self,
        count: &mut Count,
        issues: &mut Vec<TaskIssue>,
    ) -> Result<Task, TaskFileError> {
        let number: TaskNumber = self
            .task_number
            .parse()
            .map_err(|_| TaskFileError::Number { what: "task", found: self.task_number.clone() })?;
        count.add(&self.unit_tests)?;
        let mut report = |kind| issues.push(TaskIssue { line: None, kind });
        let listed = plain(&self.dependencies);
        let (dependencies, is_list) = super::parse::dependencies(&listed);
        if !is_list {
            report(TaskIssueKind::ProseDependency(listed));
        }
        let told = plain(&self.difficulty);
        let difficulty = super::parse::difficulty(&told);
        if difficulty.is_none() && !super::parse::is_none(&told) {
            report(TaskIssueKind::Difficulty(told));
        }
        Ok(Task {
            number,
            title: self.title,
            description: self.description,
            dependencies,
            difficulty,
            code_tests: self.unit_tests.code_tests.into_iter().map(WireTest::into_test).collect(),
            visual_tests: self
                .unit_tests
                .visual_tests
                .into_iter()
                .map(WireTest::into_test)
                .collect(),
        })
    }
}

impl WireTest {
    fn from_test(test: &UnitTest) -> WireTest {
        WireTest { name: test.name.clone(), description: test.description.clone() }
    }

    fn into_test(self) -> UnitTest {
        UnitTest::new(&self.name, &self.description)
    }
}

/// How many tasks and tests were read.
#[derive(Default)]
struct Count {
    n_tasks: usize,
    n_tests: usize,
}

impl Count {
    fn add(&mut self, tests: &WireTests) -> Result<(), TaskFileError> {
        self.n_tasks += 1;
        self.n_tests += tests.code_tests.len() + tests.visual_tests.len();
        if self.n_tasks > MAX_TASKS {
            return Err(TaskFileError::TooMany { what: "tasks" });
        }
        if self.n_tests > MAX_TESTS {
            return Err(TaskFileError::TooMany { what: "tests" });
        }
        Ok(())
    }
}

/// Returns eight letters and digits that identify a task within all projects.
fn task_id(project: &str, number: TaskNumber) -> String {
    let digest = blake3::hash(format!("{project}\0{number}").as_bytes());
    digest.to_hex()[..8].to_owned()
}

/// Returns a value as the text a person would write: a number or string as it is, a list with commas.
fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.trim().to_owned(),
        Value::Array(items) => items.iter().map(plain).collect::<Vec<_>>().join(", "),
        other => other.to_string(),
    }
}
