//! The cache's promises, with small steps in the place of real ones.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering::SeqCst};
use std::sync::{Arc, Mutex};

use super::*;
use crate::progress::Silent;

/// A chain of three steps that count their runs: `first` <- `second` <- `last`.
struct Chain {
    dir: tempfile::TempDir,
    runs: Arc<[AtomicU32; 3]>,
    fails: Arc<AtomicBool>,
    salt: u8,
}

const NAMES: [&str; 3] = ["first", "second", "last"];

impl Chain {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        Self { dir, runs: Arc::default(), fails: Arc::default(), salt: 0 }
    }

    fn graph(&self) -> Graph {
        let after: [&[&str]; 3] = [&[], &["first"], &["first", "second"]];
        let steps = (0..3).map(|i| {
            let (runs, fails) = (Arc::clone(&self.runs), Arc::clone(&self.fails));
            let work = move |context: &StepContext<'_>| {
                runs[i].fetch_add(1, SeqCst);
                if i == 1 && fails.load(SeqCst) {
                    fs_err::write(context.log, "one\ntwo\n").unwrap();
                    return Err(context.failed());
                }
                let inputs = after[i]
                    .iter()
                    .map(|name| fs_err::read_to_string(context.dep(name).join("out")).unwrap());
                let text = inputs.fold(NAMES[i].to_owned(), |text, input| text + "<" + &input);
                fs_err::write(context.out.join("out"), text).unwrap();
                Ok(())
            };
            let salt = if i == 0 { vec![self.salt] } else { vec![] };
            fake(NAMES[i], after[i], salt, Action::Run(Box::new(work)))
        });
        Graph::new(steps.collect(), Store::new(self.dir.path().into()), 1)
    }

    fn build(&self) -> Result<String, BuildError> {
        self.graph()
            .ensure("last", &Silent)
            .map(|dir| fs_err::read_to_string(dir.join("out")).unwrap())
    }

    #[track_caller]
    fn ran(&self, expected: [u32; 3]) {
        assert_eq!([0, 1, 2].map(|i| self.runs[i].load(SeqCst)), expected);
    }
}

