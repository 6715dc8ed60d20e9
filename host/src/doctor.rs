//! What this machine offers, and what it lacks.
//!
//! A [`Check`] looks at one thing and says what it found, whether that is enough, and what to do
//! where it is not. Nothing is changed, and nothing secret is printed.

use crate::config::Environment;
use serde::Serialize;
use std::{
    path::{Path, PathBuf},
    thread,
};

/// Fewer slots than this, and a pipeline of an agent may not find one.
const MIN_PROCESSES: u32 = 64;

/// What a single sandbox with Python needs, with room for the engine and its compiler.
const MIN_MEMORY_BYTES: u64 = 2 << 30;

/// What the build of the guests needs, sources and compilers included.
const BUILD_DISK_BYTES: u64 = 6 << 30;

/// What playpen needs in its home once the guests are built.
const RUN_DISK_BYTES: u64 = 512 << 20;

/// The programs that building the guests calls.
const BUILD_PROGRAMS: &[(&str, &str)] = &[
    ("bash", "`apt-get install bash`"),
    ("cargo", "install Rust with rustup"),
    ("cc", "install a C compiler: `apt-get install gcc libc6-dev`"),
    ("make", "`apt-get install make`"),
    ("tar", "`apt-get install tar`"),
    ("xz", "`apt-get install xz-utils`"),
    ("python3", "`apt-get install python3 python3-pip`"),
];

/// How one check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Fine.
    Ok,
    /// Something works less well, or only part of playpen works.
    Limited,
    /// Something needed is missing.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Check {
    /// What was looked at, such as `memory`.
    pub name: String,
    /// Whether it is enough.
    pub verdict: Verdict,
    /// What was found.
    pub found: String,
    /// What to do about it, if anything.
    pub hint: Option<String>,
}

impl Check {
    fn ok(name: &str, found: impl Into<String>) -> Self {
        Self { name: name.to_owned(), verdict: Verdict::Ok, found: found.into(), hint: None }
    }

    fn limited(name: &str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict: Verdict::Limited, hint: Some(hint.into()), ..Self::ok(name, found) }
    }

    fn missing(name: &str, found: impl Into<String>, hint: impl Into<String>) -> Self {
        Self { verdict: Verdict::Missing, hint: Some(hint.into()), ..Self::ok(name, found) }
    }
}

/// What is known of the guest image before the checks start.
#[derive(Clone, Debug)]
pub struct ImageState {
    /// The folder of the image, if there is one.
    pub dir: Option<PathBuf>,
    /// The natively built CPython, if there is one.
    pub native_python: Option<PathBuf>,
}

/// Looks at everything playpen needs of this machine.
pub fn examine(env: &Environment, home: &Path, image: &ImageState) -> Vec<Check> {
    let mut checks =
        vec![platform(), processors(), memory(), process_slots(), disk(home, image), state(image)];
    checks.extend(BUILD_PROGRAMS.iter().map(|&(name, hint)| program(env, name, hint, image)));
    checks.push(wasm_target(env, image));
    checks.push(native_python(image));
    checks.push(model(env));
    checks
}

/// Returns whether nothing that is needed is missing.
pub fn is_usable(checks: &[Check]) -> bool {
    checks.iter().all(|check| check.verdict != Verdict::Missing)
}

fn platform() -> Check {
    let found = format!("{} {}", std::env::consts::OS, std::env::consts::ARCH);
    match (std::env::consts::OS, std::env::consts::ARCH) {
        ("linux", "x86_64") => Check::ok("platform", found),
        ("linux", "aarch64") => {
            Check::limited("platform", found, "only Linux on x86-64 has been tested")
        }
        _ => Check::missing("platform", found, "use Linux on x86-64"),
    }
}

fn processors() -> Check {
    match thread::available_parallelism() {
        Ok(n) => Check::ok("processors", n.to_string()),
        Err(error) => Check::limited("processors", error.to_string(), "work may be done on one"),
    }
}

fn memory() -> Check {
    let info = fs_err::read_to_string("/proc/meminfo").unwrap_or_default();
    let Some(bytes) = available_memory(&info) else {
        return Check::limited("memory", "unknown", "2 GiB are needed");
    };
    let found = format!("{} available", gibibytes(bytes));
    if bytes < MIN_MEMORY_BYTES {
        let hint = "2 GiB are needed: end other programs, or use a bigger machine";
        return Check::limited("memory", found, hint);
    }
    Check::ok("memory", found)
}

/// Returns the `MemAvailable` line of `/proc/meminfo`, in bytes.
fn available_memory(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kibibytes.checked_mul(1024)
}

fn process_slots() -> Check {
    let name = "process slots";
    let slots = playpen_runtime::available_slots();
    let found = format!("{slots}, as `vm.max_map_count` allows");
    if slots < MIN_PROCESSES {
        return Check::missing(name, found, "`sysctl -w vm.max_map_count=65530`, as root");
    }
    Check::ok(name, found)
}

