//! The names of commits, shown behind their ids.

use std::collections::HashMap;

use git2::{ObjectType, Oid};

use crate::place::Place;
use crate::refs;

/// The names of all commits.
#[derive(Default)]
pub(crate) struct Names {
    by_id: HashMap<Oid, Vec<String>>,
    head: Option<(Oid, Option<String>)>,
}

impl Names {
    /// Reads all references; `full` keeps the beginnings of their names.
    pub(crate) fn read(place: &Place, full: bool) -> Self {
        let mut names = Self::default();
        let branch = place.head_ref();
        for (name, id) in refs::all(place).unwrap_or_default().into_iter().rev() {
            let Some(object) = place.repo.find_object(id, None).ok() else { continue };
            let id = object.peel(ObjectType::Commit).map_or(id, |commit| commit.id());
            if branch.as_deref() == Some(&name) {
                continue;
            }
            let short = if full { name.as_str() } else { refs::shortened(&name) };
            let shown = if name.starts_with("refs/tags/") {
                format!("tag: {short}")
            } else {
                short.to_owned()
            };
            names.by_id.entry(id).or_default().push(shown);
        }
        let branch = branch.map(|name| if full { name } else { refs::shortened(&name).to_owned() });
        names.head = place.head_id().map(|id| (id, branch));
        names
    }

    /// All names of a commit, HEAD first.
    pub(crate) fn of(&self, id: Oid) -> Vec<String> {
        let head =
            self.head.as_ref().filter(|(head, _)| *head == id).map(|(_, branch)| match branch {
                Some(branch) => format!("HEAD -> {branch}"),
                None => "HEAD".to_owned(),
            });
        head.into_iter().chain(self.by_id.get(&id).into_iter().flatten().cloned()).collect()
    }

    /// ` (HEAD -> main, tag: v1)`, or nothing.
    pub(crate) fn bracket(&self, id: Oid) -> String {
        let names = self.of(id);
        if names.is_empty() { String::new() } else { format!(" ({})", names.join(", ")) }
    }

    /// As `bracket`, in colors.
    pub(crate) fn colored(&self, id: Oid) -> String {
        let names = self.of(id);
        if names.is_empty() {
            return String::new();
        }
        let paint = |name: &String| match name.as_str() {
            head if head.starts_with("HEAD -> ") => {
                format!("\x1b[1;36mHEAD\x1b[m\x1b[33m -> \x1b[m\x1b[1;32m{}\x1b[m", &head[8..])
            }
            "HEAD" => "\x1b[1;36mHEAD\x1b[m".to_owned(),
            tag if tag.starts_with("tag: ") => format!("\x1b[1;33m{tag}\x1b[m"),
            branch if branch.contains('/') => format!("\x1b[1;31m{branch}\x1b[m"),
            branch => format!("\x1b[1;32m{branch}\x1b[m"),
        };
        let names: Vec<String> = names.iter().map(paint).collect();
        format!("\x1b[33m (\x1b[m{}\x1b[33m)\x1b[m", names.join("\x1b[33m, \x1b[m"))
    }
}
