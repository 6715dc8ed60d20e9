//! What guests do about signals, and what they cannot do about them.

use crate::support::{World, guest};
use std::time::Duration;

const CATCH_TERM: &str = "(drop (call $action (i32.const 15) (i32.const 2) (i32.const 64)))";

/// Sends signal `number` to the process itself, which has number 2.
fn send(number: u32) -> String {
    format!("(drop (call $kill (i32.const 0) (i32.const {number})))")
}

fn run(body: &str) -> String {
    World::of(&guest(&[(0, "\x10\0\0\0\x01\0\0\0")], body)).run().exit()
}

#[test]
fn a_signal_ends_a_process_that_does_nothing_about_it() {
    assert_eq!(run(&send(15)), "signal 15");
    assert_eq!(run(&send(17)), "exit code 0");
}

#[test]
fn an_ignored_signal_does_nothing() {
    let ignore = "(drop (call $action (i32.const 15) (i32.const 1) (i32.const 64)))";
    assert_eq!(run(&format!("{ignore}{}(call $exit (i32.const 7))", send(15))), "exit code 7");
}

/// The read of an empty pipe ends with `EINTR`, which is 27, and 15 is what there is to take.
#[test]
fn a_caught_signal_ends_a_wait_and_is_taken() {
    let body = format!(
        "{CATCH_TERM}{}
         (drop (call $pipe (i32.const 0) (i32.const 32)))
         (i32.store (i32.const 40)
           (call $fd_read (i32.load (i32.const 32)) (i32.const 0) (i32.const 1) (i32.const 8)))
         (drop (call $take (i32.const 44)))
         (drop (call $take (i32.const 48)))
         (call $exit (i32.add (i32.load (i32.const 48))
           (i32.add (i32.load (i32.const 40)) (i32.mul (i32.const 10) (i32.load (i32.const 44))))))",
        send(15)
    );
    assert_eq!(run(&body), "exit code 177");
}

/// An escape would be a process that cannot be ended: by `SIGKILL`, or by the time of its command.
#[test]
fn who_catches_and_never_looks_is_ended_all_the_same() {
    let catch_kill =
        "(if (i32.ne (call $action (i32.const 9) (i32.const 2) (i32.const 64)) (i32.const 28))
      (then (call $exit (i32.const 1))))";
    assert_eq!(run(&format!("{CATCH_TERM}{catch_kill}{}{}", send(15), send(9))), "signal 9");
    let forever = guest(&[], &format!("{CATCH_TERM}{}(loop $again (br $again))", send(15)));
    let ran = World::of(&forever).limits(|it| it.wall = Duration::from_millis(300)).run();
    assert_eq!(ran.exit(), "limit on wall time met");
}

#[test]
fn what_was_caught_and_not_taken_ends_who_restores_the_default() {
    let restore = "(drop (call $action (i32.const 15) (i32.const 0) (i32.const 64)))";
    let body = format!("{CATCH_TERM}{}{restore}(loop $again (br $again))", send(15));
    assert_eq!(run(&body), "signal 15");
}

#[test]
fn wrong_numbers_are_refused() {
    for (signal, action) in [(0, 1), (65, 1), (9, 1), (19, 2), (15, 4), (300, 0)] {
        let call =
            format!("(call $action (i32.const {signal}) (i32.const {action}) (i32.const 64))");
        assert_eq!(run(&format!("(call $exit {call})")), "exit code 28");
    }
    assert_eq!(run("(call $exit (call $take (i32.const -2)))"), "exit code 21");
}
