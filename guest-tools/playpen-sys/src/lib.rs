//! The `playpen` import module of the kernel, and a `Command` with std's interface on top of it.
//!
//! For guests only (wasm32-wasip1); `guest-tools/ABI.md` describes the imports. Errors are
//! `std::io::Error` with preview 1's error numbers.

mod absent;
mod command;
mod errors;
mod files;
mod process;
mod raw;
mod signals;
mod transfer;

use std::io;

pub use absent::instead_of;
pub use command::{Child, Command, Output, Stdio};
pub use files::{
    FileId, chmod, dup, executable, file_id, is_open, links, path_id, pipe, stat, umask,
    wait_readable,
};
pub use process::{
    ExitStatus, NOHANG, kill, lead_group, parent, pid, spawn, uptime, wait, wait_any,
};
pub use signals::{
    Action, action, forward_signals, ignore_in_children, set_action, sleep, take_signal,
};
pub use transfer::{copy_mode, copy_new_mode, rename_across, set_times, symlink};

/// A rename from one mount to another.
pub const EXDEV: i32 = 75;
/// Permission denied.
pub const EACCES: i32 = 2;
/// A wait that a signal has ended.
pub const EINTR: i32 = 27;
/// No such child.
pub const ECHILD: i32 = 12;
/// No such file.
pub const ENOENT: i32 = 44;
/// A file that is no program and has no `#!`.
pub const ENOEXEC: i32 = 45;
/// A file where a directory is needed.
pub const ENOTDIR: i32 = 54;

/// The root directory's descriptor, in every guest.
const ROOT: u32 = 3;

fn check(errno: i32) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}
