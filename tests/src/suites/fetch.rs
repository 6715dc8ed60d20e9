//! The files of a package: its source distribution, and a folder of installed packages.
//!
//! Everything is kept under `<home>/suites`, by the hash of what was asked for, so that a second run needs
//! no network.

use super::{list::Package, pip::Pip};
use crate::program::Program;
use anyhow::{Context as _, ensure};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// What the image has installed; both sides have it, and pip is held to the same versions.
const IMAGE_REQUIREMENTS: &str = include_str!("../../../guest-tools/python/requirements.txt");

/// Changes when what is kept does.
const FORMAT: &str = "2";

/// A package that is ready to be tested.
#[derive(Clone, Debug)]
pub struct Fetched {
    /// The unpacked source distribution.
    pub source: PathBuf,
    /// The package and its dependencies, installed.
    pub site: PathBuf,
}

/// Gets packages, and keeps them.
#[derive(Debug)]
pub struct Fetcher {
    folder: PathBuf,
    native_python: PathBuf,
    pip: Pip,
}

impl Fetcher {
    /// Returns a fetcher that keeps what it gets under `home`.
    ///
    /// # Errors
    ///
    /// Fails if there is no pip.
    pub fn new(home: &Path, native_python: &Path) -> anyhow::Result<Self> {
        let folder = home.join("suites");
        let pip = Pip::find(&folder)?;
        Ok(Self { folder, native_python: native_python.to_owned(), pip })
    }

    /// Gets a package, unless it is there already.
    ///
    /// # Errors
    ///
    /// Fails if it has no source distribution, or if something is not to be had as pure Python.
    pub fn fetch(&self, package: &Package) -> anyhow::Result<Fetched> {
        let kept = self.folder.join(format!("{}-{}", plain(&package.name), key(package)));
        if !kept.exists() {
            self.make(package, &kept)?;
        }
        Ok(Fetched { source: only_folder(&kept.join("source"))?, site: kept.join("site") })
    }

    fn make(&self, package: &Package, kept: &Path) -> anyhow::Result<()> {
        let work = tempfile::Builder::new().prefix(".new").tempdir_in(&self.folder)?;
        let (sdist, source) = (work.path().join("sdist"), work.path().join("source"));
        self.pip
            .sdist(&package.requirement, package.sha256.as_deref(), &sdist)
            .context("failed to get the source distribution")?;
        fs_err::create_dir_all(&source)?;
        unpack(&sdist, &source)?;
        let folder = only_folder(&source)?;
        let requirement = pinned(&package.requirement, &folder);
        let installed = self.install(package, requirement, work.path());
        installed.context("failed to install the package")?;
        fs_err::rename(work.keep(), kept)?;
        Ok(())
    }

    /// Installs the package from its wheel, and what the tests need.
    fn install(&self, package: &Package, requirement: String, work: &Path) -> anyhow::Result<()> {
        let constraints = work.join("constraints.txt");
        fs_err::write(&constraints, constraints_for(package))?;
        let site = work.join("site");
        let mut wanted = vec![requirement];
        wanted.extend(package.extras.iter().cloned());
        self.pip.install(&wanted, &constraints, &site)?;
        remove_what_the_image_has(&site)?;
        let compile = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "-s"];
        let compile = Program::new(&self.native_python).args(compile).args([&site]);
        let compile = compile.args(["-p", "/site"]).args([&site]);
        // A file that does not compile is the tests' business.
        compile.deadline(Duration::from_mins(5)).try_run()?;
        Ok(())
    }
}

/// Holds pip to the versions of the image, but for what the package itself asks for.
fn constraints_for(package: &Package) -> String {
    let asked: Vec<String> =
        package.extras.iter().chain([&package.requirement]).map(|it| name_of(it)).collect();
    let pins = pins().filter(|(name, _)| !asked.contains(&plain(name)));
    let lines: Vec<String> = pins.map(|(name, version)| format!("{name}=={version}\n")).collect();
    lines.concat()
}

/// Returns names and versions of what the image has installed.
fn pins() -> impl Iterator<Item = (&'static str, &'static str)> {
    let pins = IMAGE_REQUIREMENTS.lines().filter_map(|line| line.split_whitespace().next());
    pins.filter_map(|pin| pin.split_once("=="))
}

