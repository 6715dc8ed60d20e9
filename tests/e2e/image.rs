//! Images with packages of one's own: what a list pins is there, and what cannot be is refused by name.
//!
//! The packages are wheels that the test makes, so no network is needed. The images are built in a home of the
//! tests' own, which shares the built guests of the other home and is kept, so that a second run builds nothing.

use crate::{PLAYPEN, folder, playpen};
use playpen_e2e::{
    folder::Folder,
    program::{Ended, Program},
};
use std::{
    env::consts::ARCH,
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::Duration,
};

/// Makes wheels of one module with fixed dates; prints their hashes.
const MAKE: &str = r#"
import base64, hashlib, sys, zipfile
for name, tag in [("tincan", "py3-none-any"), ("steelcan", f"cp313-cp313-linux_{sys.argv[2]}")]:
    info = f"{name}-1.0.dist-info"
    files = {
        f"{name}.py": "def sound():\n    return 'clank'\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    digest = lambda text: base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
    record = [f"{path},sha256={digest(text)},{len(text)}" for path, text in files.items()]
    files[f"{info}/RECORD"] = "\n".join([*record, f"{info}/RECORD,,", ""])
    path = f"{sys.argv[1]}/{name}-1.0-{tag}.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, text in files.items():
            wheel.writestr(zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0)), text)
    print(hashlib.sha256(open(path, "rb").read()).hexdigest())
"#;

/// What a build may take on a busy machine: a snapshot, and its compilation.
const DEADLINE: Duration = Duration::from_mins(15);

/// Wheels, and a home to build images in.
struct Shop {
    home: PathBuf,
    folder: PathBuf,
    /// Hashes of the wheel of pure Python and of the other.
    hashes: [String; 2],
}

impl Shop {
    /// Makes the wheels; each test has its own folder, at the same place in every run.
    fn open(test: &str) -> Self {
        let shop = Path::new(env!("CARGO_TARGET_TMPDIR")).join("images");
        let folder = shop.join(test);
        fs_err::create_dir_all(folder.join("wheels")).unwrap();
        let made = Program::new("python3").args(["-c", MAKE]).args([folder.join("wheels")]);
        let made = made.args([ARCH]).run();
        assert_eq!(made.code, 0, "{made:?}");
        let hashes: Vec<String> = made.out().lines().map(str::to_owned).collect();
        Self { home: home(&shop.join("home")), folder, hashes: hashes.try_into().unwrap() }
    }

    fn build(&self, files: &[(&str, &str)]) -> Ended {
        for (name, text) in files {
            let text = text.replace("PURE", &self.hashes[0]).replace("NATIVE", &self.hashes[1]);
            let text = text.replace("ARCH", ARCH);
            fs_err::write(self.folder.join(name), text).unwrap();
        }
        let build = Program::new(PLAYPEN).args(["image", "build", "image.toml", "--home"]);
        build.args([&self.home]).cwd(&self.folder).deadline(DEADLINE).run()
    }

    /// Runs a command in an image that was built.
    fn run(&self, image: &str, folder: &Folder, command: &[&str]) -> Ended {
        let run = Program::new(PLAYPEN).args(["run", "--quiet", "--image", image, "--home"]);
        let run = run.args([&self.home]).args(["--"]).args(command);
        run.cwd(folder.path()).deadline(DEADLINE).run()
    }
}

/// Makes a home that has all guests which the tests' usual home has: as links, or as copies where the two
/// lie on different file systems.
fn home(home: &Path) -> PathBuf {
    let shown = playpen(["image", "show", "--json"]).deadline(Duration::from_hours(1)).run();
    let image = PathBuf::from(shown.json()["folder"].as_str().unwrap());
    let image = fs_err::canonicalize(image).unwrap();
    let guests = image.ancestors().find(|folder| folder.ends_with("guests"));
    let guests = guests.expect("images are among the guests");
    fs_err::create_dir_all(home).unwrap();
    let lock = fs_err::File::create(home.join("lock")).unwrap();
    lock.lock().unwrap();
    let device = |path: &Path| fs_err::metadata(path).unwrap().dev();
    let how = if device(guests) == device(home) { "-aln" } else { "-an" };
    let copy = Program::new("cp").args([how]).args([guests, home]).deadline(DEADLINE).run();
    assert!(home.join("guests/entries").is_dir(), "{copy:?}");
    home.to_owned()
}

