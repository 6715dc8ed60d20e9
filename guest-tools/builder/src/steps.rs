//! The graph that makes an image: every step with what it reads, needs and takes.

use std::time::Duration;

use crate::graph::{Action, Step, StepContext, Work};
use crate::prerequisites::Tool::{self, AptGet, Bash, Cargo, Cc, Make, Python, Tar, Xz};
use crate::{ImageSpec, crates, image, process};

/// The step whose result is the image.
pub(crate) const IMAGE: &str = "image";

/// The patch folder of CPython.
pub(crate) const PATCHED_PYTHON: &str = "patches/cpython-3.13.5";

/// The patch folders of crates, by the guest that is built with them.
pub(crate) const PATCHED_SHELL: [&str; 3] =
    ["patches/brush-builtins-0.2.0", "patches/brush-core-0.5.0", "patches/brush-parser-0.4.0"];
/// As above.
pub(crate) const PATCHED_TOOLS: [&str; 15] = [
    "patches/argmax-0.4.0",
    "patches/findutils-0.11.0",
    "patches/jaq-3.1.2",
    "patches/ripgrep-15.2.0",
    "patches/same-file-1.0.6",
    "patches/uu_cat-0.12.0",
    "patches/uu_cp-0.12.0",
    "patches/uu_grep-0.2.0",
    "patches/uu_ls-0.12.0",
    "patches/uu_mkdir-0.12.0",
    "patches/uu_mv-0.12.0",
    "patches/uu_sort-0.12.0",
    "patches/uu_tac-0.12.0",
    "patches/uucore-0.12.0",
    "patches/walkdir-2.5.0",
];
/// As above.
pub(crate) const PATCHED_GIT: [&str; 1] = ["patches/git2-0.21.0"];

/// All steps, each after those it depends on.
pub(crate) fn all(spec: &ImageSpec) -> Vec<Step> {
    let image = if *spec == (ImageSpec { name: spec.name.clone(), ..ImageSpec::default() }) {
        image(PLAIN)
    } else {
        std::iter::once(image_root(spec)).chain(image(CUSTOM)).collect()
    };
    [toolchain(), rust_guests(), python_inputs(), python(), image].into_iter().flatten().collect()
}

fn toolchain() -> Vec<Step> {
    vec![
        Step {
            disk_mib: 600,
            sources: &["zig"],
            tools: &[Bash, Python],
            ..script("zig", "the C compiler for the guests, from PyPI", 40)
        },
        Step {
            disk_mib: 50,
            sources: &["rust"],
            tools: &[Bash, Cargo],
            // Any rustc will do, and a newer one is no reason to build the guests again; a forced
            // way is another toolchain.
            salt: process::setting("PLAYPEN_GUEST_TOOLCHAIN")
                .unwrap_or_default()
                .into_encoded_bytes(),
            interchangeable: true,
            ..script("rust", "Rust's target wasm32-wasip1", 10)
        },
    ]
}

fn rust_guests() -> Vec<Step> {
    vec![
        patched("crates-shell", "brush with our patches", &PATCHED_SHELL),
        patched("crates-tools", "uutils crates with our patches", &PATCHED_TOOLS),
        patched("crates-git", "git2 with our patches", &PATCHED_GIT),
        Step {
            disk_mib: 500,
            after: &["zig", "rust", "crates-shell"],
            sources: &["shell", "playpen-sys"],
            ..guest(
                "guest-shell",
                "the shell (brush)",
                120,
                &[("GUEST", "shell"), ("BINARY", "sh")],
            )
        },
        Step {
            disk_mib: 800,
            after: &["zig", "rust", "crates-tools"],
            sources: &["tools", "edit", "playpen-sys", "posix-regex"],
            ..guest(
                "guest-tools",
                "the tools (coreutils, grep, sed, find, ...)",
                220,
                &[("GUEST", "tools"), ("BINARY", "tools")],
            )
        },
        Step {
            disk_mib: 150,
            after: &["zig", "rust", "crates-git"],
            sources: &["git", "playpen-sys"],
            ..guest("guest-git", "git (libgit2)", 50, &[("GUEST", "git"), ("BINARY", "git")])
        },
    ]
}

/// Sources, wheels, and the Python of this machine that the guest's build calls.
fn python_inputs() -> Vec<Step> {
    let from_folder = process::setting("PLAYPEN_SOURCES").is_some();
    vec![
        Step {
            disk_mib: 130,
            sources: &["python/pins.sh"],
            tools: if from_folder { &[Bash, Cargo] } else { &[Bash, Cargo, AptGet] },
            ..script("python-sources", "sources of CPython and its libraries", 15)
        },
        Step {
            disk_mib: 20,
            sources: &["python/requirements.txt"],
            tools: &[Bash, Python],
            ..script("python-packages", "pytest and time zones, from PyPI", 5)
        },
        Step {
            disk_mib: 350,
            after: &["python-sources", "python-packages"],
            tools: &[Bash, Cc, Make, Tar, Xz],
            ..script("python-native", "CPython for this machine", 200)
        },
        Step {
            disk_mib: 5,
            after: &["python-sources"],
            sources: &[PATCHED_PYTHON],
            tools: &[Tar, Xz],
            ..run(
                "python-patches",
                "CPython with our patches",
                2,
                1,
                Box::new(crates::patch_python),
            )
        },
    ]
}

