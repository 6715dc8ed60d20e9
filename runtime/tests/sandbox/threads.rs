//! Threads of one process: who runs, where that changes, and how they end.
//!
//! A guest here keeps the identity of the running thread at 0, and threads say what they do by writing letters.

use crate::support::World;

/// A guest with a body for `_start` and one for its threads, which know their argument as `$n`.
fn guest(start: &str, thread: &str) -> String {
    format!(
        r#"(module
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "playpen" "thread_start" (func $thread_start (param i32 i32 i32 i32) (result i32)))
  (import "playpen" "thread_wait" (func $wait (param i32 i64) (result i32)))
  (import "playpen" "thread_wake" (func $wake (param i32) (result i32)))
  (import "playpen" "thread_counts" (func $counts (result i32)))
  (memory (export "memory") 4)
  (global $stack (export "__stack_pointer") (mut i32) (i32.const 4096))
  ;; where the identity is; no interpreter whose lock could be asked for
  (data (i32.const 16) "\00\00\00\00\20\00\00\00\00\00\00\00\00\00\00\00")
  ;; a clock of a millisecond to wait for
  (data (i32.const 128) "\01\00\00\00\00\00\00\00\00\00\00\00\00\00\00\00\01\00\00\00\00\00\00\00\40\42\0f\00")
  (func $say (param i32)
    (i32.store (i32.const 64) (i32.const 72))
    (i32.store (i32.const 68) (i32.const 1))
    (i32.store8 (i32.const 72) (local.get 0))
    (drop (call $fd_write (i32.const 1) (i32.const 64) (i32.const 1) (i32.const 76))))
  (func $sleep (drop (call $poll (i32.const 128) (i32.const 256) (i32.const 1) (i32.const 320))))
  ;; starts thread n with the identity n + 2 and 4 KiB of memory
  (func $start (param $n i32) (result i32)
    (call $thread_start (i32.const 16) (i32.add (local.get $n) (i32.const 2)) (local.get $n)
      (i32.add (i32.const 8192) (i32.mul (local.get $n) (i32.const 1024)))))
  (func (export "playpen_thread_main") (param $n i32) {thread})
  (func (export "_start") (local $i i32) {start}))"#
    )
}

#[track_caller]
fn says(guest: &str, expected: &str) {
    for seed in [None, Some(3)] {
        check(World { seed, ..World::of(guest) }, expected);
    }
}

#[track_caller]
fn check(world: World, expected: &str) {
    let ran = world.run();
    assert_eq!((ran.exit().as_str(), ran.stdout().as_str()), ("exit code 0", expected));
}

/// The main thread waits until it is woken at 100; `$a` is said before and `$b` after.
const JOIN: &str = "(call $say (i32.const 97)) (drop (call $wait (i32.const 100) (i64.const -1))) (call $say (i32.const 98))";

#[test]
fn a_thread_runs_when_its_starter_waits_and_wakes_it() {
    let start = format!("(drop (call $start (i32.const 0))) (call $say (i32.const 48)) {JOIN}");
    let thread =
        "(call $say (i32.const 84)) (drop (call $wake (i32.const 100))) (call $say (i32.const 85))";
    says(&guest(&start, thread), "0aTUb");
}

#[test]
fn threads_change_where_they_wait_and_keep_identity_and_stack() {
    // Each of two threads says its identity and the kilobyte of its stack, three times.
    let thread = "(local $i i32) (loop $again
        (call $say (i32.add (i32.const 48) (i32.load (i32.const 0))))
        (call $say (i32.add (i32.const 65) (i32.div_u (i32.sub (global.get $stack) (i32.const 8192)) (i32.const 1024))))
        (call $sleep)
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br_if $again (i32.lt_u (local.get $i) (i32.const 3))))
      (i32.store (i32.const 96) (i32.add (i32.load (i32.const 96)) (i32.const 1)))
      (drop (call $wake (i32.const 100)))";
    let start = "(drop (call $start (i32.const 0))) (drop (call $start (i32.const 1)))
      (loop $again
        (drop (call $wait (i32.const 100) (i64.const -1)))
        (br_if $again (i32.lt_u (i32.load (i32.const 96)) (i32.const 2))))
      (call $say (i32.add (i32.const 48) (i32.load (i32.const 0))))
      (call $say (i32.add (i32.const 48) (i32.eq (global.get $stack) (i32.const 4096))))";
    // By a virtual clock, since who sleeps until when decides on the order.
    check(World::of(&guest(start, thread)).deterministic(1), "2A3B2A3B2A3B11");
}

