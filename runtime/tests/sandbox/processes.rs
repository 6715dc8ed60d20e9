//! Children, pipes and exit codes.

use crate::support::{World, guest};

/// Data of a spawn request at 256 for `/bin/child` with descriptors 0, 1 and 2 as they are.
pub(crate) fn request(extra: &[(u32, &'static str)]) -> Vec<(u32, &'static str)> {
    let mut data = vec![
        (1024, "/bin/child"),
        (1040, "child\0"),
        (1060, "/workspace"),
        // path 1024+10; argv 1040+6, 1; no environment; cwd 1060+10; 3 descriptors at 1100.
        (
            256,
            "\0\x04\0\0\x0a\0\0\0\x10\x04\0\0\x06\0\0\0\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x24\x04\0\0\x0a\0\0\0\x4c\x04\0\0\x03\0\0\0",
        ),
        (1100, "\0\0\0\0\0\0\0\0\x01\0\0\0\x01\0\0\0\x02\0\0\0\x02\0\0\0"),
    ];
    data.extend(extra);
    data
}

/// Starts the child, waits, and exits with what `waitpid` told, shifted to the exit code.
const SPAWN_AND_WAIT: &str = "
  (if (call $spawn (i32.const 256) (i32.const 512)) (then (call $exit (i32.const 99))))
  (drop (call $wait (i32.const -1) (i32.const 0) (i32.const 520)))
  (call $exit (i32.shr_u (i32.load (i32.const 524)) (i32.const 8)))";

fn exits_with(code: u32) -> String {
    guest(&[], &format!("(call $exit (i32.const {code}))"))
}

#[test]
fn every_exit_code_comes_back() {
    for code in [0, 1, 125, 126, 127, 128, 200, 255] {
        let ran =
            World::of(&guest(&request(&[]), SPAWN_AND_WAIT)).with("child", &exits_with(code)).run();
        assert_eq!(ran.exit(), format!("exit code {code}"));
        assert_eq!(ran.outcome.usage.n_processes, 2);
    }
}

#[test]
fn a_child_inherits_its_output() {
    let hello = guest(
        &[(0, "\x10\0\0\0\x06\0\0\0"), (16, "hello\n")],
        "(drop (call $fd_write (i32.const 1) (i32.const 0) (i32.const 1) (i32.const 8)))",
    );
    let ran = World::of(&guest(&request(&[]), SPAWN_AND_WAIT)).with("child", &hello).run();
    assert_eq!((ran.exit().as_str(), ran.stdout().as_str()), ("exit code 0", "hello\n"));
}

#[test]
fn a_trap_of_a_child_is_a_signal_to_its_parent() {
    let report = SPAWN_AND_WAIT.replace(
        "(i32.shr_u (i32.load (i32.const 524)) (i32.const 8))",
        "(i32.load (i32.const 524))",
    );
    let ran =
        World::of(&guest(&request(&[]), &report)).with("child", &guest(&[], "unreachable")).run();
    assert_eq!(ran.exit(), "exit code 6");
    let incidents: Vec<String> = ran.outcome.incidents.iter().map(ToString::to_string).collect();
    assert_eq!(incidents, ["child (pid 3): aborted"]);
}

#[test]
fn a_running_child_can_be_killed() {
    let kill = SPAWN_AND_WAIT
        .replace(
            "(drop (call $wait",
            "(drop (call $kill (i32.load (i32.const 512)) (i32.const 15))) (drop (call $wait",
        )
        .replace(
            "(i32.shr_u (i32.load (i32.const 524)) (i32.const 8))",
            "(i32.load (i32.const 524))",
        );
    let ran = World::of(&guest(&request(&[]), &kill))
        .with("child", &guest(&[], "(loop $again (br $again))"))
        .run();
    assert_eq!(ran.exit(), "exit code 15");
}

#[test]
fn children_that_are_left_behind_end_with_the_command() {
    let leave = "(drop (call $spawn (i32.const 256) (i32.const 512)))";
    let ran = World::of(&guest(&request(&[]), leave))
        .with("child", &guest(&[], "(loop $again (br $again))"))
        .run();
    assert_eq!(ran.exit(), "exit code 0");
    assert_eq!(ran.outcome.usage.n_processes, 2);
}

/// TM-PROC-1: a program that starts itself, for ever.
#[test]
fn a_fork_bomb_ends_the_whole_tree() {
    let bomb = guest(
        &request(&[]),
        "(loop $again (drop (call $spawn (i32.const 256) (i32.const 512))) (br $again))",
    );
    let ran = World::of(&bomb).with("child", &bomb).limits(|limits| limits.processes = 16).run();
    assert_eq!(ran.exit(), "limit on number of processes met");
    assert!(ran.outcome.usage.n_processes <= 16);
}

#[test]
fn a_pipe_without_reader_ends_its_writer() {
    let write = guest(
        &[(0, "\x10\0\0\0\x01\0\0\0"), (16, "x")],
        "(drop (call $pipe (i32.const 0) (i32.const 32)))
         (drop (call $fd_close (i32.load (i32.const 32))))
         (drop (call $fd_write (i32.load (i32.const 36)) (i32.const 0) (i32.const 1) (i32.const 8)))",
    );
    assert_eq!(World::of(&write).run().exit(), "signal 13");
}

#[test]
fn what_goes_into_a_pipe_comes_out() {
    let echo = guest(
        &[(0, "\x10\0\0\0\x05\0\0\0"), (8, "\x40\0\0\0\x10\0\0\0"), (16, "bytes")],
        "(drop (call $pipe (i32.const 0) (i32.const 32)))
         (drop (call $fd_write (i32.load (i32.const 36)) (i32.const 0) (i32.const 1) (i32.const 48)))
         (drop (call $fd_read (i32.load (i32.const 32)) (i32.const 8) (i32.const 1) (i32.const 12)))
         (drop (call $fd_write (i32.const 1) (i32.const 8) (i32.const 1) (i32.const 48)))",
    );
    // The length of what was read replaces the length of the buffer, which is then written.
    assert_eq!(World::of(&echo).run().stdout(), "bytes");
}

#[test]
fn a_program_that_is_not_there_is_enoent() {
    let report = "(call $exit (call $spawn (i32.const 256) (i32.const 512)))";
    assert_eq!(World::of(&guest(&request(&[]), report)).run().exit(), "exit code 44");
}
