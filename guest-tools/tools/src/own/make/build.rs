//! Making targets: what is out of date, and its recipe.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;
use std::time::SystemTime;

use super::Flags;
use super::jobs::{Job, Line, Shell, Step};
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
    /// Its recipe runs, or that of something that it needs.
    Running,
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
    /// What runs.
    jobs: Vec<Job>,
    max_jobs: usize,
    /// Circles that were told.
    circles: BTreeSet<(String, String)>,
}

impl<'a> Builder<'a> {
    pub(super) fn new(
        name: String,
        vars: &'a mut Vars,
        rules: &'a Rules,
        flags: &'a Flags,
    ) -> Self {
        let is_serial = rules.special(".NOTPARALLEL").is_some();
        let max_jobs = if is_serial { 1 } else { flags.max_jobs.max(1) };
        Self {
            name,
            vars,
            rules,
            flags,
            made: BTreeMap::new(),
            above: vec![],
            jobs: vec![],
            max_jobs,
            circles: BTreeSet::new(),
        }
    }

    /// Makes all goals; whether each one could be made.
    pub(super) fn goals(&mut self, goals: &[String]) -> Result<bool, Failure> {
        let made = self.try_goals(goals);
        if made.is_err() && !self.jobs.is_empty() {
            eprintln!("{}: *** Waiting for unfinished jobs....", self.name);
        }
        while !self.jobs.is_empty() {
            // What fails now is told, and changes nothing.
            let _ = self.wait_one();
        }
        made
    }

    fn try_goals(&mut self, goals: &[String]) -> Result<bool, Failure> {
        let mut all_made = true;
        let mut left: Vec<&String> = goals.iter().collect();
        loop {
            let mut running = vec![];
            for goal in left {
                match self.goal(goal) {
                    Ok(true) => {}
                    Ok(false) => running.push(goal),
                    Err(Failure::Told) if self.flags.goes_on && !self.flags.asks => {
                        all_made = false;
                    }
                    Err(Failure::Stop(error)) if self.flags.goes_on => {
                        eprintln!("{}", super::stopped(&self.name, &error));
                        all_made = false;
                    }
                    Err(failure) => return Err(failure),
                }
            }
            if running.is_empty() {
                return Ok(all_made);
            }
            left = running;
            self.wait_one()?;
        }
    }

    /// Waits until a line of a recipe has ended, and starts the next one.
    fn wait_one(&mut self) -> Result<(), Failure> {
        let Ok((pid, status)) = playpen_sys::wait_any() else {
            self.jobs.clear();
            return Err(Failure::Told);
        };
        let Some(at) = self.jobs.iter().position(|job| job.is_process(pid)) else { return Ok(()) };
        let step = self.jobs[at].ended(&self.name, self.flags, status);
        if step == Step::Running {
            return Ok(());
        }
        let job = self.jobs.swap_remove(at);
        self.settle(&job, step)
    }

    /// Notes what has become of a recipe.
    fn settle(&mut self, job: &Job, step: Step) -> Result<(), Failure> {
        let made = if step == Step::Done { Made::Done { ran: job.ran } } else { Made::Failed };
        self.made.insert(job.target.clone(), made);
        if step == Step::Failed && !self.flags.goes_on { Err(Failure::Told) } else { Ok(()) }
    }

    /// Makes a goal, and says so if there was nothing to do; false if it is still on its way.
    fn goal(&mut self, target: &str) -> Result<bool, Failure> {
        match self.target(target, None)? {
            Made::Running => Ok(false),
            Made::Failed => {
                let is_told = self.rules.plan(target).is_known && !self.is_own_failure(target);
                if is_told && !self.flags.is_dry {
                    eprintln!("{}: Target '{target}' not remade because of errors.", self.name);
                }
                Err(Failure::Told)
            }
            Made::Done { ran: true } => Ok(true),
            Made::Done { ran: false } if self.flags.is_silent || self.flags.asks => Ok(true),
            Made::Done { ran: false } => {
                let plan = self.rules.plan(target);
                let is_idle = plan.recipe.is_none() || self.rules.is_phony(target);
                if is_idle {
                    println!("{}: Nothing to be done for '{target}'.", self.name);
                } else {
                    println!("{}: '{target}' is up to date.", self.name);
                }
                Ok(true)
            }
        }
    }

