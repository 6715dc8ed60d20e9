//! Recipes that run: their lines one after the other, and several recipes at the same time.

use std::collections::VecDeque;
use std::io::Write as _;

use playpen_sys::{Command, ExitStatus};

use super::Flags;

/// A line of a recipe, as the shell gets it.
pub(super) struct Line {
    pub(super) command: String,
    /// Where it stands in its makefile.
    pub(super) number: usize,
    pub(super) is_shown: bool,
    pub(super) is_run: bool,
    pub(super) ignores_errors: bool,
}

/// What runs the lines.
pub(super) struct Shell {
    pub(super) program: String,
    pub(super) flags: Vec<String>,
    pub(super) environment: Vec<(String, String)>,
}

/// The recipe of a target on its way.
pub(super) struct Job {
    pub(super) target: String,
    pub(super) file: String,
    pub(super) lines: VecDeque<Line>,
    pub(super) shell: Shell,
    /// Whether anything was run for what the target needs, or for itself.
    pub(super) ran: bool,
    /// The process of the line that runs, and what the line is.
    running: Option<(u32, Line)>,
}

/// How far a recipe is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Running,
    Done,
    Failed,
}

impl Job {
    pub(super) fn new(target: &str, file: &str, lines: VecDeque<Line>, shell: Shell) -> Self {
        let (target, file) = (target.to_owned(), file.to_owned());
        Self { target, file, lines, shell, ran: false, running: None }
    }

    pub(super) fn is_process(&self, pid: i32) -> bool {
        self.running.as_ref().is_some_and(|(it, _)| i64::from(*it) == i64::from(pid))
    }

    /// Starts the next line that is to run.
    pub(super) fn advance(&mut self, name: &str, flags: &Flags) -> Step {
        while let Some(line) = self.lines.pop_front() {
            self.ran = true;
            if line.is_shown {
                println!("{}", line.command);
            }
            if !line.is_run {
                continue;
            }
            let _ = std::io::stdout().flush();
            let mut starting = Command::new(&self.shell.program);
            starting.args(&self.shell.flags).arg(&line.command);
            starting.envs(self.shell.environment.iter().map(|(name, value)| (name, value)));
            match starting.spawn() {
                Ok(child) => {
                    self.running = Some((child.id(), line));
                    return Step::Running;
                }
                Err(error) => {
                    let why = super::super::reason(&error);
                    eprintln!("{name}: {}: {why}", self.shell.program);
                    if !self.is_forgiven(name, flags, &line, "Error 127") {
                        return Step::Failed;
                    }
                }
            }
        }
        Step::Done
    }

    /// Goes on when the line that ran has ended.
    pub(super) fn ended(&mut self, name: &str, flags: &Flags, status: ExitStatus) -> Step {
        let Some((_, line)) = self.running.take() else { return Step::Running };
        let code = status.shell_code();
        if code == 0 || self.is_forgiven(name, flags, &line, &told(code)) {
            return self.advance(name, flags);
        }
        Step::Failed
    }

    /// Says that a line failed; whether that is no matter.
    fn is_forgiven(&self, name: &str, flags: &Flags, line: &Line, what: &str) -> bool {
        let place = format!("[{}:{}: {}] {what}", self.file, line.number, self.target);
        if line.ignores_errors || flags.ignores_errors {
            eprintln!("{name}: {place} (ignored)");
            return true;
        }
        eprintln!("{name}: *** {place}");
        false
    }
}

/// What a status is called.
fn told(code: u8) -> String {
    match code {
        129 => "Hangup".to_owned(),
        130 => "Interrupt".to_owned(),
        134 => "Aborted".to_owned(),
        137 => "Killed".to_owned(),
        139 => "Segmentation fault".to_owned(),
        141 => "Broken pipe".to_owned(),
        143 => "Terminated".to_owned(),
        code => format!("Error {code}"),
    }
}
