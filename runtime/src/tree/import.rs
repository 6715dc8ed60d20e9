//! Copying a directory of the host into a new tree.
//!
//! The host's side is a [`cap_std::fs::Dir`] that the caller lends; no symlink is followed on the
//! way in. An import copies, so a hard link in the host's directory becomes two files and a
//! guest cannot reach the other name; devices, sockets and FIFOs are refused, since opening one can
//! block for ever.

use super::{Content, Directory, Node, ROOT, Tree, ignore::Ignores, path_api::join};
use cap_std::fs::{Dir, Metadata, MetadataExt as _, OpenOptions, OpenOptionsExt as _};
use std::{io, sync::Arc};
use thiserror::Error;

/// Bytes and entries from which on an import first looks how much there is in all.
const SURVEYED_BYTES: u64 = 64 << 20;
const SURVEYED_FILES: u64 = 20_000;

/// Bounds and exceptions of [`Tree::import`].
#[derive(Clone, Debug)]
pub struct ImportOptions {
    /// Names that are left out wherever they appear, as in `target` or `node_modules`.
    pub skip_names: Vec<String>,
    /// A path in the folder that is left out.
    pub skip_path: Option<String>,
    /// Name of the files whose lines say what is left out of their folder and those below, written
    /// as in a `.gitignore`. The files themselves are copied.
    pub ignore_file: Option<String>,
    /// The most bytes of content to copy; answers a home directory given by mistake.
    pub max_bytes: u64,
    /// The most files, directories and links to copy.
    pub max_files: u64,
}

impl Default for ImportOptions {
    /// Nothing skipped but what a `.playpenignore` says, at most 2 GiB in 500,000 files.
    fn default() -> Self {
        Self {
            skip_names: vec![],
            skip_path: None,
            ignore_file: Some(".playpenignore".to_owned()),
            max_bytes: 2 << 30,
            max_files: 500_000,
        }
    }
}

/// Why [`Tree::import`] stopped.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The host could not list or read something.
    #[error("failed to import `{path}`")]
    Read {
        /// Path below the imported directory.
        path: String,
        /// What the host said.
        #[source]
        source: io::Error,
    },
    /// A name is not UTF-8, which WASI paths are.
    #[error("failed to import `{path}`: the name is not UTF-8")]
    Name {
        /// The path with replacement characters.
        path: String,
    },
    /// A device, socket or FIFO.
    #[error("failed to import `{path}`: it is neither a file, a directory nor a link")]
    Special {
        /// Path below the imported directory.
        path: String,
    },
    /// A line of an ignore file is no pattern.
    #[error("line {line} of `{path}` is not a pattern: {reason}")]
    Ignore {
        /// Path of the ignore file below the imported directory.
        path: String,
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// More than [`ImportOptions`] allow.
    #[error(
        "failed to import: more than {max_bytes} bytes or {max_files} files, most of it in `{path}`"
    )]
    TooLarge {
        /// What has the most of it.
        path: String,
        /// The bound in bytes.
        max_bytes: u64,
        /// The bound in files.
        max_files: u64,
    },
}

impl Tree {
    /// Copies a directory of the host into a new tree, with modes, times and links, its
    /// own included.
    ///
    /// # Errors
    ///
    /// Fails if something cannot be read, is a special file, has a name that is not UTF-8, or if
    /// there is more than `options` allow.
    pub fn import(dir: &Dir, options: &ImportOptions) -> Result<Self, ImportError> {
        let mut tree = Self::new();
        let (mode, modified) = mode_and_time(
            &dir.dir_metadata()
                .map_err(|source| ImportError::Read { path: ".".to_owned(), source })?,
        );
        if let Some(root) = tree.inode_mut(ROOT) {
            root.mode = mode & 0o7777;
        }
        let mut directories = vec![(ROOT, modified)];
        let mut is_surveyed = false;
        visit(dir, options, ROOT, |parent, name, path| {
            let is_long = tree.n_bytes >= SURVEYED_BYTES || tree.n_files >= SURVEYED_FILES;
            if is_long && !is_surveyed {
                survey(dir, options)?;
                is_surveyed = true;
            }
            if tree.n_files >= options.max_files {
                return Err(too_large(dir, options, path));
            }
            let room = options.max_bytes.saturating_sub(tree.n_bytes);
            let Some((node, mode, modified)) = read_node(dir, path, room)? else {
                return Err(too_large(dir, options, path));
            };
            let is_directory = matches!(node, Node::Directory(_));
            let child = tree.create(parent, name, node, mode, modified).map_err(|source| {
                ImportError::Read { path: path.to_owned(), source: io::Error::other(source) }
            })?;
            if is_directory {
                directories.push((child, modified));
            }
            Ok(is_directory.then_some(child))
        })?;
        // What was made in a directory changed its time.
        for (ino, modified) in directories {
            if let Some(inode) = tree.inode_mut(ino) {
                (inode.modified, inode.changed) = (modified, modified);
            }
        }
        Ok(tree)
    }
}

