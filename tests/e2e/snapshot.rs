//! Snapshots: what one run leaves, the next begins with; and every way out of the store.

use crate::{PLAYPEN, folder, playpen};
use playpen_e2e::{
    folder::Folder,
    program::{Ended, Program},
};
use std::{
    collections::BTreeMap,
    path::Path,
    time::{Duration, Instant},
};
use tempfile::TempDir;

/// A home with no snapshots yet; the image is that of everybody.
struct Home {
    home: TempDir,
    image: String,
}

fn home() -> Home {
    let shown = playpen(["image", "show", "--json"]).deadline(Duration::from_hours(1)).run();
    let image = shown.json()["folder"].as_str().unwrap().to_owned();
    let home = tempfile::tempdir().unwrap();
    take_over_compiled(Path::new(&image), home.path());
    Home { home, image }
}

/// Takes over the compiled code of the home that is in use, or every test would spend a minute on
/// compiling it.
fn take_over_compiled(image: &Path, home: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    let named = |name: &str| std::env::var_os(name).map(std::path::PathBuf::from);
    let homes = image.ancestors().map(Path::to_owned).chain([
        named("PLAYPEN_HOME").unwrap_or_default(),
        named("XDG_CACHE_HOME").unwrap_or_default().join("playpen"),
        named("HOME").unwrap_or_default().join(".cache/playpen"),
    ]);
    let compiled = homes.map(|home| home.join("compiled")).find(|it| it.is_dir());
    let Some(compiled) = compiled else { return };
    let target = home.join("compiled");
    fs_err::create_dir(&target).unwrap();
    fs_err::set_permissions(&target, std::fs::Permissions::from_mode(0o700)).unwrap();
    for entry in fs_err::read_dir(compiled).unwrap() {
        let entry = entry.unwrap();
        let place = target.join(entry.file_name());
        // On another file system there are no links; a file that is just being made is left out.
        let _taken = fs_err::hard_link(entry.path(), &place)
            .or_else(|_| fs_err::copy(entry.path(), &place).map(drop));
    }
}

impl Home {
    fn program(&self, args: &[&str]) -> Program {
        let home = self.home.path().to_str().unwrap();
        Program::new(PLAYPEN).env("PLAYPEN_IMAGE", &self.image).args(["--home", home]).args(args)
    }

    fn ok(&self, args: &[&str]) -> Ended {
        let ended = self.program(args).run();
        assert_eq!(ended.code, 0, "{args:?} {ended:?}");
        ended
    }

    fn import(&self, name: &str, folder: &Path) {
        self.ok(&["snapshot", "import", name, folder.to_str().unwrap()]);
    }

    fn snapshots(&self) -> std::path::PathBuf {
        self.home.path().join("snapshots")
    }

    fn pack(&self) -> std::path::PathBuf {
        let mut packs = fs_err::read_dir(self.snapshots().join("packs")).unwrap();
        packs.next().unwrap().unwrap().path()
    }
}

/// Paths, modes, contents and targets of everything in a folder.
fn described(folder: &Path) -> BTreeMap<String, String> {
    use std::os::unix::fs::PermissionsExt as _;
    let entries = walkdir::WalkDir::new(folder).min_depth(1).into_iter().filter_map(Result::ok);
    let line = |entry: walkdir::DirEntry| {
        let path = entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
        let metadata = entry.metadata().unwrap();
        let what = if metadata.is_symlink() {
            format!("-> {}", fs_err::read_link(entry.path()).unwrap().display())
        } else if metadata.is_dir() {
            "dir".to_owned()
        } else {
            let is_program = metadata.permissions().mode() & 0o111 != 0;
            format!("{is_program} {:?}", fs_err::read(entry.path()).unwrap())
        };
        (path, what)
    };
    entries.map(line).collect()
}