#[test]
fn a_requirements_file_brings_its_packages() {
    let shop = Shop::open("requirements");
    let list = "--no-index\n--find-links wheels\ntincan==1.0 \\\n    --hash=sha256:PURE  # can\n";
    let image = "name = 'cans'\nrequirements = 'list.txt'\n";
    let built = shop.build(&[("image.toml", image), ("list.txt", list)]);
    assert_eq!(built.code, 0, "{built:?}");
    let folder = folder()
        .file("test_can.py", "import tincan\ndef test(): assert tincan.sound() == 'clank'\n");
    let ran = shop.run("cans", &folder, &["python", "-m", "pytest", "-q"]);
    assert!(ran.code == 0 && ran.out().contains("1 passed"), "{ran:?}");
    let about = "from importlib.metadata import version; import sys; print(version('tincan'), 'pytest' in sys.modules)";
    assert_eq!(shop.run("cans", &folder, &["python", "-c", about]).out(), "1.0 True\n");

    let list = Program::new(PLAYPEN).args(["image", "list", "--json", "--home"]).args([&shop.home]);
    let list = list.run().json();
    let cans = list.as_array().unwrap().iter().find(|image| image["name"] == "cans").unwrap();
    assert!(cans["n_bytes"].as_u64().unwrap() > 50_000_000, "{list}");
}

#[test]
fn a_lock_brings_its_packages_without_pytest() {
    let shop = Shop::open("lock");
    let lock = "lock-version = '1.0'\ncreated-by = 'test'\n[[packages]]\nname = 'tincan'\nversion = '1.0'\n\
        [[packages.wheels]]\npath = 'wheels/tincan-1.0-py3-none-any.whl'\nhashes = { sha256 = 'PURE' }\n";
    let image = "name = 'locked'\nlock = 'pylock.toml'\npreload_pytest = false\n";
    let built = shop.build(&[("image.toml", image), ("pylock.toml", lock)]);
    assert_eq!(built.code, 0, "{built:?}");
    let about = "import sys, tincan; print(tincan.sound(), 'pytest' in sys.modules)";
    let ran = shop.run("locked", &folder(), &["python", "-c", about]);
    assert_eq!(ran.out(), "clank False\n", "{ran:?}");
}

#[test]
fn native_code_is_refused_by_name() {
    let shop = Shop::open("native");
    let lock = "lock-version = '1.0'\n[[packages]]\nname = 'steelcan'\nversion = '1.0'\n[[packages.wheels]]\n\
        path = 'wheels/steelcan-1.0-cp313-cp313-linux_ARCH.whl'\nhashes = { sha256 = 'NATIVE' }\n";
    let image = ("image.toml", "name = 'native'\nlock = 'pylock.toml'\n");
    let built = shop.build(&[image, ("pylock.toml", lock)]);
    let expected = format!(
        "`steelcan==1.0` is not pure Python: there is only `steelcan-1.0-cp313-cp313-linux_{ARCH}.whl`"
    );
    assert!(built.code != 0 && built.err().contains(&expected), "{built:?}");

    let image = ("image.toml", "name = 'native'\nrequirements = 'list.txt'\n");
    let list = "--no-index\n--find-links wheels\nsteelcan==1.0 --hash=sha256:NATIVE\n";
    let built = shop.build(&[image, ("list.txt", list)]);
    assert!(built.code != 0 && built.err().contains(&expected), "{built:?}");
}

#[test]
fn another_file_than_the_pinned_one_is_refused() {
    let shop = Shop::open("hash");
    let image = ("image.toml", "name = 'other'\nrequirements = 'list.txt'\n");
    let list = "--no-index\n--find-links wheels\ntincan==1.0 --hash=sha256:NATIVE\n";
    let built = shop.build(&[image, ("list.txt", list)]);
    assert!(built.code != 0 && built.err().contains("tincan"), "{built:?}");
    assert!(built.err().contains("another hash"), "{built:?}");
}
