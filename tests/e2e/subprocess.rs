//! Children, threads, sockets, locks and databases of Python: the same cases natively and in a sandbox.

use crate::{PLAYPEN, folder};
use playpen_e2e::program::Program;
use std::{collections::BTreeMap, time::Duration};

/// What the cases have in common.
const TOLD: &str = include_str!("../cases/told.py");

#[test]
fn children_do_the_same_as_natively() {
    check(include_str!("../cases/subprocess_cases.py"), 60);
}

#[test]
fn threads_do_the_same_as_natively() {
    check(include_str!("../cases/thread_cases.py"), 50);
}

#[test]
fn servers_and_clients_do_the_same_as_natively() {
    check(include_str!("../cases/socket_cases.py"), 15);
}

#[test]
fn calls_on_sockets_do_the_same_as_natively() {
    check(include_str!("../cases/network_cases.py"), 62);
}

#[test]
fn programs_start_and_end_as_natively() {
    check(include_str!("../cases/option_cases.py"), 65);
}

#[test]
fn spawned_processes_do_the_same_as_natively() {
    check(include_str!("../cases/process_cases.py"), 30);
}

#[test]
fn locks_do_the_same_as_natively() {
    check(include_str!("../cases/lock_cases.py"), 30);
}

#[test]
fn databases_do_the_same_as_natively() {
    check(include_str!("../cases/database_cases.py"), 17);
}

#[test]
fn answers_about_the_system_are_as_natively() {
    check(include_str!("../cases/system_cases.py"), 18);
}

#[test]
fn hashes_and_the_order_of_sets_are_the_same_as_natively() {
    check(include_str!("../cases/hash_cases.py"), 30);
}

/// Compares what cases come to; there are at least `n_cases`, and a run that breaks off shows fewer.
#[track_caller]
fn check(cases: &str, n_cases: usize) {
    let folder = folder().file("cases.py", cases).file("told.py", TOLD);
    let home = std::path::PathBuf::from(std::env::var_os("HOME").unwrap());
    let home = std::env::var_os("PLAYPEN_HOME").map_or(home.join(".cache/playpen"), Into::into);
    let native = playpen_image::native_python(&home).expect("the image was built in this home");
    let limit = Duration::from_mins(5);
    let native = Program::new(native).args(["cases.py"]).cwd(folder.path()).deadline(limit).run();
    let args = ["run", "--quiet", "--", "python", "cases.py"];
    let sandbox = Program::new(PLAYPEN).args(args).cwd(folder.path()).deadline(limit).run();
    let (native, sandbox) = (outcomes(&native.out()), outcomes(&sandbox.out()));
    assert!(native.len() >= n_cases, "{native:?}");
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