fn python() -> Vec<Step> {
    vec![
        Step {
            disk_mib: 120,
            after: &["zig", "python-sources"],
            sources: &["python/c/playpen.h", "python/c/include"],
            tools: &[Bash, Make, Tar, Xz],
            ..script("python-libraries", "zlib, bzip2, xz and sqlite for the guest", 65)
        },
        Step {
            disk_mib: 250,
            after: &[
                "zig",
                "python-sources",
                "python-patches",
                "python-native",
                "python-libraries",
            ],
            sources: &["python/c/playpen.h", "python/c/include", "python/config"],
            tools: &[Bash, Make, Tar, Xz],
            ..script("python-core", "CPython for the guest", 150)
        },
        Step {
            disk_mib: 20,
            after: &["zig", "python-core", "python-libraries"],
            sources: &["python/c"],
            tools: &[Bash],
            ..script("python-link", "python.wasm", 3)
        },
        Step {
            disk_mib: 150,
            after: &[
                "python-sources",
                "python-patches",
                "python-packages",
                "python-native",
                "python-core",
            ],
            sources: &["python/lib", "python/site-packages"],
            tools: &[Bash, Tar, Xz],
            ..script("python-root", "the standard library and pytest", 10)
        },
    ]
}

/// What snapshot and image come after: the files of Python as they are, or with packages.
type After = [&'static [&'static str]; 2];
const PLAIN: After = [
    &["python-link", "python-root"],
    &["guest-shell", "guest-tools", "guest-git", "python-root", "python-snapshot"],
];
const CUSTOM: After = [
    &["python-link", image::CUSTOM_ROOT],
    &["guest-shell", "guest-tools", "guest-git", image::CUSTOM_ROOT, "python-snapshot"],
];

fn image_root(spec: &ImageSpec) -> Step {
    let preload: &[_] = if spec.preload_pytest {
        &[("PRELOAD_PYTEST", "yes")]
    } else {
        &[("PRELOAD_PYTEST", "no")]
    };
    Step {
        disk_mib: 400,
        after: &["python-native", "python-root"],
        tools: &[Bash, Python],
        salt: spec.packages.clone().into_bytes(),
        files: vec![("image/requirements.txt".to_owned(), spec.packages.clone())],
        action: Action::Script { file: image::CUSTOM_ROOT, env: preload },
        ..script(image::CUSTOM_ROOT, "the packages of image.toml", 30)
    }
}

fn image(after: After) -> Vec<Step> {
    vec![
        Step {
            disk_mib: 80,
            after: after[0],
            sources: &["root"],
            ..run(
                "python-snapshot",
                "Python as it is after its start-up",
                40,
                2,
                Box::new(image::snapshot),
            )
        },
        Step {
            disk_mib: 100,
            after: after[1],
            sources: &["root"],
            ..run(IMAGE, "the image", 3, 1, Box::new(image::pack))
        },
    ]
}

/// A step with a script of its own name and no inputs yet.
fn script(name: &'static str, about: &'static str, seconds: u64) -> Step {
    step(name, about, seconds, Action::Script { file: name, env: &[] })
}

/// A step of this crate; `revision` changes when what it makes does.
fn run(
    name: &'static str,
    about: &'static str,
    seconds: u64,
    revision: u32,
    work: Box<Work>,
) -> Step {
    Step { salt: revision.to_le_bytes().to_vec(), ..step(name, about, seconds, Action::Run(work)) }
}

fn patched(name: &'static str, about: &'static str, folders: &'static [&'static str]) -> Step {
    const TOOLS: &[Tool] = &[Cargo];
    let work = move |context: &StepContext<'_>| crates::patch_crates(folders, context);
    Step { disk_mib: 10, sources: folders, tools: TOOLS, ..run(name, about, 5, 1, Box::new(work)) }
}

fn guest(
    name: &'static str,
    about: &'static str,
    seconds: u64,
    env: &'static [(&'static str, &'static str)],
) -> Step {
    const TOOLS: &[Tool] = &[Bash, Cargo];
    Step {
        tools: TOOLS,
        resumes: true,
        ..step(name, about, seconds, Action::Script { file: "guest", env })
    }
}

fn step(name: &'static str, about: &'static str, seconds: u64, action: Action) -> Step {
    Step {
        name,
        about,
        expected: Duration::from_secs(seconds),
        disk_mib: 0,
        after: &[],
        sources: &[],
        tools: &[],
        resumes: false,
        salt: Vec::new(),
        files: Vec::new(),
        interchangeable: false,
        action,
    }
}
