//! Named semaphores between processes; a guest exits with the number of the first step that went wrong.

use crate::{
    processes::request,
    support::{World, guest},
};

/// The name of the semaphore is at 700, its number goes to 600.
const NAME: (u32, &str) = (700, "/one");

fn open(flags: u32, value: u32) -> String {
    format!(
        "(call $sem_open (i32.const 700) (i32.const 4) (i32.const {flags}) (i32.const {value}) (i32.const 600))"
    )
}

/// Calls something with the number of the semaphore.
fn with_number(function: &str, more: &str) -> String {
    format!("(call ${function} (i32.load (i32.const 600)) {more})")
}

/// A body that goes through steps, each of which must come to a number.
fn steps(steps: &[(String, u32)]) -> String {
    let step = |(n, (call, expected)): (usize, &(String, u32))| {
        format!(
            "(if (i32.ne {call} (i32.const {expected})) (then (call $exit (i32.const {}))))\n",
            n + 1
        )
    };
    steps.iter().enumerate().map(step).collect()
}

#[track_caller]
fn succeeds(main: &str, child: Option<&str>) {
    for seed in [None, Some(3)] {
        let world = World { seed, ..World::of(main) };
        let world = child.into_iter().fold(world, |world, child| world.with("child", child));
        assert_eq!(world.run().exit(), "exit code 0", "{seed:?}");
    }
}

#[test]
fn a_process_waits_for_what_another_one_gives() {
    let parent = steps(&[
        (open(3, 0), 0),
        ("(call $spawn (i32.const 256) (i32.const 512))".to_owned(), 0),
        (with_number("sem_wait", "(i64.const -1)"), 0),
        (with_number("sem_wait", "(i64.const -1)"), 0),
        (with_number("sem_try", ""), 6),
    ]);
    let give = with_number("sem_post", "");
    let child = steps(&[(open(0, 0), 0), (give.clone(), 0), (give, 0)]);
    succeeds(&guest(&request(&[NAME]), &parent), Some(&guest(&[NAME], &child)));
}

#[test]
fn a_wait_ends_with_its_time() {
    let body = steps(&[
        (open(1, 1), 0),
        (with_number("sem_wait", "(i64.const 1000000)"), 0),
        (with_number("sem_wait", "(i64.const 1000000)"), 73),
        (with_number("sem_wait", "(i64.const 0)"), 73),
    ]);
    succeeds(&guest(&[NAME], &body), None);
}

#[test]
fn names_and_numbers_end() {
    let value = with_number("sem_value", "(i32.const 608)");
    let unlink = "(call $sem_unlink (i32.const 700) (i32.const 4))".to_owned();
    let body = steps(&[
        (open(0, 0), 44),
        (open(3, 5), 0),
        (open(3, 5), 20),
        (open(1, 9), 0),
        (value, 0),
        ("(i32.load (i32.const 608))".to_owned(), 5),
        (unlink.clone(), 0),
        (unlink, 44),
        (with_number("sem_post", ""), 0),
        (with_number("sem_close", ""), 0),
        (with_number("sem_close", ""), 28),
        (with_number("sem_post", ""), 28),
        (with_number("sem_wait", "(i64.const -1)"), 28),
    ]);
    succeeds(&guest(&[NAME], &body), None);
}
