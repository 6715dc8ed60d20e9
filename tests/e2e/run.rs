//! `playpen run`: mounts, changes, results and exit codes.

use crate::{PLAYPEN, folder, playpen};
use playpen_e2e::program::Program;
use std::time::Duration;

/// Every kind of plumbing that a shell has, in one line; `yes | head` ends because the pipe closes.
const PLUMBING: &str = r#"for i in 1 2 3; do echo $i; done | sort -r | head -1; tr a-z A-Z <<< "here $(echo sub)"; yes | head -2; false || echo rc=$?; ls nope 2>&1 | cat; echo "${PIPESTATUS[@]}""#;

#[test]
fn plumbing_prints_what_bash_prints() {
    let folder = folder();
    let expected = Program::new("bash").args(["-c", PLUMBING]).cwd(folder.path()).run();
    let found = folder.run(&["sh", "-c", PLUMBING]);
    assert_eq!(found.out(), expected.out());
    assert_eq!(found.code, expected.code);
    assert_eq!(found.err(), "");
}

#[test]
fn current_directory_is_the_workspace() {
    let folder = folder().file("a.txt", "content\n");
    let ended = folder.run(&["sh", "-c", "pwd; cat a.txt"]);
    assert_eq!(ended.out(), "/workspace\ncontent\n");
}

#[test]
fn changes_are_shown_and_thrown_away() {
    let folder = folder().file("a.txt", "one\ntwo\n");
    let script = "sed -i s/two/2/ a.txt; echo new > b.txt";
    let ended = folder.playpen(["run", "--", "sh", "-c", script]).run();
    insta::assert_snapshot!(ended.err(), @"
    --- a/a.txt
    +++ b/a.txt
    @@ -1,2 +1,2 @@
     one
    -two
    +2
    --- /dev/null
    +++ b/b.txt
    @@ -0,0 +1 @@
    +new
    playpen: 2 changed paths thrown away (no --apply)
    ");
    assert_eq!(folder.read("a.txt"), "one\ntwo\n");
    assert!(!folder.join("b.txt").exists());
}

#[test]
fn apply_writes_back_what_changed_and_nothing_else() {
    let folder = folder().file("a.txt", "one\n").file("keep.txt", "kept\n").file("gone", "");
    let before = fs_err::metadata(folder.join("keep.txt")).unwrap().modified().unwrap();
    let script = "echo two >> a.txt; mkdir -p d/e; echo new > d/e/f; rm gone; chmod 755 a.txt";
    let ended = folder.playpen(["run", "--apply", "--", "sh", "-c", script]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert_eq!(folder.read("a.txt"), "one\ntwo\n");
    assert_eq!(folder.read("d/e/f"), "new\n");
    assert!(!folder.join("gone").exists());
    let after = fs_err::metadata(folder.join("keep.txt")).unwrap().modified().unwrap();
    assert_eq!(before, after);
}

#[test]
fn apply_refuses_a_file_that_changed_meanwhile() {
    let folder = folder().file("a.txt", "one\n").file("b.txt", "one\n");
    let script = "echo two > a.txt; echo two > b.txt; sleep 2";
    let program = folder.playpen(["run", "--quiet", "--apply", "--", "sh", "-c", script]);
    let path = folder.join("a.txt");
    let meanwhile = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(1500));
        fs_err::write(path, "by another\n").unwrap();
    });
    let ended = program.run();
    meanwhile.join().unwrap();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err().contains("a.txt`"), "{ended:?}");
    assert!(!ended.err().contains("b.txt`"), "{ended:?}");
    assert_eq!(folder.read("a.txt"), "by another\n");
    assert_eq!(folder.read("b.txt"), "one\n");
}

/// What the command did not see is neither written over nor removed, and then nothing is written.
#[test]
fn apply_keeps_what_the_command_did_not_see() {
    let cases = [
        ("ln -sfn /other link", "rm link; mkdir link; echo precious > link/f"),
        ("rm link", "rm link; mkdir link; echo precious > link/f"),
        ("rm link", "ln -sfn /precious link"),
        ("rm -r data; echo x > data", "echo precious > data/f"),
        ("echo n > data/n; rm a.txt", "rm -r data; echo precious > f"),
        ("echo n > new", "echo precious > new"),
    ];
    for (inside, outside) in cases {
        let folder = folder().file("a.txt", "one\n").file("data/d", "");
        let shell = |script: &str| {
            Program::new("bash").args(["-c", script]).cwd(folder.path()).run();
        };
        shell("ln -s /nowhere link");
        let script = format!("{inside}; echo changed >> a.txt; sleep 2");
        let program = folder.playpen(["run", "--quiet", "--apply", "--", "sh", "-c", &script]);
        let running = std::thread::spawn(move || program.run());
        std::thread::sleep(Duration::from_millis(1500));
        shell(outside);
        let ended = running.join().unwrap();
        assert_eq!(ended.code, 3, "{inside}: {ended:?}");
        assert!(ended.err().contains("changed on the host"), "{inside}: {ended:?}");
        assert_eq!(folder.read("a.txt"), "one\n", "{inside}");
        let kept = Program::new("bash").args(["-c", "cat link/f data/f f new; readlink link"]);
        let kept = kept.cwd(folder.path()).run();
        assert!(kept.out().contains("precious"), "{inside}: {kept:?}");
    }
}

