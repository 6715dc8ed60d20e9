//! What all examples begin with: the image that `playpen image build` made.
#![expect(clippy::disallowed_methods, reason = "an example is a program of its own")]

use playpen_runtime::{Engine, EngineConfig, Image};
use std::{env, error::Error, path::PathBuf};

/// Opens the image that `PLAYPEN_IMAGE` names, or the default one of playpen's home.
pub(crate) fn open() -> Result<(Engine, Image), Box<dyn Error>> {
    let home = env::var("PLAYPEN_HOME").map(PathBuf::from);
    let home = home.or_else(|_| {
        let cache = env::var("XDG_CACHE_HOME").map(PathBuf::from);
        cache
            .or_else(|_| env::var("HOME").map(|home| PathBuf::from(home).join(".cache")))
            .map(|cache| cache.join("playpen"))
    })?;
    let image =
        env::var("PLAYPEN_IMAGE").map_or_else(|_| home.join("images/default"), PathBuf::from);
    // Without a folder for compiled code every start would compile the programs again.
    let config = EngineConfig { cache_dir: Some(home.join("compiled")), ..EngineConfig::default() };
    let engine = Engine::new(config)?;
    let image = Image::open(&engine, &image)?;
    Ok((engine, image))
}
