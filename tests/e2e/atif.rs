//! Trajectories before the validator that Harbor, where ATIF comes from, publishes: its package from `PyPI`, run by the
//! native CPython that the image builder made.

use crate::folder;
use playpen_e2e::program::Program;
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use walkdir::WalkDir;

/// How long the pipeline or pip may take.
const DEADLINE: Duration = Duration::from_mins(8);

/// The validator, and what it imports: all of them as wheels.
const PACKAGES: [&str; 6] = [
    "harbor==0.25.0",
    "pydantic==2.14.3",
    "pydantic-core==2.50.4",
    "annotated-types==0.8.0",
    "typing-extensions==4.16.0",
    "typing-inspection==0.4.5",
];

/// The machine's pip may belong to another Python than the one that runs the validator.
const FOR_OUR_PYTHON: [&str; 5] = [
    "--quiet",
    "--no-deps",
    "--only-binary=:all:",
    "--python-version=3.13",
    "--ignore-requires-python",
];

/// Prints for each file its name and what is wrong with it.
const VALIDATE: &str = "\
import sys
from harbor.utils.trajectory_validator import TrajectoryValidator
for path in sys.argv[1:]:
    validator = TrajectoryValidator()
    print(path, validator.validate(path), validator.errors)
";

#[test]
fn the_validator_of_harbor_takes_the_trajectories_of_a_run() {
    let folder = folder();
    let site = site(folder.path());
    let demo = crate::playpen(["demo", "--quiet", "--output", "demo"]).cwd(folder.path());
    let ended = demo.deadline(DEADLINE).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let run = folder.join("demo/runs/demo");
    let export = crate::playpen(["export", "--format", "atif", "--output", "data"]);
    let ended = export.args([&run]).cwd(folder.path()).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let files: Vec<PathBuf> =
        trajectories(&run).chain(trajectories(&folder.join("data"))).collect();
    assert!(files.len() >= 40, "{files:?}");
    let said = validate(&site, &files);
    let wrong: Vec<&str> = said.lines().filter(|line| !line.ends_with(" True []")).collect();
    assert_eq!(said.lines().count(), files.len(), "{said}");
    assert!(wrong.is_empty(), "{wrong:#?}");

    let text = fs_err::read_to_string(&files[0]).unwrap();
    let broken = folder.join("broken.json");
    fs_err::write(&broken, text.replacen("\"step_id\": 2", "\"step_id\": 9", 1)).unwrap();
    assert_ne!(fs_err::read_to_string(&broken).unwrap(), text);
    let said = validate(&site, &[broken]);
    assert!(said.contains(" False ") && said.contains("step_id"), "{said}");
}

/// Installs the validator into a folder.
fn site(folder: &Path) -> PathBuf {
    let site = folder.join("site");
    let pip = Program::new("python3").args(["-m", "pip", "install"]).args(FOR_OUR_PYTHON);
    let ended = pip.args(["--target"]).args([&site]).args(PACKAGES).deadline(DEADLINE).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    site
}

fn validate(site: &Path, files: &[PathBuf]) -> String {
    let home = playpen::config::Environment::read().home(None).unwrap();
    let python = playpen_image::native_python(&home).expect("the image was built in this home");
    let program = Program::new(python).env("PYTHONPATH", site.to_str().unwrap());
    let ended = program.args(["-c", VALIDATE]).args(files).deadline(DEADLINE).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out()
}

/// Returns the trajectories below a folder: those of attempts, and those of an export.
fn trajectories(folder: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = WalkDir::new(folder).sort_by_file_name().into_iter().filter_map(Result::ok);
    entries.map(walkdir::DirEntry::into_path).filter(|path| {
        let is_json = path.extension().is_some_and(|extension| extension == "json");
        let text =
            if is_json { fs_err::read_to_string(path).unwrap_or_default() } else { String::new() };
        text.contains("\"schema_version\": \"ATIF") || text.contains("\"schema_version\":\"ATIF")
    })
}
