//! System calls on processes: the extension module `playpen`.

use super::{Attempt, Guest, PLAYPEN, PREVIEW1, Wait};
use crate::{
    errno::{Errno, SysResult},
    process::{End, Job, Process, SignalSet, Start, WaitFor, Waited, waiting},
};
use wasmtime::{Caller, Linker};

/// The clocks of WASI.
const REALTIME: u32 = 0;
const MONOTONIC: u32 = 1;
const PROCESS_CPUTIME: u32 = 2;
const THREAD_CPUTIME: u32 = 3;

pub(super) fn sched_yield(_: &mut Guest<'_>, process: &mut Process) -> Attempt {
    // One turn for everybody else, and then back.
    if std::mem::replace(&mut process.has_yielded, true) {
        process.has_yielded = false;
        Attempt::Finished(Ok(()).into())
    } else {
        Attempt::Wait(Wait::Turn)
    }
}

/// Reads a clock. It is no call that counts for a turn: a virtual clock moves by itself.
pub(super) fn define_clock(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    linker.func_wrap(
        PREVIEW1,
        "clock_time_get",
        |mut caller: Caller<'_, Process>, clock: u32, _precision: u64, out: u32| -> i32 {
            let Some(memory) = caller.data().memory else { return Errno::FAULT.raw().into() };
            let (bytes, process) = memory.data_and_store_mut(&mut caller);
            let told = time(process, clock).and_then(|at| Guest::new(bytes).write_u64(out, at));
            told.map_or_else(|errno| errno.raw().into(), |()| 0)
        },
    )?;
    Ok(())
}

fn time(process: &Process, clock: u32) -> SysResult<u64> {
    match clock {
        REALTIME => Ok(process.job.kernel.clock.wall_nanos()),
        MONOTONIC => Ok(process.monotonic_nanos()),
        PROCESS_CPUTIME | THREAD_CPUTIME => Ok(process.computed_nanos()),
        _ => Err(Errno::INVAL),
    }
}

/// Bytes of one call, more than any program asks for. Answers TM-LOOP-1 within one host call.
const MAX_RANDOM_BYTES: u32 = 16 << 20;

pub(super) fn random_get(
    guest: &mut Guest<'_>,
    process: &mut Process,
    at: u32,
    len: u32,
) -> SysResult<()> {
    if len > MAX_RANDOM_BYTES {
        return Err(Errno::INVAL);
    }
    process.random.fill(guest.slice_mut(at, len)?);
    Ok(())
}

pub(super) fn create_mode(_: &mut Guest<'_>, process: &mut Process, mode: u32) -> SysResult<()> {
    process.create_mode = Some(mode & 0o7777);
    Ok(())
}

pub(super) fn ids(
    guest: &mut Guest<'_>,
    process: &mut Process,
    pid: i32,
    out: u32,
) -> SysResult<()> {
    let pid = if pid == 0 { process.pid() } else { u32::try_from(pid).map_err(|_| Errno::SRCH)? };
    let ids = process.job.ids(pid)?;
    // The host is nobody's business: the first process has parent 0.
    let ppid = if ids.ppid == u32::MAX { 0 } else { ids.ppid };
    for (id, place) in [ids.pid, ppid, ids.pgid, ids.sid].into_iter().zip([0, 4, 8, 12]) {
        guest.write_u32(out.checked_add(place).ok_or(Errno::FAULT)?, id)?;
    }
    Ok(())
}

pub(super) fn setpgid(
    _: &mut Guest<'_>,
    process: &mut Process,
    pid: i32,
    group: i32,
) -> SysResult<()> {
    let positive = |id: i32| u32::try_from(id).map_err(|_| Errno::INVAL);
    process.job.set_group(process.pid(), positive(pid)?, positive(group)?)
}

pub(super) fn setsid(_: &mut Guest<'_>, process: &mut Process) -> SysResult<()> {
    process.job.new_session(process.pid())
}

/// Flags of a spawn request.
const SET_SESSION: u32 = 1;
const SET_GROUP: u32 = 2;
const SET_UMASK: u32 = 4;

/// Descriptors of one spawn request. Answers TM-MEM-3: a list that makes the host allocate.
const MAX_MAPPED: u32 = 4096;

