//! Tools that break: whoever started one gets a status and a message, and goes on.

use crate::{alone, folder};
use playpen_e2e::program::Ended;

/// Runs a command in bash with little memory.
#[track_caller]
fn run(script: &str) -> Ended {
    let _alone = alone();
    let args = ["run", "--quiet", "--wall", "60s", "--mem", "256M", "--", "bash", "-c", script];
    folder().playpen(args).run()
}

#[test]
fn a_tool_without_memory_ends_with_a_status_and_a_message() {
    let script = r#"awk 'BEGIN { s = "x"; while (1) s = s s }'; echo "status $?"; echo on"#;
    let ended = run(script);
    assert_eq!((ended.code, ended.out().as_str()), (0, "status 134\non\n"), "{ended:?}");
    assert!(ended.err().contains("awk"), "{ended:?}");
}

#[test]
fn a_tool_that_traps_in_a_pipeline_leaves_the_others_running() {
    let script = "echo in | python3 -c 'import os; os.abort()' | cat; echo ${PIPESTATUS[*]}";
    let ended = run(script);
    assert_eq!((ended.code, ended.out().as_str()), (0, "0 134 0\n"), "{ended:?}");
    assert!(ended.err().contains("aborted"), "{ended:?}");
}

#[test]
fn a_shell_that_recurses_without_end_is_a_status_of_its_parent() {
    let ended = run("bash -c 'f() { f; }; f'; echo $(($? >= 128)); echo on");
    assert_eq!((ended.code, ended.out().as_str()), (0, "1\non\n"), "{ended:?}");
    assert!(ended.err().contains("bash"), "{ended:?}");
}

#[test]
fn python_sees_a_broken_tool_as_a_signal() {
    let script = r#"python3 -c '
import subprocess
broken = ["awk", "BEGIN { s = \"x\"; while (1) s = s s }"]
print(subprocess.run(broken, stderr=subprocess.DEVNULL).returncode)'"#;
    let ended = run(script);
    assert_eq!((ended.code, ended.out().as_str()), (0, "-6\n"), "{ended:?}");
}