/// Removes packages that the image has in the same version, so that tests meet the image's own.
fn remove_what_the_image_has(site: &Path) -> anyhow::Result<()> {
    for (name, version) in pins() {
        let info = site.join(format!("{name}-{version}.dist-info"));
        let Ok(record) = fs_err::read_to_string(info.join("RECORD")) else { continue };
        let paths = record.lines().filter_map(|line| line.split(',').next());
        for path in paths.filter(|path| !path.starts_with("..")) {
            remove_if_there(&site.join(path))?;
        }
        fs_err::remove_dir_all(info)?;
    }
    remove_empty_folders(site)
}

fn remove_if_there(file: &Path) -> anyhow::Result<()> {
    if file.is_file() {
        fs_err::remove_file(file)?;
    }
    Ok(())
}

fn remove_empty_folders(folder: &Path) -> anyhow::Result<()> {
    for entry in walkdir::WalkDir::new(folder).min_depth(1).contents_first(true) {
        let entry = entry?;
        if entry.file_type().is_dir() {
            // One that is not empty stays.
            drop(fs_err::remove_dir(entry.path()));
        }
    }
    Ok(())
}

fn unpack(sdist: &Path, target: &Path) -> anyhow::Result<()> {
    let archive = fs_err::read_dir(sdist)?.next().context("pip got no file")??.path();
    let unpack = Program::new("python3").args(["-m"]);
    let unpack = if archive.extension().is_some_and(|extension| extension == "zip") {
        unpack.args(["zipfile"])
    } else {
        unpack.args(["tarfile"])
    };
    let ended = unpack.args(["-e"]).args([archive.as_path(), target]).run();
    ensure!(ended.code == 0, "failed to unpack `{}`: {}", archive.display(), ended.err());
    Ok(())
}

fn only_folder(folder: &Path) -> anyhow::Result<PathBuf> {
    let entries = fs_err::read_dir(folder)?.collect::<Result<Vec<_>, _>>()?;
    let folder = entries.iter().map(fs_err::DirEntry::path).find(|path| path.is_dir());
    folder.context("the source distribution has no folder")
}

/// Returns the name in a requirement, as indexes compare it.
pub(super) fn name_of(requirement: &str) -> String {
    let end = requirement.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c)));
    plain(&requirement[..end.unwrap_or(requirement.len())])
}

/// Returns a requirement for the version that the source distribution has; pip would look for another one if
/// this one depends on something that has no wheel.
fn pinned(requirement: &str, source: &Path) -> String {
    let folder = source.file_name().unwrap_or_default().to_string_lossy();
    let is_name = |c: char| c.is_alphanumeric() || "-_.[],".contains(c);
    let name = requirement.split(|c: char| !is_name(c)).next().unwrap_or(requirement);
    match folder.rsplit_once('-') {
        Some((_, version)) if !requirement.contains("==") => format!("{name}=={version}"),
        _ => requirement.to_owned(),
    }
}

fn plain(name: &str) -> String {
    name.to_lowercase().replace(['_', '.', '/'], "-")
}

fn key(package: &Package) -> String {
    let Package { requirement, sha256, extras, .. } = package;
    let asked = format!("{FORMAT} {requirement} {sha256:?} {extras:?} {IMAGE_REQUIREMENTS}");
    blake3::hash(asked.as_bytes()).to_hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::{Package, Path, constraints_for, name_of, pinned};

    #[test]
    fn the_version_that_is_tested_is_installed() {
        let source = Path::new("/x/flask-3.1.3");
        assert_eq!(pinned("flask[async]>=3", source), "flask[async]==3.1.3");
        assert_eq!(pinned("flask==3.1.2", source), "flask==3.1.2");
    }

    #[test]
    fn the_image_decides_on_versions_unless_the_package_does() {
        let package = |extra: &str| Package {
            name: "a".to_owned(),
            requirement: "a==1".to_owned(),
            sha256: None,
            tests: vec![],
            extras: vec![extra.to_owned()],
            args: vec![],
            timeout: None,
        };
        assert!(constraints_for(&package("pytest-cov")).contains("pytest=="));
        assert!(!constraints_for(&package("Pytest<9")).contains("pytest=="));
        assert_eq!(name_of("Foo_Bar[x]>=1"), "foo-bar");
    }
}
