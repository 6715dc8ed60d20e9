//! The borders between crates, as `cargo metadata` sees them.

use playpen_e2e::program::Program;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Crates that each crate of the workspace must not depend on, directly or through others.
///
/// `runtime` knows no model, no prompt, no network and no command line; guests reach the host as
/// WebAssembly only, so no crate of theirs is in the workspace at all.
const FORBIDDEN: &[(&str, &[&str])] = &[
    (
        "playpen-runtime",
        &["playpen", "playpen-image", "clap", "hyper", "minijinja", "reqwest", "rustls"],
    ),
    ("playpen-image", &["playpen", "clap", "hyper", "reqwest", "rustls"]),
    ("playpen", &["playpen-e2e", "aws-lc-sys", "git2", "native-tls", "openssl-sys"]),
];

/// The crates of the workspace. A new one is a change of the architecture.
const MEMBERS: &[&str] =
    &["playpen", "playpen-e2e", "playpen-edit", "playpen-image", "playpen-runtime"];

#[test]
fn no_crate_depends_on_what_it_must_not_know() {
    let metadata = metadata();
    let edges = edges(&metadata);
    for (krate, forbidden) in FORBIDDEN {
        let reached = reachable(&edges, krate);
        assert!(!reached.is_empty(), "`{krate}` is not in the workspace");
        for other in *forbidden {
            assert!(!reached.contains(*other), "`{krate}` depends on `{other}`");
        }
    }
}

#[test]
fn the_workspace_has_the_crates_that_the_design_names() {
    let metadata = metadata();
    let ids: Vec<&str> = metadata["workspace_members"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(Value::as_str)
        .collect();
    let packages = metadata["packages"].as_array().unwrap();
    let names = packages.iter().filter(|package| ids.contains(&package["id"].as_str().unwrap()));
    let names: BTreeSet<&str> = names.map(|package| package["name"].as_str().unwrap()).collect();
    assert_eq!(names, MEMBERS.iter().copied().collect());
}

#[test]
fn a_forbidden_edge_would_be_found() {
    let edges = BTreeMap::from([
        ("playpen-runtime".to_owned(), BTreeSet::from(["middle".to_owned()])),
        ("middle".to_owned(), BTreeSet::from(["reqwest".to_owned()])),
    ]);
    assert!(reachable(&edges, "playpen-runtime").contains("reqwest"));
}

fn metadata() -> Value {
    let manifest = concat!(env!("CARGO_MANIFEST_DIR"), "/../Cargo.toml");
    let args =
        ["metadata", "--format-version", "1", "--locked", "--offline", "--manifest-path", manifest];
    let ended = Program::new(env!("CARGO"))
        .args(args)
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"]);
    ended.run().json()
}

/// Returns the names of the normal dependencies of each package.
fn edges(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let name_of: BTreeMap<&str, &str> = metadata["packages"]
        .as_array()
        .unwrap()
        .iter()
        .map(|package| (package["id"].as_str().unwrap(), package["name"].as_str().unwrap()))
        .collect();
    let nodes = metadata["resolve"]["nodes"].as_array().unwrap();
    let dependencies = |node: &Value| {
        let normal = node["deps"].as_array().unwrap().iter().filter(|dep| is_normal(dep));
        normal.map(|dep| name_of[dep["pkg"].as_str().unwrap()].to_owned()).collect()
    };
    nodes
        .iter()
        .map(|node| (name_of[node["id"].as_str().unwrap()].to_owned(), dependencies(node)))
        .collect()
}

fn is_normal(dependency: &Value) -> bool {
    dependency["dep_kinds"].as_array().unwrap().iter().any(|kind| kind["kind"].is_null())
}

fn reachable(edges: &BTreeMap<String, BTreeSet<String>>, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut pending = vec![from.to_owned()];
    while let Some(name) = pending.pop() {
        for next in edges.get(&name).into_iter().flatten() {
            if reached.insert(next.clone()) {
                pending.push(next.clone());
            }
        }
    }
    reached
}
