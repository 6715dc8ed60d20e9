//! The shell and the tools against native bash and GNU tools, byte for byte.

use crate::PLAYPEN;
use playpen_e2e::cases::Cases;
use std::{io::Write as _, path::Path};

#[test]
fn shell_and_tools_give_what_native_ones_give() {
    compare("shell.toml");
}

#[test]
fn words_are_expanded_as_in_bash() {
    compare("shell-expansion.toml");
}

#[test]
fn programs_run_as_in_bash() {
    compare("shell-programs.toml");
}

#[test]
fn tools_do_what_the_gnu_tools_do() {
    compare("tools.toml");
}

#[test]
fn git_does_what_native_git_does() {
    compare("git.toml");
}

#[track_caller]
fn compare(file: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases").join(file);
    let cases = Cases::open(Path::new(PLAYPEN), &file).unwrap();
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("==== {}\n{}", case.name, cases.verdict(case).unwrap()?)))
        .collect();
    let left_out = cases.left_out();
    if !left_out.is_empty() {
        let line = format!("left out, as this machine lacks their programs: {left_out:?}\n");
        drop(std::io::stderr().write_all(line.as_bytes()));
    }
    let n_cases = cases.iter().count();
    let n_identical = n_cases - differences.len();
    assert!(
        differences.is_empty(),
        "identical {n_identical} of {n_cases}\n{}",
        differences.join("\n")
    );
}
