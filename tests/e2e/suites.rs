//! The test suites of real packages, run by stock pytest in the sandbox.

use crate::{PLAYPEN, folder};
use playpen_e2e::folder::Folder;
use playpen_e2e::program::{Ended, Program};
use std::{path::Path, time::Duration};

/// A source distribution with the hash that it is pinned to.
struct Package {
    requirement: &'static str,
    sha256: &'static str,
    /// Tests that must pass at least, so that an empty run does not count.
    n_tests: usize,
}

const TINYDB: Package = Package {
    requirement: "tinydb==4.9.0",
    sha256: "6928b1fa785186bda7952a0ba05aaeedc883ede565ca9c7d608de44e5e75de70",
    n_tests: 200,
};

const VOLUPTUOUS: Package = Package {
    requirement: "voluptuous==0.16.0",
    sha256: "006535e22fed944aec17bef6e8725472476194743c87bd233e912eb463f8ff05",
    n_tests: 160,
};

#[test]
fn tinydb_passes_its_own_tests() {
    suite(&TINYDB);
}

#[test]
fn voluptuous_passes_its_own_tests() {
    suite(&VOLUPTUOUS);
}

/// Runs the package's own tests as they are, with nothing changed or switched off.
fn suite(package: &Package) {
    let folder = fetch(package);
    let source = source_folder(folder.path());
    let args = ["run", "--quiet", "--", "python", "-m", "pytest", "-q"];
    let program = Program::new(PLAYPEN).args(args).cwd(&source);
    let ended = program.deadline(Duration::from_mins(10)).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let n_passed = n_passed(&ended);
    assert!(n_passed >= package.n_tests, "{n_passed} passed: {ended:?}");
    assert!(!ended.out().contains(" failed"), "{ended:?}");
}

/// Gets the source distribution through pip, which checks the hash, and unpacks it.
fn fetch(package: &Package) -> Folder {
    let pin = format!("{} --hash=sha256:{}\n", package.requirement, package.sha256);
    let folder = folder().file("requirements.txt", pin);
    let download =
        "download --quiet --disable-pip-version-check --no-deps --no-binary :all: --require-hashes";
    let pip = Program::new("python3").args(["-m", "pip"]).args(download.split(' '));
    let pip = pip.args(["-r", "requirements.txt"]).cwd(folder.path());
    let downloaded = pip.deadline(Duration::from_mins(5)).run();
    assert_eq!(downloaded.code, 0, "{downloaded:?}");
    let unpack = "mkdir source && tar -xzf *.tar.gz -C source";
    let unpacked = Program::new("sh").args(["-c", unpack]).cwd(folder.path()).run();
    assert_eq!(unpacked.code, 0, "{unpacked:?}");
    folder
}

/// Returns the only folder of `source/`.
fn source_folder(folder: &Path) -> std::path::PathBuf {
    let mut entries = fs_err::read_dir(folder.join("source")).unwrap();
    entries.next().unwrap().unwrap().path()
}

/// Reads `N passed` from the last line of pytest.
fn n_passed(ended: &Ended) -> usize {
    let out = ended.out();
    let words: Vec<&str> = out.split_whitespace().collect();
    let number = words.windows(2).rev().find(|pair| pair[1].trim_end_matches(',') == "passed");
    number.map_or(0, |pair| pair[0].trim_start_matches('=').parse().unwrap_or(0))
}
