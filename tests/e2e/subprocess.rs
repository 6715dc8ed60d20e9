//! `subprocess`, `os` and `asyncio`: the same cases natively and in a sandbox.

use crate::{PLAYPEN, folder};
use playpen_e2e::program::Program;
use std::{collections::BTreeMap, time::Duration};

const CASES: &str = include_str!("../cases/subprocess_cases.py");

/// So many cases there are at least; a run that breaks off shows fewer.
const N_CASES: usize = 40;

#[test]
fn children_do_the_same_as_natively() {
    let folder = folder().file("cases.py", CASES);
    let home = std::path::PathBuf::from(std::env::var_os("HOME").unwrap());
    let home = std::env::var_os("PLAYPEN_HOME").map_or(home.join(".cache/playpen"), Into::into);
    let native = playpen_image::native_python(&home).expect("the image was built in this home");
    let limit = Duration::from_mins(5);
    let native = Program::new(native).args(["cases.py"]).cwd(folder.path()).deadline(limit).run();
    let args = ["run", "--quiet", "--", "python", "cases.py"];
    let sandbox = Program::new(PLAYPEN).args(args).cwd(folder.path()).deadline(limit).run();
    let (native, sandbox) = (outcomes(&native.out()), outcomes(&sandbox.out()));
    assert!(native.len() >= N_CASES, "{native:?}");
    let differences: Vec<String> = native
        .iter()
        .filter(|(id, outcome)| sandbox.get(*id) != Some(*outcome))
        .map(|(id, outcome)| {
            format!("{id}:\n  native  {outcome:?}\n  sandbox {:?}", sandbox.get(id))
        })
        .collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

fn outcomes(lines: &str) -> BTreeMap<String, serde_json::Value> {
    let lines =
        lines.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    lines.map(|line| (line["id"].to_string(), line["outcome"].clone())).collect()
}
