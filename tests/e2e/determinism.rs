//! Deterministic runs: one record and one tree, however often and whatever else the machine does.

use crate::{folder, playpen};
use playpen_e2e::folder::Folder;
use serde_json::Value;
use std::{collections::BTreeSet, fs::Permissions, os::unix::fs::PermissionsExt as _};

const TESTS: &str = r#"
import os, random, subprocess, sys, tempfile, threading, time, uuid
import pytest

def test_time(tmp_path):
    start = time.monotonic()
    time.sleep(0.05)
    (tmp_path / "t").write_text(f"{time.time()} {time.monotonic() - start} {os.stat(__file__).st_mtime}")

def test_random(tmp_path):
    (tmp_path / "r").write_text(f"{random.random()} {uuid.uuid4()} {os.urandom(8)} {hash('a')}")

def test_sets(tmp_path):
    (tmp_path / "s").write_text(repr({f"k{n}" for n in range(100)}) + repr(os.listdir("/workspace")))

def test_tempfile():
    with tempfile.NamedTemporaryFile() as f:
        f.write(b"x"); f.flush()
        assert os.path.exists(f.name)

@pytest.mark.parametrize("n", range(3))
def test_children(tmp_path, n):
    code = "import os, random, time; time.sleep(0.01 * random.random()); print(os.getpid(), random.random(), time.time())"
    children = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) for _ in range(4)]
    out = [child.communicate()[0] for child in children]
    (tmp_path / "c").write_bytes(b"".join(out))
    (tmp_path / "sh").write_text(subprocess.getoutput("ls -la /workspace | sort -r | head -3; date; echo $$ $RANDOM"))

def test_stat_of_pipes():
    r, w = os.pipe()
    open("/workspace/pipe.txt", "w").write(f"{os.fstat(r).st_ino} {os.fstat(0).st_ino}")
"#;

fn project() -> Folder {
    folder().file("test_all.py", TESTS).file("src/a.py", "x = 1\n")
}

/// Returns the hash of the events and of the tree.
fn hashes(folder: &Folder, seed: &str, command: &[&str]) -> (String, String, String) {
    let audit = tempfile::NamedTempFile::new().unwrap();
    let path = audit.path().to_str().unwrap();
    let flags = ["run", "--quiet", "--deterministic", seed, "--audit", path, "--"];
    let ended = folder.playpen(flags).args(command).run();
    let verified = playpen(["--json", "audit", "verify", path]).run().json();
    assert_eq!(verified["good"], true, "{verified}");
    let text = fs_err::read_to_string(path).unwrap();
    let end: Value = serde_json::from_str(text.lines().last().unwrap()).unwrap();
    let tree = end["end"]["trees"]["/workspace"].as_str().unwrap().to_owned();
    (verified["event_hash"].as_str().unwrap().to_owned(), tree, ended.out())
}

const PYTEST: &[&str] = &["python", "-m", "pytest", "-q", "--basetemp=/workspace/base"];

fn repeat(n: usize) {
    let folder = project();
    let mut events = BTreeSet::new();
    let mut trees = BTreeSet::new();
    for _ in 0..n {
        let (event_hash, tree, out) = hashes(&folder, "7", PYTEST);
        assert!(out.contains("8 passed"), "{out}");
        events.insert(event_hash);
        trees.insert((tree, out));
    }
    assert_eq!((events.len(), trees.len()), (1, 1), "{events:?} {trees:?}");
    let (event_hash, tree, _) = hashes(&folder, "8", PYTEST);
    assert!(!events.contains(&event_hash));
    assert!(trees.iter().all(|(other, _)| *other != tree));
}

#[test]
fn a_pytest_run_is_the_same_run_each_time() {
    repeat(4);
}

/// What the run above does to the project and to `/tmp`, on every machine and with every build of the same guests:
/// number and hash of the events there without what numbers them, and the hash of the files that it leaves.
const PUBLISHED: &str = include_str!("../cases/determinism.txt");

