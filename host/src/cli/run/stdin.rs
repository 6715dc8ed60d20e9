//! Standard input, passed on while the command runs.

use playpen_runtime::StdinWriter;
use std::{
    io::{self, IsTerminal as _, Read as _},
    thread,
};
use tokio::runtime::Handle;

/// Bytes read at a time.
const CHUNK_BYTES: usize = 64 << 10;

/// Passes on what arrives, until the end of input or until the command stops reading.
///
/// A read of a terminal or pipe cannot be interrupted, so it happens on a thread of its own, which
/// nobody waits for: an input that is never closed does not hold a command that does not read it.
pub(super) fn feed(writer: StdinWriter) {
    let runtime = Handle::current();
    thread::spawn(move || {
        let mut writer = writer;
        let mut chunk = vec![0; CHUNK_BYTES];
        while let Ok(n_read @ 1..) = read(&mut chunk) {
            if runtime.block_on(writer.write_all(&chunk[..n_read])).is_err() {
                break;
            }
        }
    });
}

/// Reads everything, unless it is a terminal.
pub(super) fn read_all() -> io::Result<Vec<u8>> {
    let mut all = vec![];
    if !io::stdin().is_terminal() {
        io::stdin().lock().read_to_end(&mut all)?;
    }
    Ok(all)
}

fn read(chunk: &mut [u8]) -> io::Result<usize> {
    loop {
        match io::stdin().lock().read(chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            read => return read,
        }
    }
}
