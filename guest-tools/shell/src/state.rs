//! `sh --playpen-state IN OUT ...`: a shell that outlives its process.
//!
//! Descriptor IN holds the state that an earlier process wrote (nothing: a fresh shell); the state
//! after the commands is written to descriptor OUT, also when they called `exit` or failed.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::FromRawFd as _;
use std::path::Path;

use brush_core::{Error, Shell, sys::fork};

use crate::builtins;
use crate::messages::Extensions;

const FLAG: &str = "--playpen-state";

/// The two descriptors.
pub(crate) struct Descriptors {
    input: i32,
    output: i32,
}

impl Descriptors {
    /// Takes the flag and its operands out of argv.
    pub(crate) fn take(args: &mut Vec<String>) -> Result<Option<Self>, String> {
        if args.get(1).is_none_or(|a| a != FLAG) {
            return Ok(None);
        }
        let number = |i: usize| {
            args.get(i)
                .and_then(|a| a.parse().ok())
                .filter(|n| *n > 3)
                .ok_or(format!("{FLAG} needs two descriptors above 3"))
        };
        let descriptors = Self { input: number(2)?, output: number(3)? };
        args.drain(1..4);
        Ok(Some(descriptors))
    }

    /// Reads the state and closes the descriptor.
    pub(crate) fn read(&self) -> std::io::Result<Vec<u8>> {
        let mut state = vec![];
        // SAFETY: the caller of this program handed the descriptor over; nothing else here owns it.
        unsafe { File::from_raw_fd(self.input) }.read_to_end(&mut state)?;
        Ok(state)
    }

    /// Writes the state and closes the descriptor.
    pub(crate) fn write(self, shell: &Shell<Extensions>) -> Result<(), Error> {
        let state = fork::save(shell)?;
        // SAFETY: as in `read`.
        unsafe { File::from_raw_fd(self.output) }.write_all(&state)?;
        Ok(())
    }
}

/// The shell that `saved` describes, in its directory if that is still there.
pub(crate) fn restore(saved: &[u8]) -> Result<Shell<Extensions>, Error> {
    let mut shell = fork::restore::<Extensions>(saved, builtins::register)?;
    let dir = shell.working_dir().to_owned();
    if std::env::set_current_dir(&dir).is_err() {
        let there = dir.ancestors().find(|d| d.is_dir()).unwrap_or(Path::new("/")).to_owned();
        eprintln!("sh: {} is gone, going on in {}", dir.display(), there.display());
        shell.set_working_dir(there)?;
    }
    Ok(shell)
}
