//! What files were before each edit, in a folder: `<hash of the path>/<number>`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Edits of one file that can be undone.
const DEPTH: u64 = 50;
const ABSENT: u8 = b'-';
const PRESENT: u8 = b'+';

pub(crate) struct History {
    root: PathBuf,
}

impl History {
    pub(crate) fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Keeps what `path` held (`None`: there was no file).
    pub(crate) fn push(&self, path: &Path, content: Option<&[u8]>) -> io::Result<()> {
        let dir = self.folder(path);
        fs::create_dir_all(&dir)?;
        let number = last(&dir).map_or(0, |n| n + 1);
        let record = content.map_or(vec![ABSENT], |content| [&[PRESENT], content].concat());
        fs::write(dir.join(number.to_string()), record)?;
        if let Some(old) = number.checked_sub(DEPTH) {
            drop(fs::remove_file(dir.join(old.to_string())));
        }
        Ok(())
    }

    /// Takes the last kept content.
    pub(crate) fn pop(&self, path: &Path) -> Option<Option<Vec<u8>>> {
        let dir = self.folder(path);
        let file = dir.join(last(&dir)?.to_string());
        let record = fs::read(&file).ok()?;
        fs::remove_file(&file).ok()?;
        let (kind, content) = record.split_first()?;
        Some((*kind == PRESENT).then(|| content.to_vec()))
    }

    fn folder(&self, path: &Path) -> PathBuf {
        let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
        self.root.join(format!("{:016x}", fnv1a(absolute.as_os_str().as_encoded_bytes())))
    }
}

fn last(dir: &Path) -> Option<u64> {
    let entries = fs::read_dir(dir).ok()?;
    entries.filter_map(|e| e.ok()?.file_name().to_str()?.parse().ok()).max()
}

/// The 64-bit FNV-1a hash: two files of one workspace do not meet in it.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3)
    })
}
