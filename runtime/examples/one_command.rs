//! Runs one command on files in memory.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use playpen_runtime::{Exit, Limits, Mount, Sandbox, Tree};
use std::{error::Error, time::Duration};

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (engine, image) = common::open()?;
    let mut tree = Tree::new();
    tree.write("numbers.txt", "3\n1\n2\n", 0o644)?;

    let sandbox = Sandbox::builder(&engine, &image)
        .mount(Mount::tree("/workspace", tree.clone()))
        .cwd("/workspace")
        .limits(Limits { wall: Duration::from_secs(30), ..Limits::default() })
        .build()?;
    let script = "sort -n numbers.txt | tee sorted.txt";
    let outcome = sandbox.command("sh").args(["-c", script]).output().await?;

    assert_eq!(outcome.exit, Exit::Code(0));
    assert_eq!(outcome.stdout, "1\n2\n3\n");
    let after = sandbox.tree("/workspace").ok_or("it was mounted above")?;
    for change in tree.diff(&after) {
        println!("{:?} {}", change.kind, change.path);
    }
    assert_eq!(after.read("sorted.txt")?, "1\n2\n3\n");
    // What was lent is as it was.
    assert!(!tree.exists("sorted.txt"));
    Ok(())
}
