//! The examples of the library run: they are compiled in here, and check what they do themselves.

use crate::playpen;
use std::time::Duration;

#[path = "../../runtime/examples/audit_callback.rs"]
mod audit_callback;
#[path = "../../runtime/examples/custom_mount.rs"]
mod custom_mount;
#[path = "../../runtime/examples/fork_per_patch.rs"]
mod fork_per_patch;
#[path = "../../runtime/examples/host_tool.rs"]
mod host_tool;
#[path = "../../runtime/examples/one_command.rs"]
mod one_command;

/// Makes sure that there is an image: the examples are for those who have one.
#[track_caller]
fn check(example: fn() -> Result<(), Box<dyn std::error::Error>>) {
    let shown = playpen(["image", "show"]).deadline(Duration::from_hours(1)).run();
    assert_eq!(shown.code, 0, "{shown:?}");
    example().unwrap();
}

#[test]
fn one_command() {
    check(one_command::main);
}

#[test]
fn fork_per_patch() {
    check(fork_per_patch::main);
}

#[test]
fn audit_callback() {
    check(audit_callback::main);
}

#[test]
fn custom_mount() {
    check(custom_mount::main);
}

#[test]
fn host_tool() {
    check(host_tool::main);
}

/// An example that is not listed above would silently not be run.
#[test]
fn every_example_is_run() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../runtime/examples");
    let this =
        fs_err::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/e2e/examples.rs")).unwrap();
    for entry in fs_err::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "common" || this.contains(&format!("\nmod {module};")), "{name}");
    }
}
