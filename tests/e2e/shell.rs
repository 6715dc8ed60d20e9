//! The shell and the tools against native bash and GNU tools, byte for byte.

use crate::PLAYPEN;
use playpen_e2e::cases::Cases;
use std::path::Path;

#[test]
fn every_case_gives_what_native_bash_gives() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/cases/shell.toml");
    let cases = Cases::open(Path::new(PLAYPEN), Path::new(file)).unwrap();
    let differences: Vec<String> = cases
        .iter()
        .filter_map(|case| Some(format!("==== {}\n{}", case.name, cases.verdict(case).unwrap()?)))
        .collect();
    let n_cases = cases.iter().count();
    let n_identical = n_cases - differences.len();
    assert!(
        differences.is_empty(),
        "identical {n_identical} of {n_cases}\n{}",
        differences.join("\n")
    );
}