fn disk(home: &Path, image: &ImageState) -> Check {
    let name = "disk";
    let Some((folder, free)) = free_bytes(home) else {
        let found = format!("`{}` cannot be examined", home.display());
        return Check::missing(name, found, "pass a folder that can be written with `--home DIR`");
    };
    let needed = if image.dir.is_some() { RUN_DISK_BYTES } else { BUILD_DISK_BYTES };
    let found = format!("{} free in `{}`", gibibytes(free), home.display());
    if rustix::fs::access(&folder, rustix::fs::Access::WRITE_OK).is_err() {
        let hint = "pass a folder that can be written with `--home DIR`";
        return Check::missing(name, format!("`{}` cannot be written", folder.display()), hint);
    }
    if free < needed {
        let hint = format!("{} are needed; `--home DIR` moves the home", gibibytes(needed));
        return Check::missing(name, found, hint);
    }
    Check::ok(name, found)
}

/// Returns the free space where `folder` is or would be made, and the folder that exists there.
fn free_bytes(folder: &Path) -> Option<(PathBuf, u64)> {
    let existing = folder.ancestors().find(|folder| folder.is_dir())?;
    let stat = rustix::fs::statvfs(existing).ok()?;
    Some((existing.to_owned(), stat.f_bavail.saturating_mul(stat.f_frsize)))
}

fn state(image: &ImageState) -> Check {
    match &image.dir {
        Some(dir) => Check::ok("image", format!("`{}`", dir.display())),
        None => Check::limited(
            "image",
            "not built yet",
            "`playpen image build` makes it (about 15 minutes, once); other commands do so by \
             themselves when they need it",
        ),
    }
}

/// Checks a program that only the build of the guests needs.
fn program(env: &Environment, name: &str, hint: &str, image: &ImageState) -> Check {
    let title = format!("build: {name}");
    match env.find_program(name) {
        Some(file) => Check::ok(&title, format!("`{}`", file.display())),
        None if image.dir.is_some() => {
            Check::limited(&title, "not found, needed only to build the image again", hint)
        }
        None => Check::missing(&title, "not found, needed to build the image", hint),
    }
}

fn wasm_target(env: &Environment, image: &ImageState) -> Check {
    let name = "build: wasm32-wasip1";
    if image.dir.is_some() {
        return Check::ok(name, "not needed, the image is built");
    }
    match (env.find_program("rustup"), env.find_program("apt-get")) {
        (Some(_), _) => Check::ok(name, "from `rustup target add`, else from Debian's packages"),
        (None, Some(_)) => Check::ok(name, "from Debian's packages"),
        (None, None) => {
            Check::missing(name, "neither rustup nor apt-get was found", "install rustup")
        }
    }
}

fn native_python(image: &ImageState) -> Check {
    match &image.native_python {
        Some(file) => Check::ok("bench: native CPython", format!("`{}`", file.display())),
        None => Check::limited(
            "bench: native CPython",
            "not built",
            "`playpen image build` makes it; only `playpen bench python` needs it",
        ),
    }
}

fn model(env: &Environment) -> Check {
    let found = format!(
        "endpoint {}, key {}, model {}",
        env.base_url(),
        if env.api_key.is_some() { "set" } else { "not set" },
        env.model.as_deref().unwrap_or("from `--model`"),
    );
    if env.api_key.is_some() {
        return Check::ok("model", found);
    }
    let hint = "set `OPENAI_API_KEY` for `propose` and `rollout`; `run` and `demo` need no key";
    Check::limited("model", found, hint)
}

/// Returns `bytes` in GiB with one digit after the point.
fn gibibytes(bytes: u64) -> String {
    let tenths = u128::from(bytes) * 10 / (1 << 30);
    format!("{}.{} GiB", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::{
        Check, Environment, ImageState, Verdict, available_memory, examine, gibibytes, is_usable,
    };
    use std::path::{Path, PathBuf};

    #[test]
    fn available_memory_is_read_in_bytes() {
        let text = "MemTotal:       100 kB\nMemAvailable:      50 kB\n";
        assert_eq!(available_memory(text), Some(51_200));
        assert_eq!(available_memory("MemTotal: 100 kB\n"), None);
    }

    #[test]
    fn sizes_have_one_digit() {
        assert_eq!(gibibytes(1 << 30), "1.0 GiB");
        assert_eq!(gibibytes((1 << 30) * 7 / 4), "1.7 GiB");
    }

    #[test]
    fn a_missing_thing_makes_the_machine_unusable_and_a_limited_one_does_not() {
        let limited = Check::limited("a", "b", "c");
        assert!(is_usable(std::slice::from_ref(&limited)));
        assert!(!is_usable(&[limited, Check::missing("a", "b", "c")]));
    }

    #[test]
    fn build_programs_are_needed_only_without_an_image() {
        let verdict = |dir: Option<PathBuf>| {
            let image = ImageState { dir, native_python: None };
            let checks = examine(&Environment::default(), Path::new("/"), &image);
            checks.iter().find(|check| check.name == "build: make").unwrap().verdict
        };
        assert_eq!(verdict(None), Verdict::Missing);
        assert_eq!(verdict(Some(PathBuf::from("/image"))), Verdict::Limited);
    }
}
