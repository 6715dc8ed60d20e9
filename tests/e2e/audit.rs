//! The record of a run: complete, checkable, and good for proving what was never read.

use crate::{folder, playpen};
use playpen_e2e::{
    folder::Folder,
    program::{Ended, Program},
};
use serde_json::Value;

/// What must not be read.
const HIDDEN: &str = "assert 41 + 1 == 42  # hidden\n";

/// A folder with hidden tests, whose git history had them once, behind the commit at `HEAD`.
fn project() -> Folder {
    let folder = folder().file("src/a.py", "x = 1\n").file("tests/test_a.py", "assert True\n");
    let script = format!(
        "git init -q . && git add . && git {WHO} commit -qm base && mkdir tests/hidden \
         && printf '%s' \"$HIDDEN\" > tests/hidden/test_x.py && git add . && git {WHO} commit -qm hidden \
         && git reset -q --soft HEAD~1 && git reset -q && git gc -q --prune=never"
    );
    sh(&folder, &script);
    folder
}

const WHO: &str = "-c user.name=n -c user.email=e@example.org -c commit.gpgsign=false";

fn sh(folder: &Folder, script: &str) -> String {
    let program = Program::new("bash").args(["-c", script]).cwd(folder.path());
    let ended = program.env("HIDDEN", HIDDEN).env("GIT_CONFIG_NOSYSTEM", "1").run();
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out().trim().to_owned()
}

/// A log beside the folder, so that it is no part of what is copied.
struct Log(tempfile::TempDir);

impl Log {
    fn path(&self) -> String {
        self.0.path().join("events.jsonl").to_str().unwrap().to_owned()
    }

    fn text(&self) -> String {
        fs_err::read_to_string(self.path()).unwrap()
    }

    fn lines(&self) -> Vec<Value> {
        self.text().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn audit(&self, args: &[&str]) -> Ended {
        playpen(["audit"]).args(args).args([self.path()]).run()
    }
}

fn record(folder: &Folder, flags: &[&str], command: &[&str]) -> (Ended, Log) {
    let log = Log(tempfile::tempdir().unwrap());
    let path = log.path();
    let program = folder.playpen(["run", "--quiet", "--audit", &path]).args(flags);
    (program.args(["--"]).args(command).run(), log)
}

fn never_read(log: &Log) -> Ended {
    log.audit(&["never-read", "tests/hidden/**"])
}

#[test]
fn never_read_proves_it_for_a_run_that_works_beside_what_is_hidden() {
    let folder = project();
    sh(
        &folder,
        "rm -rf .git && git init -q . && git add src && git -c user.name=n -c user.email=e@x commit -qm base",
    );
    let work = "cat src/a.py; ls -l src tests; git log --oneline; git show HEAD:src/a.py; \
                echo 'y = 2' > src/b.py; python -c 'import src.b'; find src; cp -r src /tmp/s; \
                mv tests/test_a.py tests/test_b.py; sed -i s/x/z/ src/a.py; ls tests/hidden";
    let (ended, log) = record(&folder, &[], &["sh", "-c", work]);
    assert!(ended.out().contains("x = 1"), "{ended:?}");
    let answer = never_read(&log);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.out().starts_with("never read: `tests/hidden/**`, by "), "{answer:?}");
}