fn fake(name: &'static str, after: &'static [&'static str], salt: Vec<u8>, action: Action) -> Step {
    Step {
        name,
        about: "a test's",
        expected: Duration::from_secs(1),
        disk_mib: 1,
        after,
        sources: &[],
        tools: &[],
        resumes: false,
        files: Vec::new(),
        salt,
        interchangeable: false,
        action,
    }
}

/// Keeps what it is told.
#[derive(Default)]
struct Heard {
    events: Mutex<Vec<String>>,
    stop: AtomicBool,
}

impl Progress for Heard {
    fn event(&self, event: &BuildEvent<'_>) {
        let text = match event {
            BuildEvent::Planned { steps, .. } => format!("planned {steps}"),
            BuildEvent::Started(s) => format!("started {} {}/{}", s.step, s.index, s.total),
            BuildEvent::Finished(s) => format!("finished {}", s.step),
            BuildEvent::Damaged { step, reason } => format!("damaged {step}: {reason}"),
            BuildEvent::Waiting { .. } => "waiting".to_owned(),
            BuildEvent::Running(_) => return,
        };
        self.events.lock().unwrap().push(text);
    }

    fn interrupted(&self) -> bool {
        self.stop.load(SeqCst)
    }
}

#[test]
fn every_step_runs_once_and_a_second_build_runs_none() {
    let chain = Chain::new();
    assert_eq!(chain.build().unwrap(), "last<first<second<first");
    assert_eq!(chain.build().unwrap(), "last<first<second<first");
    chain.ran([1, 1, 1]);
}

#[test]
fn a_changed_step_changes_those_after_it() {
    let mut chain = Chain::new();
    chain.build().unwrap();
    chain.salt = 1;
    chain.build().unwrap();
    chain.ran([2, 2, 2]);
}

#[test]
fn a_failed_build_goes_on_at_the_step_it_was_in() {
    let chain = Chain::new();
    chain.fails.store(true, SeqCst);
    let error = chain.build().unwrap_err();
    let log = chain.dir.path().join("logs/second.log");
    assert_eq!(
        error.to_string(),
        format!("step `second` failed; the end of `{}`:\none\ntwo", log.display())
    );
    chain.fails.store(false, SeqCst);
    chain.build().unwrap();
    chain.ran([1, 2, 1]);
}

#[test]
fn a_damaged_result_is_built_again_and_said() {
    let chain = Chain::new();
    let image = chain.graph().ensure("last", &Silent).unwrap();
    fs_err::write(image.join("out"), "xxxx<first<second<first").unwrap();
    let heard = Heard::default();
    chain.graph().ensure("last", &heard).unwrap();
    chain.ran([1, 1, 2]);
    assert_eq!(chain.build().unwrap(), "last<first<second<first");
    let events = heard.events.into_inner().unwrap();
    assert_eq!(events[0], "damaged last: `out` is not what was written");
    assert_eq!(events[1..], ["planned 1", "started last 1/1", "finished last"]);
}

#[test]
fn damage_in_what_nobody_reads_costs_nothing() {
    let chain = Chain::new();
    chain.build().unwrap();
    fs_err::write(chain.graph().cached("first").unwrap().join("out"), "?").unwrap();
    chain.build().unwrap();
    chain.ran([1, 1, 1]);
}

#[test]
fn results_of_another_graph_are_removed() {
    let mut chain = Chain::new();
    let old = chain.graph().ensure("last", &Silent).unwrap();
    chain.salt = 1;
    let new = chain.graph().ensure("last", &Silent).unwrap();
    assert!(!old.exists() && new.exists());
    assert!(!chain.dir.path().join("work").exists());
}

#[test]
fn two_builders_at_once_build_once() {
    let chain = Arc::new(Chain::new());
    let other = Arc::clone(&chain);
    let thread = std::thread::spawn(move || other.build().unwrap());
    assert_eq!(chain.build().unwrap(), thread.join().unwrap());
    chain.ran([1, 1, 1]);
}

#[test]
fn a_build_waits_for_the_lock_and_can_be_interrupted_there() {
    let chain = Chain::new();
    let graph = chain.graph();
    let _held = graph.lock(&Silent).unwrap();
    let heard = Heard { stop: AtomicBool::new(true), ..Heard::default() };
    let error = chain.graph().ensure("last", &heard).unwrap_err();
    assert!(matches!(error, BuildError::Interrupted { .. }), "{error}");
    assert_eq!(heard.events.into_inner().unwrap(), ["waiting"]);
}

#[test]
fn a_missing_tool_is_an_error_before_anything_runs() {
    let chain = Chain::new();
    let missing = prerequisites::missing(&[Tool::Make], &[], |_, _| true);
    let error = BuildError::Prerequisites(missing);
    assert_eq!(error.to_string(), "the guests cannot be built without `make` (builds CPython)");
    chain.ran([0, 0, 0]);
}

#[test]
fn too_little_disk_is_an_error_before_anything_runs() {
    let dir = tempfile::tempdir().unwrap();
    let huge = Step {
        disk_mib: u64::MAX,
        ..fake("huge", &[], vec![], Action::Run(Box::new(|_| panic!("ran"))))
    };
    let graph = Graph::new(vec![huge], Store::new(dir.path().into()), 1);
    let error = graph.ensure("huge", &Silent).unwrap_err();
    assert!(matches!(error, BuildError::NoSpace { .. }), "{error}");
    assert!(error.hint().unwrap().contains("PLAYPEN_HOME"));
}

#[test]
fn the_real_graph_is_in_order_and_reads_sources_that_exist() {
    let mut seen = Vec::new();
    for step in crate::steps::all(&crate::ImageSpec::default()) {
        assert!(
            step.after.iter().all(|name| seen.contains(name)),
            "{} comes before what it needs",
            step.name
        );
        assert!(
            step.sources.iter().all(|path| !sources::files(path).is_empty()),
            "{}: no such source",
            step.name
        );
        if let Action::Script { file, .. } = step.action {
            assert_eq!(sources::files(&format!("steps/{file}.sh")).len(), 1, "{file}");
        }
        seen.push(step.name);
    }
    assert!(seen.contains(&crate::steps::IMAGE));
}
