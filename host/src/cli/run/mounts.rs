//! `--mount GUEST=HOST[:MODE]`: which folders of the host a command sees, and how.

use crate::cli::hint::Advice;
use anyhow::Context as _;
use cap_std::{ambient_authority, fs::Dir};
use playpen_runtime::{Access, ImportOptions, Mount, Tree};
use std::{
    path::{Path, PathBuf},
    str::FromStr,
};

/// Where the current directory is mounted if nothing else is asked for.
pub(super) const WORKSPACE: &str = "/workspace";

/// How a folder of the host is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Read through to the host, never written.
    ReadOnly,
    /// Read and written on the host itself.
    ReadWrite,
    /// A copy in memory; the host's folder stays as it is.
    CopyOnWrite,
}

/// A folder of the host and its place in the sandbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MountSpec {
    /// The absolute path in the sandbox.
    pub(super) guest: String,
    /// The folder of the host.
    pub(super) host: PathBuf,
    /// How it is shown.
    pub(super) mode: Mode,
}

impl MountSpec {
    /// Returns the mount that is there by default: the current directory, copy on write.
    pub(super) fn workspace() -> Self {
        Self { guest: WORKSPACE.to_owned(), host: PathBuf::from("."), mode: Mode::CopyOnWrite }
    }
}

impl FromStr for MountSpec {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (guest, host) = text.split_once('=').ok_or_else(|| wrong(text))?;
        let (host, mode) = match host.rsplit_once(':') {
            Some((host, "ro")) => (host, Mode::ReadOnly),
            Some((host, "rw")) => (host, Mode::ReadWrite),
            Some((host, "cow")) => (host, Mode::CopyOnWrite),
            _ => (host, Mode::CopyOnWrite),
        };
        if host.is_empty() {
            return Err(wrong(text));
        }
        Ok(Self { guest: guest_path(guest)?, host: PathBuf::from(host), mode })
    }
}

/// Returns an absolute guest path to start in, which may be the root.
pub(super) fn guest_folder(path: &str) -> Result<String, String> {
    if path.trim_matches('/').is_empty() && !path.is_empty() {
        return Ok("/".to_owned());
    }
    guest_path(path)
}

/// Returns a guest path that is absolute, has no `.` or `..` and does not end with a slash.
pub(in crate::cli) fn guest_path(path: &str) -> Result<String, String> {
    let Some(relative) = path.strip_prefix('/') else {
        return Err(format!("the guest path `{path}` is not absolute"));
    };
    let names: Vec<&str> = relative.split('/').filter(|name| !name.is_empty()).collect();
    if names.iter().any(|name| matches!(*name, "." | "..")) {
        return Err(format!("the guest path `{path}` contains `.` or `..`"));
    }
    if names.is_empty() {
        return Err("the root of the sandbox is the image: mount below it".to_owned());
    }
    Ok(format!("/{}", names.join("/")))
}

fn wrong(text: &str) -> String {
    format!("`{text}` is not of the form GUEST=HOST[:ro|rw|cow]")
}

/// A folder that was copied into memory, as it was then.
#[derive(Debug)]
pub(super) struct Copied {
    /// Where it is in the sandbox.
    pub(super) guest: String,
    /// The folder's path, for messages.
    pub(super) host: PathBuf,
    /// The folder, open; none if it came from a snapshot.
    pub(super) dir: Option<Dir>,
    /// What was in it.
    pub(super) base: Tree,
    /// Where the record of the run lies in the folder; it is no part of the copy.
    pub(super) log: Option<String>,
    /// Names that were left out of the copy.
    pub(super) skip_names: Vec<String>,
}