/// Each way to come by the hidden content, with the path of the node that was read.
#[test]
fn never_read_fails_on_every_way_to_read_and_lists_the_events() {
    let folder = project();
    let blob = sh(&folder, "git hash-object tests/hidden/test_x.py");
    let show = format!("git show {blob}");
    let read = "print(open('tests/hidden/test_x.py').read())";
    let fd = "import os; f = os.open('tests/hidden/test_x.py', os.O_RDONLY); print(open(f'/proc/self/fd/{f}').read())";
    let dev = "import os; f = os.open('tests/hidden/test_x.py', os.O_RDONLY); print(open(f'/dev/fd/{f}').read())";
    let pread = "import os; f = os.open('tests/hidden/test_x.py', os.O_RDONLY); print(os.pread(f, 99, 0), os.pread(f, 9, 4))";
    let update = "f = open('tests/hidden/test_x.py', 'r+'); print(f.read())";
    let cases: &[(&str, &[&str])] = &[
        ("/workspace/tests/hidden/test_x.py", &["python", "-c", read]),
        (
            "/workspace/tests/hidden/test_x.py",
            &["sh", "-c", "while read l; do echo \"$l\"; done < tests/hidden/test_x.py"],
        ),
        (".pack", &["sh", "-c", &show]),
        ("/workspace/src/h.py", &["sh", "-c", "ln tests/hidden/test_x.py src/h.py; cat src/h.py"]),
        (
            "/workspace/h.py",
            &["sh", "-c", "ln tests/hidden/test_x.py h.py; rm tests/hidden/test_x.py; cat h.py"],
        ),
        ("/workspace/src/h.py", &["sh", "-c", "mv tests/hidden/test_x.py src/h.py; cat src/h.py"]),
        ("/workspace/h/test_x.py", &["sh", "-c", "mv tests t; mv t/hidden h; cat h/test_x.py"]),
        (
            "/workspace/tests/hidden/test_x.py",
            &["sh", "-c", "ln -s tests t; ln -s t/hidden h; cat h/test_x.py"],
        ),
        ("/workspace/tests/hidden/test_x.py", &["python", "-c", fd]),
        ("/workspace/tests/hidden/test_x.py", &["python", "-c", dev]),
        (
            "/workspace/tests/hidden/test_x.py",
            &["sh", "-c", "tar cf /tmp/t.tar tests; cat /tmp/t.tar"],
        ),
        (
            "/workspace/tests/hidden/test_x.py",
            &["sh", "-c", "cp -r tests t; cat t/hidden/test_x.py"],
        ),
        ("/workspace/tests/hidden/test_x.py", &["python", "-c", pread]),
        ("/workspace/tests/hidden/test_x.py", &["python", "-c", update]),
        ("/workspace/tests/hidden/test_x.py", &["sh", "-c", "cd tests/hidden; grep -r hidden ."]),
    ];
    for (node, command) in cases {
        let (ended, log) = record(&folder, &[], command);
        assert!(ended.out().contains("hidden"), "{command:?} did not read it: {ended:?}");
        let answer = never_read(&log);
        assert_eq!(answer.code, 1, "{command:?}: {answer:?}");
        assert!(answer.out().contains(node), "{command:?}: {answer:?}");
    }
}

/// The paths of a question may be written in any way, and one that names nothing is told.
#[test]
fn a_question_may_name_a_path_in_any_way() {
    let folder = project();
    let (_, log) = record(&folder, &[], &["cat", "tests/hidden/test_x.py"]);
    for pattern in [
        "tests/hidden",
        "tests/hidden/",
        "./tests//hidden/test_x.py",
        "/workspace/./tests",
        ".",
        "/",
        "tests/*",
    ] {
        let answer = log.audit(&["never-read", pattern]);
        assert_eq!(answer.code, 1, "{pattern}: {answer:?}");
        assert_eq!(log.audit(&["who-read", pattern]).code, 0, "{pattern}");
    }
    for pattern in ["", "tests/../src"] {
        assert_eq!(log.audit(&["never-read", pattern]).code, 3, "{pattern}");
    }
    let answer = log.audit(&["never-read", "test/hidden/**"]);
    assert_eq!(answer.code, 0, "{answer:?}");
    assert!(answer.err().contains("no event names `test/hidden/**`"), "{answer:?}");
}

