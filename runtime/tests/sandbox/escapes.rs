//! Ways to write where one may not: each is refused, and each is in the record.

use crate::support::{Ran, World, guest, read_only};

/// Addresses of the two paths that a case works on, and their lengths.
fn try_it(call: &str, first: &str, second: &str) -> Ran {
    let body = format!(
        "(call $exit {})",
        call.replace("$1", &format!("(i32.const 1024) (i32.const {})", first.len()))
            .replace("$2", &format!("(i32.const 2048) (i32.const {})", second.len())),
    );
    World::of(&guest(&[(1024, first), (2048, second)], &body))
        .file("tests/test_a.py", "assert True\n")
        .file("src/a.py", "x = 1\n")
        .rule(read_only("/workspace/tests/**"))
        .run()
}

const OPEN_TO_WRITE: &str = "(call $path_open (i32.const 3) (i32.const 1) $1 (i32.const 0) (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 8))";
const OPEN_TO_TRUNCATE: &str = "(call $path_open (i32.const 3) (i32.const 1) $1 (i32.const 8) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8))";
const OPEN_TO_CREATE: &str = "(call $path_open (i32.const 3) (i32.const 1) $1 (i32.const 1) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8))";

/// TM-WRITE-1: every call that can write, on a file that a rule makes read-only.
#[test]
fn every_way_to_write_below_a_rule_is_refused_and_recorded() {
    let a_test = "workspace/tests/test_a.py";
    let cases = [
        (OPEN_TO_WRITE, a_test, ""),
        (OPEN_TO_TRUNCATE, a_test, ""),
        (OPEN_TO_CREATE, "workspace/tests/new.py", ""),
        ("(call $mkdir (i32.const 3) $1)", "workspace/tests/sub", ""),
        ("(call $unlink (i32.const 3) $1)", a_test, ""),
        ("(call $rmdir (i32.const 3) $1)", "workspace/tests", ""),
        ("(call $rename (i32.const 3) $1 (i32.const 3) $2)", a_test, "workspace/b.py"),
        ("(call $rename (i32.const 3) $1 (i32.const 3) $2)", "workspace/src/a.py", a_test),
        ("(call $rename (i32.const 3) $1 (i32.const 3) $2)", "workspace/tests", "workspace/t2"),
        ("(call $link (i32.const 3) (i32.const 0) $1 (i32.const 3) $2)", a_test, "workspace/b.py"),
        ("(call $symlink $1 (i32.const 3) $2)", "/etc", "workspace/tests/l"),
        ("(call $chmod (i32.const 3) (i32.const 1) $1 (i32.const 511))", a_test, ""),
        (
            "(call $utimes (i32.const 3) (i32.const 1) $1 (i64.const 0) (i64.const 0) (i32.const 10))",
            a_test,
            "",
        ),
        // Around the rule: with dots, and with a directory that is named twice.
        (OPEN_TO_WRITE, "workspace/src/../tests/./test_a.py", ""),
        (OPEN_TO_WRITE, "workspace//tests///test_a.py", ""),
        (OPEN_TO_WRITE, "../../workspace/tests/test_a.py", ""),
    ];
    for (call, first, second) in cases {
        let ran = try_it(call, first, second);
        assert_eq!(ran.exit(), "exit code 2", "{call} {first} {second}: EACCES");
        assert_eq!(ran.tree.read("tests/test_a.py").unwrap(), "assert True\n");
        let denied = ran.denied();
        let by_rule =
            denied.iter().any(|line| line.contains("by rule read-only /workspace/tests/**"));
        assert!(by_rule, "{call} {first}: {denied:?}");
    }
}

/// TM-WRITE-2: the same through the mount of the image.
#[test]
fn every_way_to_write_below_a_read_only_mount_is_refused_and_recorded() {
    let cases = [
        (OPEN_TO_WRITE, "bin/main", ""),
        (OPEN_TO_TRUNCATE, "bin/main", ""),
        (OPEN_TO_CREATE, "bin/new", ""),
        ("(call $mkdir (i32.const 3) $1)", "sub", ""),
        ("(call $unlink (i32.const 3) $1)", "bin/main", ""),
        ("(call $rename (i32.const 3) $1 (i32.const 3) $2)", "bin/main", "bin/other"),
        ("(call $rename (i32.const 3) $1 (i32.const 3) $2)", "bin/main", "tmp/other"),
        ("(call $link (i32.const 3) (i32.const 0) $1 (i32.const 3) $2)", "bin/main", "tmp/other"),
        ("(call $symlink $1 (i32.const 3) $2)", "/etc", "bin/l"),
        ("(call $chmod (i32.const 3) (i32.const 1) $1 (i32.const 511))", "bin/main", ""),
        (
            "(call $utimes (i32.const 3) (i32.const 1) $1 (i64.const 0) (i64.const 0) (i32.const 10))",
            "bin/main",
            "",
        ),
    ];
    for (call, first, second) in cases {
        let ran = try_it(call, first, second);
        assert_eq!(ran.exit(), "exit code 69", "{call} {first} {second}: EROFS");
        assert!(ran.denied().iter().any(|line| line.contains("by mount / read-only")), "{call}");
    }
}

/// TM-PATH-1: a link inside a writable place that points into a read-only one.
#[test]
fn a_symlink_does_not_lead_around_a_rule() {
    let ran = World::of(&guest(
        &[(1024, "tests"), (2048, "workspace/src/alias"), (3072, "workspace/src/alias/test_a.py")],
        "(drop (call $symlink (i32.const 1024) (i32.const 5) (i32.const 3) (i32.const 2048) (i32.const 19)))
         (drop (call $rename (i32.const 3) (i32.const 2048) (i32.const 19) (i32.const 3) (i32.const 2048) (i32.const 19)))
         (call $exit (call $path_open (i32.const 3) (i32.const 1) (i32.const 3072) (i32.const 29) (i32.const 0)
           (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 8)))",
    ))
    .file("src/tests/test_a.py", "1\n")
    .rule(read_only("/workspace/src/tests/**"))
    .run();
    assert_eq!(ran.exit(), "exit code 2");
    assert_eq!(
        ran.denied(),
        [
            "OpenWrite workspace/src/alias/test_a.py -> /workspace/src/tests/test_a.py by rule read-only /workspace/src/tests/** (EACCES)"
        ]
    );
}

/// TM-PATH-3: the root of a process is not a way out, nor a way around.
#[test]
fn proc_self_root_is_refused_and_recorded() {
    for path in ["proc/self/root/etc/passwd", "proc/self/cwd/src/a.py"] {
        let call = "(call $path_open (i32.const 3) (i32.const 1) $1 (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8))";
        let ran = try_it(call, path, "");
        assert_eq!(ran.exit(), "exit code 2", "{path}");
        assert_eq!(ran.denied(), [format!("OpenRead {path} -> - by - (EACCES)")]);
    }
}

/// TM-PATH-4: a rename of a directory that holds a protected file is a write to that file.
#[test]
fn a_directory_with_a_protected_file_deep_inside_stays_where_it_is() {
    let ran = World::of(&guest(
        &[(1024, "workspace/a"), (2048, "workspace/z")],
        "(call $exit (call $rename (i32.const 3) (i32.const 1024) (i32.const 11) (i32.const 3) (i32.const 2048) (i32.const 11)))",
    ))
    .file("a/b/conftest.py", "")
    .rule(read_only("/workspace/**/conftest.py"))
    .run();
    assert_eq!(ran.exit(), "exit code 2");
    assert!(ran.tree.exists("a/b/conftest.py"));
}
