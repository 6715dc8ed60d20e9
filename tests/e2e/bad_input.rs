//! Bad input: a clear error that names what is wrong, the documented exit code, and nothing lost.

use crate::{folder, playpen};
use playpen_e2e::program::Ended;
use std::{net::TcpListener, time::Duration};

/// Checks the exit code, that stderr says `message`, and that nothing is on stdout.
#[track_caller]
fn check(ended: &Ended, code: i32, message: &str) {
    assert_eq!(ended.code, code, "{ended:?}");
    assert!(ended.err().contains(message), "no `{message}` in {ended:?}");
    assert_eq!(ended.out(), "", "{ended:?}");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let table: &[(&[&str], &str)] = &[
        (&[], "Usage:"),
        (&["frob"], "unrecognized subcommand 'frob'"),
        (&["run"], "required arguments were not provided"),
        (&["run", "--frob", "--", "true"], "--frob"),
        (&["run", "--wall", "soon", "--", "true"], "`soon` is not a duration"),
        (&["run", "--wall", "0", "--", "true"], "no time"),
        (&["run", "--mem", "lots", "--", "true"], "`lots` is not a size"),
        (&["run", "--mount", "/a", "--", "true"], "not of the form GUEST=HOST"),
        (&["run", "--mount", "a=b", "--", "true"], "is not absolute"),
        (&["run", "--mount", "/a/../b=c", "--", "true"], "contains `.` or `..`"),
        (&["run", "--env", "NOVALUE", "--", "true"], "not of the form NAME=VALUE"),
        (&["--quiet", "--verbose", "doctor"], "cannot be used with"),
        (&["run", "--cwd", "sub", "--", "true"], "is not absolute"),
        (&["propose", "--num-projects", "many"], "invalid value 'many'"),
        (&["propose", "--num-projects", "many"], "write a whole number"),
        (&["audit", "show", "--op", "chop", "log"], "unknown operation `chop`"),
        (
            &["export", "run", "--format", "atif", "--output", "out", "--role", "cook"],
            "no such role",
        ),
        (&["rollout"], "--repo-path"),
        (&["mock-model"], "--script"),
    ];
    for (args, message) in table {
        check(&playpen(args.iter().copied()).run(), 2, message);
    }
}

#[test]
fn a_missing_or_unreadable_folder_is_named() {
    let folder = folder().file("file", "");
    let mount = |spec: &str| folder.playpen(["run", "--mount", spec, "--", "true"]).run();
    check(&mount("/a=missing"), 3, "`missing`");
    check(&mount("/a=file"), 3, "`file`");
    check(&mount("/a=.:rx"), 3, "the rights are `:ro`, `:rw` and `:cow`");
    let args = ["rollout", "--repo-path", "missing", "--runtime-folder", "out", "--model", "m"];
    let program = folder.playpen(args).env("OPENAI_API_KEY", "k");
    check(&program.run(), 3, "`missing");
    let args = ["run", "--image", "missing", "--", "true"];
    check(&folder.playpen(args).run(), 3, "missing");
}

#[test]
fn a_start_that_is_no_folder_is_refused() {
    let folder = folder().file("sub/file", "");
    let start = |cwd: &str| folder.playpen(["run", "--quiet", "--cwd", cwd, "--", "pwd"]).run();
    for there in ["/workspace/sub", "/", "/usr/bin"] {
        assert_eq!(start(there).out(), format!("{there}\n"));
    }
    for no_folder in ["/missing", "/workspace/sub/file", "/workspace/sub/missing"] {
        check(&start(no_folder), 3, &format!("there is no folder `{no_folder}`"));
    }
}

#[test]
fn nothing_is_left_of_an_export_or_a_search_that_fails() {
    let folder = folder().file("red/test_m.py", "def test_f():\n    assert 1 == 2\n");
    let export = |args: &[&str]| folder.playpen(["export"]).args(args).run();
    check(&export(&["missing", "--format", "atif", "--output", "out"]), 3, "hint: name the folder");
    let args = ["variant", "procedural", "--repo-path", "red", "-n", "1", "--output", "out"];
    check(&folder.playpen(args).run(), 3, "`test_m.py::test_f`: it does not pass");
    assert!(!folder.join("out").exists());
    let folder = folder.file("out/instances.jsonl", "");
    check(&folder.playpen(args).run(), 3, "has a data set in it already");
}

#[test]
fn a_socket_in_the_workspace_is_named_not_opened() {
    let folder = folder();
    let _socket = std::os::unix::net::UnixListener::bind(folder.join("socket")).unwrap();
    check(&folder.playpen(["run", "--", "true"]).run(), 3, "`socket`");
}

