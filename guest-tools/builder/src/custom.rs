//! `image.toml`: an image with packages of its own.
//!
//! ```toml
//! name = "web"
//! requirements = "requirements.txt"   # with hashes, as `pip-compile --generate-hashes` writes them
//! # or: lock = "pylock.toml"          # PEP 751
//! preload_pytest = false              # for projects that pin another pytest; true without this line
//! ```
//!
//! Paths are relative to the file. Every package is pinned by hash; only wheels of pure Python can be had. A wheel
//! comes from the index by its name and version, or from where the list says: a URL, or a path on this machine.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::ImageSpec;

/// Why an `image.toml` cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SpecError {
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("failed to read `{}` as {what}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What it should be.
        what: &'static str,
        /// Why it is not.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A name that cannot be a folder, or that is taken.
    #[error("`{name}` cannot be the name of an image")]
    Name {
        /// The name.
        name: String,
    },
    /// Both kinds of list.
    #[error("`{}` names `requirements` and `lock`", path.display())]
    TwoLists {
        /// The file.
        path: PathBuf,
    },
    /// A requirement that is not pinned.
    #[error("`{requirement}` in `{}` is not pinned by `==` or a URL, and `--hash=sha256:`", path.display())]
    NoHash {
        /// The list.
        path: PathBuf,
        /// The line.
        requirement: String,
    },
    /// An option that says something else than where packages are.
    #[error("the option `{option}` in `{}` is not for an image", path.display())]
    Option {
        /// The list.
        path: PathBuf,
        /// The line.
        option: String,
    },
    /// A package that is not pure Python.
    #[error("`{package}` is not pure Python: there is only `{wheel}`")]
    NativeWheel {
        /// Name and version.
        package: String,
        /// What there is.
        wheel: String,
    },
}

impl SpecError {
    /// Returns what to do about it, if that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Name { .. } => {
                Some("use small letters, digits, `-`, `_` and `.`; `default` is taken")
            }
            Self::NoHash { .. } => Some(
                "`pip-compile --generate-hashes` and `uv pip compile --generate-hashes` write hashes",
            ),
            Self::Option { .. } => {
                Some("`--index-url`, `--extra-index-url`, `--find-links` and `--no-index` are")
            }
            Self::NativeWheel { .. } => Some(
                "take a version or a package with a wheel `*-none-any.whl`; native code cannot run in the sandbox",
            ),
            _ => None,
        }
    }
}

/// How the name of a wheel ends that runs anywhere.
const PURE: &str = "-none-any.whl";

/// Where the public index has its files.
const PYPI_FILES: &str = "https://files.pythonhosted.org/";

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct SpecFile {
    name: String,
    requirements: Option<PathBuf>,
    lock: Option<PathBuf>,
    #[serde(default = "yes")]
    preload_pytest: bool,
}

fn yes() -> bool {
    true
}

/// The part of PEP 751 that says what to install.
#[derive(Debug, Deserialize)]
struct Lock {
    #[serde(default)]
    packages: Vec<LockedPackage>,
}

#[derive(Debug, Deserialize)]
struct LockedPackage {
    name: String,
    version: Option<String>,
    marker: Option<String>,
    #[serde(default)]
    wheels: Vec<LockedWheel>,
}

#[derive(Debug, Deserialize)]
struct LockedWheel {
    name: Option<String>,
    url: Option<String>,
    path: Option<String>,
    #[serde(default)]
    hashes: std::collections::BTreeMap<String, String>,
}

impl ImageSpec {
    /// Reads an `image.toml` and the list that it names.
    ///
    /// # Errors
    ///
    /// [`SpecError`]; its [`hint`](SpecError::hint) says what to do.
    pub fn read(path: &Path) -> Result<Self, SpecError> {
        let file: SpecFile = parse(path, "an image")?;
        let folder = path.parent().unwrap_or(Path::new(""));
        let packages = match (&file.requirements, &file.lock) {
            (Some(_), Some(_)) => return Err(SpecError::TwoLists { path: path.to_owned() }),
            (Some(list), None) => requirements(&folder.join(list))?,
            (None, Some(lock)) => locked(&folder.join(lock))?,
            (None, None) => String::new(),
        };
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_.".contains(c);
        let name = file.name;
        if name.is_empty()
            || name == "default"
            || name.starts_with('.')
            || !name.chars().all(is_plain)
        {
            return Err(SpecError::Name { name });
        }
        Ok(Self { name, packages, preload_pytest: file.preload_pytest })
    }
}

fn read(path: &Path) -> Result<String, SpecError> {
    fs_err::read_to_string(path).map_err(|source| SpecError::Read { path: path.to_owned(), source })
}

