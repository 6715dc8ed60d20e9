//! Steps and the order they run in: keys, plan, lock, and one step after the other.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::TryLockError;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::BuildError;
use crate::prerequisites::{self, Tool};
use crate::process::{self, Script};
use crate::progress::{BuildEvent, Progress, StepStatus};
use crate::sources;
use crate::store::{self, FORMAT, Key, Lookup, Store};

/// How often a caller hears that a step still runs.
const TICK: Duration = Duration::from_millis(500);
/// How often a waiting or working thread is looked at.
const POLL: Duration = Duration::from_millis(50);
/// How much of a log an error shows.
const TAIL_LINES: usize = 25;
/// Below this much free disk a failed step is put down to it.
const FULL_MIB: u64 = 64;

/// One step: what it is made from, and how.
pub(crate) struct Step {
    /// Names the cache entry, the log and `DEP_<NAME>`.
    pub(crate) name: &'static str,
    /// What it does, for people.
    pub(crate) about: &'static str,
    /// On two cores.
    pub(crate) expected: Duration,
    /// Of scratch and result together, while it runs.
    pub(crate) disk_mib: u64,
    /// Steps whose results it reads; they come earlier in the graph.
    pub(crate) after: &'static [&'static str],
    /// Embedded sources it reads, as `sources::files` takes them.
    pub(crate) sources: &'static [&'static str],
    /// Host programs it calls.
    pub(crate) tools: &'static [Tool],
    /// Whether scratch space of an interrupted run is of use to the next.
    pub(crate) resumes: bool,
    /// What else decides its result.
    pub(crate) salt: Vec<u8>,
    /// More files for its script, beside the sources; `salt` covers them.
    pub(crate) files: Vec<(String, String)>,
    /// Whether one result is as good as another: then how it is made does not count for what is made with it.
    pub(crate) interchangeable: bool,
    /// How it is made.
    pub(crate) action: Action,
}

/// How a step is made.
pub(crate) enum Action {
    /// `steps/<file>.sh` with these variables.
    Script { file: &'static str, env: &'static [(&'static str, &'static str)] },
    /// Code of this crate.
    Run(Box<Work>),
}

pub(crate) type Work = dyn Fn(&StepContext<'_>) -> Result<(), BuildError> + Send + Sync;

/// What a step has to do with.
#[derive(Debug)]
pub(crate) struct StepContext<'a> {
    /// Its name.
    pub(crate) step: &'a str,
    /// Scratch space.
    pub(crate) work: &'a Path,
    /// Where the result goes.
    pub(crate) out: &'a Path,
    /// Results of the steps it comes after.
    pub(crate) deps: BTreeMap<&'static str, PathBuf>,
    /// For output of the programs it runs.
    pub(crate) log: &'a Path,
}

impl StepContext<'_> {
    /// The result of a step that this one names in `after`.
    pub(crate) fn dep(&self, name: &str) -> &Path {
        self.deps.get(name).map_or(Path::new(""), PathBuf::as_path)
    }

    /// The error for a program that ended badly, with the end of the log.
    pub(crate) fn failed(&self) -> BuildError {
        BuildError::Step {
            step: self.step.to_owned(),
            log: self.log.to_owned(),
            tail: tail(self.log),
        }
    }
}

/// The steps, each after those it depends on, and where results are kept.
pub(crate) struct Graph {
    steps: Vec<Step>,
    keys: BTreeMap<&'static str, Key>,
    store: Store,
    jobs: usize,
}

impl Graph {
    pub(crate) fn new(steps: Vec<Step>, store: Store, jobs: usize) -> Self {
        let mut keys = BTreeMap::new();
        for step in &steps {
            let key = key(step, &keys);
            keys.insert(step.name, key);
        }
        Self { steps, keys, store, jobs }
    }

    /// The cached result of a step.
    pub(crate) fn cached(&self, name: &str) -> Option<PathBuf> {
        match self.store.look_up(name, *self.keys.get(name)?) {
            Lookup::Hit(dir) => Some(dir),
            Lookup::Miss | Lookup::Damaged(_) => None,
        }
    }

    /// The result of a step, built if it is not there.
    pub(crate) fn ensure(
        &self,
        target: &str,
        progress: &dyn Progress,
    ) -> Result<PathBuf, BuildError> {
        if let Some(dir) = self.cached(target) {
            return Ok(dir);
        }
        let _lock = self.lock(progress)?;
        let plan = self.plan(target, progress)?;
        let work: Vec<PathBuf> =
            plan.iter().map(|step| self.store.work(step.name, self.key(step.name))).collect();
        self.store.sweep(&work)?;
        self.check_machine(&plan)?;
        let expected = plan.iter().map(|step| step.expected).sum();
        progress.event(&BuildEvent::Planned { steps: plan.len(), expected });
        for index in 0..plan.len() {
            self.run(&plan, index, progress)?;
        }
        self.prune()?;
        Ok(self.store.entry(target, self.key(target)))
    }

