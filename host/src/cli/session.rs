//! What every command is given: how to print, what the environment says, and where things are.

use super::building::BuildProgress;
use crate::{config::Environment, printer::Printer};
use anyhow::Context as _;
use cap_std::{ambient_authority, fs::Dir};
use playpen_image::{BuildOptions, ImageSpec};
use playpen_runtime::{Engine, EngineConfig, Image, store::SnapshotStore};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The settings that all commands share.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The only way to print.
    pub(super) printer: Printer,
    /// The variables of the environment.
    pub(super) env: Environment,
    home: Option<PathBuf>,
}

impl Session {
    pub(super) fn new(printer: Printer, env: Environment, home: Option<PathBuf>) -> Self {
        Self { printer, env, home }
    }

    /// Returns the folder for guests, images and compiled code.
    ///
    /// # Errors
    ///
    /// Fails where neither a flag nor the environment says where it is.
    pub(super) fn home(&self) -> anyhow::Result<PathBuf> {
        let home = self.env.home(self.home.as_deref())?;
        Ok(std::path::absolute(&home).unwrap_or(home))
    }

    /// Returns the snapshots that are kept in the home, which is made where it is missing.
    ///
    /// # Errors
    ///
    /// Fails if the folder cannot be made or read.
    pub(super) fn snapshots(&self) -> anyhow::Result<SnapshotStore> {
        let path = self.home()?.join("snapshots");
        fs_err::create_dir_all(&path)?;
        let dir = Dir::open_ambient_dir(&path, ambient_authority())
            .with_context(|| format!("failed to open folder `{}`", path.display()))?;
        Ok(SnapshotStore::open(dir, &path)?)
    }

    /// Returns the folder of an image, built first where that is needed.
    pub(super) async fn build_image(&self, spec: ImageSpec) -> anyhow::Result<PathBuf> {
        let options = BuildOptions::new(self.home()?);
        let (progress, _stop) = BuildProgress::new(self.printer.clone());
        let build = move || playpen_image::ensure(&spec, &options, &progress);
        let built = tokio::task::spawn_blocking(build).await.context("the build broke off")?;
        Ok(built?)
    }

    /// Returns the folders of the images that were built, sorted by name.
    pub(super) fn images(&self) -> anyhow::Result<Vec<PathBuf>> {
        let folder = self.home()?.join("images");
        let entries = match fs_err::read_dir(folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(vec![]),
            Err(error) => return Err(error.into()),
        };
        let folders: io::Result<Vec<PathBuf>> = entries.map(|entry| Ok(entry?.path())).collect();
        let mut folders = folders?;
        // A link that leads nowhere is an image that was cleared away.
        folders.retain(|folder| folder.is_dir());
        folders.sort();
        Ok(folders)
    }

    /// Returns the engine and the image at `folder`, which may also be the name of one that was built, or
    /// the one that the environment names, or the default one, built where that is needed.
    pub(super) async fn image(&self, folder: Option<&Path>) -> anyhow::Result<(Engine, Image)> {
        let folder = match folder.or(self.env.image.as_deref()) {
            Some(folder) if folder.exists() => folder.to_owned(),
            Some(name) => self.home()?.join("images").join(name),
            None => self.build_image(ImageSpec::default()).await?,
        };
        let config = EngineConfig {
            cache_dir: Some(self.home()?.join("compiled")),
            ..EngineConfig::default()
        };
        let engine = Engine::new(config)?;
        let bar = self.printer.spinner("loading the image (compiling it takes a minute, once)");
        let image = Image::open(&engine, &folder);
        bar.finish_and_clear();
        Ok((engine, image?))
    }
}