#[test]
fn a_run_goes_on_where_the_last_one_stopped() {
    let (home, work) = (home(), folder().file("a.txt", "one\n").file("b/c.txt", "c\n"));
    let cwd = work.path();
    let first = home
        .program(&[
            "run",
            "--snapshot",
            "base",
            "--",
            "sh",
            "-c",
            "echo two >> a.txt; echo t > /tmp/x",
        ])
        .cwd(cwd)
        .run();
    assert_eq!(first.code, 0, "{first:?}");
    assert!(first.err().contains("playpen: snapshot `base` is "), "{first:?}");
    assert!(first.err().contains("kept in the snapshot"), "{first:?}");
    assert_eq!(work.read("a.txt"), "one\n");

    let script = "pwd; cat a.txt b/c.txt /tmp/x; echo three >> a.txt";
    let second = home.ok(&[
        "run",
        "--json",
        "--from",
        "base",
        "--snapshot",
        "next",
        "--",
        "sh",
        "-c",
        script,
    ]);
    let result = second.json();
    assert_eq!(result["stdout"], "/workspace\none\ntwo\nc\nt\n");
    assert_eq!(result["changes"][0]["path"], "/workspace/a.txt");
    let id = result["snapshot"]["id"].as_str().unwrap();

    let list = home.ok(&["snapshot", "list", "--json"]).json();
    assert_eq!(list.as_array().unwrap().len(), 2);
    assert_eq!(list[1]["id"], id);
    assert_eq!(list[1]["parent"], list[0]["id"]);
    let shown = home.ok(&["snapshot", "show", &id[..8], "--json", "--files"]).json();
    assert_eq!(shown["names"][0], "next");
    let files = shown["files"].as_array().unwrap();
    assert!(files.iter().any(|file| file["path"] == "/tmp/x" && file["size"] == 2), "{shown:#}");
    let diff = home.ok(&["snapshot", "diff", "base", "next"]);
    assert_eq!(diff.out(), "modified /workspace/a.txt\n");

    let patch = home.ok(&["snapshot", "export", "next", "--patch"]);
    let again = folder().file("a.txt", "one\ntwo\n");
    let applied = Program::new("git").args(["apply"]).cwd(again.path()).stdin(patch.stdout).run();
    assert_eq!(applied.code, 0, "{applied:?}");
    assert_eq!(again.read("a.txt"), "one\ntwo\nthree\n");
}

#[test]
fn a_snapshot_is_taken_of_a_failed_command_too() {
    let (home, work) = (home(), folder());
    let ended = home
        .program(&[
            "run",
            "--wall",
            "2s",
            "--snapshot",
            "broken",
            "--",
            "sh",
            "-c",
            "echo x > f; sleep 60",
        ])
        .cwd(work.path())
        .run();
    assert_eq!(ended.code, 124, "{ended:?}");
    assert_eq!(home.ok(&["run", "--from", "broken", "--", "cat", "f"]).out(), "x\n");
}

#[test]
fn forks_are_apart_and_cheap() {
    let (home, work) = (home(), folder().file("a.txt", "0\n"));
    home.import("base", work.path());
    let started = Instant::now();
    let forks = home.ok(&["fork", "base", "-n", "1000"]);
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(forks.out().lines().last(), Some("base-1000"));
    for n in ["7", "8"] {
        let fork = format!("base-{n}");
        let script = format!("cat a.txt; echo {n} > a.txt");
        let ended = home.ok(&[
            "run",
            "-q",
            "--from",
            &fork,
            "--snapshot",
            &fork,
            "--",
            "sh",
            "-c",
            &script,
        ]);
        assert_eq!(ended.out(), "0\n");
    }
    for (fork, expected) in
        [("base", "0\n"), ("base-7", "7\n"), ("base-8", "8\n"), ("base-9", "0\n")]
    {
        assert_eq!(home.ok(&["run", "--from", fork, "--", "cat", "a.txt"]).out(), expected);
    }
    assert_eq!(home.ok(&["fork", "base", "-n", "2"]).out(), "base-1001\nbase-1002\n");
}

