//! Eight processes that race with names: the record never differs from the node that was used, and
//! what a rule denies is never reached.
//!
//! Every process overwrites the buffer that holds its path over and over while its own calls are
//! under way in the others' time, renames a directory, a file and a link into each other's places, and
//! opens whatever the name leads to. The oracle is a model of the names that follows the record alone:
//! at each open it must come to the path and the node that the record says.
#![expect(clippy::unwrap_used, reason = "clippy.toml only exempts `#[test]` functions")]

use crate::support::{World, denied, guest};
use playpen_runtime::audit::{AuditSink, Decision, Event, HostCounts, NodeRef, Op};
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    sync::{Arc, Mutex},
};

const N_PROCESSES: usize = 8;

/// Paths, each at its own address, of one length.
const NAMES: &[&str] = &["workspace/a/f", "workspace/b/f", "workspace/l/f", "workspace/s/f"];
const DIRS: &[&str] = &["workspace/a", "workspace/b", "workspace/l", "workspace/t"];

/// Returns a worker that makes `n` rounds of attempts; `salt` lets each choose otherwise.
fn worker(n: usize, salt: usize) -> String {
    let mut data = vec![];
    for (name, at) in NAMES.iter().zip((1024..).step_by(64)) {
        data.push((at, *name));
    }
    for (name, at) in DIRS.iter().zip((2048..).step_by(64)) {
        data.push((at, *name));
    }
    data.push((3000, "a"));
    data.push((3010, "s"));
    // A linear congruential generator picks what each round does.
    let body = format!(
        r"(local $n i32) (local $r i32) (local $p i32) (local $q i32)
        (local.set $n (i32.const {n})) (local.set $r (i32.const {salt}))
        (loop $again
          (local.set $r (i32.add (i32.mul (local.get $r) (i32.const 1103515245)) (i32.const 12345)))
          (local.set $p (i32.add (i32.const 2048) (i32.mul (i32.const 64)
            (i32.and (i32.shr_u (local.get $r) (i32.const 16)) (i32.const 3)))))
          (local.set $q (i32.add (i32.const 2048) (i32.mul (i32.const 64)
            (i32.and (i32.shr_u (local.get $r) (i32.const 20)) (i32.const 3)))))
          ;; The path is written anew, byte by byte, over what the call before was given.
          (memory.copy (i32.const 4096) (i32.add (i32.const 1024) (i32.mul (i32.const 64)
            (i32.and (i32.shr_u (local.get $r) (i32.const 18)) (i32.const 3)))) (i32.const 13))
          (if (i32.eqz (call $path_open (i32.const 3) (i32.const 1) (i32.const 4096) (i32.const 13)
                (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))
            (then
              (memory.fill (i32.const 4096) (i32.const 0x78) (i32.const 13))
              (i32.store (i32.const 16) (i32.const 5000)) (i32.store (i32.const 20) (i32.const 8))
              (drop (call $fd_read (i32.load (i32.const 8)) (i32.const 16) (i32.const 1) (i32.const 24)))
              (if (i32.eq (i32.load8_u (i32.const 5000)) (i32.const 0x53)) (then (call $exit (i32.const 77))))
              (drop (call $fd_close (i32.load (i32.const 8))))))
          (block $done
            (if (i32.and (local.get $r) (i32.const 0x1000000))
              (then
                (drop (call $rename (i32.const 3) (local.get $p) (i32.const 11) (i32.const 3) (local.get $q) (i32.const 11)))
                (br $done)))
            (if (i32.and (local.get $r) (i32.const 0x2000000))
              (then
                (drop (call $unlink (i32.const 3) (local.get $p) (i32.const 11)))
                (drop (call $symlink (i32.const 3010) (i32.const 1) (i32.const 3) (local.get $p) (i32.const 11)))
                (br $done)))
            (drop (call $unlink (i32.const 3) (local.get $p) (i32.const 11)))
            (drop (call $symlink (i32.const 3000) (i32.const 1) (i32.const 3) (local.get $p) (i32.const 11))))
          (local.set $n (i32.sub (local.get $n) (i32.const 1)))
          (br_if $again (local.get $n)))"
    );
    guest(&data, &body)
}

/// A guest that starts the workers and waits for them; its exit code is 77 if one of them read what
/// is denied.
pub(crate) fn main_guest() -> String {
    let paths: Vec<String> = (0..N_PROCESSES).map(|n| format!("/bin/w{n}")).collect();
    let mut data: Vec<(u32, &str)> = vec![(900, "/")];
    for (path, at) in paths.iter().zip((1024..).step_by(16)) {
        data.push((at, path));
    }
    let mut body = String::from("(local $i i32)");
    for n in 0..N_PROCESSES {
        let path = 1024 + 16 * n;
        let fields = [(0, path), (4, 7), (8, path), (12, 8), (16, 1), (32, 900), (36, 1)];
        for (field, value) in fields {
            write!(body, "(i32.store (i32.const {}) (i32.const {value}))", 2048 + field).unwrap();
        }
        body += "(drop (call $spawn (i32.const 2048) (i32.const 40)))";
    }
    body += "(loop $more
        (if (i32.eqz (call $wait (i32.const -1) (i32.const 0) (i32.const 3000)))
          (then
            (if (i32.eq (i32.load8_u (i32.const 3005)) (i32.const 77)) (then (call $exit (i32.const 77))))
            (br $more))))";
    guest(&data, &body)
}

/// The names of a workspace, followed by its record.
#[derive(Debug, Default)]
struct Model {
    /// Entries of the workspace: name to what it is.
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Directory(NodeRef),
    Link(String),
}