/// Calls `look` with all that is to be copied: with what it returned for the directory above (`root` at the top),
/// the name, and the path. It returns something for a directory, which is gone into.
fn visit<T: Copy>(
    dir: &Dir,
    options: &ImportOptions,
    root: T,
    mut look: impl FnMut(T, &str, &str) -> Result<Option<T>, ImportError>,
) -> Result<(), ImportError> {
    let mut pending = vec![(String::new(), root, Ignores::default())];
    while let Some((path, known, above)) = pending.pop() {
        let ignores = above.below(dir, &path, options)?;
        for (name, child_path) in list(dir, &path, options, &ignores)? {
            if let Some(found) = look(known, &name, &child_path)? {
                pending.push((child_path, found, ignores.clone()));
            }
        }
    }
    Ok(())
}

/// Adds up what is to be copied, without reading it: whoever gives a folder with too much in it should not wait
/// until as much as is allowed has been read.
fn survey(dir: &Dir, options: &ImportOptions) -> Result<(), ImportError> {
    let mut found: Vec<(String, u64, u64)> = vec![];
    visit(dir, options, None, |top: Option<usize>, _, path| {
        let fail = |source| ImportError::Read { path: path.to_owned(), source };
        let metadata = dir.symlink_metadata(path).map_err(fail)?;
        let top = top.unwrap_or_else(|| {
            found.push((path.to_owned(), 0, 0));
            found.len() - 1
        });
        let (_, n_bytes, n_files) = &mut found[top];
        *n_files += 1;
        *n_bytes += if metadata.is_file() { metadata.len() } else { 0 };
        Ok(metadata.is_dir().then_some(Some(top)))
    })?;
    let sum =
        |of: fn(&(String, u64, u64)) -> u64| found.iter().map(of).fold(0, u64::saturating_add);
    let is_in_bytes = sum(|top| top.1) > options.max_bytes;
    if !is_in_bytes && sum(|top| top.2) <= options.max_files {
        return Ok(());
    }
    let most = found.into_iter().max_by_key(|top| if is_in_bytes { top.1 } else { top.2 });
    Err(ImportError::TooLarge {
        path: most.map_or_else(String::new, |top| top.0),
        max_bytes: options.max_bytes,
        max_files: options.max_files,
    })
}

/// Returns the error for a bound that was met at `path`; what has the most is named if that can be seen.
fn too_large(dir: &Dir, options: &ImportOptions, path: &str) -> ImportError {
    survey(dir, options).err().unwrap_or_else(|| ImportError::TooLarge {
        path: path.to_owned(),
        max_bytes: options.max_bytes,
        max_files: options.max_files,
    })
}

fn list(
    dir: &Dir,
    path: &str,
    options: &ImportOptions,
    ignores: &Ignores,
) -> Result<Vec<(String, String)>, ImportError> {
    let fail = |source| ImportError::Read { path: path.to_owned(), source };
    let place = if path.is_empty() { "." } else { path };
    let mut names = vec![];
    for entry in dir.read_dir(place).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        let file_name = entry.file_name();
        // What is not UTF-8 can still be left out, by a name with replacement characters.
        let name = file_name.to_string_lossy();
        let child_path = join(path, &name);
        let is_skipped = options.skip_names.iter().any(|skipped| *skipped == name)
            || options.skip_path.as_ref() == Some(&child_path);
        if is_skipped || ignores.ignore(&child_path, is_dir) {
            continue;
        }
        if file_name.to_str().is_none() {
            return Err(ImportError::Name { path: child_path });
        }
        names.push((name.into_owned(), child_path));
    }
    names.sort();
    Ok(names)
}