/// A folder with whatever makes exports hard.
fn odd() -> Folder {
    use std::os::unix::fs::PermissionsExt as _;
    let every_byte: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    let folder = folder()
        .file("text.txt", "one\ntwo\nthree\n")
        .file("no-newline.txt", "end")
        .file("crlf.txt", "a\r\nb\r\n")
        .file("old-mac.txt", "a\rb\rc\r")
        .file("with space/na me.txt", "x\n")
        .file("quo\"te\\d.txt", "x\n")
        .file("ünï/cödé.txt", "ü\n")
        .file("latin1.txt", b"caf\xe9\n")
        .file("empty.txt", "")
        .file("bytes.bin", every_byte)
        .file("run.sh", "#!/bin/sh\n")
        .file("becomes-link", "x\n")
        .file("becomes-dir", "x\n")
        .file("dir-becomes-file/a", "x\n")
        .file("sort", "x\n")
        .file("sort.txt", "x\n")
        .file("sort-/x", "x\n")
        .link("link", "text.txt");
    let mode = std::fs::Permissions::from_mode(0o755);
    fs_err::set_permissions(folder.join("run.sh"), mode).unwrap();
    folder
}

/// Changes most of [`odd`].
fn changed(folder: &Folder) {
    use std::os::unix::fs::PermissionsExt as _;
    let write = |path: &str, data: &[u8]| fs_err::write(folder.join(path), data).unwrap();
    write("text.txt", b"one\n2\nthree\nfour");
    write("no-newline.txt", b"end\nmore");
    write("crlf.txt", b"a\r\nc\r\n");
    write("old-mac.txt", b"a\rb\rd\r");
    write("with space/na me.txt", b"y\n");
    write("quo\"te\\d.txt", b"y\n");
    write("ünï/cödé.txt", "ö\n".as_bytes());
    write("latin1.txt", b"caf\xe8\n");
    write("empty.txt", b"no more\n");
    write("bytes.bin", &[0, 255, 7]);
    write("new.bin", b"\0\x01\x02");
    write("new empty", b"");
    fs_err::set_permissions(folder.join("run.sh"), std::fs::Permissions::from_mode(0o644)).unwrap();
    for gone in ["becomes-link", "becomes-dir", "link", "dir-becomes-file/a", "sort"] {
        fs_err::remove_file(folder.join(gone)).unwrap();
    }
    fs_err::remove_dir(folder.join("dir-becomes-file")).unwrap();
    fs_err::os::unix::fs::symlink("elsewhere", folder.join("becomes-link")).unwrap();
    fs_err::os::unix::fs::symlink("new.bin", folder.join("link")).unwrap();
    fs_err::create_dir(folder.join("becomes-dir")).unwrap();
    write("becomes-dir/file", b"x\n");
    write("dir-becomes-file", b"file\n");
}

#[test]
fn git_applies_the_patch_between_any_two_snapshots() {
    let (home, old, new) = (home(), odd(), odd());
    changed(&new);
    home.import("old", old.path());
    home.import("new", new.path());
    let patch = |to: &str, from: &str| {
        home.ok(&["snapshot", "export", to, "--patch", "--against", from]).stdout
    };
    for (target, to, from, expected) in
        [(odd(), "new", "old", &new), (new_odd(), "old", "new", &old)]
    {
        let apply = Program::new("git").args(["apply", "--whitespace=nowarn"]).cwd(target.path());
        let applied = apply.stdin(patch(to, from)).run();
        assert_eq!(applied.code, 0, "{applied:?}");
        assert_eq!(described(target.path()), described(expected.path()));
    }
    // And back with the same patch.
    let back = new_odd();
    let apply = Program::new("git").args(["apply", "-R", "--whitespace=nowarn"]).cwd(back.path());
    let applied = apply.stdin(patch("new", "old")).run();
    assert_eq!(applied.code, 0, "{applied:?}");
    assert_eq!(described(back.path()), described(old.path()));
}

fn new_odd() -> Folder {
    let folder = odd();
    changed(&folder);
    folder
}

