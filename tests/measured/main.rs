//! Promises about time and memory: these tests run one after the other, with nothing beside them.
#![expect(clippy::unwrap_used, reason = "clippy.toml only exempts `#[test]` functions")]

mod abuse;
mod bench;
mod broken;
mod floods;
mod kernel;
mod load;

use playpen_e2e::{folder::Folder, program::Program};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The program under test.
const PLAYPEN: &str = env!("CARGO_BIN_EXE_playpen-under-test");

/// Returns an empty folder to work in.
fn folder() -> Folder {
    Folder::new(PLAYPEN)
}

/// Returns the program under test, in no particular folder.
fn playpen<'a>(args: impl IntoIterator<Item = &'a str>) -> Program {
    Program::new(PLAYPEN).args(args)
}

/// Taken by each test of this program, since tests of one program run side by side otherwise.
static MACHINE: Mutex<()> = Mutex::new(());

/// Waits until no other test measures.
fn alone() -> MutexGuard<'static, ()> {
    // A test that failed leaves nothing behind that would spoil the next one.
    MACHINE.lock().unwrap_or_else(PoisonError::into_inner)
}
