//! Gives guests a program that is a function of the host.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use playpen_runtime::{
    HostTool, Mount, Sandbox, ToolCall, ToolFuture, Tree,
    audit::{MemorySink, Op},
};
use std::{collections::BTreeMap, error::Error, sync::Arc};

/// Looks words up in a table that guests cannot see as a whole.
#[derive(Debug)]
struct Lookup {
    table: BTreeMap<String, String>,
}

impl HostTool for Lookup {
    fn run(&self, call: ToolCall) -> ToolFuture<'_> {
        Box::pin(async move { self.look_up(call).await.unwrap_or(1) })
    }
}

impl Lookup {
    /// Looks up the arguments, or else each line of standard input.
    async fn look_up(&self, mut call: ToolCall) -> Result<u8, std::io::Error> {
        let mut words: Vec<String> = call.args.drain(1..).collect();
        if words.is_empty() {
            let input = call.stdin.read_to_end(1 << 20).await?;
            words = String::from_utf8_lossy(&input).lines().map(str::to_owned).collect();
        }
        let mut code = 0;
        for word in words {
            if let Some(found) = self.table.get(&word) {
                call.stdout.write_all(format!("{word}={found}\n").as_bytes()).await?;
            } else {
                call.stderr.write_all(format!("lookup: no `{word}`\n").as_bytes()).await?;
                code = 1;
            }
        }
        Ok(code)
    }
}

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (engine, image) = common::open()?;
    let pairs = [("one", "1"), ("two", "2")];
    let table = pairs.map(|(word, number)| (word.to_owned(), number.to_owned())).into();
    let events = Arc::new(MemorySink::default());
    let sandbox = Sandbox::builder(&engine, &image)
        .mount(Mount::tree("/workspace", Tree::new()))
        .cwd("/workspace")
        .tool("lookup", Arc::new(Lookup { table }))
        .audit(Arc::<MemorySink>::clone(&events))
        .build()?;

    // In a pipeline, into a file, as a child of Python, and with an exit code of its own.
    let script = "printf 'two\\none\\n' | lookup | sort; lookup two > file; cat file; \
                  python -c 'import subprocess; print(subprocess.check_output([\"lookup\", \"one\"]))'; \
                  lookup three; echo $?";
    let outcome = sandbox.command("sh").args(["-c", script]).output().await?;

    println!("{}", String::from_utf8_lossy(&outcome.stdout));
    assert_eq!(outcome.stdout, "one=1\ntwo=2\ntwo=2\nb'one=1\\n'\n1\n");
    assert_eq!(outcome.stderr, "lookup: no `three`\n");
    let starts = events.events().into_iter().filter(|event| {
        event.op == Op::Spawn && event.resolved.as_deref() == Some("/usr/local/bin/lookup")
    });
    assert_eq!(starts.count(), 4);
    Ok(())
}
