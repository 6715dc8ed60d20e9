//! Numbers of tasks and modules, as headings and dependencies write them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use thiserror::Error;

/// The number of a task: phase, module and task, written `1.2.3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TaskNumber {
    /// The number of the phase.
    pub phase: u32,
    /// The number of the module within its phase.
    pub module: u32,
    /// The number of the task within its module.
    pub task: u32,
}

/// The number of a module: phase and module, written `1.2`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(into = "String")]
pub struct ModuleNumber {
    /// The number of the phase.
    pub phase: u32,
    /// The number of the module within its phase.
    pub module: u32,
}

/// Why a text is not the number of a task.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{raw}` is not a task number of the form `1.2.3`")]
pub struct TaskNumberError {
    /// The text, cut to its first 64 characters.
    pub raw: String,
}

impl TaskNumber {
    /// Returns a number from its parts.
    pub const fn new(phase: u32, module: u32, task: u32) -> TaskNumber {
        TaskNumber { phase, module, task }
    }

    /// Returns the number of the module the task is in.
    pub const fn module_number(self) -> ModuleNumber {
        ModuleNumber { phase: self.phase, module: self.module }
    }

    /// Returns the path of the task's test document, `tests/1.2.3.md`.
    pub fn document_path(self) -> String {
        format!("tests/{self}.md")
    }

    /// Returns the path of the task's test file, `tests/test_1_2_3.py`.
    pub fn test_path(self) -> String {
        format!("tests/test_{}_{}_{}.py", self.phase, self.module, self.task)
    }
}

impl fmt::Display for TaskNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.phase, self.module, self.task)
    }
}

impl fmt::Display for ModuleNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.phase, self.module)
    }
}

impl FromStr for TaskNumber {
    type Err = TaskNumberError;

    fn from_str(raw: &str) -> Result<Self, Self::Err> {
        match numbers(raw.trim()).as_deref() {
            Some(&[phase, module, task]) => Ok(TaskNumber { phase, module, task }),
            _ => Err(TaskNumberError { raw: raw.chars().take(64).collect() }),
        }
    }
}

impl TryFrom<String> for TaskNumber {
    type Error = TaskNumberError;

    fn try_from(raw: String) -> Result<Self, Self::Error> {
        raw.parse()
    }
}

impl From<TaskNumber> for String {
    fn from(number: TaskNumber) -> Self {
        number.to_string()
    }
}

impl From<ModuleNumber> for String {
    fn from(number: ModuleNumber) -> Self {
        number.to_string()
    }
}

/// Reads up to four numbers with dots between them and nothing else.
pub(super) fn numbers(raw: &str) -> Option<Vec<u32>> {
    let part = |part: &str| {
        let is_digits = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        is_digits.then(|| part.parse().ok()).flatten()
    };
    raw.splitn(5, '.').map(part).collect::<Option<Vec<u32>>>().filter(|parts| parts.len() < 5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_plain_numbers_make_a_task_number() {
        assert_eq!("1.2.30".parse(), Ok(TaskNumber::new(1, 2, 30)));
        for raw in ["", "1.2", "1.2.3.4", "1..3", "+1.2.3", "1.2.x", "1.2.99999999999", "1.2.3 4"] {
            assert!(raw.parse::<TaskNumber>().is_err(), "{raw}");
        }
    }

    #[test]
    fn paths_follow_the_reference_layout() {
        let number = TaskNumber::new(1, 2, 3);
        assert_eq!(number.document_path(), "tests/1.2.3.md");
        assert_eq!(number.test_path(), "tests/test_1_2_3.py");
    }
}