#[test]
fn a_pytest_run_is_the_same_run_on_every_machine() {
    let folder = project();
    for name in ["test_all.py", "src/a.py", "src", ""] {
        let mode = if folder.join(name).is_dir() { 0o755 } else { 0o644 };
        fs_err::set_permissions(folder.join(name), Permissions::from_mode(mode)).unwrap();
    }
    let audit = tempfile::NamedTempFile::new().unwrap();
    let path = audit.path().to_str().unwrap();
    let flags = ["run", "--quiet", "--deterministic", "7", "--audit", path, "--"];
    let ended = folder.playpen(flags).args(PYTEST).run();
    assert!(ended.out().contains("8 passed"), "{ended:?}");

    let text = fs_err::read_to_string(path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = &lines.last().unwrap()["end"]["trees"]["/workspace"];
    let is_of_project = |event: &&Value| {
        let path = event["resolved"].as_str().unwrap_or_default();
        ["/workspace/", "/tmp/"].iter().any(|folder| path.starts_with(folder))
    };
    let events: Vec<&Value> = lines.iter().filter(is_of_project).collect();
    let mut hasher = blake3::Hasher::new();
    for event in &events {
        let fields = ["argv0", "op", "resolved", "kind", "created", "decision", "errno"];
        let counts = ["bytes_read", "bytes_written", "hash_before", "hash_after"];
        for field in fields.iter().chain(&counts) {
            hasher.update(event[field].to_string().as_bytes()).update(b" ");
        }
    }
    let (n, hash) = (events.len(), hasher.finalize());
    let found = format!("{n} events {hash}\ntree {}\n", end.as_str().unwrap());
    assert_eq!(
        found, PUBLISHED,
        "if the guests changed on purpose, `cases/determinism.txt` changes too"
    );
}

/// A hundred times; takes minutes.
#[test]
#[ignore = "takes minutes; `cargo test --release -p playpen-e2e -- --ignored determinism`"]
fn a_pytest_run_is_the_same_run_a_hundred_times() {
    repeat(100);
}

/// The record is no part of what is copied, in the run and in its repetition.
#[test]
fn replay_holds_where_the_record_lies_in_the_folder() {
    let folder = project();
    for work in ["ls -a", "ls -a src"] {
        let flags = ["run", "--quiet", "--deterministic", "5", "--audit", "e.jsonl", "--"];
        let ended = folder.playpen(flags).args(["sh", "-c", work]).run();
        assert!(!ended.out().contains("e.jsonl"), "{ended:?}");
        let replayed = folder.playpen(["replay", "-n", "2", "e.jsonl"]).run();
        assert_eq!(replayed.code, 0, "{replayed:?}");
    }
}

/// Who waits by looking again and again does not hold the others up, and sleeping takes no time.
#[test]
fn processes_that_wait_for_each_other_get_on() {
    let folder = project();
    let scripts = [
        "(sleep 0.2; echo slept > done) & while [ ! -e done ]; do :; done; cat done",
        "python -c \"
import os, subprocess, sys, time
child = subprocess.Popen([sys.executable, '-c', 'open(chr(102), chr(119)).write(chr(120))'])
while not os.path.exists('f'): pass
while child.poll() is None: pass
print(child.returncode)\"",
        "yes | head -n 3; seq 1 100000 | sort -rn | tail -n 1; sleep 1 & wait; echo over",
    ];
    for script in scripts {
        let first = hashes(&folder, "1", &["sh", "-c", script]);
        assert!(!first.2.is_empty(), "{script}");
        assert_eq!(first, hashes(&folder, "1", &["sh", "-c", script]), "{script}");
    }
}

#[test]
fn replay_repeats_a_run_and_names_the_first_difference() {
    let folder = project();
    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("e.jsonl").to_str().unwrap().to_owned();
    let work = "cat; python -c 'import random; print(random.random())' > out; ls";
    let flags = [
        "run",
        "--quiet",
        "--deterministic",
        "3",
        "-e",
        "A=b",
        "--audit",
        &path,
        "--",
        "sh",
        "-c",
        work,
    ];
    folder.playpen(flags).stdin("input\n").run();
    let replayed = playpen(["replay", "-n", "2", &path]).run();
    assert_eq!(replayed.code, 0, "{replayed:?}");
    assert!(replayed.out().starts_with("same: "), "{replayed:?}");
    fs_err::write(folder.join("src/a.py"), "x = 2\n").unwrap();
    let replayed = playpen(["replay", &path]).run();
    assert_eq!(replayed.code, 1, "{replayed:?}");
    assert!(replayed.out().contains("is not any more what was copied"), "{replayed:?}");
    let flags = ["run", "--quiet", "--audit", &path, "--", "true"];
    folder.playpen(flags).run();
    let replayed = playpen(["replay", &path]).run();
    assert_eq!(replayed.code, 3, "{replayed:?}");
    assert!(replayed.err().contains("hint: `playpen run --deterministic SEED"), "{replayed:?}");
}

const WAITS_IN_A_LOOP: &str = r"
import threading, time
found, turns = [], 0
def work():
    time.sleep(0.02)
    found.append(time.monotonic())
thread = threading.Thread(target=work)
thread.start()
while not found:
    turns += 1
thread.join()
print(found, turns)
";

#[test]
fn a_thread_that_waits_in_a_loop_lets_others_go_on() {
    let folder = folder().file("loops.py", WAITS_IN_A_LOOP);
    let run = || {
        folder.playpen(["run", "--quiet", "--deterministic", "5", "--", "python", "loops.py"]).run()
    };
    let first = run();
    assert!(first.code == 0 && first.out().starts_with('['), "{first:?}");
    assert_eq!(run().out(), first.out());
}
