//! What a log does not show.

use globset::{GlobBuilder, GlobSet, GlobSetBuilder};
use playpen_runtime::audit::Event;
use std::sync::Arc;

/// Puts hashes in the place of paths, and leaves arguments out.
#[derive(Clone, Debug)]
pub struct Redaction {
    paths: GlobSet,
    arguments: bool,
}

/// What stands for an argument.
const ARGUMENT: &str = "[redacted]";

/// Hexadecimal digits of a hash that stands for a path.
const DIGITS: usize = 16;

impl Redaction {
    /// Redacts paths that match one of these absolute globs, and, if asked to, all arguments.
    ///
    /// # Errors
    ///
    /// Fails if one is no glob.
    pub fn new(paths: &[String], arguments: bool) -> Result<Self, globset::Error> {
        let mut set = GlobSetBuilder::new();
        for pattern in paths {
            set.add(GlobBuilder::new(pattern).literal_separator(true).build()?);
        }
        Ok(Self { paths: set.build()?, arguments })
    }

    /// Tells whether everything is shown.
    pub(super) fn is_nothing(&self) -> bool {
        self.paths.is_empty() && !self.arguments
    }

    pub(super) fn apply(&self, event: &mut Event) {
        if self.arguments
            && let Some(argv) = &mut event.argv
        {
            argv.iter_mut().skip(1).for_each(|argument| ARGUMENT.clone_into(argument));
        }
        if self.paths.is_empty() {
            return;
        }
        // A name of the Unix domain may lead anywhere through links, so all of them are hidden.
        if let Some(path) = event.address.as_deref().and_then(|it| it.strip_prefix("unix:/")) {
            event.address = Some(format!("unix:{}", stand_in(path)).into());
        }
        let is_secret =
            |path: &Option<Arc<str>>| path.as_deref().is_some_and(|path| self.paths.is_match(path));
        let by_name = event.names.iter().any(|name| self.paths.is_match(name));
        if by_name || is_secret(&event.resolved) || is_secret(&event.to_resolved) {
            // What was asked for tells as much as where it led.
            for path in
                [&mut event.path, &mut event.resolved, &mut event.to, &mut event.to_resolved]
            {
                *path = path.as_deref().map(|path| stand_in(path).into());
            }
            event.names = event.names.iter().map(|name| stand_in(name)).collect();
            (event.hash_before, event.hash_after) = (None, None);
        }
    }
}

fn stand_in(path: &str) -> String {
    let hash = blake3::hash(path.trim_start_matches('/').as_bytes()).to_hex();
    format!("/redacted/{}", &hash[..DIGITS])
}
