//! Standard output: one large buffer that is written when it is full and at the end, as git's is when
//! nobody looks at it live. What is captured goes to a buffer of the caller instead.

use std::cell::RefCell;
use std::fmt::Arguments;
use std::fs::File;
use std::io::Write as _;
use std::mem::ManuallyDrop;
use std::os::fd::FromRawFd as _;

const FULL: usize = 64 * 1024;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = RefCell::new(vec![vec![]]);
}

/// Prints bytes.
pub(crate) fn bytes(bytes: &[u8]) {
    let full = BUFFERS.with_borrow_mut(|buffers| {
        let nested = buffers.len() > 1;
        let last = buffers.last_mut().expect("there is always one");
        last.extend_from_slice(bytes);
        !nested && last.len() > FULL
    });
    if full {
        flush();
    }
}

/// Prints a formatted text; use `out!` and `outln!`.
pub(crate) fn text(text: Arguments<'_>) {
    match text.as_str() {
        Some(text) => bytes(text.as_bytes()),
        None => bytes(text.to_string().as_bytes()),
    }
}

/// Returns what `work` printed instead of printing it.
pub(crate) fn capture<T>(work: impl FnOnce() -> T) -> (T, Vec<u8>) {
    BUFFERS.with_borrow_mut(|buffers| buffers.push(vec![]));
    let result = work();
    (result, BUFFERS.with_borrow_mut(|buffers| buffers.pop().expect("pushed above")))
}

/// Writes what is there; a reader that has gone away ends the process as SIGPIPE would.
pub(crate) fn flush() {
    let all = BUFFERS.with_borrow_mut(|buffers| std::mem::take(&mut buffers[0]));
    // SAFETY: descriptor 1 stays open; it is not closed here.
    let mut stdout = ManuallyDrop::new(unsafe { File::from_raw_fd(1) });
    if stdout.write_all(&all).is_err() {
        std::process::exit(141);
    }
}

/// Prints to stderr.
pub(crate) fn note(text: impl std::fmt::Display) {
    eprintln!("{text}");
}

macro_rules! out {
    ($($t:tt)*) => { crate::out::text(format_args!($($t)*)) };
}
macro_rules! outln {
    ($($t:tt)*) => {{ crate::out::text(format_args!($($t)*)); crate::out::bytes(b"\n") }};
}
pub(crate) use {out, outln};
