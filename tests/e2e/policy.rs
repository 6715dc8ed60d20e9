//! Policies: what is written in a file holds in the sandbox, under every name.

use crate::{folder, playpen};
use playpen_e2e::folder::Folder;
use playpen_e2e::program::Ended;
use serde_json::Value;

const POLICY: &str = r#"
version = 1

[[rule]]
paths = ["src/**"]
allow = "read"

[[rule]]
paths = ["src/gen/**"]
allow = "write"

[[rule]]
paths = ["**/.env", "secret/**"]
allow = "none"

[[tripwire]]
paths = ["tests/hidden/**"]

[[tripwire]]
paths = ["keys/**"]
action = "deny"
"#;

fn project() -> Folder {
    folder()
        .file("policy.toml", POLICY)
        .file("src/a.py", "x = 1\n")
        .file("src/gen/g.py", "")
        .file(".env", "TOKEN=1\n")
        .file("secret/s.txt", "hush\n")
        .file("secret/deep/s.txt", "hush\n")
        .file("tests/hidden/test_x.py", "hush\n")
        .file("keys/k", "hush\n")
}

fn run(folder: &Folder, command: &str) -> (Ended, Vec<Value>) {
    let audit = tempfile::NamedTempFile::new().unwrap();
    let path = audit.path().to_str().unwrap();
    let flags = ["run", "--quiet", "--policy", "policy.toml", "--audit", path, "--", "sh", "-c"];
    let ended = folder.playpen(flags).args([command]).run();
    let text = fs_err::read_to_string(path).unwrap();
    let events = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    (
        ended,
        events.filter(|event| event["decision"] == "denied" || event["flagged"] == true).collect(),
    )
}

/// TM-PATH-1: no way around a rule by another name.
#[test]
fn a_rule_holds_for_the_node_under_every_name() {
    let folder = project();
    let ways = [
        "cat secret/s.txt",
        "cat src/../secret/./s.txt",
        "ln -s secret l; cat l/s.txt",
        "ln -s secret/s.txt l; cat l",
        "ln secret/s.txt h; cat h",
        "mv secret/s.txt m; cat m",
        "mv secret m; cat m/s.txt",
        "mkdir d; mv secret d/; cat d/secret/s.txt",
        "cp -r secret c; cat c/s.txt",
        "cd secret && cat s.txt",
        "cat < secret/s.txt",
        "exec 5< secret/s.txt; cat /proc/self/fd/5; cat /dev/fd/5",
        "tar cf - secret | cat",
        "grep -r hush secret",
        "python -c \"print(open('/workspace/secret/s.txt').read())\"",
        "python -c \"import os; os.chdir('secret'); print(open('s.txt').read())\"",
        "python -c \"import os; d = os.open('.', os.O_RDONLY); print(os.read(os.open('secret/s.txt', os.O_RDONLY, dir_fd=d), 9))\"",
        "cat .env",
        "cat keys/k",
    ];
    for way in ways {
        let (ended, told) = run(&folder, way);
        assert!(
            !ended.out().contains("hush") && !ended.out().contains("TOKEN"),
            "{way}: {ended:?}"
        );
        let denied = told.iter().filter(|event| event["decision"] == "denied");
        assert!(denied.clone().any(|event| event["rule"].is_string()), "{way}: {told:?}");
    }
}

#[test]
fn the_last_rule_that_matches_decides_and_none_widens() {
    let folder = project();
    let (ended, told) = run(&folder, "echo 1 > src/gen/new && echo 2 > other && echo 3 > src/new");
    assert_ne!(ended.code, 0);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0]["resolved"], "/workspace/src/new");
    assert_eq!(told[0]["rule"], "rule read-only /workspace/src/**");
}

/// A tripwire lets the access pass and follows the node.
#[test]
fn a_tripwire_flags_a_node_under_every_later_name() {
    let folder = project();
    for way in [
        "cat tests/hidden/test_x.py",
        "mv tests/hidden/test_x.py a; cat a",
        "mv tests t; cat t/hidden/test_x.py",
        "ln tests/hidden/test_x.py a; cat a",
        "ln -s tests/hidden h; cat h/test_x.py",
    ] {
        let (ended, told) = run(&folder, way);
        assert_eq!(ended.out(), "hush\n", "{way}: {ended:?}");
        let is_open = |event: &&Value| event["op"] == "open_read" && event["kind"] == "file";
        let opened: Vec<&Value> = told.iter().filter(is_open).collect();
        assert!(!opened.is_empty(), "{way}: {told:?}");
        assert!(
            opened.iter().all(|event| event["flagged"] == true && event["decision"] == "allowed"),
            "{way}"
        );
    }
    let (_, told) = run(&folder, "cat src/a.py; ls src");
    assert!(told.is_empty(), "{told:?}");
    let (_, told) = run(&folder, "cat keys/k");
    assert!(told.iter().any(|event| event["flagged"] == true && event["decision"] == "denied"));
}

