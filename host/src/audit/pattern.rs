//! Patterns of paths, as questions about a log name them.

use globset::GlobMatcher;
use playpen_runtime::GlobError;
use thiserror::Error;

/// The folder that patterns are relative to where the log names no mount.
const WORKSPACE: &str = "/workspace";

/// Why a text names no set of paths.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PatternError {
    /// It is empty.
    #[error("a path or pattern is empty")]
    Empty,
    /// It goes up.
    #[error("`{pattern}` goes up with `..`")]
    GoesUp {
        /// The pattern.
        pattern: String,
    },
    /// It is no glob.
    #[error("`{pattern}` is no glob")]
    NoGlob {
        /// The pattern.
        pattern: String,
        /// Why not.
        #[source]
        source: GlobError,
    },
}

/// A set of paths.
///
/// An absolute pattern is matched against the whole path in the sandbox, a relative one below each
/// mount; `*` and `?` do not match `/`. A path that matches stands for all that is below it as well.
#[derive(Clone, Debug)]
pub struct Paths {
    is_absolute: bool,
    /// One for each name of the pattern; none for what may be any number of names.
    parts: Vec<Option<GlobMatcher>>,
    matchers: Vec<GlobMatcher>,
    below: Vec<String>,
}

impl Paths {
    /// Makes a set from a glob, relative to the mounts at `points` or absolute. Slashes and dots that mean nothing make no difference.
    ///
    /// # Errors
    ///
    /// Fails if it is none, is empty, or goes up.
    pub fn new(pattern: &str, points: &[String]) -> Result<Self, PatternError> {
        if pattern.is_empty() {
            return Err(PatternError::Empty);
        }
        let parts: Vec<&str> =
            pattern.split('/').filter(|part| !matches!(*part, "" | ".")).collect();
        if parts.contains(&"..") {
            return Err(PatternError::GoesUp { pattern: pattern.to_owned() });
        }
        let is_absolute = pattern.starts_with('/');
        let plain = format!("{}{}", if is_absolute { "/" } else { "" }, parts.join("/"));
        let folder = plain.strip_suffix("/**").unwrap_or(&plain);
        let (folder, all) = match folder {
            "" => ("**", "**".to_owned()),
            "/" => ("/**", "/**".to_owned()),
            folder => (folder, format!("{folder}/**")),
        };
        let matcher = |glob: &str| {
            let fail = |source| PatternError::NoGlob { pattern: pattern.to_owned(), source };
            playpen_runtime::glob(glob).map_err(fail)
        };
        let mut below = points.to_vec();
        if below.is_empty() {
            below.push(WORKSPACE.to_owned());
        }
        let names = all.split('/').filter(|name| !name.is_empty());
        let parts = names
            .map(|name| matcher(name).ok().filter(|_| !name.contains("**") && !all.contains('{')));
        let parts = parts.collect();
        Ok(Self { is_absolute, parts, matchers: vec![matcher(folder)?, matcher(&all)?], below })
    }

    /// Tells whether an absolute path belongs to the set.
    pub fn has(&self, path: &str) -> bool {
        if self.is_absolute {
            return self.is_match(path);
        }
        let relative = |mount: &String| path.strip_prefix(mount.as_str())?.strip_prefix('/');
        self.below.iter().filter_map(relative).any(|path| self.is_match(path))
    }

    /// Tells whether a path that is relative to a mount belongs to the set.
    pub fn has_below(&self, mount: &str, path: &str) -> bool {
        self.has(&format!("{mount}/{path}"))
    }

    /// Tells whether something below a folder may belong to the set; yes where that is not clear.
    pub fn may_be_below(&self, folder: &str) -> bool {
        let may_be = |folder: &str| {
            let mut wanted = self.parts.iter();
            for name in folder.split('/').filter(|name| !name.is_empty()) {
                match wanted.next() {
                    Some(Some(part)) if part.is_match(name) => {}
                    Some(Some(_)) | None => return false,
                    Some(None) => return true,
                }
            }
            true
        };
        if self.is_absolute {
            return may_be(folder);
        }
        let relative = |mount: &String| folder.strip_prefix(mount.as_str());
        self.below.iter().filter_map(relative).any(may_be)
    }

    fn is_match(&self, path: &str) -> bool {
        self.matchers.iter().any(|matcher| matcher.is_match(path))
    }
}

#[cfg(test)]
mod tests {
    use super::Paths;

    #[test]
    fn a_path_may_be_written_in_any_way() {
        let has = |pattern: &str, path: &str| Paths::new(pattern, &[]).unwrap().has(path);
        let same = [
            "tests/hidden",
            "./tests/hidden",
            "tests//hidden/",
            "/workspace/tests/hidden",
            "/workspace/./tests/hidden/.",
            "tests/hidden/**",
            "tests/hid*",
            "tests",
            ".",
            "./",
            "/",
            "/workspace",
            "**",
            "*",
        ];
        for pattern in same {
            assert!(has(pattern, "/workspace/tests/hidden/a/b.py"), "{pattern}");
            assert!(has(pattern, "/workspace/tests/hidden"), "{pattern}");
        }
        for pattern in ["tests/hidde", "hidden", "/tests/hidden", "*/a", "tests/hidden/?"] {
            assert!(!has(pattern, "/workspace/tests/hidden/bc"), "{pattern}");
        }
        assert!(has("/", "/etc/passwd") && !has(".", "/etc/passwd"));
    }

    #[test]
    fn a_folder_above_is_known() {
        let below =
            |pattern: &str, folder: &str| Paths::new(pattern, &[]).unwrap().may_be_below(folder);
        assert!(
            below("tests/a.py", "/workspace/tests") && below("/workspace/t*/a", "/workspace/tests")
        );
        assert!(below("**/a.py", "/workspace/x/y") && below("{a,b/c}/d", "/workspace/b"));
        assert!(!below("tests/a.py", "/workspace/src") && !below("a.py", "/workspace/src"));
    }

    #[test]
    fn what_names_nothing_is_refused() {
        for pattern in ["", "..", "a/../b", "[", "/.."] {
            assert!(Paths::new(pattern, &[]).is_err(), "{pattern}");
        }
    }
}
