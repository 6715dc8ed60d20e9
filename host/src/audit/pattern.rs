//! Patterns of paths, as questions about a log name them.

use globset::{GlobBuilder, GlobMatcher};
use playpen_runtime::audit::Header;

/// The folder that patterns are relative to where the log names no mount.
const WORKSPACE: &str = "/workspace";

/// A set of paths.
///
/// An absolute pattern is matched against the whole path in the sandbox, a relative one below each
/// mount; `*` and `?` do not match `/`, and a pattern that ends in `/**` matches the folder too.
#[derive(Clone, Debug)]
pub struct Paths {
    pattern: String,
    matchers: Vec<GlobMatcher>,
    below: Vec<String>,
}

impl Paths {
    /// Makes a set from a glob.
    ///
    /// # Errors
    ///
    /// Fails if it is not one.
    pub fn new(pattern: &str, header: &Header) -> Result<Self, globset::Error> {
        let mut below: Vec<String> = header.mounts.iter().map(|it| it.guest.clone()).collect();
        if below.is_empty() {
            below.push(WORKSPACE.to_owned());
        }
        let mut matchers = vec![matcher(pattern)?];
        if let Some(folder) = pattern.strip_suffix("/**") {
            matchers.push(matcher(folder)?);
        }
        Ok(Self { pattern: pattern.to_owned(), matchers, below })
    }

    /// Tells whether an absolute path belongs to the set.
    pub fn has(&self, path: &str) -> bool {
        if self.pattern.starts_with('/') {
            return self.is_match(path);
        }
        let relative = |mount: &String| path.strip_prefix(mount.as_str())?.strip_prefix('/');
        self.below.iter().filter_map(relative).any(|path| self.is_match(path))
    }

    /// Tells whether a path that is relative to a mount belongs to the set.
    pub fn has_below(&self, mount: &str, path: &str) -> bool {
        self.has(&format!("{mount}/{path}"))
    }

    fn is_match(&self, path: &str) -> bool {
        self.matchers.iter().any(|matcher| matcher.is_match(path))
    }
}

fn matcher(pattern: &str) -> Result<GlobMatcher, globset::Error> {
    Ok(GlobBuilder::new(pattern).literal_separator(true).build()?.compile_matcher())
}
