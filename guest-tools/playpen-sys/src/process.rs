//! Processes: start, wait, signal.

use std::io::{self, Error, Write as _};

use crate::raw::{self, Request, Waited};
use crate::{EACCES, ENOENT, ENOTDIR, ROOT, check, signals};

/// Option of [`wait`]: do not block.
pub const NOHANG: u32 = 1;

/// Starts `path`, or without it `argv[0]`: as it stands if it has a slash, else from PATH of `env`.
/// `fds`: (child, parent). Number 3 is the root directory in every guest and is left out.
pub fn spawn(
    path: Option<&str>,
    argv: &[&str],
    env: &[(String, String)],
    cwd: &str,
    fds: &[(u32, u32)],
) -> io::Result<i32> {
    fn text(out: &mut Vec<u8>, parts: &[&str]) -> io::Result<()> {
        if parts.iter().any(|p| p.contains('\0')) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        parts.iter().for_each(|p| out.extend(p.as_bytes()));
        out.push(0);
        Ok(())
    }
    let (mut args, mut vars) = (vec![], vec![]);
    argv.iter().try_for_each(|a| text(&mut args, &[a]))?;
    env.iter().try_for_each(|(k, v)| text(&mut vars, &[k, "=", v]))?;
    let mut map: Vec<[u32; 2]> = fds.iter().filter(|m| m.0 != ROOT).map(|m| [m.0, m.1]).collect();
    map.sort_unstable();
    map.dedup_by_key(|m| m[0]);
    let _ = io::stdout().flush();
    let start = |path: &str| {
        let req = Request {
            path: path.as_ptr(),
            path_len: path.len() as u32,
            argv: args.as_ptr(),
            argv_len: args.len() as u32,
            argc: argv.len() as u32,
            env: vars.as_ptr(),
            env_len: vars.len() as u32,
            envc: env.len() as u32,
            cwd: cwd.as_ptr(),
            cwd_len: cwd.len() as u32,
            fdmap: map.as_ptr(),
            fdmap_len: map.len() as u32,
            flags: 0,
            pgid: 0,
            umask: 0,
            ignored: signals::ignored_in_children(),
        };
        let mut pid = 0u32;
        check(unsafe { raw::proc_spawn(&req, &mut pid) }).map(|()| pid as i32)
    };
    let name = path.unwrap_or(argv[0]);
    if name.contains('/') {
        return start(name);
    }
    let dirs = env.iter().find(|(k, _)| k == "PATH").map_or("/usr/bin:/bin", |(_, v)| v.as_str());
    let mut result = Err(Error::from_raw_os_error(ENOENT));
    for d in dirs.split(':').filter(|_| !name.is_empty()) {
        match start(&if d.is_empty() { format!("./{name}") } else { format!("{d}/{name}") }) {
            Err(e) if matches!(e.raw_os_error(), Some(ENOENT | ENOTDIR)) => {}
            Err(e) if e.raw_os_error() == Some(EACCES) => result = Err(e),
            r => return r,
        }
    }
    result
}

/// `Ok(None)`: still running (only with `NOHANG`).
pub fn wait(pid: i32, flags: u32) -> io::Result<Option<ExitStatus>> {
    let mut w = Waited::default();
    check(unsafe { raw::proc_wait(pid, flags, &mut w) })?;
    Ok((w.pid != 0).then_some(ExitStatus(w.status)))
}

/// Makes the process the first of a group of its own.
pub fn lead_group() -> io::Result<()> {
    check(unsafe { raw::proc_setpgid(0, 0) })
}

/// Waits for whichever child ends next; its id and how it ended.
pub fn wait_any() -> io::Result<(i32, ExitStatus)> {
    let mut w = Waited::default();
    check(unsafe { raw::proc_wait(-1, 0, &mut w) })?;
    Ok((w.pid, ExitStatus(w.status)))
}

/// How long the sandbox is there, by its clock.
pub fn uptime() -> io::Result<std::time::Duration> {
    /// The clock that only goes forward; it begins with the sandbox.
    const MONOTONIC: u32 = 1;
    let mut nanos = 0;
    check(unsafe { raw::clock_time_get(MONOTONIC, 1, &mut nanos) })?;
    Ok(std::time::Duration::from_nanos(nanos))
}

/// This process's id.
pub fn pid() -> i32 {
    let mut ids = [1i32; 4];
    unsafe { raw::proc_ids(0, ids.as_mut_ptr()) };
    ids[0]
}

/// The id of the process that started this one.
pub fn parent() -> i32 {
    let mut ids = [1i32; 4];
    unsafe { raw::proc_ids(0, ids.as_mut_ptr()) };
    ids[1]
}

/// Sends a signal, by its Linux number, to a process or (negative) a group; 0 is the own group.
pub fn kill(pid: i32, sig: u32) -> io::Result<()> {
    check(unsafe { raw::proc_kill(pid, sig) })
}

/// POSIX encoding: exit code in bits 8..16, signal in bits 0..7.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ExitStatus(pub u32);

impl ExitStatus {
    /// The exit code, unless a signal ended it.
    pub fn code(&self) -> Option<i32> {
        (self.0 & 0x7f == 0).then_some((self.0 >> 8 & 0xff) as i32)
    }

    /// The signal that ended it.
    pub fn signal(&self) -> Option<i32> {
        (self.0 & 0x7f != 0).then_some((self.0 & 0x7f) as i32)
    }

    /// Whether it ended with 0.
    pub fn success(&self) -> bool {
        self.0 == 0
    }

    /// What `$?` shows.
    pub fn shell_code(&self) -> u8 {
        self.signal().map_or_else(|| (self.0 >> 8) as u8, |s| 128 + s as u8)
    }
}

impl std::fmt::Display for ExitStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.signal() {
            Some(s) => write!(f, "signal: {s}"),
            None => write!(f, "exit status: {}", self.shell_code()),
        }
    }
}
