//! Floods: commands that produce far more than anybody reads end by themselves, and what playpen
//! holds meanwhile is bounded.

use crate::{alone, folder};
use playpen_e2e::program::Ended;

/// The most memory that playpen may hold, in KiB: less than a fifth of what flows. An idle run holds
/// a quarter of it.
const PEAK_KIB: u64 = 256 << 10;

/// Runs a command to its end and checks what it held.
#[track_caller]
fn flood(script: &str) -> Ended {
    let _alone = alone();
    let folder = folder();
    // Compiling the guests, once on a machine, takes more memory than any run.
    assert_eq!(folder.run(&["bash", "-c", "echo warm | cat"]).out(), "warm\n");
    let args = ["run", "--quiet", "--wall", "100s", "--", "bash", "-c", script];
    let ended = folder.playpen(args).run();
    let peak = ended.peak_memory_kib;
    assert!(peak < PEAK_KIB, "held {peak} KiB: {}", ended.err());
    ended
}

#[test]
fn an_endless_writer_ends_with_its_reader() {
    let ended = flood("yes | head -3; echo ${PIPESTATUS[*]}");
    assert_eq!(ended.out(), "y\ny\ny\n141 0\n");
}

#[test]
fn a_gigabyte_flows_through_two_pipes() {
    assert_eq!(flood("cat /dev/zero | head -c 1G | wc -c").out(), "1073741824\n");
}

#[test]
fn a_walk_of_the_whole_tree_ends_with_its_reader() {
    assert_eq!(flood("find / | head -1; echo $?").out(), "/\n0\n");
}

#[test]
fn two_gigabytes_of_output_end_at_the_limit() {
    let ended = flood("head -c 2G /dev/zero");
    assert_eq!(ended.code, 124, "{}", ended.err());
    assert!(ended.err().contains("bytes of output"), "{}", ended.err());
    assert!(ended.stdout.len() < 64 << 20, "{} bytes came out", ended.stdout.len());
}

#[test]
fn a_reader_that_never_reads_holds_the_writer_back() {
    let ended = flood("yes | sleep 1; echo ${PIPESTATUS[*]}");
    assert_eq!(ended.out(), "141 0\n");
}