#[test]
fn a_folder_comes_out_as_it_went_in() {
    let (home, odd, out) = (home(), odd(), folder());
    fs_err::hard_link(odd.join("text.txt"), odd.join("hard.txt")).unwrap();
    fs_err::create_dir(odd.join("empty-dir")).unwrap();
    home.import("odd", odd.path());
    let target = out.join("new/folder");
    home.ok(&["snapshot", "export", "odd", "--to", target.to_str().unwrap()]);
    assert_eq!(described(&target), described(odd.path()));
    let again =
        home.program(&["snapshot", "export", "odd", "--to", target.to_str().unwrap()]).run();
    assert_eq!(again.code, 3, "{again:?}");
    assert!(again.err().contains("is not empty"), "{again:?}");
}

#[test]
fn git_reads_the_repository_of_a_history() {
    let (home, odd, out) = (home(), odd(), folder());
    fs_err::create_dir(odd.join(".git")).unwrap();
    fs_err::write(odd.join(".git/config"), "x").unwrap();
    home.import("base", odd.path());
    let script = "echo more >> text.txt; rm sort";
    home.ok(&["run", "-q", "--from", "base", "--snapshot", "next", "--", "sh", "-c", script]);
    let repo = out.join("repo.git");
    let repo = repo.to_str().unwrap();
    let exported = home.ok(&["snapshot", "export", "next", "--git", repo]);
    assert!(exported.err().contains("`.git` of snapshot"), "{exported:?}");
    let git = |args: &[&str]| {
        let ended = Program::new("git").args(["-C", repo]).args(args).run();
        assert_eq!(ended.code, 0, "{args:?} {ended:?}");
        ended.out()
    };
    let fsck = Program::new("git").args(["-C", repo, "fsck", "--full", "--strict"]).run();
    assert_eq!((fsck.code, fsck.out().as_str()), (0, ""), "{fsck:?}");
    assert_eq!(git(&["log", "--format=%s"]), "sh -c echo more >> text.txt; rm sort\nImport\n");
    assert_eq!(git(&["diff", "--name-status", "HEAD~", "HEAD"]), "D\tsort\nM\ttext.txt\n");
    let clone = out.join("clone");
    let ended = Program::new("git").args(["clone", "-q", repo, clone.to_str().unwrap()]).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let mut expected = described(odd.path());
    expected.retain(|path, _| !path.starts_with(".git"));
    expected.remove("sort");
    let mut found = described(&clone);
    found.retain(|path, _| !path.starts_with(".git"));
    for map in [&mut expected, &mut found] {
        map.remove("text.txt");
    }
    assert_eq!(found, expected);
    // A second branch goes in beside the first, which stays.
    home.ok(&["snapshot", "export", "base", "--git", repo, "--branch", "other"]);
    assert_eq!(git(&["rev-parse", "other"]), git(&["rev-parse", "main~"]));
    let taken = home.program(&["snapshot", "export", "base", "--git", repo]).run();
    assert_eq!(taken.code, 3, "{taken:?}");
    assert!(taken.err().contains("branch `main` is there already"), "{taken:?}");
}

