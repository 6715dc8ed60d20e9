//! Packages from the index of Python packages, by pip of the host.
#![expect(
    clippy::disallowed_methods,
    reason = "pip is a program of the host, and this module starts it"
)]

use std::path::{Path, PathBuf};
use tokio::task::spawn_blocking;

use super::error::VariantError;

/// Installs pure-Python packages into `folder`.
///
/// # Errors
///
/// Fails if pip does, or if a package has no wheel that runs everywhere.
pub async fn install(requirements: &[String], folder: &Path) -> Result<(), VariantError> {
    let mut args: Vec<String> = [
        "install",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-compile",
        "--only-binary=:all:",
        "--platform",
        "any",
        "--implementation",
        "py",
        "--abi",
        "none",
        "--python-version",
        "3.13",
        "--target",
    ]
    .map(str::to_owned)
    .into();
    args.push(folder.display().to_string());
    args.extend(requirements.iter().cloned());
    pip(&requirements.join(" "), args, None).await
}

/// Gets the source distribution of `requirement` and unpacks it below `folder`; returns its folder.
///
/// # Errors
///
/// Fails if pip does, or if what it got cannot be unpacked.
pub async fn source(requirement: &str, folder: &Path) -> Result<PathBuf, VariantError> {
    let args = [
        "download",
        "--quiet",
        "--disable-pip-version-check",
        "--no-input",
        "--no-deps",
        "--no-binary=:all:",
        "--dest",
        ".",
        requirement,
    ];
    pip(requirement, args.map(str::to_owned).into(), Some(folder)).await?;
    let failed = |said: String| VariantError::Pip { requirement: requirement.to_owned(), said };
    let entries = fs_err::read_dir(folder).map_err(|error| failed(error.to_string()))?;
    let archive = entries.flatten().map(|entry| entry.path()).find(|path| path.is_file());
    let archive = archive.ok_or_else(|| failed("there is no source distribution".to_owned()))?;
    let script = "import shutil, sys; shutil.unpack_archive(sys.argv[1], 'source', filter='data')";
    let name =
        archive.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    python(requirement, vec!["-c".to_owned(), script.to_owned(), name], Some(folder)).await?;
    let unpacked = folder.join("source");
    let entries = fs_err::read_dir(&unpacked).map_err(|error| failed(error.to_string()))?;
    let top = entries.flatten().map(|entry| entry.path()).find(|path| path.is_dir());
    Ok(top.unwrap_or(unpacked))
}

async fn pip(requirement: &str, args: Vec<String>, cwd: Option<&Path>) -> Result<(), VariantError> {
    let args = ["-m".to_owned(), "pip".to_owned()].into_iter().chain(args).collect();
    python(requirement, args, cwd).await
}

/// Runs the host's Python.
async fn python(
    requirement: &str,
    args: Vec<String>,
    cwd: Option<&Path>,
) -> Result<(), VariantError> {
    let cwd = cwd.map(Path::to_owned);
    let output = spawn_blocking(move || {
        let mut command = std::process::Command::new("python3");
        command.args(args).stdin(std::process::Stdio::null());
        if let Some(cwd) = cwd {
            command.current_dir(cwd);
        }
        command.output()
    })
    .await?;
    let said = match output {
        Ok(output) if output.status.success() => return Ok(()),
        Ok(output) => {
            String::from_utf8_lossy(&output.stderr).trim().lines().last().map(str::to_owned)
        }
        Err(error) => Some(format!("python3 cannot be started: {error}")),
    };
    Err(VariantError::Pip { requirement: requirement.to_owned(), said: said.unwrap_or_default() })
}
