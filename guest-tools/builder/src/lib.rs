//! Builds the guests (shell, tools, git, Python) from registry sources and packs them into an image.
//!
//! The build is a graph of steps. Each step's result is kept in a content-addressed cache under
//! `<home>/guests`, so that a second build is instant, an interrupted one goes on at the step it was
//! in, and a damaged result is built again. The network is reached through cargo, pip, apt-get and
//! rustup only.
//!
//! What is built from what, times, sizes and licenses: `guest-tools/README.md`.

mod crates;
mod custom;
mod ed;
mod error;
mod graph;
mod image;
mod patches;
mod prerequisites;
mod process;
mod progress;
mod sources;
mod steps;
mod store;

use std::path::{Path, PathBuf};

pub use custom::SpecError;
pub use ed::EdError;
pub use error::BuildError;
pub use patches::PatchError;
pub use prerequisites::Missing;
pub use progress::{BuildEvent, Progress, Silent, StepStatus};

use graph::Graph;
use store::Store;

/// Which image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSpec {
    /// Under which it is listed.
    pub name: String,
    /// What is installed besides: lines of a `requirements.txt`, each with hashes.
    pub packages: String,
    /// Whether pytest is imported before the interpreter's snapshot is taken, which makes it start fast;
    /// a project that brings another pytest is better off without.
    pub preload_pytest: bool,
}

impl Default for ImageSpec {
    /// The image with shell, tools, git and Python, named `default`.
    fn default() -> Self {
        Self { name: "default".into(), packages: String::new(), preload_pytest: true }
    }
}

/// How to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Everything is written under it: `guests/` (the cache) and `images/`.
    pub home: PathBuf,
    /// How many processes a step may run at once.
    pub jobs: usize,
}

impl BuildOptions {
    /// Builds under `home` with one process per processor.
    pub fn new(home: impl Into<PathBuf>) -> Self {
        let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self { home: home.into(), jobs }
    }
}

/// Makes sure that the image is there and whole, and returns its folder.
///
/// Takes milliseconds when everything is cached. Otherwise it runs the steps that are missing, about
/// 15 minutes of them on two idle cores if all are, and needs 3 GB of disk meanwhile.
///
/// # Errors
///
/// [`BuildError`]; its [`hint`](BuildError::hint) says what to do. What is built so far is kept.
pub fn ensure(
    spec: &ImageSpec,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<PathBuf, BuildError> {
    let steps = steps::all(spec);
    let graph = Graph::new(steps, Store::new(options.home.join("guests")), options.jobs);
    let image = graph.ensure(steps::IMAGE, progress)?;
    publish(&options.home.join("images"), &spec.name, &image)?;
    Ok(image)
}

/// Makes `images/<name>` a link to the image.
fn publish(images: &Path, name: &str, image: &Path) -> Result<(), BuildError> {
    let link = images.join(name);
    if fs_err::read_link(&link).is_ok_and(|there| there == image) {
        return Ok(());
    }
    let doing = || BuildError::io("publish the image");
    fs_err::create_dir_all(images).map_err(doing())?;
    let temporary = images.join(format!(".{name}.{}", std::process::id()));
    store::clear(&temporary).map_err(doing())?;
    fs_err::os::unix::fs::symlink(image, &temporary).map_err(doing())?;
    fs_err::rename(&temporary, &link).map_err(doing())
}

/// Builds one step's result, for those who work on the guests.
#[doc(hidden)]
pub fn ensure_step(
    step: &str,
    options: &BuildOptions,
    progress: &dyn Progress,
) -> Result<PathBuf, BuildError> {
    graph(&options.home, options.jobs).ensure(step, progress)
}

/// The CPython 3.13 for this machine that the build made beside the guest's: same source, `-O2`,
/// with pytest. `None` if it has not been built in `home`.
pub fn native_python(home: &Path) -> Option<PathBuf> {
    graph(home, 1).cached("python-native").map(|dir| dir.join("bin/python3.13"))
}

fn graph(home: &Path, jobs: usize) -> Graph {
    Graph::new(steps::all(&ImageSpec::default()), Store::new(home.join("guests")), jobs)
}
