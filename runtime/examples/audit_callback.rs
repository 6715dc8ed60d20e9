//! Watches what a command touches, and refuses a part of it.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use playpen_runtime::{
    Mount, Rule, Sandbox, Tree,
    audit::{AuditSink, Decision, Event},
};
use std::{
    collections::BTreeSet,
    error::Error,
    sync::{Arc, Mutex, PoisonError},
};

/// Keeps the paths that were denied, and prints every event as it happens.
#[derive(Debug, Default)]
struct Watch {
    denied: Mutex<BTreeSet<String>>,
}

impl AuditSink for Watch {
    fn record(&self, event: Event) {
        // The path of the node that was used, or would have been; not the path as it was asked for.
        let path = event.resolved.as_deref().unwrap_or_default();
        println!("{:?} {:?} {path}", event.decision, event.op);
        if event.decision == Decision::Denied {
            self.denied.lock().unwrap_or_else(PoisonError::into_inner).insert(path.to_owned());
        }
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (engine, image) = common::open()?;
    let mut tree = Tree::new();
    tree.write("public.txt", "hello\n", 0o644)?;
    tree.write("secret/key.txt", "1234\n", 0o644)?;
    tree.symlink("harmless.txt", "secret/key.txt")?;

    let watch = Arc::new(Watch::default());
    let sandbox = Sandbox::builder(&engine, &image)
        .mount(Mount::tree("/workspace", tree))
        .rule(Rule::denied("/workspace/secret/**")?)
        .cwd("/workspace")
        .audit(Arc::<Watch>::clone(&watch))
        .build()?;
    let script = "cat public.txt harmless.txt";
    let outcome = sandbox.command("sh").args(["-c", script]).output().await?;

    assert_eq!(outcome.stdout, "hello\n");
    assert_ne!(outcome.exit.code(), 0);
    let denied = watch.denied.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(denied, BTreeSet::from(["/workspace/secret/key.txt".to_owned()]));
    Ok(())
}
