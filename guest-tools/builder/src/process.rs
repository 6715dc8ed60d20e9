//! Runs the programs of the host: the one place in this crate that starts processes.
#![expect(
    clippy::disallowed_methods,
    reason = "the builder's own programs run here and nowhere else"
)]

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fs_err::File;

/// How often a running program is looked at.
const POLL: Duration = Duration::from_millis(50);

/// Runs the script `$0` until it ends or the builder does. The builder holds the other end of
/// descriptor 0 and writes nothing to it; when that closes, the whole process group is killed, so
/// that nothing goes on working in a folder which the next build will use.
const WATCHED: &str = r#"exec 9<&0 0</dev/null
{ read -r -u 9 _; kill -KILL 0; } &
exec 9<&-
exec bash "$0""#;

/// A variable that the caller's shell or cargo may have set for something else.
fn leaks(name: &OsStr) -> bool {
    const NAMES: [&str; 21] = [
        "CFLAGS",
        "CXXFLAGS",
        "CPPFLAGS",
        "LDFLAGS",
        "CC",
        "CXX",
        "AR",
        "RANLIB",
        "LD",
        "MAKEFLAGS",
        "MAKELEVEL",
        "MFLAGS",
        "CONFIG_SITE",
        "PKG_CONFIG_PATH",
        "PYTHONPATH",
        "PYTHONHOME",
        "RUSTC",
        "RUSTDOC",
        "RUSTFLAGS",
        "BASH_ENV",
        "CDPATH",
    ];
    let name = name.to_string_lossy();
    let cargo_own = name.starts_with("CARGO_")
        && !["CARGO_HOME", "CARGO_HTTP", "CARGO_NET", "CARGO_REGISTR", "CARGO_SOURCE"]
            .iter()
            .any(|p| name.starts_with(p));
    cargo_own
        || name.starts_with("RUSTC_")
        || name.starts_with("BASH_FUNC_")
        || NAMES.contains(&name.as_ref())
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| leaks(name)) {
        command.env_remove(name);
    }
    command
}

/// A script with what it needs.
#[derive(Debug)]
pub(crate) struct Script<'a> {
    pub(crate) file: &'a Path,
    pub(crate) dir: &'a Path,
    pub(crate) env: Vec<(String, OsString)>,
    pub(crate) log: &'a Path,
}

impl Script<'_> {
    /// Runs the script in a process group of its own, its output in the log. `tick` is called while
    /// it runs and ends it by returning false; then there is no status.
    pub(crate) fn run(
        &self,
        tick: &mut dyn FnMut(Duration) -> bool,
    ) -> io::Result<Option<ExitStatus>> {
        let log = File::create(self.log)?.into_parts().0;
        let mut child = command("bash")
            .args(["-c", WATCHED])
            .arg(self.file)
            .current_dir(self.dir)
            .envs(self.env.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::piped())
            .stdout(log.try_clone()?)
            .stderr(log)
            .process_group(0)
            .spawn()?;
        let watch = child.stdin.take();
        let status = wait(&mut child, tick)?;
        drop(watch);
        if status.is_none() {
            child.wait()?;
        }
        Ok(status)
    }
}

fn wait(
    child: &mut Child,
    tick: &mut dyn FnMut(Duration) -> bool,
) -> io::Result<Option<ExitStatus>> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        if !tick(start.elapsed()) {
            return Ok(None);
        }
        std::thread::sleep(POLL);
    }
}

/// Runs a program that takes a moment, its output thrown away.
pub(crate) fn runs(program: &Path, args: &[&str]) -> bool {
    let mut command = command(&program.to_string_lossy());
    command.args(args).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a program in `dir`, its output appended to `log`.
pub(crate) fn logged(
    program: &str,
    args: &[&str],
    dir: &Path,
    log: &Path,
) -> io::Result<ExitStatus> {
    let file = std::fs::OpenOptions::new().create(true).append(true).open(log)?;
    command(program)
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(file.try_clone()?)
        .stderr(file)
        .status()
}

/// The folders of PATH.
pub(crate) fn search_path() -> Vec<PathBuf> {
    std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default()
}

/// Cargo's home: `CARGO_HOME`, else `~/.cargo`.
pub(crate) fn cargo_home() -> PathBuf {
    std::env::var_os("CARGO_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::home_dir().map(|home| home.join(".cargo")))
        .unwrap_or_default()
}

/// A variable of the builder's own, for the way of the Rust toolchain and the like.
pub(crate) fn setting(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn script(text: &str) -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("step.sh");
        fs_err::write(&file, text).unwrap();
        (dir, file)
    }

    fn run(text: &str, tick: &mut dyn FnMut(Duration) -> bool) -> (Option<ExitStatus>, String) {
        let (dir, file) = script(text);
        let log = dir.path().join("log");
        let env = vec![("GREETING".to_owned(), "hello".into())];
        let status = Script { file: &file, dir: dir.path(), env, log: &log }.run(tick).unwrap();
        (status, fs_err::read_to_string(log).unwrap())
    }

    #[test]
    fn output_and_status_arrive() {
        let (status, log) = run("echo $GREETING; echo there >&2; exit 3", &mut |_| true);
        assert_eq!(status.unwrap().code(), Some(3));
        assert_eq!(log, "hello\nthere\n");
    }

    #[test]
    fn a_stopped_script_leaves_no_process_behind() {
        let (dir, file) = script("sleep 600 & echo $! > pid; sleep 600");
        let (log, pid) = (dir.path().join("log"), dir.path().join("pid"));
        let status = Script { file: &file, dir: dir.path(), env: vec![], log: &log };
        assert!(status.run(&mut |_| !pid.exists()).unwrap().is_none());
        std::thread::sleep(Duration::from_millis(300));
        let pid = fs_err::read_to_string(pid).unwrap();
        let stat = fs_err::read_to_string(format!("/proc/{}/stat", pid.trim()));
        assert!(stat.is_err() || stat.unwrap().contains(") Z "), "process {pid} still runs");
    }

    #[test]
    fn settings_of_an_outer_cargo_do_not_reach_the_guests() {
        for name in
            ["CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "RUSTFLAGS", "RUSTC_WRAPPER", "MAKEFLAGS"]
        {
            assert!(leaks(OsStr::new(name)), "{name}");
        }
        for name in
            ["CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_REGISTRIES_X_INDEX", "PATH", "PIP_INDEX_URL"]
        {
            assert!(!leaks(OsStr::new(name)), "{name}");
        }
    }
}