#[test]
fn names_move_and_unnamed_snapshots_are_cleared_away() {
    let (home, work) = (home(), folder().file("a", "1\n"));
    home.import("x", work.path());
    fs_err::write(work.join("a"), "2\n").unwrap();
    home.import("x", work.path());
    let count = || home.ok(&["snapshot", "list", "--json"]).json().as_array().unwrap().len();
    assert_eq!(count(), 2);
    let gc = home.ok(&["snapshot", "gc"]);
    assert!(gc.out().starts_with("1 snapshots removed, 1 kept;"), "{gc:?}");
    assert_eq!(count(), 1);
    home.ok(&["snapshot", "name", "y", "x"]);
    home.ok(&["snapshot", "rm", "x"]);
    assert_eq!(home.ok(&["run", "--from", "y", "--", "cat", "a"]).out(), "2\n");
    for (args, said) in [
        (&["run", "--from", "x", "--", "true"][..], "there is no snapshot `x`"),
        (&["run", "--snapshot", "a/b", "--", "true"], "cannot be the name of a snapshot"),
        (&["snapshot", "rm", "y", "nope"], "there is no snapshot `nope`"),
        (&["snapshot", "export", "y"], "it is not said what to write"),
        (&["snapshot", "export", "y", "--patch", "--mount", "/q"], "nothing is mounted at `/q`"),
        (&["fork", "y", "--name", "-x"], "cannot be the name"),
    ] {
        let ended = home.program(args).cwd(work.path()).run();
        assert!(ended.code == 3 || ended.code == 2, "{args:?} {ended:?}");
        assert!(ended.err().contains(said) || ended.code == 2, "{args:?} {ended:?}");
    }
    assert_eq!(home.ok(&["run", "--from", "y", "--", "cat", "a"]).out(), "2\n");
}

#[test]
fn a_damaged_file_is_named_and_the_others_come_out() {
    let home = home();
    let noise = |seed: u32| {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        };
        (0..3000).map(|_| next()).collect::<Vec<u8>>()
    };
    let work =
        folder().file("first.bin", noise(1)).file("second.bin", noise(2)).file("third", "3\n");
    home.import("base", work.path());
    // What does not compress stands in the pack as it is.
    let pack = home.pack();
    let mut bytes = fs_err::read(&pack).unwrap();
    let second = noise(2);
    let at = bytes.windows(100).position(|window| window == &second[..100]).unwrap();
    bytes[at + 50] ^= 1;
    fs_err::write(&pack, &bytes).unwrap();

    let ended = home.program(&["run", "--from", "base", "--", "true"]).run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(
        ended.err().contains("failed to read `/workspace/second.bin` of snapshot"),
        "{ended:?}"
    );
    assert!(ended.err().contains(pack.file_name().unwrap().to_str().unwrap()), "{ended:?}");
    let verify = home.program(&["snapshot", "verify"]).run();
    assert_eq!(verify.code, 1, "{verify:?}");
    assert!(verify.out().contains("second.bin") && verify.out().contains("1 of 1"), "{verify:?}");
    let out = folder();
    let target = out.path().to_str().unwrap();
    let salvaged = home.program(&["snapshot", "export", "base", "--to", target, "--salvage"]).run();
    assert_eq!(salvaged.code, 1, "{salvaged:?}");
    let mut expected = described(work.path());
    expected.remove("second.bin");
    assert_eq!(described(out.path()), expected);
    // The file is kept anew: the damaged copy is passed over from then on.
    fs_err::remove_file(&pack).unwrap();
    home.import("base", work.path());
    assert_eq!(home.ok(&["snapshot", "verify", "base"]).out(), "0 of 1 snapshots damaged\n");
}

#[test]
fn a_killed_writer_leaves_nothing_half_there() {
    let (home, work) = (home(), folder());
    for n in 0..400_u32 {
        let lines = (0..400).map(|line| format!("line {} of {n}\n", line * 7919 % 1000));
        let text = lines.collect::<Vec<_>>().concat();
        fs_err::write(work.join(&format!("f{n}.txt")), text).unwrap();
    }
    home.import("base", work.path());
    let folder = work.path().to_str().unwrap();
    let whole = home.program(&["snapshot", "import", "timed", folder]).run().took;
    for step in 0..12_u32 {
        fs_err::write(work.join("f0.txt"), format!("{step}\n").repeat(100_000)).unwrap();
        fs_err::write(work.join(&format!("g{step}.txt")), "new\n").unwrap();
        let deadline = whole * step / 10;
        let killed = home.program(&["snapshot", "import", &format!("k{step}"), folder]);
        let ended = killed.deadline(deadline).try_run().unwrap();
        let list = home.ok(&["snapshot", "list", "--json"]).json();
        let names: Vec<_> = list
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|it| it["names"].as_array().unwrap())
            .collect();
        if ended.is_some() {
            assert!(names.iter().any(|name| **name == format!("k{step}")), "{names:?}");
        }
        let verify = home.ok(&["snapshot", "verify"]);
        assert!(verify.out().contains("0 of "), "{verify:?}");
    }
    home.ok(&["snapshot", "gc"]);
    let packs = fs_err::read_dir(home.snapshots().join("packs")).unwrap();
    let names: Vec<_> = packs.map(|it| it.unwrap().file_name().into_string().unwrap()).collect();
    assert!(names.iter().all(|name| !name.starts_with("tmp-")), "{names:?}");
    home.ok(&["snapshot", "verify"]);
}

