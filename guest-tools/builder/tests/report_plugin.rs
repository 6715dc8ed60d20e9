//! The guest's pytest plugin under the real pytest of this machine, or one from the registry.
#![expect(clippy::disallowed_methods, reason = "pytest is the oracle, and it is a program")]

use std::path::Path;
use std::process::Command;

/// Tests and pins of the Python guest.
const PYTHON: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../python");

fn python(packages: &Path, args: &[&str]) -> (bool, String) {
    let output = Command::new("python3").env("PYTHONPATH", packages).args(args).output();
    let output = output.expect("python3 is among the prerequisites");
    let text = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8_lossy(&text).into_owned())
}

#[test]
fn the_plugin_reports_every_outcome() {
    let packages = tempfile::tempdir().unwrap();
    if !python(packages.path(), &["-c", "import pytest"]).0 {
        let requirements = format!("{PYTHON}/requirements.txt");
        let target = packages.path().to_string_lossy().into_owned();
        let args = [
            "-m",
            "pip",
            "install",
            "-q",
            "--no-deps",
            "--require-hashes",
            "--target",
            &target,
            "-r",
            &requirements,
        ];
        let (installed, output) = python(packages.path(), &args);
        assert!(installed, "{output}");
    }
    let tests = format!("{PYTHON}/tests");
    let (passed, output) =
        python(packages.path(), &["-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", &tests]);
    assert!(passed && output.contains("4 passed"), "{output}");
}
