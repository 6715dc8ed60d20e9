//! The system calls: `wasi_snapshot_preview1` and the extension module `playpen`.
//!
//! wasmtime-wasi answers for arguments and environment; everything that has to do with files,
//! descriptors, waiting and processes is the kernel's. A call first copies what it is given out of the
//! guest's memory, checking every range, then acts, then writes its results; nothing in guest memory is
//! read twice. Calls that may block are asynchronous: they give up the thread, not only the guest.
//!
//! ARCHITECTURE.md lists what each import does.

#![allow(
    clippy::too_many_arguments,
    clippy::unnecessary_wraps,
    reason = "a system call has the arguments that it has, and all have one shape of result"
)]
#![allow(
    clippy::cast_sign_loss,
    clippy::cast_possible_wrap,
    clippy::cast_possible_truncation,
    reason = "the ABI passes u32 as i32; every cast here reverses one of the guest's"
)]

mod fds;
mod guest;
mod io;
mod locks;
mod paths;
mod poll;
mod processes;
mod ready;
mod semaphores;
mod signals;
mod sockets;
mod threads;

pub(crate) use self::{
    io::{poll_ready, read_at, write_at},
    poll::sleep,
};

use self::guest::Guest;
use crate::{
    errno::{Errno, SysResult},
    fd::Readiness,
    process::{Ended, MAX_CALLS, Process, Status, give_way, waiting},
};
use wasmtime::{AsContextMut as _, Caller, Engine, Linker};

/// Name of WASI preview 1's import module.
const PREVIEW1: &str = "wasi_snapshot_preview1";
/// Name of the extension module.
const PLAYPEN: &str = "playpen";

/// What a system call came to.
pub(crate) enum Outcome {
    /// Done; the guest gets the errno, 0 for success.
    Done(Errno0),
    /// The process ends.
    End(Status),
}

/// An errno with 0 for success, as the guest sees it.
type Errno0 = i32;

impl From<SysResult<()>> for Outcome {
    fn from(result: SysResult<()>) -> Self {
        Self::Done(result.map_or_else(|errno| errno.raw().into(), |()| 0))
    }
}

impl Outcome {
    fn into_result(self) -> wasmtime::Result<i32> {
        match self {
            Self::Done(errno) => Ok(errno),
            Self::End(status) => Err(Ended(status).into()),
        }
    }
}

/// Runs a system call that does not block.
fn call<R: Into<Outcome>>(
    caller: &mut Caller<'_, Process>,
    act: impl FnOnce(&mut Guest<'_>, &mut Process) -> R,
) -> wasmtime::Result<i32> {
    let Some(memory) = caller.data().memory else {
        return Ok(Errno::FAULT.raw().into());
    };
    let (bytes, process) = memory.data_and_store_mut(&mut *caller);
    let result = act(&mut Guest::new(bytes), process).into().into_result();
    count_turn(caller);
    result
}

/// Where processes take turns, ends the turn of one that has made many calls.
fn count_turn(caller: &mut Caller<'_, Process>) {
    let process = caller.data_mut();
    if process.job.turns.is_none() {
        return;
    }
    process.turn_calls += 1;
    if process.turn_calls == MAX_CALLS {
        (process.turn_calls, process.is_turn_over) = (0, true);
        // At once, and not with the next tick.
        caller.as_context_mut().set_epoch_deadline(0);
    }
}

/// Defines system calls that do not block: `name: function(arguments)`.
macro_rules! immediate {
    ($linker:ident, $module:expr; $($name:literal: $function:path, ($($arg:ident: $type:ty),*);)*) => {
        $($linker.func_wrap($module, $name, |mut caller: Caller<'_, Process>, $($arg: $type),*| {
            call(&mut caller, |guest, process| $function(guest, process, $($arg),*))
        })?;)*
    };
}

/// Defines system calls that may block: an attempt is made as often as it says that it must wait.
macro_rules! blocking {
    ($linker:ident, $module:expr; $($name:literal: $function:path, ($($arg:ident: $type:ty),*);)*) => {
        $($linker.func_wrap_async($module, $name, |mut caller: Caller<'_, Process>, ($($arg,)*): ($($type,)*)| {
            Box::new(async move {
                loop {
                    let Some(memory) = caller.data().memory else {
                        return Ok(Errno::FAULT.raw().into());
                    };
                    let (bytes, process) = memory.data_and_store_mut(&mut caller);
                    match $function(&mut Guest::new(bytes), process, $($arg),*) {
                        Attempt::Finished(outcome) => return outcome.into_result(),
                        Attempt::Wait(wait) => {
                            if let Err(errno) = waiting(&mut caller, wait.done()).await {
                                return Ok(errno.raw().into());
                            }
                        }
                    }
                }
            })
        })?;)*
    };
}

/// What an attempt at a blocking call came to.
pub(crate) enum Attempt {
    Finished(Outcome),
    /// To be tried again after waiting.
    Wait(Wait),
}

