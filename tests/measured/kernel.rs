//! The guarantees need no feature of the kernel: the tests of the runtime pass as an ordinary user
//! to whom namespaces, ptrace, Landlock and mounts are refused.

use playpen_e2e::program::Program;
use std::{os::unix::fs::PermissionsExt as _, path::PathBuf, time::Duration};

const WITHOUT: &str = env!("CARGO_BIN_EXE_without-kernel-features");

/// Time for compiling the tests, where that is not done, and for running them.
const DEADLINE: Duration = Duration::from_hours(1);

/// Returns where the test programs of the runtime are, built as for the whole workspace.
fn test_programs() -> Vec<PathBuf> {
    let cargo = env!("CARGO");
    let args = ["test", "--workspace", "--no-run", "--message-format", "json", "--offline"];
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let profile: &[&str] = if cfg!(debug_assertions) { &[] } else { &["--release"] };
    // Without its variables rustup takes the default toolchain, and may change it.
    let built = Program::new(cargo).args(args).args(profile).cwd(folder.as_ref());
    let built = ["RUSTUP_HOME", "RUSTUP_TOOLCHAIN", "RUSTUP_AUTO_INSTALL", "CARGO_HOME"]
        .into_iter()
        .filter_map(|name| Some((name, std::env::var_os(name)?)))
        .fold(built, |built, (name, value)| built.env(name, value));
    let built = built.deadline(DEADLINE).run();
    assert_eq!(built.code, 0, "{}", built.err());
    let messages = built.out();
    let messages = messages.lines().filter_map(|line| serde_json::from_str(line).ok());
    let programs = messages.filter_map(|message: serde_json::Value| {
        let is_test = message["profile"]["test"] == true;
        let is_runtime = message["manifest_path"].as_str()?.ends_with("/runtime/Cargo.toml");
        let kind = message["target"]["kind"][0].as_str()?;
        let is_suite = matches!(kind, "lib" | "test");
        let program = message["executable"].as_str()?;
        (is_test && is_runtime && is_suite).then(|| program.into())
    });
    programs.collect()
}

#[test]
fn the_features_are_really_refused() {
    for (program, args) in
        [("unshare", &["-U", "true"][..]), ("unshare", &["-m", "true"]), ("id", &["-u"])]
    {
        let ended = Program::new(WITHOUT).args([program]).args(args).run();
        if program == "id" {
            assert_ne!(ended.out(), "0\n", "{ended:?}");
        } else {
            assert_ne!(ended.code, 0, "{program} {args:?} {ended:?}");
            assert!(ended.err().contains("not permitted"), "{ended:?}");
        }
    }
}

#[test]
#[ignore = "builds the tests of the runtime again: `cargo test --release -p playpen-e2e -- --ignored kernel`"]
fn the_tests_of_the_runtime_pass_without_any_feature_of_the_kernel() {
    let programs = test_programs();
    assert!(programs.len() >= 2, "{programs:?}");
    // Nobody may read the folder that they were built in.
    let folder = tempfile::tempdir().unwrap();
    let all = std::fs::Permissions::from_mode(0o777);
    fs_err::set_permissions(folder.path(), all.clone()).unwrap();
    for program in programs {
        let copy = folder.path().join(program.file_name().unwrap());
        fs_err::copy(&program, &copy).unwrap();
        fs_err::set_permissions(&copy, all.clone()).unwrap();
        let ended = Program::new(WITHOUT)
            .args([&copy])
            .env("TMPDIR", folder.path())
            .env("HOME", folder.path())
            .cwd(folder.path())
            .deadline(DEADLINE)
            .run();
        assert_eq!(ended.code, 0, "{} {ended:?}", program.display());
        assert!(ended.out().contains(" 0 failed"), "{ended:?}");
    }
}
