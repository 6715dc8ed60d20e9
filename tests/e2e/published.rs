//! What is exported, before the packages that others publish for it on `PyPI`, run by the native CPython that the image
//! builder made: trajectories before the validator of Harbor, where ATIF comes from, and instances before the loader of
//! SWE-bench.

use crate::folder;
use playpen_e2e::program::Program;
use serde_json::{Value, json};
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

/// The package of the benchmark. What it imports besides, for containers and for data sets on the network, is in the way
/// of nothing here, and left out.
const SWEBENCH: &str = "swebench==5.0.2";

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

/// Prints for files of instances and of predictions what the loaders make of them: names, keys that are missing, and how
/// long the patches are that would be applied. Modules that are not installed can be imported and do nothing.
const LOAD: &str = "\
import importlib.util, json, sys
from unittest.mock import MagicMock

class Absent:
    def find_spec(self, name, path=None, target=None):
        known = name.split('.')[0] in ('swebench', *sys.stdlib_module_names)
        return None if known else importlib.util.spec_from_loader(name, self, is_package=True)
    def create_module(self, spec):
        return MagicMock(__path__=[], __spec__=spec, __name__=spec.name)
    def exec_module(self, module):
        pass

sys.meta_path.append(Absent())
from swebench.harness.utils import get_predictions_from_file, load_swebench_dataset
from swebench.types import SWEbenchInstance
rows = load_swebench_dataset(sys.argv[1], 'test')
gold = get_predictions_from_file('gold', sys.argv[1], 'test')
predictions = get_predictions_from_file(sys.argv[2], sys.argv[1], 'test')
print('\\n' + json.dumps({
    'ids': [row['instance_id'] for row in rows],
    'missing': [sorted(set(SWEbenchInstance.__annotations__) - set(row)) for row in rows],
    'lists': [[json.loads(row['FAIL_TO_PASS']), json.loads(row['PASS_TO_PASS'])] for row in rows],
    'gold': {row['instance_id']: len(row['model_patch']) for row in gold},
    'predictions': {row['instance_id']: len(row['model_patch']) for row in predictions},
}))
";

#[test]
fn published_programs_take_what_is_exported() {
    let folder = folder();
    let demo = crate::playpen(["demo", "--quiet", "--output", "demo"]).cwd(folder.path());
    let ended = demo.deadline(DEADLINE).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let run = folder.join("demo/runs/demo");
    check_trajectories(folder.path(), &run);
    check_instances(folder.path(), &run);
}

fn check_trajectories(folder: &Path, run: &Path) {
    let site = site(folder, "harbor", &PACKAGES);
    let export = crate::playpen(["export", "--format", "atif", "--output", "data"]);
    let ended = export.args([run]).cwd(folder).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let files: Vec<PathBuf> = trajectories(run).chain(trajectories(&folder.join("data"))).collect();
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

fn check_instances(folder: &Path, run: &Path) {
    let site = site(folder, "benchmark", &[SWEBENCH]);
    let export = crate::playpen(["export", "--format", "swebench", "--output", "instances"]);
    let ended = export.args([run]).cwd(folder).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let file = |name: &str| folder.join("instances").join(name);
    let files = [file("instances.jsonl"), file("predictions.jsonl")];
    let ended = python(&site, LOAD).args(files).deadline(DEADLINE).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    let said: Value = serde_json::from_str(ended.out().lines().last().unwrap()).unwrap();
    assert_eq!(said["ids"].as_array().map(Vec::len), Some(1), "{said}");
    assert_eq!(said["missing"], json!([[]]), "{said}");
    assert_ne!(said["lists"][0][0], json!([]), "{said}");
    for patches in [&said["gold"], &said["predictions"]] {
        let patches = patches.as_object().unwrap();
        assert_eq!(patches.keys().collect::<Vec<_>>(), [said["ids"][0].as_str().unwrap()]);
        assert!(patches.values().all(|n_bytes| n_bytes.as_u64() > Some(0)), "{said}");
    }
}

/// Installs packages into a folder.
fn site(folder: &Path, name: &str, packages: &[&str]) -> PathBuf {
    let site = folder.join(name);
    let pip = Program::new("python3").args(["-m", "pip", "install"]).args(FOR_OUR_PYTHON);
    let ended = pip.args(["--target"]).args([&site]).args(packages).deadline(DEADLINE).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    site
}

fn validate(site: &Path, files: &[PathBuf]) -> String {
    let ended = python(site, VALIDATE).args(files).deadline(DEADLINE).run();
    assert_eq!(ended.code, 0, "{ended:?}");
    ended.out()
}

/// A program of the native Python, with what was installed into a folder.
fn python(site: &Path, text: &str) -> Program {
    let home = playpen::config::Environment::read().home(None).unwrap();
    let python = playpen_image::native_python(&home).expect("the image was built in this home");
    Program::new(python).env("PYTHONPATH", site.to_str().unwrap()).args(["-c", text])
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