    /// Removes results that no step of this graph has and that are no image with a name, and
    /// scratch space.
    fn prune(&self) -> Result<(), BuildError> {
        let mut keep = self.store.images();
        keep.extend(self.steps.iter().map(|s| self.store.entry(s.name, self.key(s.name))));
        self.store.prune(&keep)
    }

    fn key(&self, name: &str) -> Key {
        self.keys.get(name).copied().unwrap_or(Key(blake3::hash(name.as_bytes())))
    }

    /// Waits until no other process builds in this home.
    fn lock(&self, progress: &dyn Progress) -> Result<std::fs::File, BuildError> {
        let path = self.store.lock_file();
        let doing = || BuildError::io("lock the guests' cache");
        if let Some(parent) = path.parent() {
            fs_err::create_dir_all(parent).map_err(doing())?;
        }
        let options =
            fs_err::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = options.map_err(doing())?.into_parts().0;
        let mut told = false;
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(file),
                Err(TryLockError::Error(e)) => return Err(doing()(e)),
                Err(TryLockError::WouldBlock) => {}
            }
            if !told {
                progress.event(&BuildEvent::Waiting { lock: &path });
                told = true;
            }
            if progress.interrupted() {
                return Err(BuildError::Interrupted { step: "lock".into() });
            }
            std::thread::sleep(POLL);
        }
    }

    /// The steps to run for `target`, in order.
    fn plan(&self, target: &str, progress: &dyn Progress) -> Result<Vec<&Step>, BuildError> {
        let mut wanted = vec![target];
        let mut plan = Vec::new();
        for step in self.steps.iter().rev() {
            if !wanted.contains(&step.name) {
                continue;
            }
            match self.store.look_up(step.name, self.key(step.name)) {
                Lookup::Hit(_) => continue,
                Lookup::Miss => {}
                Lookup::Damaged(reason) => {
                    progress.event(&BuildEvent::Damaged { step: step.name, reason: &reason });
                    self.store.remove(step.name, self.key(step.name))?;
                }
            }
            wanted.extend(step.after);
            plan.push(step);
        }
        plan.reverse();
        Ok(plan)
    }

    /// Refuses to start what cannot end well.
    fn check_machine(&self, plan: &[&Step]) -> Result<(), BuildError> {
        let tools: Vec<Tool> = plan.iter().flat_map(|step| step.tools).copied().collect();
        let missing = prerequisites::missing(&tools, &process::search_path(), process::runs);
        if !missing.is_empty() {
            return Err(BuildError::Prerequisites(missing));
        }
        let path = self.store.shared();
        fs_err::create_dir_all(&path).map_err(BuildError::io("make the guests' cache"))?;
        let needed_mib = plan.iter().map(|step| step.disk_mib).sum();
        match free_mib(&path) {
            Some(free_mib) if free_mib < needed_mib => {
                Err(BuildError::NoSpace { path, needed_mib, free_mib })
            }
            _ => Ok(()),
        }
    }

    fn run(&self, plan: &[&Step], index: usize, progress: &dyn Progress) -> Result<(), BuildError> {
        let step = plan[index];
        let key = self.key(step.name);
        let (work, log) = (self.store.work(step.name, key), self.store.log(step.name));
        let out = self.store.start_entry(step.name, key)?;
        prepare(step, &work, &log)?;
        let status = |elapsed| StepStatus {
            index: index + 1,
            total: plan.len(),
            step: step.name,
            about: step.about,
            expected: step.expected,
            elapsed,
            remaining: plan[index + 1..].iter().map(|step| step.expected).sum(),
            log: &log,
        };
        let start = Instant::now();
        progress.event(&BuildEvent::Started(status(Duration::ZERO)));
        let mut last = Duration::ZERO;
        let mut tick = |elapsed: Duration| {
            if elapsed.saturating_sub(last) >= TICK {
                last = elapsed;
                progress.event(&BuildEvent::Running(status(elapsed)));
            }
            !progress.interrupted()
        };
        let deps =
            step.after.iter().map(|name| (*name, self.store.entry(name, self.key(name)))).collect();
        let context = StepContext { step: step.name, work: &work, out: &out, deps, log: &log };
        self.act(step, &context, &mut tick).map_err(|error| self.full(step, error))?;
        self.store.commit(step.name, key, &out, start.elapsed())?;
        store::clear(&work).map_err(BuildError::io("remove a step's scratch space"))?;
        progress.event(&BuildEvent::Finished(status(start.elapsed())));
        Ok(())
    }

    fn act(
        &self,
        step: &Step,
        context: &StepContext<'_>,
        tick: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<(), BuildError> {
        match &step.action {
            Action::Run(work) => in_thread(work, context, tick),
            Action::Script { file, env } => self.script(file, env, context, tick),
        }
    }

    fn script(
        &self,
        file: &str,
        env: &[(&str, &str)],
        context: &StepContext<'_>,
        tick: &mut dyn FnMut(Duration) -> bool,
    ) -> Result<(), BuildError> {
        let source = context.work.join("src");
        let file = source.join(format!("steps/{file}.sh"));
        let mut vars: Vec<(String, OsString)> = vec![
            ("WORK".into(), context.work.into()),
            ("OUT".into(), context.out.into()),
            ("SRC".into(), source.into()),
            ("SHARED".into(), self.store.shared().into()),
            ("JOBS".into(), self.jobs.to_string().into()),
        ];
        vars.extend(context.deps.iter().map(|(name, dir)| (variable(name), dir.into())));
        vars.extend(env.iter().map(|(name, value)| ((*name).to_owned(), value.into())));
        let script = Script { file: &file, dir: context.work, env: vars, log: context.log };
        match script.run(tick).map_err(BuildError::io(format!("run step `{}`", context.step)))? {
            Some(status) if status.success() => Ok(()),
            Some(_) => Err(context.failed()),
            None => Err(BuildError::Interrupted { step: context.step.to_owned() }),
        }
    }

    /// Puts an error down to a full disk if the disk is full.
    fn full(&self, step: &Step, error: BuildError) -> BuildError {
        let path = self.store.shared();
        match free_mib(&path) {
            Some(free) if free < FULL_MIB => {
                BuildError::DiskFull { path, step: step.name.to_owned() }
            }
            _ => error,
        }
    }
}

