//! Modes, times and links of files, and moves from one mount to another: what std leaves out on WASI.

use std::ffi::{CString, c_char, c_int, c_long};
use std::fs;
use std::io;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::{EXDEV, chmod, stat, umask};

/// `AT_FDCWD` of wasi-libc.
const HERE: c_int = -2;
/// `AT_SYMLINK_NOFOLLOW` of wasi-libc.
const NO_FOLLOW: c_int = 1;

#[repr(C)]
struct TimeSpec {
    seconds: i64,
    nanoseconds: c_long,
}

unsafe extern "C" {
    fn utimensat(dir: c_int, path: *const c_char, times: *const TimeSpec, flags: c_int) -> c_int;
    #[link_name = "symlink"]
    fn c_symlink(target: *const c_char, at: *const c_char) -> c_int;
}

/// Gives a file these times of access and change.
pub fn set_times(
    path: &Path,
    accessed: SystemTime,
    modified: SystemTime,
    follow: bool,
) -> io::Result<()> {
    let spec = |time: SystemTime| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        TimeSpec { seconds: since.as_secs() as i64, nanoseconds: since.subsec_nanos() as c_long }
    };
    let (path, times) = (text(path)?, [spec(accessed), spec(modified)]);
    let flags = if follow { 0 } else { NO_FOLLOW };
    // SAFETY: a string with a NUL at its end and two times; the call keeps neither.
    checked(unsafe { utimensat(HERE, path.as_ptr(), times.as_ptr(), flags) })
}

/// Makes a symbolic link; std has no stable way on this platform.
pub fn symlink(target: &Path, at: &Path) -> io::Result<()> {
    let (target, at) = (text(target)?, text(at)?);
    // SAFETY: both are strings with a NUL at their end, and the call keeps neither.
    checked(unsafe { c_symlink(target.as_ptr(), at.as_ptr()) })
}

/// Gives `to` the permission bits of `from`, without those in `mask`.
pub fn copy_mode(from: &Path, to: &Path, mask: u32) -> io::Result<()> {
    chmod(to, stat(from, true)?.0 & 0o7777 & !mask)
}

/// The same for a file that was just made: what the umask takes away stays away.
pub fn copy_new_mode(from: &Path, to: &Path) -> io::Result<()> {
    let mask = umask(0)?;
    umask(mask)?;
    copy_mode(from, to, mask | 0o7000)
}

/// Renames, by copying where the two are in different mounts. `None`: another error than that.
pub fn rename_across(from: &Path, to: &Path) -> Option<io::Result<()>> {
    match fs::rename(from, to) {
        Err(e) if e.raw_os_error() == Some(EXDEV) => {
            Some(copy_all(from, to).and_then(|()| remove_all(from)))
        }
        Err(_) => None,
        Ok(()) => Some(Ok(())),
    }
}

fn copy_all(from: &Path, to: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(from)?;
    if metadata.is_symlink() {
        drop(fs::remove_file(to));
        return symlink(&fs::read_link(from)?, to);
    }
    if metadata.is_dir() {
        if !to.is_dir() {
            fs::create_dir(to)?;
        }
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_all(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else {
        fs::copy(from, to)?;
    }
    copy_mode(from, to, 0)?;
    set_times(to, metadata.accessed()?, metadata.modified()?, true)
}

fn remove_all(path: &Path) -> io::Result<()> {
    if fs::symlink_metadata(path)?.is_dir() {
        fs::remove_dir_all(path)
    } else {
        fs::remove_file(path)
    }
}

fn text(path: &Path) -> io::Result<CString> {
    let path = path.to_str().ok_or(io::ErrorKind::InvalidInput)?;
    Ok(CString::new(path)?)
}

fn checked(result: c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
