//! The native side: the same operations with `std::fs` in a temporary folder.

use super::{BULK_BYTES, FILE_BYTES, FOLDER, N_FILES, PIECE_BYTES, Work};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read as _, Write as _},
    path::PathBuf,
};
use tempfile::TempDir;

/// A folder of the host with the files of the bench.
#[derive(Debug)]
pub(super) struct Folder {
    bulk: PathBuf,
    names: Vec<Names>,
    _kept: TempDir,
}

/// The path of a file, where it is renamed to, and one where nothing is.
#[derive(Debug)]
struct Names {
    file: PathBuf,
    other: PathBuf,
    new: PathBuf,
}

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        let folder = tempfile::tempdir()?;
        let package = folder.path().join(FOLDER);
        fs::create_dir_all(&package)?;
        let names = |n| Names {
            file: package.join(format!("f{n:02o}")),
            other: package.join(format!("g{n:02o}")),
            new: package.join(format!("n{n:02o}")),
        };
        let names: Vec<Names> = (0..N_FILES).map(names).collect();
        for names in &names {
            File::create(&names.file)?.write_all(&[b'x'; FILE_BYTES])?;
        }
        let bulk = folder.path().join("bulk");
        File::create(&bulk)?.write_all(&vec![b'x'; BULK_BYTES])?;
        Ok(Self { bulk, names, _kept: folder })
    }

    /// Does some work as often as it is to be repeated.
    pub(super) fn work(&self, work: Work) -> io::Result<()> {
        let n = work.repetitions() as usize;
        let files = || self.names.iter().cycle().take(n);
        match work {
            Work::Stat => files().try_for_each(|names| fs::metadata(&names.file).map(drop)),
            Work::Open => files().try_for_each(|names| File::open(&names.file).map(drop)),
            Work::Create => files().try_for_each(|names| {
                drop(OpenOptions::new().write(true).create_new(true).open(&names.new)?);
                fs::remove_file(&names.new)
            }),
            Work::Mkdir => files().try_for_each(|names| {
                fs::create_dir(&names.new)?;
                fs::remove_dir(&names.new)
            }),
            Work::Rename => files().try_for_each(|names| {
                fs::rename(&names.file, &names.other)?;
                fs::rename(&names.other, &names.file)
            }),
            Work::ReadSmall => {
                let mut buffer = vec![0; FILE_BYTES];
                files().try_for_each(|names| File::open(&names.file)?.read_exact(&mut buffer))
            }
            Work::WriteSmall => files().try_for_each(|names| {
                let mut file = OpenOptions::new().write(true).truncate(true).open(&names.file)?;
                file.write_all(&[b'x'; FILE_BYTES])
            }),
            Work::ReadBulk => (0..n).try_for_each(|_| self.read_bulk()),
            Work::WriteBulk => (0..n).try_for_each(|_| self.write_bulk()),
        }
    }

    fn read_bulk(&self) -> io::Result<()> {
        let mut buffer = vec![0; PIECE_BYTES];
        let mut file = File::open(&self.bulk)?;
        while file.read(&mut buffer)? > 0 {}
        Ok(())
    }

    fn write_bulk(&self) -> io::Result<()> {
        let buffer = vec![b'x'; PIECE_BYTES];
        let mut file = OpenOptions::new().write(true).truncate(true).open(&self.bulk)?;
        (0..BULK_BYTES / PIECE_BYTES).try_for_each(|_| file.write_all(&buffer))
    }
}