impl Model {
    /// Returns the path that `workspace/NAME/f` leads to.
    fn resolve(&self, asked: &str) -> Option<String> {
        let mut name = asked.strip_prefix("workspace/")?.strip_suffix("/f")?.to_owned();
        for _ in 0..=40 {
            match self.entries.get(&name)? {
                Entry::Directory(_) => return Some(format!("/workspace/{name}/f")),
                Entry::Link(target) => name.clone_from(target),
            }
        }
        None
    }

    fn follow(&mut self, event: &Event) {
        if !event.succeeded() {
            return;
        }
        let name = |path: &Option<std::sync::Arc<str>>| {
            path.as_deref().and_then(|path| path.strip_prefix("/workspace/")).map(str::to_owned)
        };
        let Some(at) = name(&event.resolved) else { return };
        match event.op {
            Op::Unlink => drop(self.entries.remove(&at)),
            Op::Symlink => {
                let target = event.to.as_deref().unwrap().to_owned();
                self.entries.insert(at, Entry::Link(target));
            }
            Op::Rename => {
                let to = name(&event.to_resolved).unwrap();
                if at != to {
                    let entry = self.entries.remove(&at).unwrap();
                    self.entries.insert(to, entry);
                }
            }
            _ => {}
        }
    }
}

fn race(n: usize) {
    let mut world = World::of(&main_guest())
        .file("a/f", "A plain file")
        .file("b/f", "B plain file")
        .file("s/f", "SECRET")
        .rule(denied("/workspace/s/**"));
    let names = ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"];
    for (salt, name) in names.into_iter().enumerate() {
        world = world.with(name, &worker(n, 7919 * (salt + 1)));
    }
    let follower = Arc::new(Follower::default());
    let ran = world.run_recorded_by(Arc::<Follower>::clone(&follower));
    assert_eq!(ran.exit(), "exit code 0", "{}", String::from_utf8_lossy(&ran.outcome.stderr));

    let state = follower.0.lock().unwrap();
    assert_eq!(state.wrong, Vec::<String>::new());
    assert_eq!(state.n_tries, (n * N_PROCESSES) as u64);
    assert!(state.n_opened > 0 && state.n_denied > 0, "{state:?}");
    // What came in at the host functions, counted there, is what the record has.
    assert_eq!(state.counts, ran.host);
}

/// Follows the record as it is made, so that a long race needs no memory for it.
#[derive(Debug, Default)]
struct Follower(Mutex<State>);

#[derive(Debug)]
struct State {
    model: Model,
    /// The one file of each directory.
    nodes: BTreeMap<NodeRef, NodeRef>,
    n_tries: u64,
    n_opened: u64,
    n_denied: u64,
    counts: HostCounts,
    /// Events that say something else than the model; the first few.
    wrong: Vec<String>,
}

/// What is wrong is kept so many times.
const MAX_WRONG: usize = 5;

impl Default for State {
    fn default() -> Self {
        let mut model = Model::default();
        for (name, inode) in [("a", 1), ("b", 2), ("s", 3)] {
            let node = NodeRef { device: 0, inode };
            model.entries.insert(name.to_owned(), Entry::Directory(node));
        }
        let (nodes, counts, wrong) = (BTreeMap::new(), HostCounts::default(), vec![]);
        Self { model, nodes, n_tries: 0, n_opened: 0, n_denied: 0, counts, wrong }
    }
}

impl AuditSink for Follower {
    fn record(&self, event: Event) {
        let mut state = self.0.lock().unwrap();
        state.count(&event);
        if event.op == Op::OpenRead
            && let Err(what) = state.check_open(&event)
            && state.wrong.len() < MAX_WRONG
        {
            state.wrong.push(format!("{what}: {event:?}"));
        }
        state.model.follow(&event);
    }
}

impl State {
    fn count(&mut self, event: &Event) {
        self.counts.calls += u64::from(event.op.is_call());
        self.counts.spawns += u64::from(event.op == Op::Spawn);
        self.counts.exits += u64::from(event.op == Op::Exit);
        self.counts.bytes_read += event.bytes_read.unwrap_or(0);
        self.counts.bytes_written += event.bytes_written.unwrap_or(0);
    }

    /// Compares what the record says of an open with what the model comes to.
    fn check_open(&mut self, event: &Event) -> Result<(), &'static str> {
        self.n_tries += 1;
        let asked = event.path.as_deref().filter(|asked| NAMES.contains(asked));
        let expected = self.model.resolve(asked.ok_or("a path that nobody asked for")?);
        if event.resolved.as_deref() != expected.as_deref() {
            return Err("another path");
        }
        let is_secret = expected.as_deref() == Some("/workspace/s/f");
        self.n_opened += u64::from(event.succeeded());
        self.n_denied += u64::from(is_secret);
        if (event.decision == Decision::Denied) != is_secret {
            return Err("another decision");
        }
        if let (Some(node), Some(path)) = (event.node, &expected) {
            // The directory that the model comes to has one file, which has one number.
            let dir = path.strip_prefix("/workspace/").and_then(|path| path.strip_suffix("/f"));
            let Some(Entry::Directory(dir)) = dir.and_then(|dir| self.model.entries.get(dir))
            else {
                return Err("no directory");
            };
            if *self.nodes.entry(*dir).or_insert(node) != node {
                return Err("another node");
            }
        }
        Ok(())
    }
}

#[test]
fn what_is_recorded_is_what_was_used_and_nothing_denied_is_reached() {
    race(2500);
}

/// A million tries: half a minute of computing.
#[test]
#[ignore = "takes minutes on a loaded machine; `cargo test -p playpen-runtime -- --ignored races`"]
fn a_million_tries_change_nothing() {
    race(1_000_000 / N_PROCESSES);
}