/// What was left out of the copy stays as it is, and that is said.
#[test]
fn apply_leaves_alone_what_was_left_out() {
    let folder = folder()
        .file(".playpenignore", "target\n*.log\n")
        .file("target/t", "host\n")
        .file("a.log", "host\n")
        .file("data/skipped/f", "host\n");
    let script = "mkdir target; echo guest > target/t; echo guest > a.log; echo guest > b; mkdir -p x/target; echo 1 > x/target/t";
    let args = ["run", "--apply", "--skip", "skipped", "--", "sh", "-c"];
    let ended = folder.playpen(args).args([script]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let read = ["target/t", "a.log", "b", "x/target/t"].map(|path| folder.read(path));
    assert_eq!(read, ["host\n", "host\n", "guest\n", "1\n"]);
    assert!(ended.err().contains("left out of the copy: `a.log`, `target`"), "{ended:?}");
    let ended = folder.playpen(args).args(["rm -r data; echo file > data"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert_eq!(folder.read("data/skipped/f"), "host\n");
}

#[test]
fn mounts_are_read_only_read_write_or_copied() {
    let folder = folder()
        .file("ro/f", "ro\n")
        .file("ro/in/g", "")
        .file("rw/f", "rw\n")
        .file("cow/f", "cow\n");
    let args = ["run", "--quiet", "--mount", "/ro=ro:ro", "--mount", "/rw=rw:rw", "--mount"];
    let script = "cd /; for d in ro rw cow; do echo changed > $d/f || echo $d refused; done; ls -R ro rw; find cow";
    let program = folder.playpen(args).args(["/cow=cow:cow", "--", "sh", "-c", script]);
    let ended = program.run();
    let listed = "ro refused\nro:\nf\nin\n\nro/in:\ng\n\nrw:\nf\ncow\ncow/f\n";
    assert_eq!(ended.out(), listed, "{ended:?}");
    assert_eq!(folder.read("ro/f"), "ro\n");
    assert_eq!(folder.read("rw/f"), "changed\n");
    assert_eq!(folder.read("cow/f"), "cow\n");
}

#[test]
fn names_can_be_left_out_of_a_copy() {
    let folder = folder().file("target/big", "x").file("sub/target/big", "x").file("a", "");
    let ended = folder.playpen(["run", "--quiet", "--skip", "target", "--", "find"]).run();
    assert_eq!(ended.out(), ".\n./a\n./sub\n", "{ended:?}");
}

#[test]
fn exit_codes_are_the_commands_own() {
    let folder = folder();
    for code in [0, 1, 42, 126, 127, 128, 200, 255] {
        let ended = folder.run(&["sh", "-c", &format!("exit {code}")]);
        assert_eq!(ended.code, code, "{ended:?}");
    }
    assert_eq!(folder.run(&["no-such-program"]).code, 127);
}

#[test]
fn standard_input_is_passed_on() {
    let folder = folder();
    let lines: Vec<String> = (0..50_000).map(|n| n.to_string()).collect();
    let input = lines.join("\n");
    let ended = folder.playpen(["run", "--quiet", "--", "sort", "-rn"]).stdin(input).run();
    assert!(ended.out().starts_with("49999\n49998\n"), "{}", ended.err());
    assert_eq!(ended.out().lines().count(), 50_000);
}

#[test]
fn an_input_that_is_never_closed_does_not_hold_a_command_that_does_not_read_it() {
    let folder = folder();
    let program = folder.playpen(["run", "--quiet", "--", "echo", "done"]);
    let ended = program.stdin_held_open().deadline(Duration::from_secs(20)).run();
    assert_eq!(ended.out(), "done\n");
}

#[test]
fn variables_and_folder_are_set_and_the_hosts_are_not_seen() {
    let folder = folder().file("sub/x", "");
    let args = ["run", "--quiet", "--env", "A=b c", "--cwd", "/workspace/sub", "--", "sh", "-c"];
    let program = folder.playpen(args).args(["echo \"$A|$SECRET\"; pwd; ls"]).env("SECRET", "s");
    assert_eq!(program.run().out(), "b c|\n/workspace/sub\nx\n");
}

#[test]
fn the_result_as_json() {
    let folder = folder().file("a", "1\n");
    let result = folder.run_json(&[], &["sh", "-c", "echo out; echo err >&2; rm a; exit 3"]);
    assert_eq!(result["exit"], serde_json::json!({"kind": "code", "code": 3}));
    assert_eq!(result["code"], 3);
    assert_eq!(result["stdout"], "out\n");
    assert_eq!(result["stderr"], "err\n");
    assert_eq!(result["applied"], false);
    let changes = serde_json::json!([{"path": "/workspace/a", "kind": "removed"}]);
    assert_eq!(result["changes"], changes);
    assert!(result["usage"]["wall_us"].as_u64().unwrap() > 0);
}

#[test]
fn output_appears_while_the_command_runs() {
    let script = format!("{PLAYPEN} run --quiet -- sh -c 'echo first; sleep 12' | head -n 1");
    let folder = folder();
    let shell = Program::new("bash").args(["-c", &format!("timeout 8 bash -c \"{script}\"")]);
    let ended = shell.cwd(folder.path()).run();
    assert_eq!(ended.out(), "first\n");
}

#[test]
fn an_interrupted_command_ends_at_once_with_130() {
    let folder = folder();
    let args = ["--preserve-status", "-s", "INT", "2", PLAYPEN, "run", "--", "sleep", "60"];
    let ended = Program::new("timeout").args(args).cwd(folder.path()).run();
    assert_eq!(ended.code, 130, "{ended:?}");
    assert!(ended.took < Duration::from_secs(8), "{ended:?}");
}

#[test]
fn a_reader_that_left_is_not_an_error() {
    let folder = folder();
    let script = format!("{PLAYPEN} doctor | head -n 1; echo ${{PIPESTATUS[0]}}");
    let ended = Program::new("bash").args(["-c", &script]).cwd(folder.path()).run();
    assert!(ended.out().ends_with("\n0\n"), "{ended:?}");
    assert_eq!(ended.err(), "");
}

#[test]
fn a_command_whose_output_nobody_reads_is_ended_as_by_a_pipe() {
    let folder = folder();
    let script = format!("{PLAYPEN} run -- yes | head -n 2; echo ${{PIPESTATUS[0]}}");
    let ended = Program::new("bash").args(["-c", &script]).cwd(folder.path()).run();
    assert_eq!(ended.out(), "y\ny\n141\n");
    assert_eq!(ended.err(), "");
}

#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let script = format!("{PLAYPEN} doctor > /dev/full");
    let ended = Program::new("bash").args(["-c", &script]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err().contains("No space left on device"), "{ended:?}");
}

#[test]
fn the_audit_record_lists_reads_writes_and_programs() {
    let folder = folder().file("in.txt", "x\n");
    let args = ["run", "--quiet", "--audit", "events.jsonl", "--", "sh", "-c"];
    let ended = folder.playpen(args).args(["cat in.txt > out.txt"]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let events: Vec<serde_json::Value> = folder
        .read("events.jsonl")
        .lines()
        .filter(|line| line.starts_with("{\"seq\""))
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let has = |op: &str, path: &str| {
        events.iter().any(|event| event["op"] == op && event["resolved"] == path)
    };
    assert!(has("open_read", "/workspace/in.txt"), "{events:#?}");
    assert!(has("open_write", "/workspace/out.txt"), "{events:#?}");
    assert!(events.iter().any(|event| event["op"] == "spawn"), "{events:#?}");
    assert!(events.iter().zip(0..).all(|(event, n)| event["seq"] == n), "gaps in {events:#?}");
}

#[test]
fn help_of_every_command_starts_with_what_it_does() {
    let commands = [
        "run",
        "audit",
        "policy",
        "replay",
        "doctor",
        "image",
        "propose",
        "rollout",
        "mock-model",
        "demo",
        "bench",
    ];
    for command in commands {
        let ended = playpen([command, "--help"]).run();
        assert_eq!(ended.code, 0, "{ended:?}");
        assert!(ended.out().contains("Usage: playpen"), "{ended:?}");
    }
}
