//! The only place here that knows the API: a test is guests and an expected description.

#![expect(clippy::unwrap_used, reason = "clippy.toml only exempts `#[test]` functions")]

use playpen_runtime::{
    Engine, EngineConfig, Limits, Mount, NetworkMode, Outcome, Rule, Sandbox, Tree,
    audit::{AuditSink, Decision, Event, HostCounts, MemorySink},
};
use std::sync::{Arc, LazyLock};

/// One engine for all tests of a process, as in any program.
static ENGINE: LazyLock<Engine> =
    LazyLock::new(|| Engine::new(EngineConfig { cache_dir: None, slots: 64 }).unwrap());

/// What the guests of a test run in.
pub(crate) struct World {
    pub(crate) guests: Vec<(&'static str, String)>,
    pub(crate) tree: Tree,
    pub(crate) rules: Vec<Rule>,
    pub(crate) limits: Limits,
    pub(crate) seed: Option<u64>,
    pub(crate) network: NetworkMode,
}

impl World {
    /// A world with one guest named `main`.
    pub(crate) fn of(main: &str) -> Self {
        Self {
            guests: vec![("main", main.to_owned())],
            tree: Tree::new(),
            rules: vec![],
            limits: Limits::default(),
            seed: None,
            network: NetworkMode::default(),
        }
    }

    pub(crate) fn with(mut self, name: &'static str, guest: &str) -> Self {
        self.guests.push((name, guest.to_owned()));
        self
    }

    pub(crate) fn deterministic(self, seed: u64) -> Self {
        Self { seed: Some(seed), ..self }
    }

    pub(crate) fn limits(mut self, change: impl FnOnce(&mut Limits)) -> Self {
        change(&mut self.limits);
        self
    }

    pub(crate) fn file(mut self, path: &str, content: &'static str) -> Self {
        self.tree.write(path, content, 0o644).unwrap();
        self
    }

    pub(crate) fn rule(mut self, rule: Rule) -> Self {
        self.rules.push(rule);
        self
    }

    /// Runs `main` to its end.
    pub(crate) fn run(self) -> Ran {
        let sink = Arc::new(MemorySink::default());
        let ran = self.run_recorded_by(sink.clone());
        Ran { events: sink.events(), ..ran }
    }

    /// Runs `main` to its end; the record goes elsewhere.
    pub(crate) fn run_recorded_by(self, sink: Arc<dyn AuditSink>) -> Ran {
        let modules = self.guests.iter().map(|(name, text)| {
            let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
            ((*name).to_owned(), wasm)
        });
        let mut builder = Sandbox::with_modules(&ENGINE, modules.collect())
            .mount(Mount::tree("/workspace", self.tree))
            .cwd("/workspace")
            .limits(self.limits)
            .network(self.network)
            .audit(sink);
        for rule in self.rules {
            builder = builder.rule(rule);
        }
        if let Some(seed) = self.seed {
            builder = builder.deterministic(seed);
        }
        // One worker would hide what goes wrong between threads.
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let (sandbox, outcome) = runtime.block_on(async {
            let sandbox = builder.build().unwrap();
            let outcome = sandbox.command("main").output().await.unwrap();
            (sandbox, outcome)
        });
        let host = sandbox.host_counts();
        Ran { outcome, events: vec![], tree: sandbox.tree("/workspace").unwrap(), host }
    }
}

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) outcome: Outcome,
    pub(crate) events: Vec<Event>,
    pub(crate) tree: Tree,
    pub(crate) host: HostCounts,
}

impl Ran {
    pub(crate) fn exit(&self) -> String {
        self.outcome.exit.to_string()
    }

    pub(crate) fn stdout(&self) -> String {
        String::from_utf8_lossy(&self.outcome.stdout).into_owned()
    }

    /// Denied accesses, a line each: operation, path or address as asked, path of the node, grant,
    /// errno.
    pub(crate) fn denied(&self) -> Vec<String> {
        let denied = self.events.iter().filter(|event| event.decision == Decision::Denied);
        let line = |event: &Event| {
            format!(
                "{:?} {} -> {} by {} ({})",
                event.op,
                event.path.as_deref().or(event.address.as_deref()).unwrap_or("-"),
                event.resolved.as_deref().unwrap_or("-"),
                event.rule.as_deref().or(event.grant.as_deref()).unwrap_or("-"),
                event.errno.as_deref().unwrap_or("-"),
            )
        };
        denied.map(line).collect()
    }
}

pub(crate) fn read_only(pattern: &str) -> Rule {
    Rule::read_only(pattern).unwrap()
}

pub(crate) fn denied(pattern: &str) -> Rule {
    Rule::denied(pattern).unwrap()
}

/// Imports that the guests of these tests use, and a memory with room for what they are told.
pub(crate) const PRELUDE: &str = r#"
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open"
    (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_create_directory" (func $mkdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_rename" (func $rename (param i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_link" (func $link (param i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_symlink" (func $symlink (param i32 i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_unlink_file" (func $unlink (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_remove_directory" (func $rmdir (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_filestat_set_times"
    (func $utimes (param i32 i32 i32 i32 i64 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
  (import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
  (import "playpen" "path_chmod" (func $chmod (param i32 i32 i32 i32 i32) (result i32)))
  (import "playpen" "fd_pipe" (func $pipe (param i32 i32) (result i32)))
  (import "playpen" "proc_spawn" (func $spawn (param i32 i32) (result i32)))
  (import "playpen" "proc_wait" (func $wait (param i32 i32 i32) (result i32)))
  (import "playpen" "sock_open" (func $socket (param i32 i32 i32 i32) (result i32)))
  (import "playpen" "sock_bind" (func $bind (param i32 i32 i32 i32 i32) (result i32)))
  (import "playpen" "sock_connect" (func $connect (param i32 i32 i32 i32 i32) (result i32)))
  (import "playpen" "sock_transmit"
    (func $transmit (param i32 i32 i32 i32 i32 i32 i32 i32 i32) (result i32)))
  (import "playpen" "proc_kill" (func $kill (param i32 i32) (result i32)))
  (import "playpen" "sem_open" (func $sem_open (param i32 i32 i32 i32 i32) (result i32)))
  (import "playpen" "sem_wait" (func $sem_wait (param i32 i64) (result i32)))
  (import "playpen" "sem_try" (func $sem_try (param i32) (result i32)))
  (import "playpen" "sem_post" (func $sem_post (param i32) (result i32)))
  (import "playpen" "sem_value" (func $sem_value (param i32 i32) (result i32)))
  (import "playpen" "sem_close" (func $sem_close (param i32) (result i32)))
  (import "playpen" "sem_unlink" (func $sem_unlink (param i32 i32) (result i32)))
  (import "playpen" "signal_action" (func $action (param i32 i32 i32) (result i32)))
  (import "playpen" "signal_take" (func $take (param i32) (result i32)))
  (memory (export "memory") 4)
"#;

/// Makes a guest of a body for `_start` and data segments `(address, text)`.
pub(crate) fn guest(data: &[(u32, &str)], body: &str) -> String {
    let segment = |(at, text): &(u32, &str)| {
        let escape = |text: String, byte| text + &format!("\\{byte:02x}");
        let bytes = text.bytes().fold(String::new(), escape);
        format!("  (data (i32.const {at}) \"{bytes}\")\n")
    };
    let data: String = data.iter().map(segment).collect();
    format!("(module {PRELUDE}{data}  (func (export \"_start\") {body}))")
}