impl Attempt {
    /// From a call that failed, succeeded, or says what to wait for.
    fn of(tried: SysResult<Result<(), Wait>>) -> Self {
        match tried {
            Ok(Ok(())) => Self::Finished(Ok(()).into()),
            Ok(Err(wait)) => Self::Wait(wait),
            Err(errno) => Self::Finished(Err(errno).into()),
        }
    }
}

/// What a blocked call waits for.
pub(crate) enum Wait {
    Descriptor(std::sync::Arc<crate::fd::Description>, Readiness),
    /// Until a lock was given up after this many.
    Lock(std::sync::Arc<crate::locks::Locks>, u64),
    /// Give way once.
    Turn,
}

impl Wait {
    async fn done(self) {
        match self {
            Self::Turn => give_way().await,
            Self::Lock(locks, since) => {
                std::future::poll_fn(|cx| locks.poll_changed(since, cx)).await;
            }
            Self::Descriptor(description, readiness) => {
                std::future::poll_fn(|cx| io::poll_ready(&description, readiness, cx)).await;
            }
        }
    }
}

/// Builds the linker of all guests.
pub(crate) fn linker(engine: &Engine) -> wasmtime::Result<Linker<Process>> {
    let mut linker = Linker::new(engine);
    // First what wasmtime-wasi does well; all else of it is shadowed below, so that no call can
    // reach a descriptor table other than the kernel's.
    wasmtime_wasi::p1::add_to_linker_async(&mut linker, |process: &mut Process| &mut process.wasi)?;
    linker.allow_shadowing(true);
    define_files(&mut linker)?;
    define_paths(&mut linker)?;
    define_rest(&mut linker)?;
    define_extension(&mut linker)?;
    linker.allow_shadowing(false);
    Ok(linker)
}

fn define_files(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    immediate! { linker, PREVIEW1;
        "fd_advise": fds::advise, (fd: u32, _offset: i64, _len: i64, _advice: i32);
        "fd_allocate": fds::allocate, (fd: u32, offset: u64, len: u64);
        "fd_close": fds::close, (fd: u32);
        "fd_datasync": fds::sync, (fd: u32);
        "fd_fdstat_get": fds::fdstat_get, (fd: u32, out: u32);
        "fd_fdstat_set_flags": fds::fdstat_set_flags, (fd: u32, flags: u32);
        "fd_fdstat_set_rights": fds::fdstat_set_rights, (fd: u32, _base: i64, _inheriting: i64);
        "fd_filestat_get": fds::filestat_get, (fd: u32, out: u32);
        "fd_filestat_set_size": fds::filestat_set_size, (fd: u32, size: u64);
        "fd_filestat_set_times": fds::filestat_set_times, (fd: u32, accessed: u64, modified: u64, flags: u32);
        "fd_pread": io::pread, (fd: u32, iovs: u32, n_iovs: u32, offset: u64, out: u32);
        "fd_prestat_dir_name": fds::prestat_dir_name, (fd: u32, path: u32, len: u32);
        "fd_prestat_get": fds::prestat_get, (fd: u32, out: u32);
        "fd_pwrite": io::pwrite, (fd: u32, iovs: u32, n_iovs: u32, offset: u64, out: u32);
        "fd_readdir": fds::readdir, (fd: u32, buf: u32, len: u32, cookie: u64, out: u32);
        "fd_renumber": fds::renumber, (from: u32, to: u32);
        "fd_seek": io::seek, (fd: u32, offset: i64, whence: u32, out: u32);
        "fd_sync": fds::sync, (fd: u32);
        "fd_tell": io::tell, (fd: u32, out: u32);
    }
    blocking! { linker, PREVIEW1;
        "fd_read": io::read, (fd: u32, iovs: u32, n_iovs: u32, out: u32);
        "fd_write": io::write, (fd: u32, iovs: u32, n_iovs: u32, out: u32);
    }
    Ok(())
}

fn define_paths(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    immediate! { linker, PREVIEW1;
        "path_create_directory": paths::create_directory, (fd: u32, path: u32, len: u32);
        "path_filestat_get": paths::filestat_get, (fd: u32, lookup: u32, path: u32, len: u32, out: u32);
        "path_filestat_set_times": paths::filestat_set_times,
            (fd: u32, lookup: u32, path: u32, len: u32, accessed: u64, modified: u64, flags: u32);
        "path_link": paths::link,
            (old_fd: u32, lookup: u32, old: u32, old_len: u32, new_fd: u32, new: u32, new_len: u32);
        "path_open": paths::open,
            (fd: u32, lookup: u32, path: u32, len: u32, oflags: u32, rights: u64, _inheriting: u64, fdflags: u32, out: u32);
        "path_readlink": paths::readlink, (fd: u32, path: u32, len: u32, buf: u32, buf_len: u32, out: u32);
        "path_remove_directory": paths::remove_directory, (fd: u32, path: u32, len: u32);
        "path_rename": paths::rename, (old_fd: u32, old: u32, old_len: u32, new_fd: u32, new: u32, new_len: u32);
        "path_symlink": paths::symlink, (target: u32, target_len: u32, fd: u32, path: u32, len: u32);
        "path_unlink_file": paths::unlink_file, (fd: u32, path: u32, len: u32);
    }
    Ok(())
}

