//! The last two steps: the snapshot of the interpreter, and the image.

use std::path::Path;

use cap_std::ambient_authority;
use cap_std::fs::Dir;
use playpen_runtime::image::{Entry, ImageWriter, SigPipe};
use playpen_runtime::{Engine, EngineConfig, ImportOptions, Tree, TreeError, preinit};

use crate::error::BuildError;
use crate::graph::StepContext;
use crate::sources;

/// The step that puts the packages of an `image.toml` into the files of the Python guest.
pub(crate) const CUSTOM_ROOT: &str = "image-root";
/// Snapshots of the interpreter: what they are called, and the function that the start-up is in. The second one has another seed of
/// hashes, which a snapshot fixes: programs that depend on the order of sets show it there.
const SNAPSHOTS: [(&str, &str); 2] =
    [("python", "wizer-initialize"), ("python-other-hashes", "wizer-initialize-other-hashes")];
/// Processes of the engine that makes the snapshot: one, and room for none.
const SLOTS: u32 = 4;
/// Every program that is not one of the tools.
const PROGRAMS: [(&str, &str); 6] = [
    ("sh", "shell"),
    ("bash", "shell"),
    ("git", "git"),
    ("python", "python"),
    ("python3", "python"),
    ("python3.13", "python"),
];
/// Python with other hashes, by its usual names.
const OTHER_PROGRAMS: [&str; 3] = ["python", "python3", "python3.13"];
/// The folder of these.
const OTHER_FOLDER: &str = "/usr/lib/playpen/other-hashes";
/// Folders that the sandbox mounts on or that guests expect, with their modes.
const FOLDERS: [(&str, u32); 10] = [
    ("etc", 0o755),
    ("dev", 0o755),
    ("proc", 0o555),
    ("root", 0o700),
    ("home/user", 0o755),
    ("tmp", 0o1777),
    ("var/tmp", 0o1777),
    ("usr/bin", 0o755),
    ("usr/share", 0o755),
    ("workspace", 0o755),
];
/// Links: where, and what they say.
const LINKS: [(&str, &str); 4] = [
    ("etc/localtime", "/usr/share/zoneinfo/Etc/UTC"),
    ("bin", "usr/bin"),
    ("sbin", "usr/bin"),
    ("usr/share/zoneinfo", "../local/lib/python3.13/site-packages/tzdata/zoneinfo"),
];

/// Starts the interpreter, has it import what most programs import, and keeps it in that state.
pub(crate) fn snapshot(context: &StepContext<'_>) -> Result<(), BuildError> {
    let wasm = read(&context.dep("python-link").join("python.wasm"))?;
    let root = root(context)?;
    let failed = |doing| move |source| runtime(context, doing, source);
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|e| failed("start the snapshot's engine")(e.into()))?;
    let config = EngineConfig { cache_dir: None, slots: SLOTS };
    let engine = {
        let _guard = runtime.enter();
        Engine::new(config).map_err(|e| failed("start the snapshot's engine")(e.into()))?
    };
    for (name, start_up) in SNAPSHOTS {
        let snapshot = runtime.block_on(preinit(&engine, &wasm, start_up, &root));
        let snapshot = snapshot.map_err(|e| failed("snapshot the interpreter")(e.into()))?;
        fs_err::write(context.out.join(format!("{name}.wasm")), snapshot)
            .map_err(BuildError::io("write the snapshot"))?;
    }
    Ok(())
}

/// Packs the guests and the files they see.
pub(crate) fn pack(context: &StepContext<'_>) -> Result<(), BuildError> {
    let mut writer = ImageWriter::new(context.out, root(context)?);
    let start = |step: &str, file: &str| read(&context.dep(step).join(file));
    writer.module("shell", start("guest-shell", "shell.wasm")?, Entry::Start, SigPipe::Kill);
    writer.module("tools", start("guest-tools", "tools.wasm")?, Entry::Start, SigPipe::Kill);
    writer.module("git", start("guest-git", "git.wasm")?, Entry::Start, SigPipe::Kill);
    for (name, _) in SNAPSHOTS {
        let python = start("python-snapshot", &format!("{name}.wasm"))?;
        writer.module(name, python, Entry::Function("run".into()), SigPipe::Error);
    }
    for (name, module) in PROGRAMS {
        writer.program(&format!("/usr/bin/{name}"), module);
    }
    for name in OTHER_PROGRAMS {
        writer.program(&format!("{OTHER_FOLDER}/{name}"), "python-other-hashes");
    }
    let names = start("guest-tools", "names")?;
    for name in String::from_utf8_lossy(&names).lines() {
        writer.program(&format!("/usr/bin/{name}"), "tools");
    }
    writer.finish().map(drop).map_err(|e| runtime(context, "write the image", e.into()))
}

/// The root file system without the programs.
fn root(context: &StepContext<'_>) -> Result<Tree, BuildError> {
    let failed = |doing| move |source| runtime(context, doing, source);
    let step = if context.deps.contains_key(CUSTOM_ROOT) { CUSTOM_ROOT } else { "python-root" };
    let dir = Dir::open_ambient_dir(context.dep(step), ambient_authority());
    let dir = dir.map_err(BuildError::io("open the Python guest's files"))?;
    let tree = Tree::import(&dir, &ImportOptions::default());
    let mut tree = tree.map_err(|e| failed("import the Python guest's files")(e.into()))?;
    furnish(&mut tree).map_err(|e| failed("lay out the root file system")(e.into()))?;
    Ok(tree)
}

fn furnish(tree: &mut Tree) -> Result<(), TreeError> {
    for (path, mode) in FOLDERS {
        tree.create_dir(path, mode)?;
    }
    for (path, target) in LINKS {
        tree.symlink(path, target)?;
    }
    for (path, content) in sources::files("root") {
        let path = path.trim_start_matches("root/");
        let mode = if path.starts_with("usr/bin/") { 0o755 } else { 0o644 };
        tree.write(path, content, mode)?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<Vec<u8>, BuildError> {
    fs_err::read(path).map_err(BuildError::io("read a built guest"))
}

fn runtime(
    context: &StepContext<'_>,
    doing: &'static str,
    source: Box<dyn std::error::Error + Send + Sync>,
) -> BuildError {
    BuildError::Runtime { step: context.step.to_owned(), doing, source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_root_has_what_guests_expect() {
        let mut tree = Tree::new();
        furnish(&mut tree).unwrap();
        assert!(tree.read("etc/passwd").unwrap().starts_with(b"root:x:0:0:"));
        let find = |path: &str| {
            tree.walk()
                .into_iter()
                .find(|entry| entry.path == path)
                .map(|entry| entry.mode & 0o7777)
        };
        assert_eq!(find("tmp"), Some(0o1777));
        assert_eq!(find("usr/bin/pytest"), Some(0o755));
        assert_eq!(find("etc/os-release"), Some(0o644));
        assert!(tree.exists("bin") && tree.exists("workspace"));
    }
}
