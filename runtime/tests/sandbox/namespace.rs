//! What paths lead to.

use crate::support::{World, denied, guest};

fn open_for_reading(path: &str) -> String {
    let body = format!(
        "(call $exit (call $path_open (i32.const 3) (i32.const 1) (i32.const 1024) (i32.const {})
           (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 8)))",
        path.len()
    );
    let ran = World::of(&guest(&[(1024, path)], &body))
        .file("src/a.py", "x = 1\n")
        .file("secret/key", "k")
        .rule(denied("/workspace/secret/**"))
        .run();
    ran.exit()
}

#[test]
fn paths_resolve_as_on_unix() {
    let long = format!("workspace/{}", "x".repeat(256));
    let cases = [
        ("workspace/src/a.py", "exit code 0"),
        ("workspace/src/../src/./a.py", "exit code 0"),
        ("../../../workspace/src/a.py", "exit code 0"),
        ("/workspace/src/a.py", "exit code 0"),
        ("dev/null", "exit code 0"),
        ("dev/fd/1", "exit code 0"),
        ("proc/self/cmdline", "exit code 0"),
        ("workspace/src/a.py/", "exit code 54"),
        ("workspace/src/a.py/b", "exit code 54"),
        ("workspace/none", "exit code 44"),
        ("workspace/none/../src/a.py", "exit code 44"),
        ("dev/fd/77", "exit code 44"),
        ("", "exit code 44"),
        ("etc/passwd", "exit code 44"),
        ("workspace/secret/key", "exit code 2"),
        (&long, "exit code 37"),
    ];
    for (path, expected) in cases {
        assert_eq!(open_for_reading(path), expected, "{path}");
    }
}

#[test]
fn what_is_written_is_read_again_and_recorded() {
    let ran = World::of(&guest(
        &[(0, "\x10\0\0\0\x05\0\0\0"), (16, "hello"), (1024, "workspace/f")],
        "(drop (call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 11) (i32.const 1)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 8)))
         (call $exit (call $fd_write (i32.const 4) (i32.const 0) (i32.const 1) (i32.const 8)))",
    ))
    .run();
    assert_eq!(ran.exit(), "exit code 0");
    assert_eq!(ran.tree.read("f").unwrap(), "hello");
    let shown: Vec<String> = ran
        .events
        .iter()
        // The search in PATH tries two folders that do not exist here.
        .filter(|event| event.errno.is_none())
        .map(|event| {
            format!(
                "{} {:?} {} {}",
                event.seq,
                event.op,
                event.resolved.as_deref().unwrap_or("-"),
                event.bytes_written.map_or(String::new(), |bytes| format!("{bytes} bytes"))
            )
            .trim_end()
            .to_owned()
        })
        .collect();
    assert_eq!(
        shown,
        [
            "2 Spawn /bin/main",
            "3 OpenWrite /workspace/f",
            "4 Close /workspace/f 5 bytes",
            "5 Exit -"
        ]
    );
}

#[test]
fn a_fork_and_its_origin_do_not_see_each_other() {
    let write = guest(
        &[(1024, "workspace/new")],
        "(call $exit (call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 13) (i32.const 5)
            (i64.const 64) (i64.const 0) (i32.const 0) (i32.const 8)))",
    );
    let before = World::of(&write).file("a", "1").tree;
    let ran = World { tree: before.clone(), ..World::of(&write) }.run();
    assert_eq!(ran.exit(), "exit code 0");
    assert!(ran.tree.exists("new") && !before.exists("new"));
}
