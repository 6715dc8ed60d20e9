//! Commands that try to harm the host: each ends in its own typed reason, in time.
//!
//! The threat ids are those of ARCHITECTURE.md.

use crate::{alone, folder};
use serde_json::{Value, json};

/// How much later than its limit a command may end before it counts as not ended by it. On an idle
/// machine it is less than a tenth of a second; machines that run tests are not idle.
const GRACE_US: u64 = 5_000_000;

/// Memory that playpen itself takes, with compiled guests and what a command wrote, in KiB.
const OWN_MEMORY_KIB: u64 = 512 << 10;

/// So few processes that they fit in the memory that a command may have.
const FEW: &[&str] = &["--processes", "40", "--mem", "2G"];

/// Runs `command` with a limit of `wall_s` seconds and returns how it ended.
#[track_caller]
fn abuse(wall_s: u64, flags: &[&str], command: &[&str]) -> Value {
    let _alone = alone();
    let folder = folder();
    let wall = format!("{wall_s}s");
    let program = folder.playpen(["run", "--json", "--wall", &wall]).args(flags);
    let ended = program.args(["--"]).args(command).run();
    let result = ended.json();
    let took_us = result["usage"]["wall_us"].as_u64().unwrap();
    assert!(took_us <= wall_s * 1_000_000 + GRACE_US, "took {took_us} us: {result:#}");
    assert!(ended.code != 0, "{result:#}");
    // The host is unharmed: the next command runs.
    assert_eq!(folder.run(&["echo", "alive"]).out(), "alive\n");
    result["exit"].clone()
}

fn limit(kind: &str) -> Value {
    json!({"kind": "limit", "limit": kind})
}

#[test]
fn tm_loop_1_endless_loop_in_the_shell() {
    assert_eq!(abuse(1, &[], &["sh", "-c", "while :; do :; done"]), limit("wall"));
}

#[test]
fn tm_loop_1_endless_loop_in_python() {
    assert_eq!(abuse(1, &[], &["python", "-c", "while True: pass"]), limit("wall"));
}

#[test]
fn tm_loop_1_endless_sleep() {
    assert_eq!(abuse(1, &[], &["sleep", "1000"]), limit("wall"));
}

#[test]
fn tm_proc_1_fork_bomb() {
    let script = "bomb() { bomb | bomb & }; bomb; sleep 60";
    assert_eq!(abuse(20, FEW, &["bash", "-c", script]), limit("processes"));
}

#[test]
fn tm_proc_1_fork_bomb_with_the_limits_that_are_there_by_default() {
    let script = "bomb() { bomb | bomb & }; bomb; sleep 60";
    let exit = abuse(20, &[], &["bash", "-c", script]);
    assert!(exit == limit("processes") || exit == limit("memory"), "{exit}");
}

#[test]
fn tm_proc_1_recursion_of_pipelines() {
    let script = "bomb() { bomb | bomb; }; bomb";
    assert_eq!(abuse(20, FEW, &["bash", "-c", script]), limit("processes"));
}

#[test]
fn tm_proc_1_fork_bomb_of_python() {
    let script = "import subprocess\nwhile True: subprocess.Popen(['sleep', '60'])";
    assert_eq!(abuse(20, FEW, &["python", "-c", script]), limit("processes"));
}

#[test]
fn tm_mem_1_memory_bomb() {
    let script = "blocks = []\nwhile True: blocks.append(bytearray(1 << 20))";
    let _alone = alone();
    let folder = folder();
    let args = ["run", "--json", "--wall", "20s", "--mem", "256M", "--", "python", "-c", script];
    let ended = folder.playpen(args).run();
    assert_eq!(ended.json()["exit"], limit("memory"), "{ended:?}");
    let bound = (256 << 10) + OWN_MEMORY_KIB;
    assert!(ended.peak_memory_kib < bound, "held {} KiB", ended.peak_memory_kib);
}

#[test]
fn tm_out_1_output_flood() {
    assert_eq!(abuse(20, &["--output-limit", "1M"], &["yes"]), limit("output"));
}

#[test]
fn tm_disk_1_disk_fill() {
    let command = ["sh", "-c", "yes 0123456789abcdef > big"];
    assert_eq!(abuse(30, &["--disk", "64M"], &command), limit("bytes"));
}

#[test]
fn tm_disk_1_holes_that_are_filled() {
    let script = "f = open('/tmp/f', 'wb', buffering=0); f.truncate(400 << 20)\nfor _ in range(400): f.write(bytes(1 << 20))";
    assert_eq!(abuse(5, &["--disk", "8M"], &["python", "-c", script]), limit("bytes"));
}

#[test]
fn tm_disk_2_names_of_one_file() {
    let script = "import os; open('f', 'w')\nfor n in range(100000): os.link('f', f'l{n}')";
    assert_eq!(abuse(5, &["--files", "1000"], &["python", "-c", script]), limit("files"));
}

#[test]
fn tm_mem_1_listings_that_are_held() {
    let script = "import os\nfor n in range(30000): open(f'f{n}', 'w').close()\n\
                  held = [os.scandir('.') for _ in range(400)]\nfor it in held: next(it)";
    assert_eq!(abuse(20, &["--mem", "128M"], &["python", "-c", script]), limit("memory"));
}

#[test]
fn tm_disk_2_inode_storm() {
    let script = "n = 0\nwhile True:\n  open(f'f{n}', 'w').close()\n  n += 1";
    let command = ["python", "-c", script];
    assert_eq!(abuse(30, &["--files", "5000"], &command), limit("files"));
}

#[test]
fn tm_disk_3_ten_thousand_nested_directories() {
    let script = "i=0; while [ $i -lt 10000 ]; do mkdir d && cd d || exit 1; i=$((i + 1)); done";
    assert_eq!(abuse(30, &[], &["sh", "-c", script]), limit("depth"));
}

#[test]
fn tm_stack_1_deep_recursion_in_python() {
    let script = "import sys\nsys.setrecursionlimit(10**9)\ndef f(): return f()\nf()";
    // Frames of Python functions are in memory, not on the stack. Once it is used up, CPython may
    // write a traceback of a million frames for longer than it may.
    let exit = abuse(5, &["--mem", "64M"], &["python", "-c", script]);
    assert!(exit == limit("memory") || exit == limit("wall"), "{exit}");
}

#[test]
fn tm_stack_1_deep_recursion_through_c_in_python() {
    let script = "x = []\nfor _ in range(10**6): x = [x]\nrepr(x)";
    let exit = abuse(20, &[], &["python", "-c", script]);
    // CPython counts these levels itself and raises RecursionError.
    assert_eq!(exit, json!({"kind": "code", "code": 1}));
}

#[test]
fn tm_stack_1_deep_recursion_in_the_shell() {
    let exit = abuse(20, &[], &["sh", "-c", "f() { f; }; f"]);
    assert!(exit["kind"] == "trap" || exit["kind"] == "limit", "{exit}");
}

#[test]
fn tm_fd_1_descriptor_leak() {
    let script = "files = []\nwhile True: files.append(open('/etc/passwd'))";
    assert_eq!(abuse(20, &[], &["python", "-c", script]), limit("descriptors"));
}