/// Reads an entry; none if it is a file with more than `room` bytes.
fn read_node(dir: &Dir, path: &str, room: u64) -> Result<Option<(Node, u32, u64)>, ImportError> {
    let fail = |source| ImportError::Read { path: path.to_owned(), source };
    let metadata = dir.symlink_metadata(path).map_err(fail)?;
    let kind = metadata.file_type();
    let node = if kind.is_symlink() {
        let target = dir.read_link_contents(path).map_err(fail)?;
        let target = target.to_str().ok_or_else(|| ImportError::Name { path: path.to_owned() })?;
        Node::Symlink(target.into())
    } else if kind.is_dir() {
        Node::Directory(Directory { entries: Arc::default(), parent: ROOT, name: "".into() })
    } else if kind.is_file() {
        // The file may have become a FIFO since: without blocking, opening one returns at once.
        let file = dir.open_with(path, &read_options()).map_err(fail)?;
        if metadata.len() > room {
            return Ok(None);
        }
        match Content::read_from(file, room).map_err(fail)? {
            Some(content) => Node::File(content),
            None => return Ok(None),
        }
    } else {
        return Err(ImportError::Special { path: path.to_owned() });
    };
    let (mode, modified) = mode_and_time(&metadata);
    Ok(Some((node, mode, modified)))
}

