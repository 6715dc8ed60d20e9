//! `playpen image`: the root filesystem of sandboxes, built from published sources.

use super::{Status, session::Session};
use playpen_image::ImageSpec;
use playpen_runtime::{EntryKind, Image};
use serde::Serialize;
use std::path::{Path, PathBuf};

/// Build, list and show guest images
///
/// An image holds the programs of a sandbox: a shell, coreutils and text tools, git, and CPython with
/// pytest. It is built from published sources on this machine: about 15 minutes on two cores, once.
/// What is built is kept, so an interrupted build goes on where it stopped.
#[derive(Debug, clap::Args)]
pub(super) struct ImageArgs {
    #[command(subcommand)]
    command: ImageCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ImageCommand {
    /// Build the image, or make sure that it is complete
    ///
    /// Prints the folder of the image. Exits with 75 if it was interrupted: the next build goes on
    /// from there.
    ///
    /// An `image.toml` makes an image of its own with more Python packages, to be used with `--image NAME`:
    /// `name`, and either `requirements` (a requirements.txt with hashes) or `lock` (a pylock.toml), relative to
    /// the file. Wheels of pure Python only. `preload_pytest = false` is for projects that pin another pytest.
    Build(BuildArgs),
    /// List the images and what they take on disk
    List,
    /// Show the programs of an image
    Show(ShowArgs),
}

#[derive(Debug, clap::Args)]
struct BuildArgs {
    /// An image.toml [default: the image without more packages]
    file: Option<PathBuf>,
}

#[derive(Debug, clap::Args)]
struct ShowArgs {
    /// Folder of the image [default: the one that `playpen image build` made]
    image: Option<PathBuf>,
}

/// An image, as `list --json` prints it.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    folder: PathBuf,
    /// What its files take on disk.
    n_bytes: u64,
}

/// An image, as `show --json` prints it.
#[derive(Debug, Serialize)]
struct Shown {
    folder: PathBuf,
    /// The hash of everything in it.
    digest: String,
    n_files: usize,
    n_bytes: u64,
    /// Paths of the programs.
    programs: Vec<String>,
}

/// Builds, lists or shows.
pub(super) async fn run(session: &Session, args: &ImageArgs) -> anyhow::Result<Status> {
    match &args.command {
        ImageCommand::Build(args) => {
            let spec = args.file.as_deref().map(ImageSpec::read).transpose()?.unwrap_or_default();
            let folder = session.build_image(spec).await?;
            report(session, &folder);
            Ok(Status::Done)
        }
        ImageCommand::List => list(session),
        ImageCommand::Show(args) => show(session, args.image.as_deref()).await,
    }
}

/// Prints the folder of an image that is complete.
fn report(session: &Session, folder: &Path) {
    if session.printer.is_json() {
        session.printer.json(&Listed::new(folder));
    } else {
        session.printer.result(folder.display());
    }
}

impl Listed {
    fn new(folder: &Path) -> Self {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
        let n_bytes = size(folder);
        Self { name: name.unwrap_or_default(), folder: folder.to_owned(), n_bytes }
    }
}

/// Returns the bytes of the files in a folder; what cannot be read counts nothing.
fn size(folder: &Path) -> u64 {
    let entries = fs_err::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => size(&entry.path()),
        _ => entry.metadata().map_or(0, |metadata| metadata.len()),
    });
    bytes.sum()
}

fn list(session: &Session) -> anyhow::Result<Status> {
    let images: Vec<Listed> = session.images()?.iter().map(|folder| Listed::new(folder)).collect();
    if session.printer.is_json() {
        session.printer.json(&images);
    } else {
        for Listed { name, folder, n_bytes } in &images {
            let mb = n_bytes / 1_000_000;
            session.printer.result(format!("{name}  {mb} MB  {}", folder.display()));
        }
    }
    Ok(Status::Done)
}

async fn show(session: &Session, folder: Option<&Path>) -> anyhow::Result<Status> {
    let (_engine, image) = session.image(folder).await?;
    let shown = Shown::new(&image);
    if session.printer.is_json() {
        session.printer.json(&shown);
    } else {
        session.printer.result(shown.lines());
    }
    Ok(Status::Done)
}

impl Shown {
    fn new(image: &Image) -> Self {
        let entries = image.root().walk();
        let is_program = |path: &str| path.starts_with("bin/") || path.starts_with("usr/bin/");
        let files = entries.iter().filter(|entry| entry.kind == EntryKind::File);
        let programs = entries.iter().filter(|entry| entry.kind != EntryKind::Dir);
        Self {
            folder: image.path().to_owned(),
            digest: image.digest().to_owned(),
            n_files: files.clone().count(),
            n_bytes: files.map(|file| file.size).sum(),
            programs: programs
                .filter(|entry| is_program(&entry.path))
                .map(|entry| format!("/{}", entry.path))
                .collect(),
        }
    }

    fn lines(&self) -> String {
        let Self { folder, digest, n_files, n_bytes, programs } = self;
        let names: Vec<&str> = programs.iter().filter_map(|path| path.rsplit('/').next()).collect();
        let (folder, names) = (folder.display(), names.join(" "));
        format!(
            "folder    {folder}\ndigest    {digest}\nfiles     {n_files}\nbytes     {n_bytes}\n\
             programs  {names}"
        )
    }
}