/// What a run starts from is no secret to the record, and what is redacted is no proof.
#[test]
fn never_read_knows_snapshots_scripts_and_what_is_redacted() {
    let folder = project();
    let home = tempfile::tempdir().unwrap();
    sh(
        &folder,
        "printf '#!/bin/echo %s\\n' leaked > tests/hidden/run.sh && chmod +x tests/hidden/run.sh",
    );
    let script = "import os; os.symlink('../tests/hidden/run.sh', 'src/z'); os.waitpid(os.posix_spawn('src/z', ['z'], os.environ), 0)";
    let (ended, log) = record(&folder, &[], &["python", "-c", script]);
    assert!(ended.out().contains("leaked"), "{ended:?}");
    assert_eq!(never_read(&log).code, 1);
    assert_eq!(log.audit(&["who-read", "tests/hidden/run.sh"]).code, 0);

    let name = format!("s{}", std::process::id());
    let taken = folder.playpen(["run", "--quiet", "--snapshot", &name, "--", "true"]).run();
    assert_eq!(taken.code, 0, "{taken:?}");
    let show = "git show $(git hash-object tests/hidden/test_x.py)";
    for command in [&["cat", "tests/hidden/test_x.py"][..], &["sh", "-c", show]] {
        let (ended, log) = record(&folder, &["--from", &name], command);
        assert!(ended.out().contains("hidden"), "{ended:?}");
        assert_eq!(never_read(&log).code, 1, "{command:?}");
    }

    let policy = home.path().join("policy.toml");
    fs_err::write(&policy, "version = 1\n[audit]\nredact = [\"tests/hidden/**\"]\n").unwrap();
    let flags = ["--policy", policy.to_str().unwrap()];
    let (_, log) = record(&folder, &flags, &["cat", "tests/hidden/test_x.py"]);
    let answer = never_read(&log);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.out().contains("redacted"), "{answer:?}");
}

/// An object under the name of another one is still the object that it was.
#[test]
fn never_read_sees_a_git_object_that_was_renamed_over_another() {
    let folder = project();
    let blob = sh(
        &folder,
        "rm -rf .git && git init -q . && git add src && git -c user.name=n -c user.email=e@x commit -qm base && git hash-object -w tests/hidden/test_x.py",
    );
    let other = sh(&folder, "git rev-parse HEAD:src/a.py");
    let at = |id: &str| format!(".git/objects/{}/{}", &id[..2], &id[2..]);
    let read =
        |path: &str| format!("import zlib; print(zlib.decompress(open('{path}', 'rb').read()))");
    for (from, to) in [(&blob, &other), (&other, &blob)] {
        let script = format!("mv -f {} {}; python -c \"{}\"", at(from), at(to), read(&at(to)));
        let (_, log) = record(&folder, &[], &["sh", "-c", &script]);
        let answer = never_read(&log);
        assert_eq!(answer.code, 1, "{answer:?}");
    }
}

#[test]
fn two_runs_do_not_write_to_one_log() {
    let folder = project();
    let log = Log(tempfile::tempdir().unwrap());
    let path = log.path();
    let first = folder.playpen(["run", "--quiet", "--audit", &path, "--", "sleep", "3"]);
    let first = std::thread::spawn(move || first.run());
    std::thread::sleep(std::time::Duration::from_millis(1200));
    let second = folder.playpen(["run", "--quiet", "--audit", &path, "--", "true"]).run();
    assert_eq!(second.code, 3, "{second:?}");
    assert!(second.err().contains("another run writes to it"), "{second:?}");
    assert_eq!(first.join().unwrap().code, 0);
    assert_eq!(log.audit(&["verify"]).code, 0);
}

#[test]
fn a_log_that_is_full_is_not_good() {
    let folder = project();
    let (_, log) = record(&folder, &["--audit-limit", "3K"], &["ls", "-R"]);
    let answer = log.audit(&["verify"]);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.out().contains("events are missing: the log is full"), "{answer:?}");
}

