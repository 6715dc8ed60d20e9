//! The imports as they are declared in ABI.md, and their structures.

#[link(wasm_import_module = "playpen")]
unsafe extern "C" {
    pub(crate) fn fd_pipe(fdflags: u32, out: *mut u32) -> i32;
    pub(crate) fn fd_stat(fd: u32, out: *mut u32) -> i32;
    pub(crate) fn fd_dup(fd: u32, min_fd: u32, out: *mut u32) -> i32;
    pub(crate) fn proc_spawn(req: *const Request, pid: *mut u32) -> i32;
    pub(crate) fn proc_wait(pid: i32, options: u32, out: *mut Waited) -> i32;
    pub(crate) fn proc_kill(pid: i32, sig: u32) -> i32;
    pub(crate) fn proc_setpgid(pid: i32, group: i32) -> i32;
    pub(crate) fn proc_ids(pid: i32, out: *mut i32) -> i32;
    pub(crate) fn signal_action(signal: u32, action: u32, before: *mut u32) -> i32;
    pub(crate) fn signal_forward(child: i32) -> i32;
    pub(crate) fn signal_take(signal: *mut u32) -> i32;
    pub(crate) fn umask(mask: i32) -> i32;
    pub(crate) fn path_stat(
        fd: u32,
        lookup: u32,
        path: *const u8,
        len: usize,
        out: *mut u32,
    ) -> i32;
    pub(crate) fn path_chmod(fd: u32, lookup: u32, path: *const u8, len: usize, mode: u32) -> i32;
}

#[link(wasm_import_module = "wasi_snapshot_preview1")]
unsafe extern "C" {
    pub(crate) fn clock_time_get(id: u32, precision_ns: u64, out: *mut u64) -> i32;
    pub(crate) fn poll_oneoff(
        subscriptions: *const Subscription,
        events: *mut [u64; 4],
        count: usize,
        ready: *mut usize,
    ) -> i32;
}

/// `subscription` of preview 1: what is waited for, a clock or a descriptor.
#[repr(C)]
#[derive(Default)]
pub(crate) struct Subscription {
    pub(crate) userdata: u64,
    /// 0 for a clock, 1 for reading.
    pub(crate) tag: u64,
    /// The clock or the descriptor.
    pub(crate) subject: u32,
    pub(crate) timeout_ns: u64,
    pub(crate) precision_ns: u64,
    pub(crate) flags: u16,
}
const _: () = assert!(size_of::<Subscription>() == 48);

#[repr(C)]
pub(crate) struct Request {
    pub(crate) path: *const u8,
    pub(crate) path_len: u32,
    pub(crate) argv: *const u8,
    pub(crate) argv_len: u32,
    pub(crate) argc: u32,
    pub(crate) env: *const u8,
    pub(crate) env_len: u32,
    pub(crate) envc: u32,
    pub(crate) cwd: *const u8,
    pub(crate) cwd_len: u32,
    pub(crate) fdmap: *const [u32; 2],
    pub(crate) fdmap_len: u32,
    pub(crate) flags: u32,
    pub(crate) pgid: i32,
    pub(crate) umask: u32,
    pub(crate) ignored: u32,
}
const _: () = assert!(size_of::<Request>() == 64);

#[repr(C)]
#[derive(Default)]
pub(crate) struct Waited {
    pub(crate) pid: i32,
    pub(crate) status: u32,
    pub(crate) utime: u64,
    pub(crate) stime: u64,
    pub(crate) maxrss: u64,
}
const _: () = assert!(size_of::<Waited>() == 32);
