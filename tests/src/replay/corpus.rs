//! The recorded actions, and which of them start Python.

use anyhow::Context as _;
use regex::Regex;
use serde::Deserialize;
use std::{path::Path, sync::LazyLock};

/// One recorded command.
#[derive(Clone, Debug, Deserialize)]
pub struct Action {
    /// Its number in the corpus.
    pub id: u64,
    /// What the agent was working on, as `owner__project-number`.
    pub task: String,
    /// The text that `bash -c` gets.
    pub command: String,
}

/// A program that runs Python, at a place where the shell takes a word for a program.
static STARTS_PYTHON: LazyLock<Regex> = LazyLock::new(|| {
    let before = r"(?m)(?:^|[;&|(`{!]|\b(?:xargs|then|do|else|exec|env|time|nohup)\b|\btimeout +(?:-\S+ +)*\S+)";
    let variables = r#"\s*(?:\w+=(?:"[^"]*"|'[^']*'|\S*)\s+)*(?:-\S+ +)*"#;
    let programs = "python[0-9.]*|pytest|py\\.test|pip[0-9.]*|tox|sphinx-[a-z]+|pylint|pyreverse|flake8|black|mypy\
                    |isort|django-admin|ipython|coverage|runtests\\.py|manage\\.py|setup\\.py|bin/test|bin/doctest|\\w+\\.py";
    Regex::new(&format!(r"{before}{variables}(?:[\w./~$]*/)?(?:{programs})(?:[\s;|&)]|$)"))
        .expect("the pattern is a constant")
});

/// The start of a here-document: its delimiter is the only group.
static HERE_DOCUMENT: LazyLock<Regex> =
    LazyLock::new(|| Regex::new(r#"<<-?\s*["'\\]?(\w+)["']?"#).expect("the pattern is a constant"));

impl Action {
    /// Tells whether the command starts Python, as far as its text shows.
    pub fn starts_python(&self) -> bool {
        STARTS_PYTHON.is_match(&without_here_documents(&self.command))
    }

    /// Returns the project of the task: `django` for `django__django-12345`.
    pub fn project(&self) -> &str {
        let repository = self.task.rsplit_once("__").map_or(&*self.task, |(_, rest)| rest);
        let is_number = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match repository.rsplit_once('-') {
            Some((project, number)) if is_number(number) => project,
            _ => repository,
        }
    }

    /// Returns the first word that is a program, for grouping.
    pub fn first_word(&self) -> &str {
        let lines = self.command.lines().map(str::trim);
        let line = lines.into_iter().find(|line| !line.is_empty() && !line.starts_with('#'));
        let mut words = line.unwrap_or("").split_whitespace();
        let word = words.find(|word| !word.contains('=')).unwrap_or("(none)");
        word.trim_matches(|c: char| "();&|{}".contains(c))
    }
}

fn without_here_documents(command: &str) -> String {
    let mut kept = vec![];
    let mut lines = command.lines();
    while let Some(line) = lines.next() {
        kept.push(line);
        for start in HERE_DOCUMENT.captures_iter(line) {
            let delimiter = &start[1];
            for _body in
                lines.by_ref().take_while(|line| line.trim_start_matches('\t') != delimiter)
            {
            }
        }
    }
    kept.join("\n")
}

/// Reads a corpus: one JSON object a line.
///
/// # Errors
///
/// Fails if the file cannot be read, or a line is not an action.
pub fn read(file: &Path) -> anyhow::Result<Vec<Action>> {
    let text = fs_err::read_to_string(file)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    lines
        .map(|(idx, line)| {
            serde_json::from_str(line)
                .with_context(|| format!("line {} of `{}` is no action", idx + 1, file.display()))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::Action;

    fn action(command: &str) -> Action {
        Action { id: 0, task: "sphinx-doc__sphinx-7".to_owned(), command: command.to_owned() }
    }

    #[test]
    fn python_is_seen_where_it_is_started_only() {
        for command in [
            "python x.py",
            "cd /testbed && python3.13 -m pytest",
            "A=1 B='x y' pytest -q",
            "cat x | python -",
            "./tests/runtests.py a",
            "find . | xargs python3",
            "cat <<EOF > x.py\nprint()\nEOF\npython x.py",
            "timeout 10 python x.py",
        ] {
            assert!(action(command).starts_python(), "{command}");
        }
        for command in [
            "grep -rn python setup.py",
            "sed -n 1,5p tests/runtests.py",
            "cat <<'EOF' > x.sh\npython x.py\nEOF",
            "ls bin/test",
            "echo pytest",
        ] {
            assert!(!action(command).starts_python(), "{command}");
        }
    }

    #[test]
    fn the_project_is_what_the_repository_is_called() {
        assert_eq!(action("").project(), "sphinx");
    }

    #[test]
    fn comments_and_variables_are_no_first_words() {
        assert_eq!(action("# look\nA=1 (ls -l)").first_word(), "ls");
    }
}