fn parse<T: for<'de> Deserialize<'de>>(path: &Path, what: &'static str) -> Result<T, SpecError> {
    toml::from_str(&read(path)?).map_err(|source| SpecError::Parse {
        path: path.to_owned(),
        what,
        source: Box::new(source),
    })
}

/// Returns the requirements of a list, one in a line.
fn requirements(path: &Path) -> Result<String, SpecError> {
    let joined = read(path)?.replace("\\\r\n", " ").replace("\\\n", " ");
    let lines = joined.lines().map(|line| line.split(" #").next().unwrap_or(line).trim());
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| requirement(path, line).map(|line| line + "\n")).collect()
}

/// Returns a line of a list as pip is to read it, which does so in another folder.
fn requirement(path: &Path, line: &str) -> Result<String, SpecError> {
    if line.starts_with('-') {
        return option(path, line);
    }
    let (what, hashes) = line.split_once(" --hash=").unwrap_or((line, ""));
    let file_name = what.trim().split([' ', ';']).next().filter(|it| is_wheel(it));
    let url = what.split_once(" @ ").map(|(_, url)| url.split(" ;").next().unwrap_or(url).trim());
    if !line.contains("--hash=sha256:") || !(what.contains("==") || url.or(file_name).is_some()) {
        let (path, requirement) = (path.to_owned(), line.to_owned());
        return Err(SpecError::NoHash { path, requirement });
    }
    if let Some(wheel) = url.or(file_name).filter(|wheel| is_wheel(wheel)) {
        refuse_native(what, wheel)?;
    }
    Ok(match file_name {
        Some(file) => format!("{} --hash={hashes}", beside(path, file)),
        None => line.to_owned(),
    })
}

/// Returns an option that says where packages are.
fn option(path: &Path, line: &str) -> Result<String, SpecError> {
    let (name, value) = line.split_once([' ', '=']).unwrap_or((line, ""));
    let value = value.trim();
    match name {
        "--no-index" | "-i" | "--index-url" | "--extra-index-url" => Ok(line.to_owned()),
        "-f" | "--find-links" if value.contains("://") => Ok(line.to_owned()),
        "-f" | "--find-links" => Ok(format!("--find-links {}", beside(path, value))),
        _ => Err(SpecError::Option { path: path.to_owned(), option: line.to_owned() }),
    }
}

/// Returns where a path is that a list gives relative to itself.
fn beside(list: &Path, path: &str) -> String {
    let folder = list.parent().unwrap_or(Path::new(""));
    let place = folder.join(path.trim_start_matches("./"));
    std::path::absolute(&place).unwrap_or(place).display().to_string()
}

fn is_wheel(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|extension| extension == "whl")
}

fn refuse_native(package: &str, place: &str) -> Result<(), SpecError> {
    let wheel = place.rsplit('/').next().unwrap_or(place);
    if wheel.ends_with(PURE) {
        return Ok(());
    }
    let package = package.split(" @ ").next().unwrap_or(package).trim();
    Err(SpecError::NativeWheel { package: package.to_owned(), wheel: wheel.to_owned() })
}

/// Returns the packages of a lock as requirements.
fn locked(path: &Path) -> Result<String, SpecError> {
    let lock: Lock = parse(path, "a lock of PEP 751")?;
    lock.packages.iter().map(|package| locked_package(path, package)).collect()
}

fn locked_package(path: &Path, package: &LockedPackage) -> Result<String, SpecError> {
    let LockedPackage { name, version, marker, wheels } = package;
    let requirement = version.as_ref().map_or(name.clone(), |version| format!("{name}=={version}"));
    let is_pure = |wheel: &&LockedWheel| wheel.file_name().ends_with(PURE);
    let Some(wheel) = wheels.iter().find(is_pure) else {
        let wheel = wheels.first().map_or("a source distribution", LockedWheel::file_name);
        return Err(SpecError::NativeWheel { package: requirement, wheel: wheel.to_owned() });
    };
    let Some(hash) = wheel.hashes.get("sha256") else {
        return Err(SpecError::NoHash { path: path.to_owned(), requirement });
    };
    let requirement = match (wheel.place(path), version) {
        (Some(place), _) => format!("{name} @ {place}"),
        (None, Some(_)) => requirement,
        (None, None) => return Err(SpecError::NoHash { path: path.to_owned(), requirement }),
    };
    let marker = marker.as_ref().map_or(String::new(), |marker| format!(" ; {marker}"));
    Ok(format!("{requirement}{marker} --hash=sha256:{hash}\n"))
}