/// `python-native` -> `DEP_PYTHON_NATIVE`.
fn variable(step: &str) -> String {
    format!("DEP_{}", step.replace('-', "_").to_uppercase())
}

/// Hashes everything that decides what a step makes.
fn key(step: &Step, keys: &BTreeMap<&'static str, Key>) -> Key {
    let mut hasher = blake3::Hasher::new();
    let mut add = |part: &[u8]| {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    };
    add(&FORMAT.to_le_bytes());
    add(step.name.as_bytes());
    add(&step.salt);
    if step.interchangeable {
        return Key(hasher.finalize());
    }
    if let Action::Script { file, env } = &step.action {
        env.iter().for_each(|(name, value)| add(format!("{name}={value}").as_bytes()));
        for (path, content) in
            script_sources(file, step.sources).iter().flat_map(|path| sources::files(path))
        {
            add(path.as_bytes());
            add(content);
        }
    } else {
        for (path, content) in step.sources.iter().flat_map(|path| sources::files(path)) {
            add(path.as_bytes());
            add(content);
        }
    }
    for name in step.after {
        add(name.as_bytes());
        add(keys.get(name).map_or(&[][..], |key| key.0.as_bytes()));
    }
    Key(hasher.finalize())
}

fn script_sources(file: &str, sources: &[&'static str]) -> Vec<String> {
    let mut paths = vec!["steps/lib.sh".to_owned(), format!("steps/{file}.sh")];
    paths.extend(sources.iter().map(|path| (*path).to_owned()));
    paths
}

/// Makes scratch space and writes the step's sources into it.
fn prepare(step: &Step, work: &Path, log: &Path) -> Result<(), BuildError> {
    let doing = || BuildError::io(format!("prepare step `{}`", step.name));
    if !step.resumes {
        store::clear(work).map_err(doing())?;
    }
    fs_err::create_dir_all(work).map_err(doing())?;
    if let Some(parent) = log.parent() {
        fs_err::create_dir_all(parent).map_err(doing())?;
    }
    store::clear(log).map_err(doing())?;
    if let Action::Script { file, .. } = step.action {
        let paths = script_sources(file, step.sources);
        sources::write(&paths.iter().map(String::as_str).collect::<Vec<_>>(), &work.join("src"))?;
    }
    for (path, content) in &step.files {
        let file = work.join("src").join(path);
        fs_err::create_dir_all(file.parent().unwrap_or(work)).map_err(doing())?;
        fs_err::write(file, content).map_err(doing())?;
    }
    Ok(())
}

/// Runs `work` beside this thread, which ticks meanwhile.
fn in_thread(
    work: &Work,
    context: &StepContext<'_>,
    tick: &mut dyn FnMut(Duration) -> bool,
) -> Result<(), BuildError> {
    let start = Instant::now();
    std::thread::scope(|scope| {
        let thread = scope.spawn(|| work(context));
        let mut go_on = true;
        while !thread.is_finished() {
            go_on &= tick(start.elapsed());
            std::thread::sleep(POLL);
        }
        let result = thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if go_on { result } else { Err(BuildError::Interrupted { step: context.step.to_owned() }) }
    })
}

fn free_mib(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize) >> 20)
}

fn tail(log: &Path) -> String {
    let text = fs_err::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(TAIL_LINES)..].join("\n")
}

#[cfg(test)]
mod tests;