/// Opens the folder of `spec`; a copy-on-write mount is read into memory.
///
/// Files and folders named one of `skip_names` are left out of the copy, and so is the record that the
/// run writes.
pub(super) fn open(
    spec: &MountSpec,
    skip_names: &[String],
    log: Option<&Path>,
) -> anyhow::Result<(Mount, Option<Copied>)> {
    let dir = open_folder(&spec.host)?;
    Ok(match spec.mode {
        Mode::ReadOnly => (Mount::host(&spec.guest, dir, Access::ReadOnly), None),
        Mode::ReadWrite => (Mount::host(&spec.guest, dir, Access::ReadWrite), None),
        Mode::CopyOnWrite => {
            let log = log.and_then(|log| below(&spec.host, log));
            let base = import(&spec.host, &dir, skip_names, log.as_deref())?;
            let mount = Mount::tree(&spec.guest, base.clone());
            let (guest, host) = (spec.guest.clone(), spec.host.clone());
            let skip_names = skip_names.to_vec();
            let copied = Copied { guest, host, dir: Some(dir), base, log, skip_names };
            (mount, Some(copied))
        }
    })
}

/// Opens a folder of the host.
pub(in crate::cli) fn open_folder(path: &Path) -> anyhow::Result<Dir> {
    let hint = || match path.to_str().and_then(|path| path.rsplit_once(':')) {
        Some((_, mode)) if !mode.contains('/') => format!(
            "`:{mode}` is taken for a part of the name: the rights are `:ro`, `:rw` and `:cow`"
        ),
        _ => "give the path of a folder that is there and that you may read".to_owned(),
    };
    Dir::open_ambient_dir(path, ambient_authority()).map_err(|error| {
        let message = format!("failed to open folder `{}`", path.display());
        Advice::new(message, hint()).because(error).into()
    })
}

/// Returns where a file that may not exist yet lies in a folder, if it lies there.
fn below(folder: &Path, file: &Path) -> Option<String> {
    let parent = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = fs_err::canonicalize(parent.unwrap_or(Path::new("."))).ok()?;
    let file = parent.join(file.file_name()?);
    let relative = file.strip_prefix(fs_err::canonicalize(folder).ok()?).ok()?;
    relative.to_str().map(str::to_owned)
}

pub(in crate::cli) fn import(
    host: &Path,
    dir: &Dir,
    skip_names: &[String],
    skip_path: Option<&str>,
) -> anyhow::Result<Tree> {
    let options = ImportOptions {
        skip_names: skip_names.to_vec(),
        skip_path: skip_path.map(str::to_owned),
        ..ImportOptions::default()
    };
    Tree::import(dir, &options)
        .with_context(|| format!("failed to read folder `{}`", host.display()))
}

#[cfg(test)]
mod tests {
    use super::{Mode, MountSpec, guest_folder};
    use std::path::Path;

    fn parse(text: &str) -> Result<(String, String, Mode), String> {
        let spec: MountSpec = text.parse()?;
        Ok((spec.guest, spec.host.display().to_string(), spec.mode))
    }

    #[test]
    fn mode_is_copy_on_write_unless_said() {
        let expected = |mode| Ok(("/a/b".to_owned(), "dir".to_owned(), mode));
        assert_eq!(parse("/a/b=dir"), expected(Mode::CopyOnWrite));
        assert_eq!(parse("/a//b/=dir:cow"), expected(Mode::CopyOnWrite));
        assert_eq!(parse("/a/b=dir:ro"), expected(Mode::ReadOnly));
        assert_eq!(parse("/a/b=dir:rw"), expected(Mode::ReadWrite));
    }

    #[test]
    fn a_colon_in_a_host_path_is_kept() {
        assert_eq!(parse("/a=x:y").unwrap().1, "x:y");
        assert_eq!(parse("/a=x:y:ro").unwrap().1, "x:y");
    }

    #[test]
    fn what_is_not_a_mount_is_refused() {
        for wrong in ["", "/a", "/a=", "/a=:ro", "a=b", "/=b", "/a/../b=c", "=c"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_command_may_start_at_the_root_and_nowhere_relative() {
        assert_eq!(guest_folder("//"), Ok("/".to_owned()));
        assert_eq!(guest_folder("/a//b/"), Ok("/a/b".to_owned()));
        for wrong in ["", "a", "./a", "/a/../b"] {
            assert!(guest_folder(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_default_is_the_current_directory() {
        assert_eq!(MountSpec::workspace().host, Path::new("."));
    }
}
