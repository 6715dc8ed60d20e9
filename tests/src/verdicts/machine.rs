//! What a verification needs of this machine.

use playpen::{config::Environment, context::Context};
use playpen_image::{BuildOptions, ImageSpec};
use playpen_runtime::{Engine, EngineConfig, Image};
use std::path::Path;

/// Opens the image in `home`, or in the usual folder; it is built if it is not there.
///
/// # Errors
///
/// Fails if there is no folder for guests, or if the image cannot be built or opened.
pub fn context(home: Option<&Path>) -> anyhow::Result<Context> {
    let environment = Environment::read();
    let home = environment.home(home)?;
    let build = || {
        let spec = ImageSpec::default();
        playpen_image::ensure(&spec, &BuildOptions::new(&home), &playpen_image::Silent)
    };
    let folder = environment.image.clone().map_or_else(build, Ok)?;
    let config = EngineConfig { cache_dir: Some(home.join("compiled")), ..EngineConfig::default() };
    let engine = Engine::new(config)?;
    let image = Image::open(&engine, &folder)?;
    Ok(Context::without_model(engine, image))
}
