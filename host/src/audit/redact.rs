//! What a log does not show.

use globset::GlobMatcher;
use playpen_runtime::{
    GlobError,
    audit::{Event, Op},
    glob,
};
use std::sync::Arc;

/// Puts hashes in the place of paths, and leaves arguments out.
#[derive(Clone, Debug)]
pub struct Redaction {
    paths: Vec<GlobMatcher>,
    arguments: bool,
}

/// What stands for an argument.
const ARGUMENT: &str = "[redacted]";

/// What the stand-in of a path begins with.
const STAND_IN: &str = "/redacted/";

/// Hexadecimal digits of a hash that stands for a path.
const DIGITS: usize = 16;

impl Redaction {
    /// Redacts paths that match one of these absolute globs, and, if asked to, all arguments.
    ///
    /// # Errors
    ///
    /// Fails if one is no glob.
    pub fn new(paths: &[String], arguments: bool) -> Result<Self, GlobError> {
        let paths = paths.iter().map(|pattern| glob(pattern)).collect::<Result<_, _>>()?;
        Ok(Self { paths, arguments })
    }

    /// Tells whether everything is shown.
    pub(super) fn is_nothing(&self) -> bool {
        self.paths.is_empty() && !self.arguments
    }

    fn is_meant(&self, path: &str) -> bool {
        self.paths.iter().any(|glob| glob.is_match(path))
    }

    /// Returns where the paths that were asked for lead, if no link is in the way; for a link, where it points.
    fn asked(event: &Event) -> impl Iterator<Item = String> + use<> {
        let path = event.path.as_deref().map(|path| lexical("", path));
        let folder = match (&event.resolved, &path) {
            (Some(resolved), _) => resolved.to_string(),
            (None, path) => path.clone().unwrap_or_default(),
        };
        let folder = if event.op == Op::Symlink { format!("{folder}/..") } else { String::new() };
        let to = event.to.as_deref().map(|to| lexical(&folder, to));
        path.into_iter().chain(to)
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
            |path: &Option<Arc<str>>| path.as_deref().is_some_and(|path| self.is_meant(path));
        let by_name = event.names.iter().any(|name| self.is_meant(name))
            || Self::asked(event).any(|path| self.is_meant(&path));
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

/// Returns a path without dots, absolute ones as they are and others from `folder` on.
fn lexical(folder: &str, path: &str) -> String {
    let folder = if path.starts_with('/') { "" } else { folder };
    let mut names: Vec<&str> = vec![];
    for name in folder.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    format!("/{}", names.join("/"))
}

fn stand_in(path: &str) -> String {
    let hash = blake3::hash(path.trim_start_matches('/').as_bytes()).to_hex();
    format!("{STAND_IN}{}", &hash[..DIGITS])
}

/// Tells whether an event does not show where it was.
pub(super) fn is_redacted(event: &Event) -> bool {
    let paths = [&event.path, &event.resolved, &event.to, &event.to_resolved];
    paths.into_iter().flatten().any(|path| path.starts_with(STAND_IN))
}
