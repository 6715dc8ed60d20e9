//! Our changes to published sources: ed scripts with the hash of the file each one was cut for.
//!
//! A folder `patches/<name>-<version>/` holds `patch.toml` (per file: path, script, sha256 of the
//! original, reason), the scripts, and under `add/` the files that are ours alone.

use std::path::Path;

use serde::Deserialize;
use sha2::{Digest as _, Sha256};

use crate::ed::{self, EdError};
use crate::sources;

/// Why a patch was not applied.
#[derive(Debug, thiserror::Error)]
pub enum PatchError {
    /// `patch.toml` does not parse.
    #[error("`{folder}/patch.toml` is not valid")]
    Manifest {
        /// The patch folder.
        folder: String,
        /// What the parser said.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// Something in `patch.toml` has no reason.
    #[error("`{folder}/patch.toml` does not say why `{what}` is changed")]
    Unexplained {
        /// The patch folder.
        folder: String,
        /// The file, or the package.
        what: String,
    },
    /// The source is not the one the patch was cut for.
    #[error("`{file}` of `{package}` has sha256 {found}, the patch was cut for {expected}")]
    Hash {
        /// Name and version.
        package: String,
        /// Path in the package.
        file: String,
        /// The pinned hash.
        expected: String,
        /// The file's.
        found: String,
    },
    /// The script does not run.
    #[error("`{script}` does not apply to `{file}` of `{package}`")]
    Script {
        /// Name and version.
        package: String,
        /// Path in the package.
        file: String,
        /// The ed script.
        script: String,
        /// Where it stopped.
        #[source]
        source: EdError,
    },
    /// A file of the patch or the package cannot be read or written.
    #[error("cannot patch `{file}` of `{package}`")]
    Io {
        /// Name and version.
        package: String,
        /// Path in the package or patch folder.
        file: String,
        /// Names the path.
        #[source]
        source: std::io::Error,
    },
}

/// One patched package, as `patch.toml` describes it.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    /// Name of the crate, or of the project.
    pub(crate) package: String,
    /// Its exact version.
    pub(crate) version: String,
    /// What the package could not do for us.
    why: String,
    /// Where upstream hears of it.
    upstream: String,
    /// The changed files.
    #[serde(default, rename = "file")]
    pub(crate) files: Vec<PatchedFile>,
}

/// One changed file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchedFile {
    /// Path in the package.
    pub(crate) path: String,
    /// The ed script, in the patch folder.
    script: String,
    /// Of the file it was cut for.
    sha256: String,
    /// The reason.
    why: String,
}

impl Patch {
    /// Reads `patch.toml` of an embedded folder, as in `patches/uu_cat-0.12.0`.
    pub(crate) fn load(folder: &str) -> Result<Self, PatchError> {
        let bytes = embedded(folder, "patch.toml")?;
        let text = String::from_utf8_lossy(bytes);
        let patch: Self = toml::from_str(&text).map_err(|source| PatchError::Manifest {
            folder: folder.to_owned(),
            source: Box::new(source),
        })?;
        match patch.unexplained() {
            Some(what) => {
                Err(PatchError::Unexplained { folder: folder.to_owned(), what: what.to_owned() })
            }
            None => Ok(patch),
        }
    }

    /// What of the patch has no reason or reference.
    fn unexplained(&self) -> Option<&str> {
        if self.why.is_empty() || self.upstream.is_empty() {
            return Some(&self.package);
        }
        self.files.iter().find(|file| file.why.is_empty()).map(|file| file.path.as_str())
    }

    /// `<package>-<version>`, which is also the folder's name.
    pub(crate) fn id(&self) -> String {
        format!("{}-{}", self.package, self.version)
    }

    fn folder(&self) -> String {
        format!("patches/{}", self.id())
    }

    /// Changes the unpacked package in `tree` and adds our files to it.
    pub(crate) fn apply(&self, tree: &Path) -> Result<(), PatchError> {
        for file in &self.files {
            self.apply_one(tree, file)?;
        }
        let added = format!("{}/add", self.folder());
        for (path, content) in sources::files(&added) {
            let relative =
                path.strip_prefix(&added).unwrap_or(&path).trim_start_matches('/').to_owned();
            write(&tree.join(&relative), content).map_err(|source| self.io(&relative, source))?;
        }
        Ok(())
    }

    fn apply_one(&self, tree: &Path, file: &PatchedFile) -> Result<(), PatchError> {
        let path = tree.join(&file.path);
        let original = fs_err::read(&path).map_err(|source| self.io(&file.path, source))?;
        let found = sha256(&original);
        if found != file.sha256 {
            let (package, path, expected) = (self.id(), file.path.clone(), file.sha256.clone());
            return Err(PatchError::Hash { package, file: path, expected, found });
        }
        let script = embedded(&self.folder(), &file.script)?;
        let patched = ed::apply(&original, script).map_err(|source| PatchError::Script {
            package: self.id(),
            file: file.path.clone(),
            script: file.script.clone(),
            source,
        })?;
        write(&path, &patched).map_err(|source| self.io(&file.path, source))
    }

    fn io(&self, file: &str, source: std::io::Error) -> PatchError {
        PatchError::Io { package: self.id(), file: file.to_owned(), source }
    }
}

/// Lower-case hexadecimal sha256, as registries and distributions print it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn write(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if let Some(parent) = path.parent() {
        fs_err::create_dir_all(parent)?;
    }
    // Registry sources may be read-only: a new file, not the old one overwritten.
    drop(fs_err::remove_file(path));
    fs_err::write(path, content)
}

fn embedded(folder: &str, file: &str) -> Result<&'static [u8], PatchError> {
    let path = format!("{folder}/{file}");
    sources::files(&path).first().map(|(_, content)| *content).ok_or_else(|| PatchError::Io {
        package: folder.to_owned(),
        file: path,
        source: std::io::ErrorKind::NotFound.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::steps::{PATCHED_GIT, PATCHED_PYTHON, PATCHED_SHELL, PATCHED_TOOLS};

    #[test]
    fn every_patch_folder_is_known_and_complete() {
        let crates = PATCHED_SHELL.into_iter().chain(PATCHED_TOOLS).chain(PATCHED_GIT);
        let known: Vec<&str> = crates.chain([PATCHED_PYTHON]).collect();
        for folder in sources::folders("patches") {
            let folder = format!("patches/{folder}");
            assert!(known.contains(&folder.as_str()), "no step reads {folder}");
            let patch = Patch::load(&folder).unwrap();
            assert_eq!(patch.folder(), folder);
            for file in &patch.files {
                assert_eq!(file.sha256.len(), 64);
                assert!(!embedded(&folder, &file.script).unwrap().is_empty());
            }
        }
    }

    #[test]
    fn another_source_than_the_pinned_one_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let patch = Patch::load("patches/uu_cat-0.12.0").unwrap();
        fs_err::create_dir(dir.path().join("src")).unwrap();
        fs_err::write(dir.path().join("Cargo.toml"), "[package]\n").unwrap();
        let error = patch.apply(dir.path()).unwrap_err().to_string();
        assert_eq!(
            error,
            format!(
                "`Cargo.toml` of `uu_cat-0.12.0` has sha256 {}, the patch was cut for {}",
                sha256(b"[package]\n"),
                patch.files[0].sha256
            )
        );
        assert_eq!(fs_err::read(dir.path().join("Cargo.toml")).unwrap(), b"[package]\n");
    }

    #[test]
    fn sha256_is_the_usual_one() {
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