#[test]
fn a_home_that_cannot_be_written_is_named() {
    let ended = playpen(["image", "build", "--home", "/proc/nowhere"]).run();
    check(&ended, 3, "/proc/nowhere");
}

#[test]
fn an_audit_file_that_cannot_be_made_is_an_error_before_anything_runs() {
    let folder = folder();
    let args =
        ["run", "--audit", "missing/events.jsonl", "--mount", "/w=.:rw", "--", "touch", "/w/x"];
    check(&folder.playpen(args).run(), 3, "missing/events.jsonl");
    assert!(!folder.join("x").exists());
}

#[test]
fn a_full_disk_behind_the_audit_record_is_an_error() {
    let ended = folder().playpen(["run", "--quiet", "--audit", "/dev/full", "--", "true"]).run();
    check(&ended, 3, "failed to write the audit file");
}

#[test]
fn a_project_that_is_not_json_is_named_and_kept() {
    let folder = folder().file("out/repo/project.json", "{ not json");
    let args = ["propose", "tasks", "--model", "m", "--output", "out"];
    check(&folder.playpen(args).env("OPENAI_API_KEY", "k").run(), 3, "out/repo/project.json`");
    assert_eq!(folder.read("out/repo/project.json"), "{ not json");
}

#[test]
fn tasks_that_are_not_json_are_named_and_kept() {
    let folder = folder().file("repo/tasks.json", "{ not json").file("repo/project.json", "{}");
    let args = ["rollout", "--repo-path", "repo", "--runtime-folder", "out", "--model", "m"];
    let ended = folder.playpen(args).env("OPENAI_API_KEY", "k").run();
    check(&ended, 3, "tasks.json");
    assert_eq!(folder.read("repo/tasks.json"), "{ not json");
    assert!(!folder.join("out").exists());
}

#[test]
fn a_key_is_asked_for_and_never_printed() {
    let folder = folder();
    let args = ["propose", "--model", "m", "--output", "out"];
    let ended = folder.playpen(args).run();
    check(&ended, 3, "`OPENAI_API_KEY` is not set");
    assert!(ended.err().contains("hint: "), "{ended:?}");
    let program = folder.playpen(["doctor"]).env("OPENAI_API_KEY", "sk-do-not-show");
    assert!(!format!("{:?}", program.run()).contains("sk-do-not-show"));
}

#[test]
fn an_unreachable_endpoint_is_named() {
    // A port that was free a moment ago and that nobody listens on.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("http://127.0.0.1:{port}/v1");
    let folder = folder();
    let program = folder
        .playpen(["propose", "--model", "m", "--output", "out", "--max-retries", "0"])
        .env("OPENAI_API_KEY", "k")
        .env("OPENAI_BASE_URL", &url);
    check(&program.run(), 3, &format!("127.0.0.1:{port}"));
}

#[test]
fn a_refused_key_is_said_at_once_without_retries() {
    let folder = folder();
    let url = answer_with(
        "HTTP/1.1 401 Unauthorized\r\nContent-Length: 35\r\n\r\n{\"error\":{\"message\":\"wrong key: k\"}}",
    );
    let args = ["propose", "--model", "m", "--output", "out"];
    let program = folder.playpen(args).env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", &url);
    let ended = program.deadline(Duration::from_secs(20)).run();
    check(&ended, 3, "401");
    assert!(ended.err().contains("hint: "), "{ended:?}");
}

#[test]
fn a_model_that_answers_nonsense_is_an_error_with_an_excerpt() {
    let folder = folder();
    let url = answer_with("HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\nhello there");
    let args = ["propose", "--model", "m", "--output", "out", "--max-retries", "0"];
    let program = folder.playpen(args).env("OPENAI_API_KEY", "k").env("OPENAI_BASE_URL", &url);
    check(&program.run(), 3, "hello there");
}

#[test]
fn a_script_that_is_not_one_is_named_with_its_line() {
    let folder = folder().file("script.yaml", "entries: [unclosed");
    let ended = folder.playpen(["mock-model", "--script", "script.yaml"]).run();
    check(&ended, 3, "script.yaml");
}

/// Answers every request with `response`; returns the address to use as base URL.
fn answer_with(response: &'static str) -> String {
    use std::io::{Read as _, Write as _};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let mut request = vec![0; 1 << 16];
            // One read is enough to be asked; the rest of a long request is not looked at.
            let _asked = stream.read(&mut request);
            let _answered = stream.write_all(response.as_bytes());
        }
    });
    format!("http://127.0.0.1:{port}/v1")
}