#[test]
fn a_folder_that_is_renamed_to_a_path_writes_what_is_below() {
    let folder = project();
    let script = "mkdir t; echo evil > t/new.py; mv t tests/t; mv src lib";
    let (_, log) = record(&folder, &[], &["sh", "-c", script]);
    for path in ["tests/t/new.py", "src/a.py", "lib/a.py"] {
        let answer = log.audit(&["who-wrote", path]);
        assert_eq!(answer.code, 0, "{path}: {answer:?}");
        assert!(answer.out().contains("rename"), "{path}: {answer:?}");
    }
    assert_eq!(log.audit(&["who-wrote", "tests/test_a.py"]).code, 1);
}

#[test]
fn never_read_sees_a_loose_git_object() {
    let folder = project();
    let blob = sh(
        &folder,
        "rm -rf .git && git init -q . && git add src && git -c user.name=n -c user.email=e@x commit -qm base && git hash-object -w tests/hidden/test_x.py",
    );
    let path = format!(".git/objects/{}/{}", &blob[..2], &blob[2..]);
    let script = format!("import zlib; print(zlib.decompress(open('{path}', 'rb').read()))");
    for command in [&["python", "-c", &script][..], &["git", "show", &blob]] {
        let (ended, log) = record(&folder, &[], command);
        assert!(ended.out().contains("hidden"), "{ended:?}");
        let answer = never_read(&log);
        assert_eq!(answer.code, 1, "{answer:?}");
        assert!(answer.out().contains("is the content of `tests/hidden/test_x.py`"), "{answer:?}");
    }
}

/// The record is no part of what it is a record of, the first time and when the file is there already.
#[test]
fn never_read_holds_where_the_log_lies_in_the_folder() {
    let folder = project();
    sh(
        &folder,
        "rm -rf .git && git init -q . && git add src && git -c user.name=n -c user.email=e@x commit -qm base",
    );
    for _ in 0..2 {
        let run = folder.playpen(["run", "--quiet", "--audit", "events.jsonl", "--"]);
        let ended = run.args(["sh", "-c", "git show HEAD:src/a.py; ls"]).run();
        assert!(ended.out().contains("x = 1"), "{ended:?}");
        assert!(!ended.out().contains("events.jsonl"), "{ended:?}");
        let answer =
            folder.playpen(["audit", "never-read", "tests/hidden/**", "events.jsonl"]).run();
        assert_eq!(answer.code, 0, "{answer:?}");
    }
}

