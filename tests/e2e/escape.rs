//! Ways out of the sandbox: each is refused, and the attempt is in the audit record.
//!
//! The threat ids are those of ARCHITECTURE.md.

use crate::{PLAYPEN, folder};
use playpen_e2e::folder::Folder;
use playpen_e2e::program::Program;
use std::collections::BTreeMap;

/// What must never appear in the output of a sandbox.
const SECRET: &str = "the host's secret";

/// A folder with a secret beside what is mounted, and links that lead to it.
fn host() -> Folder {
    let folder = folder()
        .file("secret.txt", SECRET)
        .file("ro/file", "1\n")
        .file("ro/sub/file", "1\n")
        .file("ro/empty/.keep", "")
        .file("rw/file", "1\n")
        .file("ws/file", "1\n");
    let secret = folder.join("secret.txt");
    let secret = secret.to_str().unwrap();
    let parent = folder.path().to_str().unwrap().to_owned();
    ["ro", "rw", "ws"].into_iter().fold(folder, |folder, mount| {
        folder
            .link(&format!("{mount}/absolute"), secret)
            .link(&format!("{mount}/relative"), "../secret.txt")
            .link(&format!("{mount}/deep"), &format!("sub/../../../../../../../..{secret}"))
            .link(&format!("{mount}/folder"), &parent)
            .link(&format!("{mount}/up"), "..")
    })
}

const MOUNTS: &[&str] = &[
    "--mount",
    "/workspace=ws:cow",
    "--mount",
    "/ro=ro:ro",
    "--mount",
    "/rw=rw:rw",
    "--cwd",
    "/workspace",
];

/// Returns the path and content of everything below the folder.
fn contents(folder: &Folder) -> BTreeMap<String, String> {
    let find = "find . -printf '%p %y %m %l\\n' | sort; find . -type f | sort | xargs cat";
    let ended = Program::new("bash").args(["-c", find]).cwd(folder.path()).run();
    BTreeMap::from([("all".to_owned(), ended.out())])
}

#[test]
fn tm_path_1_dots_and_links_lead_nowhere_outside() {
    let folder = host();
    for mount in ["/workspace", "/ro", "/rw"] {
        for path in
            ["absolute", "relative", "deep", "folder/secret.txt", "up/secret.txt", "../secret.txt"]
        {
            let path = format!("{mount}/{path}");
            let ended =
                folder.playpen(["run", "--quiet"]).args(MOUNTS).args(["--", "cat", &path]).run();
            assert!(ended.code != 0, "{path}: {ended:?}");
            assert_eq!(ended.out(), "", "{path}");
        }
    }
}

#[test]
fn tm_path_2_paths_of_proc_and_dev_show_nothing_of_the_host() {
    let folder = host();
    for path in [
        "/proc/self/root/etc/hostname",
        "/proc/self/cwd/../../../../../etc/hostname",
        "/proc/self/fd/3/etc/hostname",
        "/proc/1/environ",
        "/proc/self/mem",
        "/dev/mem",
        "/dev/kmsg",
        "/sys/kernel/notes",
        "/etc/shadow",
    ] {
        let (ended, _denied) = folder.denied(MOUNTS, &["cat", path]);
        assert!(ended.code != 0, "{path}: {ended:?}");
        assert_eq!(ended.out(), "", "{path}");
    }
}

#[test]
fn tm_path_3_following_a_link_out_is_in_the_record() {
    let folder = host();
    let args = ["run", "--quiet", "--audit", "events.jsonl"];
    let program = folder.playpen(args).args(MOUNTS).args(["--", "cat", "/workspace/relative"]);
    assert!(program.run().code != 0);
    let events = folder.read("events.jsonl");
    let attempt =
        events.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let attempt = attempt.filter(|event| {
        event["path"].as_str().is_some_and(|path| path.ends_with("workspace/relative"))
            && (event["decision"] == "denied" || event["errno"].is_string())
    });
    assert!(attempt.count() > 0, "{events}");
}

/// Every call that can write, tried on a read-only mount; prints one line for each.
const WRITES: &str = r#"
import errno, os
def attempt(name, call):
    try:
        call()
        print(name, "DONE")
    except OSError as error:
        print(name, errno.errorcode[error.errno])
attempt("open_w", lambda: open("/ro/file", "w"))
attempt("open_a", lambda: open("/ro/file", "a"))
attempt("open_rw", lambda: open("/ro/file", "r+"))
attempt("open_create", lambda: open("/ro/new", "x"))
attempt("open_trunc", lambda: os.open("/ro/file", os.O_RDONLY | os.O_TRUNC))
attempt("open_creat_readonly", lambda: os.open("/ro/new", os.O_RDONLY | os.O_CREAT))
attempt("truncate", lambda: os.truncate("/ro/file", 0))
attempt("mkdir", lambda: os.mkdir("/ro/new"))
attempt("rmdir", lambda: os.rmdir("/ro/empty"))
attempt("unlink", lambda: os.unlink("/ro/file"))
attempt("rename", lambda: os.rename("/ro/file", "/ro/other"))
attempt("rename_in", lambda: os.rename("/workspace/file", "/ro/other"))
attempt("rename_out", lambda: os.rename("/ro/file", "/workspace/other"))
attempt("rename_over", lambda: os.replace("/workspace/file", "/ro/file"))
attempt("link", lambda: os.link("/ro/file", "/ro/other"))
attempt("link_in", lambda: os.link("/workspace/file", "/ro/other"))
attempt("link_out", lambda: os.link("/ro/file", "/workspace/other"))
attempt("symlink", lambda: os.symlink("x", "/ro/other"))
attempt("chmod", lambda: os.chmod("/ro/file", 0o777))
attempt("utime", lambda: os.utime("/ro/file", (0, 0)))
attempt("through_dots", lambda: open("/workspace/../ro/file", "w"))
attempt("through_dirfd", lambda: os.open("file", os.O_WRONLY, dir_fd=os.open("/ro", os.O_RDONLY)))
os.chdir("/ro/sub")
attempt("relative", lambda: open("file", "w"))
"#;

