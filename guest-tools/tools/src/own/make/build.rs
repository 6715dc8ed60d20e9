//! Making targets: what is out of date, and its recipe.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::time::SystemTime;

use playpen_sys::Command;

use super::Flags;
use super::rules::{Plan, Recipe, Rules};
use super::vars::{Origin, Vars};

/// Why a target could not be made.
pub(super) enum Failure {
    /// Said already.
    Told,
    /// To say, with `*** ` in front and `.  Stop.` behind.
    Stop(String),
}

/// What has become of a target.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Made {
    /// It is as new as it has to be; whether anything was done for it.
    Done {
        ran: bool,
    },
    Failed,
}

/// Makes targets.
pub(super) struct Builder<'a> {
    pub(super) name: String,
    pub(super) vars: &'a mut Vars,
    pub(super) rules: &'a Rules,
    pub(super) flags: &'a Flags,
    made: BTreeMap<String, Made>,
    /// Targets that are being made, for telling a circle.
    above: Vec<String>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        name: String,
        vars: &'a mut Vars,
        rules: &'a Rules,
        flags: &'a Flags,
    ) -> Self {
        Self { name, vars, rules, flags, made: BTreeMap::new(), above: vec![] }
    }

    /// Makes a goal; says so if there was nothing to do.
    pub(super) fn goal(&mut self, target: &str) -> Result<(), Failure> {
        match self.target(target, None)? {
            Made::Failed => Err(Failure::Told),
            Made::Done { ran: true } => Ok(()),
            Made::Done { ran: false } if self.flags.is_silent || self.flags.asks => Ok(()),
            Made::Done { ran: false } => {
                let plan = self.rules.plan(target);
                let is_idle = plan.recipe.is_none() || self.rules.is_phony(target);
                if is_idle {
                    println!("{}: Nothing to be done for '{target}'.", self.name);
                } else {
                    println!("{}: '{target}' is up to date.", self.name);
                }
                Ok(())
            }
        }
    }

    fn target(&mut self, target: &str, wanted_by: Option<&str>) -> Result<Made, Failure> {
        if let Some(made) = self.made.get(target) {
            return Ok(*made);
        }
        let plan = self.rules.plan(target);
        let is_there = time(target).is_some();
        if !plan.is_known && !is_there {
            return self.no_rule(target, wanted_by);
        }
        self.above.push(target.to_owned());
        self.vars.push();
        let made = self.prerequisites(target, &plan);
        self.vars.pop();
        self.above.pop();
        let made = made?;
        self.made.insert(target.to_owned(), made);
        Ok(made)
    }

    fn no_rule(&mut self, target: &str, wanted_by: Option<&str>) -> Result<Made, Failure> {
        let needed = wanted_by.map_or(String::new(), |it| format!(", needed by '{it}'"));
        let text = format!("No rule to make target '{target}'{needed}");
        if !self.flags.goes_on {
            return Err(Failure::Stop(text));
        }
        eprintln!("{}: *** {text}.", self.name);
        self.made.insert(target.to_owned(), Made::Failed);
        Ok(Made::Failed)
    }

    fn prerequisites(&mut self, target: &str, plan: &Plan) -> Result<Made, Failure> {
        self.target_variables(target).map_err(Failure::Stop)?;
        let (mut ran, mut failed) = (false, false);
        let (mut newer, mut is_outdated) = (vec![], false);
        let is_phony = self.rules.is_phony(target);
        let own = time(target).filter(|_| !is_phony);
        for name in plan.needed.iter().chain(&plan.order_only) {
            if self.above.contains(name) {
                eprintln!("{}: Circular {target} <- {name} dependency dropped.", self.name);
                continue;
            }
            match self.target(name, Some(target))? {
                Made::Failed => failed = true,
                Made::Done { ran: was_run } => {
                    ran |= was_run;
                    let is_needed = plan.needed.contains(name);
                    let is_newer = match (time(name), own) {
                        (Some(theirs), Some(own)) => theirs > own,
                        _ => true,
                    } || (was_run && (self.flags.is_dry || time(name).is_none()));
                    if is_needed && is_newer {
                        is_outdated = true;
                        newer.push(name.clone());
                    }
                }
            }
        }
        if failed {
            eprintln!("{}: Target '{target}' not remade because of errors.", self.name);
            return Ok(Made::Failed);
        }
        if own.is_some() && !is_outdated && !self.flags.always {
            return Ok(Made::Done { ran });
        }
        let Some(recipe) = &plan.recipe else { return Ok(Made::Done { ran }) };
        if self.flags.asks {
            return Err(Failure::Told);
        }
        self.automatic(target, plan, &newer);
        let did_run = self.run(target, recipe)?;
        Ok(match did_run {
            Some(did_run) => Made::Done { ran: ran || did_run },
            None => Made::Failed,
        })
    }

    /// Sets the variables that belong to a target.
    fn target_variables(&mut self, target: &str) -> Result<(), String> {
        let rules = self.rules;
        for (pattern, name, how, value) in &rules.variables {
            let fits = pattern == target || super::functions::stem(pattern, target).is_some();
            if fits {
                self.vars.assign(name, *how, value, Origin::File)?;
            }
        }
        Ok(())
    }

    /// Sets `$@`, `$<` and the others.
    fn automatic(&mut self, target: &str, plan: &Plan, newer: &[String]) {
        let mut seen = BTreeSet::new();
        let once: Vec<&str> =
            plan.needed.iter().map(String::as_str).filter(|it| seen.insert(*it)).collect();
        let first = plan.needed.first().map_or("", String::as_str);
        let values = [
            ("@", target.to_owned()),
            ("<", first.to_owned()),
            ("^", once.join(" ")),
            ("+", plan.needed.join(" ")),
            ("?", newer.join(" ")),
            ("*", plan.stem.clone()),
            ("|", plan.order_only.join(" ")),
        ];
        for (name, value) in values {
            let folders = value.split_whitespace().map(|it| match it.rsplit_once('/') {
                Some((folder, _)) => folder,
                None => ".",
            });
            let folders = folders.collect::<Vec<_>>().join(" ");
            let names = value.split_whitespace().map(|it| it.rsplit('/').next().unwrap_or(it));
            let names = names.collect::<Vec<_>>().join(" ");
            self.vars.automatic(&format!("{name}D"), &folders);
            self.vars.automatic(&format!("{name}F"), &names);
            self.vars.automatic(name, &value);
        }
    }

    /// Runs a recipe; whether anything was run, none if it failed and the rest goes on.
    fn run(&mut self, target: &str, recipe: &Recipe) -> Result<Option<bool>, Failure> {
        let is_whole = self.rules.special(".ONESHELL").is_some();
        let mut lines = vec![];
        for line in &recipe.lines {
            let text = self.vars.expand(line).map_err(|error| {
                Failure::Stop(format!("{}:{}: *** {error}.  Stop.", recipe.file, recipe.line))
            })?;
            // What a variable of several lines gives is as many commands.
            lines.extend(logical_lines(&text));
        }
        if is_whole {
            lines = vec![lines.join("\n")];
        }
        let mut ran = false;
        for (at, line) in lines.iter().enumerate() {
            let (prefix, command) = split_prefix(line);
            if command.trim().is_empty() {
                continue;
            }
            ran = true;
            let calls_make =
                line.contains("$(MAKE)") || recipe.lines.iter().any(|it| it.contains("$(MAKE)"));
            let is_run = !self.flags.is_dry || prefix.contains('+') || calls_make;
            let silent = self.rules.special(".SILENT");
            let is_silent = self.flags.is_silent
                || silent.is_some_and(|it| it.is_empty() || it.contains(target));
            if self.flags.is_dry || !(prefix.contains('@') || is_silent) {
                println!("{command}");
            }
            if !is_run {
                continue;
            }
            let _ = std::io::stdout().flush();
            let code = self.command(command)?;
            if code == 0 {
                continue;
            }
            let line = if is_whole { recipe.line } else { recipe.line + at };
            let place = format!("[{}:{line}: {target}] {}", recipe.file, told(code));
            if prefix.contains('-') || self.flags.ignores_errors {
                eprintln!("{}: {place} (ignored)", self.name);
                continue;
            }
            eprintln!("{}: *** {place}", self.name);
            return if self.flags.goes_on { Ok(None) } else { Err(Failure::Told) };
        }
        Ok(Some(ran))
    }

    fn command(&mut self, command: &str) -> Result<u8, Failure> {
        let shell = self.vars.value("SHELL").map_err(Failure::Stop)?;
        let flags = self.vars.value(".SHELLFLAGS").map_err(Failure::Stop)?;
        let mut starting = Command::new(&shell);
        starting.args(flags.split_whitespace()).arg(command);
        starting.envs(self.vars.environment().map_err(Failure::Stop)?);
        let level = self.vars.value("MAKELEVEL").map_err(Failure::Stop)?.parse().unwrap_or(0);
        starting.env("MAKELEVEL", (level + 1u32).to_string());
        match starting.status() {
            Ok(status) => Ok(status.shell_code()),
            Err(error) => {
                eprintln!("{}: {shell}: {}", self.name, super::super::reason(&error));
                Ok(127)
            }
        }
    }
}

/// What a status is called.
fn told(code: u8) -> String {
    match code {
        130 => "Interrupt".to_owned(),
        137 => "Killed".to_owned(),
        143 => "Terminated".to_owned(),
        code => format!("Error {code}"),
    }
}

/// Splits at ends of lines that no backslash escapes; what goes on stays one command, without the
/// tab that a recipe's line starts with.
fn logical_lines(text: &str) -> Vec<String> {
    let mut out: Vec<String> = vec![];
    let mut is_going_on = false;
    for line in text.split('\n') {
        match out.last_mut() {
            Some(last) if is_going_on => {
                last.push('\n');
                last.push_str(line.strip_prefix('\t').unwrap_or(line));
            }
            _ => out.push(line.to_owned()),
        }
        is_going_on = line.len() - line.trim_end_matches('\\').len() & 1 == 1;
    }
    out
}

/// Splits `@`, `-` and `+` off.
fn split_prefix(line: &str) -> (&str, &str) {
    let command = line.trim_start().trim_start_matches(['@', '-', '+', ' ', '\t']);
    (&line[..line.len() - command.len()], command)
}

fn time(path: &str) -> Option<SystemTime> {
    Path::new(path).metadata().ok()?.modified().ok()
}
