//! Shows a folder of the host for reading, and another in which the command may write.
#![expect(clippy::print_stdout, reason = "an example shows what it does")]

mod common;

use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{Access, Mount, Sandbox, Tree};
use std::error::Error;

#[tokio::main]
pub(crate) async fn main() -> Result<(), Box<dyn Error>> {
    let (engine, image) = common::open()?;
    let (input, output) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let open =
        |folder: &tempfile::TempDir| Dir::open_ambient_dir(folder.path(), ambient_authority());
    let (input_dir, output_dir) = (open(&input)?, open(&output)?);
    input_dir.write("data.csv", "b,2\na,1\n")?;
    let mut settings = Tree::new();
    settings.write("order", "reverse\n", 0o644)?;

    let sandbox = Sandbox::builder(&engine, &image)
        .mount(Mount::host("/data", input_dir, Access::ReadOnly))
        .mount(Mount::host("/out", output_dir.try_clone()?, Access::ReadWrite))
        .mount(Mount::read_only_tree("/etc/job", settings))
        .build()?;
    let script = "grep -q reverse /etc/job/order && sort -r /data/data.csv > /out/sorted.csv; \
                  touch /data/new /etc/job/new; echo $?";
    let outcome = sandbox.command("sh").args(["-c", script]).output().await?;

    println!("{}", String::from_utf8_lossy(&outcome.stderr));
    assert_eq!(outcome.stdout, "1\n");
    assert_eq!(output_dir.read_to_string("sorted.csv")?, "b,2\na,1\n");
    assert!(!input.path().join("new").exists());
    Ok(())
}
