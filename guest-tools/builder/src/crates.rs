//! The steps that patch published sources: crates from cargo's registry, and CPython.

use std::path::{Path, PathBuf};

use crate::error::BuildError;
use crate::graph::StepContext;
use crate::patches::{Patch, PatchError};
use crate::process;
use crate::steps::PATCHED_PYTHON;

/// The manifest of a package that does nothing but depend on what is to be fetched.
const FETCH: &str = r#"[package]
name = "fetch"
version = "0.0.0"
edition = "2024"
[workspace]
[dependencies]
"#;

/// Copies each crate that has a patch folder out of cargo's registry and patches the copy.
pub(crate) fn patch_crates(folders: &[&str], context: &StepContext<'_>) -> Result<(), BuildError> {
    let patches = load(folders, context)?;
    fetch(&patches, context)?;
    for patch in patches {
        let source = find(&patch.id()).ok_or_else(|| not_fetched(&patch.id()))?;
        let target = context.out.join(&patch.package);
        copy(&source, &target).map_err(BuildError::io(format!("copy `{}`", patch.id())))?;
        patch.apply(&target).map_err(|source| refused(context, source))?;
    }
    Ok(())
}

/// Unpacks the files of CPython that we change and patches them.
pub(crate) fn patch_python(context: &StepContext<'_>) -> Result<(), BuildError> {
    let patch = Patch::load(PATCHED_PYTHON).map_err(|source| refused(context, source))?;
    let tarball = context.dep("python-sources").join("python.tar");
    let tarball = tarball.to_string_lossy();
    let mut args = vec!["-xf", &tarball, "--strip-components=1", "--wildcards"];
    let members: Vec<String> = patch.files.iter().map(|file| format!("*/{}", file.path)).collect();
    args.extend(members.iter().map(String::as_str));
    run("tar", &args, context.out, context)?;
    patch.apply(context.out).map_err(|source| refused(context, source))
}

fn load(folders: &[&str], context: &StepContext<'_>) -> Result<Vec<Patch>, BuildError> {
    folders
        .iter()
        .map(|folder| Patch::load(folder))
        .collect::<Result<_, _>>()
        .map_err(|source| refused(context, source))
}

/// Has cargo download and unpack what is not in its registry yet.
fn fetch(patches: &[Patch], context: &StepContext<'_>) -> Result<(), BuildError> {
    let missing: Vec<&Patch> = patches.iter().filter(|patch| find(&patch.id()).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let needs = |patch: &Patch| {
        format!(
            "{} = {{ version = \"={}\", default-features = false }}\n",
            patch.package, patch.version
        )
    };
    let dependencies: Vec<String> = missing.into_iter().map(needs).collect();
    let manifest = format!("{FETCH}{}", dependencies.concat());
    let doing = || BuildError::io("write a manifest for cargo fetch");
    fs_err::create_dir_all(context.work.join("src")).map_err(doing())?;
    fs_err::write(context.work.join("src/lib.rs"), "").map_err(doing())?;
    fs_err::write(context.work.join("Cargo.toml"), manifest).map_err(doing())?;
    run("cargo", &["fetch", "--target", "wasm32-wasip1"], context.work, context)
}

/// The unpacked source of a crate in cargo's registry, whichever index it came from.
fn find(id: &str) -> Option<PathBuf> {
    let registries = fs_err::read_dir(process::cargo_home().join("registry/src")).ok()?;
    registries
        .filter_map(Result::ok)
        .map(|entry| entry.path().join(id))
        .find(|dir| dir.join("Cargo.toml").is_file())
}

fn copy(from: &Path, to: &Path) -> std::io::Result<()> {
    for entry in walkdir::WalkDir::new(from) {
        let entry = entry.map_err(std::io::Error::other)?;
        let relative = entry.path().strip_prefix(from).map_err(std::io::Error::other)?;
        // The lock file is the workspace's business, and the marker is cargo's.
        if relative == Path::new("Cargo.lock") || relative == Path::new(".cargo-ok") {
            continue;
        }
        if entry.file_type().is_dir() {
            fs_err::create_dir_all(to.join(relative))?;
        } else {
            fs_err::copy(entry.path(), to.join(relative))?;
        }
    }
    Ok(())
}

fn run(
    program: &str,
    args: &[&str],
    dir: &Path,
    context: &StepContext<'_>,
) -> Result<(), BuildError> {
    let status = process::logged(program, args, dir, context.log)
        .map_err(BuildError::io(format!("run `{program}`")))?;
    if status.success() { Ok(()) } else { Err(context.failed()) }
}

fn refused(context: &StepContext<'_>, source: PatchError) -> BuildError {
    BuildError::Patch { step: context.step.to_owned(), source: Box::new(source) }
}

fn not_fetched(id: &str) -> BuildError {
    BuildError::io(format!("find `{id}` in cargo's registry"))(std::io::ErrorKind::NotFound.into())
}
