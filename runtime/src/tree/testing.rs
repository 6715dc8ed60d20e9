//! What the tests of trees have in common.

use cap_std::{ambient_authority, fs::Dir};

/// Returns an empty folder of the host, and the same one open.
pub(super) fn folder() -> (tempfile::TempDir, Dir) {
    let folder = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(folder.path(), ambient_authority()).unwrap();
    (folder, dir)
}
