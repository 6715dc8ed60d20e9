//! What std does not know on WASI: complete stat, permission bits, and paths as bytes. On Unix the same
//! through std, so that this git can be tried natively.

use std::ffi::OsStr;
use std::io;
use std::path::Path;

#[cfg(unix)]
pub(crate) use std::os::unix::ffi::{OsStrExt, OsStringExt};
#[cfg(target_os = "wasi")]
pub(crate) use std::os::wasi::ffi::{OsStrExt, OsStringExt};

/// What a path is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    File,
    Folder,
    Link,
    Other,
}

/// What `lstat` tells.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Meta {
    pub(crate) kind: Kind,
    pub(crate) executable: bool,
    pub(crate) size: u64,
    pub(crate) modified: (i64, u32),
    pub(crate) changed: (i64, u32),
    pub(crate) device: u64,
    pub(crate) inode: u64,
    pub(crate) user: u32,
    pub(crate) group: u32,
}

/// A path of bytes as std wants it.
pub(crate) fn path(bytes: &[u8]) -> &Path {
    Path::new(OsStr::from_bytes(bytes))
}

/// The bytes of a path.
pub(crate) fn path_bytes(path: &Path) -> &[u8] {
    path.as_os_str().as_bytes()
}

/// What is at a path, the last link not followed; `None` if nothing is there.
pub(crate) fn find(path: &Path) -> Option<Meta> {
    lstat(path).ok()
}

#[cfg(unix)]
pub(crate) fn lstat(path: &Path) -> io::Result<Meta> {
    use std::os::unix::fs::MetadataExt as _;
    let meta = std::fs::symlink_metadata(path)?;
    Ok(Meta {
        kind: kind(meta.mode()),
        executable: meta.mode() & 0o100 != 0,
        size: meta.size(),
        modified: (meta.mtime(), meta.mtime_nsec() as u32),
        changed: (meta.ctime(), meta.ctime_nsec() as u32),
        device: meta.dev(),
        inode: meta.ino(),
        user: meta.uid(),
        group: meta.gid(),
    })
}

#[cfg(unix)]
pub(crate) fn chmod(path: &Path, mode: u32) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
}

#[cfg(unix)]
pub(crate) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(target, link)
}

#[cfg(target_os = "wasi")]
mod raw {
    #[link(wasm_import_module = "playpen")]
    unsafe extern "C" {
        pub(super) fn path_stat(
            fd: u32,
            lookup: u32,
            path: *const u8,
            len: usize,
            out: *mut u64,
        ) -> i32;
        pub(super) fn path_chmod(
            fd: u32,
            lookup: u32,
            path: *const u8,
            len: usize,
            mode: u32,
        ) -> i32;
    }
    #[link(wasm_import_module = "wasi_snapshot_preview1")]
    unsafe extern "C" {
        pub(super) fn path_symlink(
            old: *const u8,
            old_len: usize,
            fd: u32,
            new: *const u8,
            new_len: usize,
        ) -> i32;
    }
}

/// The root directory's descriptor, in every guest.
#[cfg(target_os = "wasi")]
const ROOT: u32 = 3;

#[cfg(target_os = "wasi")]
fn below_root<T>(path: &Path, call: impl FnOnce(*const u8, usize) -> T) -> T {
    let bytes = path_bytes(path);
    let full;
    let bytes = if bytes.first() == Some(&b'/') {
        bytes
    } else {
        full = std::env::current_dir().unwrap_or_default().join(path);
        path_bytes(&full)
    };
    let start = bytes.iter().position(|b| *b != b'/');
    let bytes = start.map_or(&b"."[..], |start| &bytes[start..]);
    call(bytes.as_ptr(), bytes.len())
}

#[cfg(target_os = "wasi")]
fn check(errno: i32) -> io::Result<()> {
    if errno == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(errno)) }
}

#[cfg(target_os = "wasi")]
pub(crate) fn lstat(path: &Path) -> io::Result<Meta> {
    let mut out = [0u64; 10];
    // SAFETY: the kernel writes 80 bytes.
    check(below_root(path, |at, len| unsafe {
        raw::path_stat(ROOT, 0, at, len, out.as_mut_ptr())
    }))?;
    let mode = out[8] as u32;
    let time = |ns: u64| ((ns / 1_000_000_000) as i64, (ns % 1_000_000_000) as u32);
    Ok(Meta {
        kind: kind(mode),
        executable: mode & 0o100 != 0,
        size: out[4],
        modified: time(out[6]),
        changed: time(out[7]),
        device: out[0],
        inode: out[1],
        user: (out[8] >> 32) as u32,
        group: out[9] as u32,
    })
}

#[cfg(target_os = "wasi")]
pub(crate) fn chmod(path: &Path, mode: u32) -> io::Result<()> {
    // SAFETY: a call with a path and a number.
    check(below_root(path, |at, len| unsafe { raw::path_chmod(ROOT, 1, at, len, mode) }))
}

#[cfg(target_os = "wasi")]
pub(crate) fn symlink(target: &Path, link: &Path) -> io::Result<()> {
    let target = path_bytes(target);
    // SAFETY: a call with two paths.
    check(below_root(link, |at, len| unsafe {
        raw::path_symlink(target.as_ptr(), target.len(), ROOT, at, len)
    }))
}

fn kind(mode: u32) -> Kind {
    match mode & 0o170_000 {
        0o100_000 => Kind::File,
        0o040_000 => Kind::Folder,
        0o120_000 => Kind::Link,
        _ => Kind::Other,
    }
}
