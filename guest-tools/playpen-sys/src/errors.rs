//! What errors are called, in the words of Linux's C library: wasi-libc has those of another one.

use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    fn strerror(errno: c_int) -> *const c_char;
}

/// Where the two libraries differ: preview 1's number, and the text.
const TEXTS: &[(c_int, &CStr)] = &[
    (0, c"Success"),
    (3, c"Address already in use"),
    (4, c"Cannot assign requested address"),
    (10, c"Device or resource busy"),
    (12, c"No child processes"),
    (16, c"Resource deadlock avoided"),
    (18, c"Numerical argument out of domain"),
    (23, c"No route to host"),
    (25, c"Invalid or incomplete multibyte or wide character"),
    (29, c"Input/output error"),
    (32, c"Too many levels of symbolic links"),
    (33, c"Too many open files"),
    (37, c"File name too long"),
    (48, c"Cannot allocate memory"),
    (53, c"Transport endpoint is not connected"),
    (57, c"Socket operation on non-socket"),
    (58, c"Operation not supported"),
    (59, c"Inappropriate ioctl for device"),
    (61, c"Value too large for defined data type"),
    (68, c"Numerical result out of range"),
    (70, c"Illegal seek"),
    (73, c"Connection timed out"),
    (75, c"Invalid cross-device link"),
];

/// Replaces the function of libc that std asks for the text of an error.
///
/// # Safety
///
/// `out` must have room for `len` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn strerror_r(errno: c_int, out: *mut c_char, len: usize) -> c_int {
    /// No room for all of it.
    const ERANGE: c_int = 68;
    let text = match TEXTS.binary_search_by_key(&errno, |(number, _)| *number) {
        Ok(at) => TEXTS[at].1,
        // SAFETY: libc's texts are constants.
        Err(_) => unsafe { CStr::from_ptr(strerror(errno)) },
    };
    let bytes = text.to_bytes();
    if len == 0 {
        return ERANGE;
    }
    let n_copied = bytes.len().min(len - 1);
    // SAFETY: both are in bounds, and the caller's room is not in a constant.
    unsafe {
        bytes.as_ptr().copy_to_nonoverlapping(out.cast(), n_copied);
        *out.add(n_copied) = 0;
    }
    if n_copied < bytes.len() { ERANGE } else { 0 }
}