impl LockedWheel {
    fn file_name(&self) -> &str {
        let place = self.name.as_ref().or(self.url.as_ref()).or(self.path.as_ref());
        place.and_then(|place| place.rsplit('/').next()).unwrap_or("a wheel without a name")
    }

    /// Returns the URL of a wheel that the index does not have. What the public one has comes by its name, so that it may come
    /// from a mirror.
    fn place(&self, lock: &Path) -> Option<String> {
        match (&self.path, &self.url) {
            (Some(path), _) => Some(format!("file://{}", beside(lock, path))),
            (None, Some(url)) if !url.starts_with(PYPI_FILES) => Some(url.clone()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(files: &[(&str, &str)]) -> Result<ImageSpec, SpecError> {
        let folder = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs_err::write(folder.path().join(name), content).unwrap();
        }
        ImageSpec::read(&folder.path().join("image.toml"))
    }

    #[test]
    fn requirements_are_joined_and_must_have_hashes() {
        let image =
            ("image.toml", "name = 'web'\nrequirements = 'r.txt'\npreload_pytest = false\n");
        let list = "# by a tool\nidna==3.10 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n    # via x\n";
        let read = spec(&[image, ("r.txt", list)]).unwrap();
        assert_eq!(read.packages, "idna==3.10      --hash=sha256:aa      --hash=sha256:bb\n");
        assert!(!read.preload_pytest);
        let error = spec(&[image, ("r.txt", "idna==3.10\n")]).unwrap_err();
        assert!(error.to_string().starts_with("`idna==3.10` in"), "{error}");
    }

    #[test]
    fn a_list_says_where_packages_are() {
        let image = ("image.toml", "name = 'web'\nrequirements = 'lists/r.txt'\n");
        let read = |list: &str| {
            let folder = tempfile::tempdir().unwrap();
            fs_err::create_dir(folder.path().join("lists")).unwrap();
            fs_err::write(folder.path().join("lists/r.txt"), list).unwrap();
            fs_err::write(folder.path().join(image.0), image.1).unwrap();
            let read = ImageSpec::read(&folder.path().join(image.0));
            read.map(|spec| spec.packages.replace(folder.path().to_str().unwrap(), "HERE"))
        };
        let list = "--no-index\n-f wheels\na==1 --hash=sha256:aa\n./a-1-py3-none-any.whl --hash=sha256:aa\nb @ https://x.org/b-1-py3-none-any.whl --hash=sha256:bb\n";
        let expected = "--no-index\n--find-links HERE/lists/wheels\na==1 --hash=sha256:aa\nHERE/lists/a-1-py3-none-any.whl --hash=sha256:aa\nb @ https://x.org/b-1-py3-none-any.whl --hash=sha256:bb\n";
        assert_eq!(read(list).unwrap(), expected);
        let native = "b @ https://x.org/b-1-cp313-cp313-win_amd64.whl --hash=sha256:bb\n";
        let native = read(native).unwrap_err().to_string();
        assert_eq!(native, "`b` is not pure Python: there is only `b-1-cp313-cp313-win_amd64.whl`");
        assert!(matches!(read("--pre\n"), Err(SpecError::Option { .. })));
        assert!(matches!(read("b @ https://x.org/b.whl\n"), Err(SpecError::NoHash { .. })));
    }

    #[test]
    fn a_lock_names_the_native_wheel() {
        let image = ("image.toml", "name = 'web'\nlock = 'pylock.toml'\n");
        let lock = |wheel: &str| {
            format!(
                "lock-version = '1.0'\n[[packages]]\nname = 'a'\nversion = '1'\n[[packages.wheels]]\nurl = 'https://files.pythonhosted.org/x/{wheel}'\nhashes = {{ sha256 = 'aa' }}\n"
            )
        };
        let read = spec(&[image, ("pylock.toml", &lock("a-1-py3-none-any.whl"))]).unwrap();
        assert_eq!(read.packages, "a==1 --hash=sha256:aa\n");
        let error = spec(&[image, ("pylock.toml", &lock("a-1-cp313-cp313-linux_x86_64.whl"))]);
        let text = error.unwrap_err().to_string();
        assert_eq!(
            text,
            "`a==1` is not pure Python: there is only `a-1-cp313-cp313-linux_x86_64.whl`"
        );
    }

    #[test]
    fn names_are_folders() {
        for name in ["default", "", "../x", ".x", "A b"] {
            assert!(matches!(
                spec(&[("image.toml", &format!("name = '{name}'\n"))]),
                Err(SpecError::Name { .. })
            ));
        }
    }
}