#[test]
fn a_full_disk_is_said_and_costs_nothing_that_was_there() {
    let (home, small, large) = (home(), folder().file("a", "1\n"), folder());
    home.import("base", small.path());
    let noise: Vec<u8> =
        (0..400_000_u32).map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()[3]).collect();
    fs_err::write(large.join("noise"), noise).unwrap();
    // The largest file that a process may write stands for the end of the disk.
    let command = r#"trap "" XFSZ; ulimit -f 64; exec "$@""#;
    let home_path = home.home.path().to_str().unwrap();
    let ended = Program::new("bash")
        .args(["-c", command, "bash", PLAYPEN, "--home", home_path, "snapshot", "import", "big"])
        .args([large.path()])
        .run();
    assert_eq!(ended.code, 3, "{ended:?}");
    assert!(ended.err().contains("failed to write `"), "{ended:?}");
    assert_eq!(home.ok(&["snapshot", "list", "--json"]).json().as_array().unwrap().len(), 1);
    assert_eq!(fs_err::read_dir(home.snapshots().join("packs")).unwrap().count(), 1);
    home.ok(&["snapshot", "verify"]);
}

#[test]
fn a_fifo_is_refused_and_a_link_is_not_followed() {
    let (home, work, outside) = (home(), folder(), folder().file("secret", "secret\n"));
    fs_err::os::unix::fs::symlink(outside.join("secret"), work.join("link")).unwrap();
    fs_err::os::unix::fs::symlink(outside.path(), work.join("dir")).unwrap();
    home.import("links", work.path());
    let shown = home.ok(&["snapshot", "show", "links", "--files"]);
    assert!(!shown.out().contains("dir/secret"), "{shown:?}");
    let ended = home.program(&["run", "--from", "links", "--", "cat", "link"]).run();
    assert_ne!(ended.code, 0, "{ended:?}");
    let made = Program::new("mkfifo").args([work.join("pipe")]).run();
    assert_eq!(made.code, 0);
    let folder = work.path().to_str().unwrap();
    let refused =
        home.program(&["snapshot", "import", "x", folder]).deadline(Duration::from_secs(20));
    let refused = refused.run();
    assert_eq!(refused.code, 3, "{refused:?}");
    assert!(refused.err().contains("failed to import `pipe`"), "{refused:?}");
    assert!(refused.err().contains("hint:"), "{refused:?}");
}

#[test]
fn replay_starts_from_the_same_snapshot_with_the_same_limits() {
    let (home, folder) = (home(), folder());
    let run = |args: &[&str]| home.program(args).cwd(folder.path()).run();
    run(&["run", "--quiet", "--snapshot", "start", "--", "sh", "-c", "echo 1 > made"]);
    let flags = ["run", "--quiet", "--deterministic", "5", "--from", "start", "--disk", "4096"];
    let work = "cat made; head -c 9000 /dev/zero > big; wc -c < big";
    let ended = run(&[&flags[..], &["--audit", "e.jsonl", "--", "sh", "-c", work]].concat());
    assert!(ended.out().starts_with("1\n") && !ended.out().contains("9000"), "{ended:?}");
    let replayed = run(&["replay", "e.jsonl"]);
    assert_eq!(replayed.code, 0, "{replayed:?}");
}