#[test]
fn only_allowed_tools_start_under_whatever_name() {
    let folder = folder()
        .file("policy.toml", "version = 1\ntools.allow = [\"sh\", \"cat\", \"cp\", \"echo\"]\n")
        .file("a", "1\n");
    let (ended, told) = run(&folder, "cat a; python -c 1 || echo refused");
    assert_eq!(ended.out(), "1\nrefused\n", "{ended:?}");
    assert!(
        told.iter().any(|event| event["op"] == "spawn" && event["rule"] == "tools without python"),
        "{told:?}"
    );
    for way in [
        "cp /usr/bin/python cat; ./cat -c 'print(1)'",
        "(exec -a cat python -c 'print(1)')",
        "(exec -a python cat a)",
    ] {
        let (ended, told) = run(&folder, way);
        let denied =
            told.iter().any(|event| event["decision"] == "denied" && event["op"] == "spawn");
        assert!(denied || !ended.out().contains('1'), "{way}: {ended:?} {told:?}");
    }
}

#[test]
fn what_is_wrong_with_a_policy_is_said_with_its_line() {
    let folder = folder().file("policy.toml", "version = 1\n\n[limits]\nmemry = \"1M\"\n");
    let ended = folder.playpen(["policy", "check"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(
        ended.err().contains("`policy.toml` line 4: there is no key `memry` here"),
        "{ended:?}"
    );
    assert!(ended.err().contains("hint: did you mean `memory`?"), "{ended:?}");
    let ended = folder.playpen(["run", "--policy", "policy.toml", "--", "true"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    let schema: Value = playpen(["policy", "check", "--schema"]).run().json();
    assert_eq!(schema["title"], "A playpen policy, version 1");
}

#[test]
fn explain_says_what_decides_on_the_node() {
    let folder = project().link("alias", "secret");
    let ended = folder.playpen(["policy", "explain", "alias/s.txt"]).run();
    assert_eq!(ended.code, 1, "{ended:?}");
    assert!(
        ended.out().starts_with("/workspace/alias/s.txt -> /workspace/secret/s.txt\n"),
        "{ended:?}"
    );
    assert!(
        ended.out().contains(
            "read: denied by mount /workspace read-write, rule denied /workspace/secret/**"
        ),
        "{ended:?}"
    );
    let answer = folder.playpen(["--json", "policy", "explain", "src/a.py"]).run();
    assert_eq!(answer.code, 0);
    assert_eq!(
        (&answer.json()["read"]["allowed"], &answer.json()["write"]["allowed"]),
        (&true.into(), &false.into())
    );
}

#[test]
fn a_learned_policy_lets_the_run_pass_and_nothing_else() {
    let folder = folder()
        .file("src/a.py", "import b\nprint(b.x)\n")
        .file("src/b.py", "x = 1\n")
        .file("other.txt", "1\n");
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let work = "python src/a.py > out.txt; ls src; cat out.txt | sort; rm -f none";
    folder.playpen(["run", "--quiet", "--audit", &path("e.jsonl"), "--", "sh", "-c", work]).run();
    let learned = folder.playpen(["policy", "learn", &path("e.jsonl")]).run();
    assert_eq!(learned.code, 0, "{learned:?}");
    fs_err::write(scratch.path().join("p.toml"), learned.out()).unwrap();
    let again = |work: &str| {
        folder
            .playpen(["run", "--json", "--policy", &path("p.toml"), "--", "sh", "-c", work])
            .run()
            .json()
    };
    let passed = again(work);
    assert_eq!(
        (&passed["n_denied"], &passed["code"]),
        (&0.into(), &0.into()),
        "{passed}\n{}",
        learned.out()
    );
    assert!(passed["stdout"].as_str().unwrap().ends_with("1\n"), "{passed}");
    let socket = "python -c 'import socket; socket.socket()'";
    for other in ["cat other.txt", "echo 1 > src/a.py", "echo 1 > new.txt", "head src/a.py", socket]
    {
        let refused = again(other);
        assert_ne!(refused["code"], 0, "{other}: {refused}");
    }
}

/// What was denied is denied again: the run goes the same way.
#[test]
fn a_learned_policy_allows_nothing_that_was_denied() {
    let folder = folder()
        .file("p.toml", "version = 1\n[[rule]]\npaths = [\"secret/\"]\nallow = \"none\"\n")
        .file("secret/x", "secret\n");
    let scratch = tempfile::tempdir().unwrap();
    let path = |name: &str| scratch.path().join(name).to_str().unwrap().to_owned();
    let work = "cat secret/x || echo refused";
    let run = |policy: &str, log: &str| {
        let args = ["run", "--quiet", "--audit", log, "--policy", policy, "--", "sh", "-c", work];
        folder.playpen(args).run().out()
    };
    assert_eq!(run("p.toml", &path("e.jsonl")), "refused\n");
    let learned = folder.playpen(["policy", "learn", &path("e.jsonl")]).run();
    fs_err::write(scratch.path().join("p.toml"), learned.out()).unwrap();
    assert_eq!(run(&path("p.toml"), &path("f.jsonl")), "refused\n", "{}", learned.out());
}

/// Patterns that look as if they guarded something do.
#[test]
fn a_rule_may_name_a_folder_in_any_way() {
    let folder = folder().file("secret/x", "secret\n").file("p.toml", "");
    for pattern in ["secret", "secret/", "./secret/x", "secret//**", "/w[1]/secret/**", "s*"] {
        let pattern = pattern.replace("/w[1]", "/w\\\\[1\\\\]");
        let policy = format!(
            "version = 1\n[[mount]]\npath = \"/w[1]\"\nfrom = \".\"\n[[rule]]\npaths = [\"{pattern}\"]\nallow = \"none\"\n"
        );
        fs_err::write(folder.join("p.toml"), policy).unwrap();
        let ended =
            folder.playpen(["run", "--quiet", "--policy", "p.toml", "--", "cat", "secret/x"]).run();
        assert_eq!((ended.code, ended.out()), (1, String::new()), "{pattern}: {ended:?}");
    }
    let nested = format!("paths = [\"{}a{}\"]", "{".repeat(1000), "}".repeat(1000));
    fs_err::write(
        folder.join("p.toml"),
        format!("version = 1\n[[rule]]\n{nested}\nallow = \"none\"\n"),
    )
    .unwrap();
    let checked = folder.playpen(["policy", "check", "p.toml"]).run();
    assert_eq!(checked.code, 3, "{checked:?}");
    assert!(checked.err().contains("braces within each other"), "{checked:?}");
}

#[test]
fn a_tripwire_below_a_folder_that_moves_is_met() {
    let folder = folder()
        .file("a/hidden/x", "1\n")
        .file("p.toml", "version = 1\n[[tripwire]]\npaths = [\"a/hidden\"]\naction = \"flag\"\n");
    let log = tempfile::NamedTempFile::new().unwrap();
    let path = log.path().to_str().unwrap();
    let args = ["run", "--quiet", "--audit", path, "--policy", "p.toml", "--", "mv", "a", "b"];
    assert_eq!(folder.playpen(args).run().code, 0);
    let denied = playpen(["audit", "denied", path]).run();
    assert_eq!(denied.code, 0, "{denied:?}");
    assert!(denied.out().contains("rename"), "{denied:?}");
}

#[test]
fn redacted_paths_and_arguments_are_not_in_the_record() {
    let folder = folder()
        .file(
            "policy.toml",
            "version = 1\n[audit]\nredact = [\"private/**\"]\nredact_arguments = true\n",
        )
        .file("private/name.txt", "1\n");
    let audit = tempfile::NamedTempFile::new().unwrap();
    let path = audit.path().to_str().unwrap();
    folder
        .playpen([
            "run",
            "--quiet",
            "--policy",
            "policy.toml",
            "--audit",
            path,
            "--",
            "sh",
            "-c",
            "cat private/name.txt; ls private/no/name.txt; ln -s private/name.txt src; sh private/name.txt/name.txt",
        ])
        .run();
    let text = fs_err::read_to_string(path).unwrap();
    let events: String = text.lines().filter(|line| line.starts_with("{\"seq\"")).collect();
    assert!(!events.contains("name.txt"), "{events}");
    assert!(events.contains("/redacted/"), "{events}");
    assert_eq!(playpen(["audit", "verify", path]).run().code, 0);
}