#[test]
fn tm_write_1_every_call_that_writes_is_refused_under_a_read_only_mount() {
    let folder = host();
    let before = contents(&folder);
    let (ended, denied) = folder.denied(MOUNTS, &["python", "-c", WRITES]);
    assert_eq!(ended.code, 0, "{ended:?}");
    let outcomes = ended.out();
    assert_eq!(outcomes.lines().count(), WRITES.matches("attempt(\"").count(), "{ended:?}");
    for line in outcomes.lines() {
        let errno = line.rsplit(' ').next().unwrap();
        assert!(["EROFS", "EACCES", "EPERM", "EXDEV"].contains(&errno), "{line}");
    }
    assert_eq!(contents(&folder), before);
    let refused = |op: &str| denied.iter().any(|event| event["op"] == op);
    for op in
        ["open_write", "mkdir", "rmdir", "unlink", "rename", "link", "symlink", "chmod", "utimes"]
    {
        assert!(refused(op), "no denied `{op}` in {denied:#?}");
    }
}

#[test]
fn tm_write_2_the_image_and_the_root_are_not_written() {
    let folder = host();
    for path in
        ["/usr/bin/new", "/bin/sh", "/etc/passwd", "/usr/local/lib/python3.13/os.py", "/new"]
    {
        let (ended, denied) = folder.denied(MOUNTS, &["sh", "-c", &format!("echo x > {path}")]);
        assert!(ended.code != 0, "{path}: {ended:?}");
        let asked_for = path.trim_start_matches('/');
        let is_recorded = denied.iter().any(|event| event["path"] == asked_for);
        assert!(is_recorded, "{path} is not in {denied:#?}");
    }
}

#[test]
fn tm_write_3_rename_and_hard_link_do_not_cross_mounts() {
    let folder = host();
    let script = "ln /workspace/file /rw/linked; ln /rw/file /workspace/linked; python -c '
import errno, os
for call in (os.rename, os.link):
    for pair in ((\"/rw/file\", \"/workspace/x\"), (\"/workspace/file\", \"/rw/x\"), (\"/etc/passwd\", \"/tmp/x\")):
        try: call(*pair); print(call.__name__, pair, \"DONE\")
        except OSError as error: print(errno.errorcode[error.errno])'";
    let (ended, _denied) = folder.denied(MOUNTS, &["sh", "-c", script]);
    let lines: Vec<String> = ended.out().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), 6, "{ended:?}");
    assert!(
        lines.iter().all(|line| ["EXDEV", "EROFS", "EACCES", "EPERM"].contains(&line.as_str())),
        "{lines:?}"
    );
    assert!(!folder.join("rw/linked").exists());
}

#[test]
fn tm_write_4_a_hard_link_to_a_file_outside_is_not_written_through() {
    let folder = host();
    fs_err::hard_link(folder.join("secret.txt"), folder.join("rw/hard")).unwrap();
    fs_err::hard_link(folder.join("secret.txt"), folder.join("ws/hard")).unwrap();
    let script = "echo overwritten > /rw/hard; echo overwritten > /workspace/hard; true";
    let _ended = folder.denied(MOUNTS, &["sh", "-c", script]);
    assert_eq!(folder.read("secret.txt"), SECRET);
}

#[test]
fn tm_special_1_a_fifo_in_a_mount_neither_hangs_nor_opens() {
    let folder = host();
    let made = Program::new("mkfifo").args([folder.join("ro/fifo")]).run();
    assert_eq!(made.code, 0, "{made:?}");
    let flags = ["run", "--quiet", "--wall", "5s"];
    let ended = folder.playpen(flags).args(MOUNTS).args(["--", "cat", "/ro/fifo"]).run();
    assert!(ended.code != 0 && ended.code != 124, "{ended:?}");
}

#[test]
fn tm_net_1_there_is_no_network() {
    let script = "import socket\ntry:\n  socket.create_connection(('127.0.0.1', 80), 1)\n  print('DONE')\nexcept (OSError, AttributeError) as error: print('refused')";
    let ended = host().run(&["python", "-c", script]);
    assert_eq!(ended.out(), "refused\n", "{ended:?}");
}

#[test]
fn tm_env_1_nothing_of_the_hosts_environment_is_seen() {
    let folder = folder();
    let program = folder.playpen(["run", "--quiet", "--", "env"]).env("OPENAI_API_KEY", SECRET);
    let ended = program.env("PLAYPEN_TEST_VARIABLE", SECRET).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    assert!(!ended.out().contains(SECRET), "{ended:?}");
    assert!(!ended.out().contains(PLAYPEN), "{ended:?}");
}

#[test]
fn tm_code_1_a_guest_cannot_bring_its_own_native_or_compiled_code() {
    let folder = folder();
    fs_err::copy("/bin/true", folder.join("native")).unwrap();
    let ended = folder.run(&["sh", "-c", "chmod +x native; ./native; echo $?"]);
    assert!(!ended.out().starts_with("0\n"), "{ended:?}");
}