    /// Whether a target's own recipe failed, and not what it needs.
    fn is_own_failure(&self, target: &str) -> bool {
        let plan = self.rules.plan(target);
        let mut needed = plan.needed.iter().chain(&plan.order_only);
        !needed.any(|it| self.made.get(it) == Some(&Made::Failed))
    }

    fn target(&mut self, target: &str, wanted_by: Option<&str>) -> Result<Made, Failure> {
        if let Some(made) = self.made.get(target) {
            return Ok(*made);
        }
        if self.jobs.iter().any(|job| job.target == target) {
            return Ok(Made::Running);
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
        if made != Made::Running {
            self.made.insert(target.to_owned(), made);
        }
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
        let (mut ran, mut failed, mut is_waiting) = (false, false, false);
        let (mut newer, mut is_outdated) = (vec![], false);
        let is_phony = self.rules.is_phony(target);
        let own = time(target).filter(|_| !is_phony);
        for name in plan.needed.iter().chain(&plan.order_only) {
            if self.above.contains(name) {
                if self.circles.insert((target.to_owned(), name.clone())) {
                    eprintln!("{}: Circular {target} <- {name} dependency dropped.", self.name);
                }
                continue;
            }
            match self.target(name, Some(target))? {
                Made::Failed => failed = true,
                Made::Running => is_waiting = true,
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
        if is_waiting {
            return Ok(Made::Running);
        }
        if failed {
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
        if self.flags.traces {
            let why = match (own, newer.is_empty()) {
                _ if is_phony => "target is .PHONY".to_owned(),
                (None, _) => "target does not exist".to_owned(),
                (_, true) => "target is always made".to_owned(),
                (_, false) => newer.join(" "),
            };
            let place = format!("{}:{}", recipe.file, recipe.line);
            println!("{place}: update target '{target}' due to: {why}");
        }
        self.run(target, recipe, ran)
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

    /// Starts a recipe, and waits for it where only one may run.
    fn run(&mut self, target: &str, recipe: &Recipe, ran: bool) -> Result<Made, Failure> {
        let lines = self.lines(target, recipe)?;
        let shell = self.shell()?;
        while self.jobs.len() >= self.max_jobs {
            self.wait_one()?;
        }
        let mut job = Job::new(target, &recipe.file, lines, shell);
        job.ran = ran;
        match job.advance(&self.name, self.flags) {
            Step::Running => self.jobs.push(job),
            step => self.settle(&job, step)?,
        }
        while self.max_jobs == 1 && !self.jobs.is_empty() {
            self.wait_one()?;
        }
        Ok(self.made.get(target).copied().unwrap_or(Made::Running))
    }

    /// The lines of a recipe, with all variables filled in.
    fn lines(&mut self, target: &str, recipe: &Recipe) -> Result<VecDeque<Line>, Failure> {
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
        let silent = self.rules.special(".SILENT");
        let is_silent =
            self.flags.is_silent || silent.is_some_and(|it| it.is_empty() || it.contains(target));
        let calls_make = recipe.lines.iter().any(|it| it.contains("$(MAKE)"));
        let is_dry = self.flags.is_dry;
        let lines = lines.iter().enumerate().filter_map(|(at, line)| {
            let (prefix, command) = split_prefix(line);
            (!command.trim().is_empty()).then(|| Line {
                command: command.to_owned(),
                number: if is_whole { recipe.line } else { recipe.line + at },
                is_shown: is_dry || !(prefix.contains('@') || is_silent),
                is_run: !is_dry || prefix.contains('+') || calls_make,
                ignores_errors: prefix.contains('-'),
            })
        });
        Ok(lines.collect())
    }

    fn shell(&mut self) -> Result<Shell, Failure> {
        let program = self.vars.value("SHELL").map_err(Failure::Stop)?;
        let flags = self.vars.value(".SHELLFLAGS").map_err(Failure::Stop)?;
        let mut environment = self.vars.environment().map_err(Failure::Stop)?;
        let level = self.vars.value("MAKELEVEL").map_err(Failure::Stop)?.parse().unwrap_or(0);
        environment.retain(|(name, _)| name != "MAKELEVEL");
        environment.push(("MAKELEVEL".to_owned(), (level + 1u32).to_string()));
        let flags = flags.split_whitespace().map(str::to_owned).collect();
        Ok(Shell { program, flags, environment })
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
