//! A deterministic run is the same run on every machine: its hashes are published here.
//!
//! Eight processes take turns; each writes the time and random bytes to files of its own and races for
//! a name. The guests are part of this test, so the hashes depend on the kernel alone. Where a change of
//! the kernel changes what it records, one command publishes the new ones:
//!
//! `PLAYPEN_PUBLISH=1 cargo test -p playpen-runtime --test sandbox determinism`
#![expect(clippy::unwrap_used, reason = "clippy.toml only exempts `#[test]` functions")]

use crate::{
    races::main_guest,
    support::{World, guest},
};
use std::io::Write as _;

/// The hashes of the run with seed 7.
const PUBLISHED: &str = include_str!("determinism.txt");

/// Rounds of each process.
const N_ROUNDS: u32 = 300;

/// Returns a process that writes to `workspace/d/N` what it was told, and takes `workspace/d/name`.
fn worker(n: usize) -> String {
    let own = format!("workspace/d/{n}");
    let len = own.len();
    let body = format!(
        r"(local $i i32) (local $fd i32) (local.set $i (i32.const {N_ROUNDS}))
        (drop (call $mkdir (i32.const 3) (i32.const 1500) (i32.const 11)))
        (i32.store (i32.const 16) (i32.const 4096)) (i32.store (i32.const 20) (i32.const 32))
        (loop $again
          (drop (call $clock (i32.const 0) (i64.const 0) (i32.const 4096)))
          (drop (call $clock (i32.const 1) (i64.const 0) (i32.const 4104)))
          (drop (call $random (i32.const 4112) (i32.const 16)))
          ;; Created where it is not there; what is written goes to its end.
          (if (i32.eqz (call $path_open (i32.const 3) (i32.const 1) (i32.const 1024) (i32.const {len})
                (i32.const 1) (i64.const 64) (i64.const 0) (i32.const 1) (i32.const 8)))
            (then
              (local.set $fd (i32.load (i32.const 8)))
              (drop (call $fd_write (local.get $fd) (i32.const 16) (i32.const 1) (i32.const 24)))
              (drop (call $fd_close (local.get $fd)))))
          (drop (call $unlink (i32.const 3) (i32.const 1600) (i32.const 16)))
          (drop (call $link (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const {len})
            (i32.const 3) (i32.const 1600) (i32.const 16)))
          (drop (call $yield))
          (local.set $i (i32.sub (local.get $i) (i32.const 1)))
          (br_if $again (local.get $i)))"
    );
    guest(&[(1024, own.as_str()), (1500, "workspace/d"), (1600, "workspace/d/name")], &body)
}

/// Returns the hash of all events, and that of the tree.
fn run(seed: u64) -> String {
    let mut world = World::of(&main_guest()).deterministic(seed);
    for (n, name) in ["w0", "w1", "w2", "w3", "w4", "w5", "w6", "w7"].into_iter().enumerate() {
        world = world.with(name, &worker(n));
    }
    let ran = world.run();
    assert_eq!(ran.exit(), "exit code 0");
    let mut hasher = blake3::Hasher::new();
    for event in &ran.events {
        hasher.update(&serde_json::to_vec(event).unwrap()).update(b"\n");
    }
    let n_events = ran.events.len();
    format!("{n_events} events {}\ntree {}\n", hasher.finalize(), ran.tree.digest())
}

#[test]
fn the_hashes_are_those_of_every_machine() {
    let hashes = run(7);
    if std::env::var_os("PLAYPEN_PUBLISH").is_some() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/sandbox/determinism.txt");
        std::fs::File::create(path).unwrap().write_all(hashes.as_bytes()).unwrap();
        return;
    }
    assert_eq!(hashes, PUBLISHED, "see the head of this file");
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(run(7), run(8));
    assert_eq!(run(8), run(8));
}