/// Returns the mode, and when it was modified.
fn mode_and_time(metadata: &Metadata) -> (u32, u64) {
    let seconds = u64::try_from(metadata.mtime()).unwrap_or(0);
    let nanos = u64::try_from(metadata.mtime_nsec()).unwrap_or(0);
    (metadata.mode(), seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// Options that open a regular file and cannot block on anything else.
pub(crate) fn read_options() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(O_NONBLOCK | O_NOFOLLOW);
    options
}

/// `O_NONBLOCK` and `O_NOFOLLOW` of Linux on x86-64 and aarch64 with the generic numbers.
const O_NONBLOCK: i32 = 0o4000;
#[cfg(target_arch = "x86_64")]
const O_NOFOLLOW: i32 = 0o400_000;
#[cfg(not(target_arch = "x86_64"))]
const O_NOFOLLOW: i32 = 0o100_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tree::{EntryKind, testing::folder};

    #[test]
    fn a_fifo_is_refused_by_name() {
        let (folder, dir) = folder();
        let status = {
            #[expect(clippy::disallowed_methods, reason = "std cannot make a FIFO")]
            let mut command = std::process::Command::new("mkfifo");
            command.arg(folder.path().join("pipe")).status().unwrap()
        };
        assert!(status.success());
        let error = Tree::import(&dir, &ImportOptions::default()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "failed to import `pipe`: it is neither a file, a directory nor a link"
        );
    }

    #[test]
    fn ignore_files_say_what_is_left_out_as_git_would() {
        let (folder, dir) = folder();
        let lines =
            "# comment\n*.pyc\n/build/\n!keep.pyc\ndocs/**/*.tmp\nbr{a,b}\n[0-9]x\nspaced\\ \n";
        for (path, content) in [
            (".gitignore", lines),
            ("sub/.gitignore", "!again.pyc\nonly-here\n"),
            ("a.pyc", ""),
            ("keep.pyc", ""),
            ("a.py", ""),
            ("build/x", ""),
            ("sub/build/x", ""),
            ("sub/again.pyc", ""),
            ("sub/other.pyc", ""),
            ("sub/only-here", ""),
            ("only-here", ""),
            ("docs/a/b/c.tmp", ""),
            ("docs/c.txt", ""),
            ("spaced ", ""),
            ("bra", ""),
            ("br{a,b}", ""),
            ("7x", ""),
        ] {
            if let Some((above, _)) = path.rsplit_once('/') {
                dir.create_dir_all(above).unwrap();
            }
            dir.write(path, content).unwrap();
        }
        let git = |args: &[&str]| {
            #[expect(clippy::disallowed_methods, reason = "git is the oracle")]
            let mut command = std::process::Command::new("git");
            let output = command.args(args).current_dir(folder.path()).output().unwrap();
            assert!(output.status.success(), "{output:?}");
            String::from_utf8(output.stdout).unwrap()
        };
        git(&["init", "-q"]);
        let listed = git(&["ls-files", "-o", "--exclude-standard", "-z"]);
        let mut expected: Vec<&str> = listed.split_terminator('\0').collect();
        expected.sort_unstable();
        let options = ImportOptions {
            ignore_file: Some(".gitignore".to_owned()),
            skip_names: vec![".git".to_owned()],
            ..ImportOptions::default()
        };
        let tree = Tree::import(&dir, &options).unwrap();
        let files = tree.walk().into_iter().filter(|entry| entry.kind == EntryKind::File);
        let mut found: Vec<String> = files.map(|entry| entry.path).collect();
        found.sort_unstable();
        assert_eq!(found, expected);
    }

    #[test]
    fn a_line_that_is_no_pattern_is_named() {
        let (_folder, dir) = folder();
        dir.write(".playpenignore", "ok\n\n[z-a]\n").unwrap();
        let error = Tree::import(&dir, &ImportOptions::default()).unwrap_err().to_string();
        assert!(error.starts_with("line 3 of `.playpenignore` is not a pattern"), "{error}");
    }

    #[test]
    fn a_file_over_the_bounds_is_refused_before_it_is_read() {
        let (_folder, dir) = folder();
        dir.create("huge").unwrap().set_len(1 << 40).unwrap();
        let error = Tree::import(&dir, &ImportOptions::default()).unwrap_err();
        assert!(matches!(error, ImportError::TooLarge { .. }), "{error:?}");
    }

    #[test]
    fn times_of_directories_are_kept() {
        let (folder, dir) = folder();
        dir.create_dir_all("a/b").unwrap();
        dir.write("a/b/c", "1").unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        let file = std::fs::File::open(folder.path().join("a/b")).unwrap();
        file.set_modified(time).unwrap();
        let tree = Tree::import(&dir, &ImportOptions::default()).unwrap();
        let inode = tree.inode(tree.find("a/b").unwrap().unwrap()).unwrap();
        assert_eq!(inode.modified, 1_000_000_000_000_000_000);
    }

    #[test]
    fn the_imported_directory_keeps_its_own_mode_and_time() {
        let (folder, dir) = folder();
        dir.write("a", "1").unwrap();
        let file = std::fs::File::open(folder.path()).unwrap();
        file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o750)).unwrap();
        let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
        file.set_modified(time).unwrap();
        let tree = Tree::import(&dir, &ImportOptions::default()).unwrap();
        let root = tree.inode(ROOT).unwrap();
        assert_eq!((root.mode, root.modified), (0o750, 1_000_000_000_000_000_000));
    }

    #[test]
    fn a_tree_over_the_bounds_is_refused() {
        let (_folder, dir) = folder();
        dir.create_dir_all("src/deep").unwrap();
        for n in 0..10 {
            dir.write(format!("f{n}"), "x").unwrap();
            dir.write(format!("src/deep/f{n}"), "x").unwrap();
        }
        dir.write("large", [0; 1000]).unwrap();
        let few = ImportOptions { max_files: 5, ..ImportOptions::default() };
        let short = ImportOptions { max_bytes: 900, ..ImportOptions::default() };
        for (options, most) in [(few, "src"), (short, "large")] {
            match Tree::import(&dir, &options) {
                Err(ImportError::TooLarge { path, .. }) => assert_eq!(path, most),
                other => panic!("{other:?}"),
            }
        }
    }

    #[test]
    fn what_is_too_much_is_named_by_its_folder() {
        let (_folder, dir) = folder();
        dir.create_dir_all("z").unwrap();
        for n in 0..40 {
            dir.create(format!("z/f{n:02}")).unwrap().set_len(20 << 20).unwrap();
        }
        let options = ImportOptions { max_bytes: 700 << 20, ..ImportOptions::default() };
        let error = Tree::import(&dir, &options).unwrap_err().to_string();
        assert!(error.ends_with("most of it in `z`"), "{error}");
    }
}