/// The page has all that it shows, and shows no name as markup.
#[test]
fn a_report_is_one_page_in_which_names_are_only_text() {
    let folder = folder().file("<script>x/<b>.txt", "1\n").file("a.txt", "1\n");
    let work = "cat */*; echo 2 > '<i>'; rm a.txt; echo x > /etc/x; true '<svg onload=x>'";
    let (_, log) = record(&folder, &[], &["sh", "-c", work]);
    let html = folder.join("report.html");
    let ended = log.audit(&["report", "--html", html.to_str().unwrap()]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let page = fs_err::read_to_string(&html).unwrap();
    for expected in
        ["&lt;script&gt;x", "&lt;b&gt;.txt", "&lt;i&gt;", "&lt;svg onload=x&gt;", "/etc/x"]
    {
        assert!(page.contains(expected), "{expected}");
    }
    for sign in ["<script", "<svg", "<i>\"", "src=", "href=", "http:", "https:", "url("] {
        assert!(!page.contains(sign), "{sign}");
    }
}

#[test]
fn never_read_proves_nothing_where_the_folder_has_changed_since() {
    let folder = project();
    let (_, log) = record(&folder, &[], &["git", "log", "--oneline"]);
    fs_err::write(folder.join("src/a.py"), "x = 3\n").unwrap();
    let answer = never_read(&log);
    assert_eq!(answer.code, 1, "{answer:?}");
    assert!(answer.out().contains("is not any more what was copied"), "{answer:?}");
}

#[test]
fn a_call_to_the_outside_is_told_as_denied() {
    let script = "import socket\ns = socket.socket()\ntry: s.connect(('192.0.2.1', 443))\n\
                  except OSError as error: print(error.errno)";
    let (ran, log) = record(&folder(), &[], &["python", "-c", script]);
    assert_eq!(ran.out(), "101\n", "ENETUNREACH: {ran:?}");
    let denied = log.audit(&["--json", "denied"]).json();
    let told = (&denied[0]["op"], &denied[0]["path"], &denied[0]["by"]);
    let expected = ("connect", "tcp://192.0.2.1:443", "network loopback");
    assert_eq!(told, (&expected.0.into(), &expected.1.into(), &expected.2.into()), "{denied}");
    assert!(
        log.audit(&["show"])
            .out()
            .contains("tcp://192.0.2.1:443 ENETUNREACH DENIED by network loopback")
    );
}

#[test]
fn who_read_and_who_wrote_name_the_processes() {
    let folder = folder().file("a.txt", "1\n");
    let (_, log) =
        record(&folder, &[], &["sh", "-c", "cat a.txt; echo 2 >> a.txt; mv a.txt b.txt"]);
    let read = log.audit(&["--json", "who-read", "a.txt"]).json();
    assert_eq!(read[0]["argv"], serde_json::json!(["cat", "a.txt"]));
    let wrote = log.audit(&["--json", "who-wrote", "/workspace/a.txt"]).json();
    let ops: Vec<&str> =
        wrote.as_array().unwrap().iter().map(|it| it["op"].as_str().unwrap()).collect();
    assert_eq!(ops, ["open_write", "close", "rename"]);
    assert_eq!(log.audit(&["who-read", "c.txt"]).code, 1);
}

#[test]
fn every_line_is_as_the_schema_says() {
    let folder = folder().file("a.txt", "1\n");
    let work = "cat a.txt; cat none; echo 2 > a.txt; mkdir d; ln a.txt d/b; cat d/b; ln -s a.txt l; readlink l; \
                mv d e; chmod 600 a.txt; touch a.txt; truncate -s 9 a.txt; rm e/b; rmdir e; echo x > /etc/x; false";
    let (_, log) = record(&folder, &["--audit-coalesce"], &["sh", "-c", work]);
    let schema = include_str!("../../runtime/src/audit/events.schema.json");
    let schema = jsonschema::validator_for(&serde_json::from_str(schema).unwrap()).unwrap();
    let mut ops = std::collections::BTreeSet::new();
    for line in log.lines() {
        let errors: Vec<String> =
            schema.iter_errors(&line).map(|error| error.to_string()).collect();
        assert!(errors.is_empty(), "{line}: {errors:?}");
        ops.extend(line["op"].as_str().map(str::to_owned));
    }
    assert!(ops.len() >= 13, "{ops:?}");
}

/// A log that somebody worked on: `verify` says where.
#[test]
fn verify_says_where_a_log_was_damaged() {
    let folder = folder().file("a.txt", "1\n");
    let (_, log) = record(&folder, &[], &["cat", "a.txt"]);
    let good = log.audit(&["verify"]);
    assert_eq!(good.code, 0, "{good:?}");
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    let n = lines.len();
    let with = |change: &dyn Fn(&mut Vec<String>)| {
        let mut lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        change(&mut lines);
        lines.join("\n") + "\n"
    };
    let cases = [
        (
            "changed",
            with(&|lines| lines[3] = lines[3].replace("\"pid\"", "\"pid\" ")),
            "line 4: this line was changed",
        ),
        (
            "changed value",
            with(&|lines| lines[3] = lines[3].replacen(":2,", ":3,", 1)),
            "line 4: this line was changed",
        ),
        (
            "left out",
            with(&|lines| drop(lines.remove(3))),
            "line 3: this line was changed, or lines after it",
        ),
        ("swapped", with(&|lines| lines.swap(3, 4)), "line 3: "),
        ("twice", with(&|lines| lines.insert(4, lines[4].clone())), "line 5: "),
        ("cut off", with(&|lines| lines.truncate(n - 1)), "the log has no end"),
        ("cut in a line", text[..text.len() - 10].to_owned(), "the line is cut off"),
        (
            "header",
            with(&|lines| lines[0] = lines[0].replace("/workspace", "/elsewhere")),
            "line 1: this line was changed",
        ),
    ];
    for (what, text, expected) in cases {
        fs_err::write(log.path(), text).unwrap();
        let ended = log.audit(&["verify"]);
        assert_eq!(ended.code, 1, "{what}: {ended:?}");
        assert!(ended.out().contains(expected), "{what}: {ended:?}");
        assert_eq!(never_read(&log).code, 1, "{what}");
    }
    for (text, message) in [
        ("", "is no audit log"),
        ("{}\n", "is no audit log"),
        ("{\"header\":{\"version\":9}}\n", "version 9"),
    ] {
        fs_err::write(log.path(), text).unwrap();
        let ended = log.audit(&["verify"]);
        assert_eq!(ended.code, 3, "{ended:?}");
        assert!(ended.err().contains(message), "{ended:?}");
    }
}

#[test]
fn a_signature_tells_who_wrote_the_log_and_that_its_end_is_whole() {
    let folder = folder().file("a.txt", "1\n");
    sh(
        &folder,
        "openssl genpkey -algorithm ed25519 -out key.pem && openssl pkey -in key.pem -pubout -out pub.pem \
                 && openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out other.pem",
    );
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (_, log) = record(&folder, &["--audit-key", &path("key.pem")], &["cat", "a.txt"]);
    assert_eq!(log.audit(&["verify", "--key", &path("pub.pem")]).code, 0);
    assert_eq!(log.audit(&["verify", "--key", &path("other.pem")]).code, 1);
    let changed = log.text().replace("\"n_denied\":0", "\"n_denied\":1");
    fs_err::write(log.path(), changed).unwrap();
    let ended = log.audit(&["verify"]);
    assert_eq!(ended.code, 1);
    assert!(ended.out().contains("the signature does not fit"), "{ended:?}");
}

/// The events are as many as the host functions counted, over a whole run of pytest.
#[test]
fn events_are_as_many_as_the_host_functions_counted() {
    let mut folder = folder();
    for n in 0..20 {
        let test = format!(
            "import os, subprocess, sys, tempfile\n\
             def test_files(tmp_path):\n    p = tmp_path / 'a'\n    p.write_text('x' * {n}); assert p.read_text() == 'x' * {n}\n    \
             os.rename(p, tmp_path / 'b'); os.link(tmp_path / 'b', tmp_path / 'c')\n\
             def test_child():\n    assert subprocess.run([sys.executable, '-c', 'print({n})'], capture_output=True).stdout == b'{n}\\n'\n"
        );
        folder = folder.file(&format!("test_{n}.py"), test);
    }
    let (ended, log) = record(&folder, &[], &["python", "-m", "pytest", "-q"]);
    assert!(ended.out().contains("40 passed"), "{ended:?}");
    let verified = log.audit(&["--json", "verify"]).json();
    assert_eq!(verified["good"], true, "{verified}");
    let lines = log.lines();
    let n = |ops: &[&str]| {
        let is_meant = |line: &&Value| line["op"].as_str().is_some_and(|op| ops.contains(&op));
        lines.iter().filter(is_meant).count() as u64
    };
    let host = &lines.last().unwrap()["end"]["host"];
    let others = n(&["close", "spawn", "exit"]);
    assert_eq!(host["calls"], lines.len() as u64 - 2 - others);
    assert_eq!((&host["spawns"], &host["exits"]), (&n(&["spawn"]).into(), &n(&["exit"]).into()));
    assert!(host["calls"].as_u64().unwrap() > 500, "{host}");
}