#[test]
fn a_wait_ends_with_its_time_and_one_wake_wakes_one() {
    // ETIMEDOUT of WASI is 73, and says `I`; both threads wait at 100, and the first to wait goes on first.
    let start = "(call $say (call $wait (i32.const 100) (i64.const 1000000)))
      (drop (call $start (i32.const 0))) (drop (call $start (i32.const 1))) (call $sleep)
      (drop (call $wake (i32.const 100))) (call $sleep) (call $say (i32.const 45))
      (drop (call $wake (i32.const 100))) (call $sleep)";
    let thread = "(drop (call $wait (i32.const 100) (i64.const -1))) (call $say (i32.add (local.get $n) (i32.const 48)))";
    says(&guest(start, thread), "I0-1");
}

#[test]
fn the_end_of_the_process_is_that_of_its_threads() {
    let for_ever = "(loop $again (call $sleep) (br $again))";
    says(&guest("(drop (call $start (i32.const 0))) (call $sleep)", for_ever), "");
    let exits = World::of(&guest(
        &format!("(drop (call $start (i32.const 0))) {for_ever}"),
        "(call $exit (i32.const 7))",
    ));
    assert_eq!(exits.run().exit(), "exit code 7");
}

#[test]
fn a_trap_in_a_thread_is_one_of_the_process() {
    let ran =
        World::of(&guest(&format!("(drop (call $start (i32.const 0))) {JOIN}"), "unreachable"))
            .run();
    assert_eq!((ran.exit().as_str(), ran.stdout().as_str()), ("aborted", "a"));
    let incidents: Vec<String> = ran.outcome.incidents.iter().map(ToString::to_string).collect();
    assert_eq!(incidents, ["main (pid 2): aborted"]);
}

/// Answers TM-MEM-3: a stack of the host for each.
#[test]
fn there_are_512_threads_and_no_more_until_one_has_ended() {
    // Starts until it is refused, says how (EAGAIN is 6) and after how many; then all end, and there is room again.
    let start = "(block $full (loop $again
        (br_if $full (call $start (local.get $i)))
        (local.set $i (i32.add (local.get $i) (i32.const 1)))
        (br $again)))
      (call $say (i32.add (i32.const 48) (call $start (local.get $i))))
      (call $say (i32.add (i32.const 48) (i32.eq (local.get $i) (i32.const 512))))
      (call $sleep)
      (call $say (i32.add (i32.const 48) (call $start (i32.const 0))))";
    says(&guest(start, ""), "610");
}

#[test]
fn threads_without_end_meet_the_limit_on_computing() {
    let start = format!("(drop (call $start (i32.const 0))) {JOIN}");
    let guest = guest(&start, "(loop $again (br $again))");
    let ran =
        World::of(&guest).limits(|limits| limits.cpu = std::time::Duration::from_millis(50)).run();
    assert!(ran.exit().contains("computing"), "{}", ran.exit());
}

#[test]
fn a_guest_is_told_to_count_where_ticks_change_nothing() {
    let start = "(call $exit (call $counts))";
    assert_eq!(World::of(&guest(start, "")).run().exit(), "exit code 0");
    assert_eq!(World::of(&guest(start, "")).deterministic(1).run().exit(), "exit code 1");
}
