//! Each limit, tried by the abuse that it answers. The threat ids are those of ARCHITECTURE.md.

use crate::support::{World, guest};
use std::time::{Duration, Instant};

const LOOP: &str = "(loop $again (br $again))";

/// TM-LOOP-1.
#[test]
fn an_endless_loop_ends_at_the_wall() {
    let started = Instant::now();
    let ran = World::of(&guest(&[], LOOP))
        .limits(|limits| limits.wall = Duration::from_millis(200))
        .run();
    assert_eq!(ran.exit(), "limit on wall time met");
    assert!(started.elapsed() < Duration::from_secs(20), "a loop is preempted");
}

/// TM-LOOP-2.
#[test]
fn computing_time_counts_what_is_computed() {
    let ran =
        World::of(&guest(&[], LOOP)).limits(|limits| limits.cpu = Duration::from_millis(50)).run();
    assert_eq!(ran.exit(), "limit on computing time met");
}

/// TM-MEM-1: `memory.grow` answers -1 at the limit, and the limit is the reason if the guest fails.
#[test]
fn a_memory_bomb_is_refused_and_named() {
    let bomb = guest(
        &[],
        "(loop $again
           (br_if $again (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
         (call $exit (i32.const 1))",
    );
    let ran = World::of(&bomb).limits(|limits| limits.memory_bytes = 8 << 20).run();
    assert_eq!(ran.exit(), "limit on memory met");
    let peak = ran.outcome.usage.peak_memory_bytes;
    assert!(peak <= 8 << 20, "{peak}");
}

/// TM-MEM-1: a guest that copes with the refusal is none the worse for it.
#[test]
fn a_refused_growth_that_the_guest_survives_is_no_failure() {
    let body = "(drop (memory.grow (i32.const 60000)))";
    let ran = World::of(&guest(&[], body)).limits(|limits| limits.memory_bytes = 8 << 20).run();
    assert_eq!(ran.exit(), "exit code 0");
}

/// TM-OUT-1.
#[test]
fn an_output_flood_ends_at_the_limit_and_keeps_what_fits() {
    let flood = guest(
        &[(0, "\x10\0\0\0\x08\0\0\0"), (16, "12345678")],
        "(loop $again
           (drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))
           (br $again))",
    );
    let ran = World::of(&flood).limits(|limits| limits.output_bytes = 1001).run();
    assert_eq!(ran.exit(), "limit on bytes of output met");
    assert_eq!(ran.outcome.stdout.len(), 1001);
}

/// TM-STACK-1.
#[test]
fn a_deep_recursion_is_a_trap_of_its_own_kind() {
    let guest = r#"(module (memory (export "memory") 1)
      (func $down (param i32) (result i32)
        (i32.add (call $down (i32.add (local.get 0) (i32.const 1))) (i32.const 1)))
      (func (export "_start") (drop (call $down (i32.const 0)))))"#;
    let ran = World::of(guest).run();
    assert_eq!(ran.exit(), "stack overflow");
    assert_eq!(ran.outcome.exit.code(), 139);
}

/// TM-DISK-1: one file, written until the disk is full.
#[test]
fn a_disk_fill_gets_enospc() {
    let fill = guest(
        &[(0, "\x10\0\0\0\0\0\x01\0"), (16, "workspace/f")],
        // Opens with O_CREAT and the right to write, then writes 64 KiB at a time until refused.
        "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 16) (i32.const 11) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 8)))
         (loop $again
           (br_if $again (i32.eqz (call $fd_write (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 8)))))
         (call $exit (i32.const 1))",
    );
    let ran = World::of(&fill).limits(|limits| limits.bytes = 1 << 20).run();
    assert_eq!(ran.exit(), "limit on bytes in files met");
    assert_eq!(ran.tree.read("f").unwrap().len(), 1 << 20);
}

/// TM-DISK-3.
#[test]
fn directories_nest_only_so_deep() {
    // "workspace" and then "/d" for each level, one longer each time.
    let mut data = vec![(0, "workspace".to_owned())];
    data.extend((0..100).map(|level| (9 + level * 2, "/d".to_owned())));
    let data: Vec<(u32, &str)> = data.iter().map(|(at, text)| (*at, text.as_str())).collect();
    let deep = guest(
        &data,
        "(local $len i32) (local.set $len (i32.const 11))
         (loop $again
           (if (i32.eqz (call $mkdir (i32.const 3) (i32.const 0) (local.get $len)))
             (then (local.set $len (i32.add (local.get $len) (i32.const 2))) (br $again))))
         (call $exit (i32.const 1))",
    );
    let ran = World::of(&deep).limits(|limits| limits.depth = 20).run();
    assert_eq!(ran.exit(), "limit on depth of directories met");
    assert_eq!(ran.tree.walk().len(), 20);
}