/// Reads a spawn request, 64 bytes, and starts the process.
pub(super) fn spawn(
    guest: &mut Guest<'_>,
    process: &mut Process,
    request: u32,
    out: u32,
) -> SysResult<()> {
    guest.slice(out, 4)?;
    let [
        path,
        path_len,
        argv,
        argv_len,
        argc,
        env,
        env_len,
        envc,
        cwd,
        cwd_len,
        map,
        map_len,
        flags,
        group,
        umask,
        ignored,
    ] = guest.u32s::<16>(request)?;
    let path = guest.path(path, path_len)?;
    if path.is_empty() {
        return Err(Errno::NOENT);
    }
    let fds = mapped(guest, process, map, map_len)?;
    let start = Start {
        path,
        argv: guest.texts(argv, argv_len, argc)?,
        env: guest.texts(env, env_len, envc)?,
        cwd: guest.path(cwd, cwd_len)?,
        fds,
        parent: Some(process.pid()),
        umask: if flags & SET_UMASK != 0 { umask & 0o777 } else { process.umask },
        own_session: flags & SET_SESSION != 0,
        group: (flags & SET_GROUP != 0).then_some(group),
        ignored: process.signals.ignored().and(SignalSet(ignored.into())),
    };
    let pid = start.start(&process.job)?;
    guest.write_u32(out, pid)
}

type Mapped = Vec<(u32, std::sync::Arc<crate::fd::Description>)>;

fn mapped(guest: &Guest<'_>, process: &Process, at: u32, count: u32) -> SysResult<Mapped> {
    if count > MAX_MAPPED {
        return Err(Errno::INVAL);
    }
    let number = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("4 bytes"));
    let pairs = guest.slice(at, count * 8)?.chunks_exact(8);
    pairs
        .map(|pair| (number(&pair[..4]), number(&pair[4..])))
        // The root directory has its own number in every process.
        .filter(|(child, _)| *child != crate::fd::ROOT_FD)
        .map(|(child, parent)| Ok((child, process.fd(parent)?)))
        .collect()
}

const NO_HANG: u32 = 1;

pub(super) fn define_wait(linker: &mut Linker<Process>) -> wasmtime::Result<()> {
    linker.func_wrap_async(
        PLAYPEN,
        "proc_wait",
        |mut caller: Caller<'_, Process>, (pid, options, out): (i32, u32, u32)| {
            Box::new(async move {
                let errno = match wait(&mut caller, pid, options, out).await {
                    Ok(()) => 0,
                    Err(errno) => i32::from(errno.raw()),
                };
                Ok::<i32, wasmtime::Error>(errno)
            })
        },
    )?;
    Ok(())
}

async fn wait(caller: &mut Caller<'_, Process>, pid: i32, options: u32, out: u32) -> SysResult<()> {
    let which = match pid {
        1.. => WaitFor::Pid(pid.cast_unsigned()),
        -1 => WaitFor::Any,
        0 => WaitFor::Group(0),
        _ => WaitFor::Group(pid.unsigned_abs()),
    };
    let memory = caller.data().memory.ok_or(Errno::FAULT)?;
    // Looked at before waiting: a status is given once, and should not be lost.
    Guest::new(memory.data_mut(&mut *caller)).slice(out, 32)?;
    let (job, this) = (caller.data().job.clone(), caller.data().pid());
    let ended = waiting(caller, ended(&job, this, which, options)).await?;
    let mut record = [0; 32];
    if let Some((pid, end)) = ended? {
        record[..4].copy_from_slice(&pid.to_le_bytes());
        record[4..8].copy_from_slice(&end.status.wait_status().to_le_bytes());
        record[8..16].copy_from_slice(&end.computed_nanos.to_le_bytes());
    }
    Guest::new(memory.data_mut(&mut *caller)).write(out, &record)
}

/// Waits for a child to end, or looks whether one has.
async fn ended(
    job: &Job,
    this: u32,
    which: WaitFor,
    options: u32,
) -> SysResult<Option<(u32, End)>> {
    if options & NO_HANG == 0 {
        return Ok(Some(job.wait(this, which).await?));
    }
    if let Waited::Ended(pid, end) = job.try_wait(this, which)? {
        return Ok(Some((pid, end)));
    }
    // A guest that polls for a child should let it run.
    crate::process::give_way().await;
    Ok(match job.try_wait(this, which)? {
        Waited::Ended(pid, end) => Some((pid, end)),
        Waited::Running => None,
    })
}
