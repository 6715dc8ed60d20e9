//! Tries several patches of one program, each in a fork of its own, all at the same time.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use playpen_runtime::{Exit, Mount, Sandbox, Tree};
use std::error::Error;
use tokio::task::JoinSet;

/// What is to be repaired.
const PROGRAM: &str = "def add(a, b):\n    return a - b\n";

/// What tells whether it is.
const TEST: &str = "from calc import add\n\ndef test_add():\n    assert add(2, 3) == 5\n";

/// What somebody proposes: two that do not work, and one that does.
const CANDIDATES: &[&str] = &[
    "def add(a, b):\n    return a * b\n",
    "def add(a, b):\n    return a + b\n",
    "def add(a, b)\n    return a + b\n",
];

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (engine, image) = common::open()?;
    let mut tree = Tree::new();
    tree.write("calc.py", PROGRAM, 0o644)?;
    tree.write("test_calc.py", TEST, 0o644)?;
    let sandbox = Sandbox::builder(&engine, &image)
        .mount(Mount::tree("/workspace", tree.clone()))
        .cwd("/workspace")
        .build()?;

    let mut running = JoinSet::new();
    for (idx, candidate) in CANDIDATES.iter().enumerate() {
        // A fork starts from the files of this instant, and what it writes stays in it.
        let fork = sandbox.fork(None);
        let mut patched = tree.clone();
        patched.write("calc.py", *candidate, 0o644)?;
        assert!(fork.replace_tree("/workspace", patched));
        running.spawn(async move { (idx, fork.command("pytest").arg("-q").output().await) });
    }
    let mut passed = vec![];
    for (idx, outcome) in running.join_all().await {
        let outcome = outcome?;
        println!("candidate {idx}: {}", outcome.exit);
        if outcome.exit == Exit::Code(0) {
            passed.push(idx);
        }
    }
    assert_eq!(passed, [1]);
    let untouched = sandbox.tree("/workspace").ok_or("it was mounted above")?;
    assert_eq!(untouched.read("calc.py")?, PROGRAM);
    Ok(())
}