fn define_rest(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    poll::define(linker)?;
    ready::define(linker)?;
    processes::define_clock(linker)?;
    linker.func_wrap(PREVIEW1, "proc_exit", |code: i32| -> wasmtime::Result<()> {
        Err(Ended(Status::Code((code & 0xff) as u8)).into())
    })?;
    blocking! { linker, PREVIEW1;
        "sched_yield": processes::sched_yield, ();
        "sock_accept": sockets::accept, (fd: u32, flags: u32, out: u32);
        "sock_recv": sockets::recv, (fd: u32, iovs: u32, n_iovs: u32, flags: u32, out: u32, out_flags: u32);
        "sock_send": sockets::send, (fd: u32, iovs: u32, n_iovs: u32, flags: u32, out: u32);
    }
    immediate! { linker, PREVIEW1;
        "random_get": processes::random_get, (at: u32, len: u32);
        "proc_raise": signals::raise, (signal: u32);
        "sock_shutdown": sockets::shutdown, (fd: u32, how: u32);
    }
    Ok(())
}

fn define_extension(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    immediate! { linker, PLAYPEN;
        "create_mode": processes::create_mode, (mode: u32);
        "fd_chmod": fds::chmod, (fd: u32, mode: u32);
        "fd_dup": fds::dup, (fd: u32, min: u32, out: u32);
        "fd_dup2": fds::dup2, (fd: u32, to: u32);
        "fd_lock_test": locks::test, (fd: u32, kind: u32, flags: u32, start: u64, len: u64, out: u32);
        "fd_pipe": fds::make_pipe, (flags: u32, out: u32);
        "fd_stat": fds::stat, (fd: u32, out: u32);
        "path_chmod": paths::chmod, (fd: u32, lookup: u32, path: u32, len: u32, mode: u32);
        "path_stat": paths::stat, (fd: u32, lookup: u32, path: u32, len: u32, out: u32);
        "proc_ids": processes::ids, (pid: i32, out: u32);
        "proc_kill": signals::kill, (pid: i32, signal: u32);
        "proc_setpgid": processes::setpgid, (pid: i32, group: i32);
        "proc_setsid": processes::setsid, ();
        "proc_spawn": processes::spawn, (request: u32, out: u32);
        "sem_close": semaphores::close, (number: u32);
        "sem_open": semaphores::open, (name: u32, len: u32, flags: u32, value: u32, out: u32);
        "sem_post": semaphores::post, (number: u32);
        "sem_try": semaphores::try_take, (number: u32);
        "sem_unlink": semaphores::unlink, (name: u32, len: u32);
        "sem_value": semaphores::value, (number: u32, out: u32);
        "signal_action": signals::action, (signal: u32, action: u32, out: u32);
        "signal_forward": signals::forward, (child: u32);
        "signal_notice": signals::notice, (address: u32, bits: u32);
        "signal_take": signals::take, (out: u32);
        "thread_interrupt": threads::interrupt, ();
        "thread_start": threads::start, (layout: u32, identity: u32, argument: u32, stack_pointer: u32);
        "thread_wake": threads::wake, (address: u32);
        "sock_bind": sockets::bind, (fd: u32, address: u32, len: u32, path: u32, path_len: u32);
        "sock_connect": sockets::connect, (fd: u32, address: u32, len: u32, path: u32, path_len: u32);
        "sock_listen": sockets::listen, (fd: u32, backlog: u32);
        "sock_name": sockets::name, (fd: u32, whose: u32, at: u32, room: u32, out: u32);
        "sock_open": sockets::open, (family: u32, protocol: u32, flags: u32, out: u32);
        "sock_option_get": sockets::option, (fd: u32, level: u32, name: u32, out: u32);
        "sock_option_set": sockets::set_option, (fd: u32, level: u32, name: u32, value: u32);
        "sock_pair": sockets::pair, (protocol: u32, flags: u32, out: u32);
    }
    blocking! { linker, PLAYPEN;
        "fd_flock": locks::flock, (fd: u32, operation: u32);
        "fd_lock": locks::lock, (fd: u32, kind: u32, flags: u32, start: u64, len: u64);
        "sock_receive": sockets::receive,
            (fd: u32, iovs: u32, n_iovs: u32, flags: u32, from: u32, room: u32, out: u32);
        "sock_transmit": sockets::transmit,
            (fd: u32, iovs: u32, n_iovs: u32, flags: u32, to: u32, len: u32, path: u32, path_len: u32, out: u32);
    }
    linker.func_wrap(PLAYPEN, "umask", |mut caller: Caller<'_, Process>, mask: i32| -> i32 {
        let process = caller.data_mut();
        std::mem::replace(&mut process.umask, mask as u32 & 0o777) as i32
    })?;
    threads::define_rest(linker)?;
    semaphores::define_wait(linker)?;
    processes::define_wait(linker)
}
