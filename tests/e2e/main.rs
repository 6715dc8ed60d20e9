//! Promises of the program as a whole, one module for each kind.
//!
//! Every test runs the real program with the real image, and has native programs as its oracle where
//! there is one. What is built is kept in the home of whoever runs the tests; the first test on a
//! machine without an image builds it, which takes about 15 minutes.
#![allow(clippy::duplicate_mod, reason = "each example brings what all of them begin with")]
#![expect(clippy::unwrap_used, reason = "clippy.toml only exempts `#[test]` functions")]

mod architecture;
mod audit;
mod bad_input;
mod cache;
mod demo;
mod determinism;
mod escape;
mod examples;
mod image;
mod model;
mod policy;
mod published;
mod python;
mod run;
mod shell;
mod snapshot;
mod subprocess;
mod suites;
mod verdicts;

use playpen_e2e::{folder::Folder, program::Program};

/// The program under test.
const PLAYPEN: &str = env!("CARGO_BIN_EXE_playpen-under-test");

/// Returns an empty folder to work in.
fn folder() -> Folder {
    Folder::new(PLAYPEN)
}

/// Returns the program under test, in no particular folder.
fn playpen<'a>(args: impl IntoIterator<Item = &'a str>) -> Program {
    Program::new(PLAYPEN).args(args)
}

/// A file that is not listed above would silently not be tested.
#[test]
fn every_file_is_listed() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/e2e");
    let main = fs_err::read_to_string(format!("{folder}/main.rs")).unwrap();
    for entry in fs_err::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let module = name.trim_end_matches(".rs");
        assert!(module == "main" || main.contains(&format!("\nmod {module};")), "{name}");
    }
}
