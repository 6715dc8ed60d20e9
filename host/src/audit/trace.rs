//! The names that each node ever had, told from the log alone.
//!
//! A node is known by its number under whatever name it is reached. Events name it; a rename or a
//! hard link gives it another name; and when a directory is renamed, everything below it has another
//! name without an event of its own. The trace follows all three, so that a question about a path is
//! a question about the nodes that ever were there.

use playpen_runtime::audit::{Event, NodeKind, NodeRef, Op};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The names of all nodes that a log speaks of.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    names: BTreeMap<NodeRef, BTreeSet<Arc<str>>>,
    /// Nodes that a guest made.
    made: BTreeSet<NodeRef>,
    /// Where renamed directories are, and where they were.
    moves: BTreeSet<Move>,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Move {
    now: String,
    was: String,
}

/// Returns what of `path` lies below `above`, with its slash; empty for the place itself.
fn rest<'a>(path: &'a str, above: &str) -> Option<&'a str> {
    path.strip_prefix(above).filter(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Trace {
    /// Follows all events of a log.
    pub fn of(events: &[Event]) -> Self {
        let mut trace = Self::default();
        for event in events {
            trace.add(event);
        }
        trace
    }

    /// Returns all names that a node ever had, by this log.
    pub fn names(&self, node: NodeRef) -> impl Iterator<Item = &str> {
        self.names.get(&node).into_iter().flatten().map(|name| &**name)
    }

    /// Tells whether a guest made the node: what is in it came from guests.
    pub fn is_made(&self, node: NodeRef) -> bool {
        self.made.contains(&node)
    }

    /// Returns the names under which a path lay before directories above it were renamed.
    fn earlier(&self, path: &str) -> Vec<String> {
        let earlier = |it: &Move| Some(format!("{}{}", it.was, rest(path, &it.now)?));
        self.moves.iter().filter_map(earlier).collect()
    }

    fn add(&mut self, event: &Event) {
        if let Some(node) = event.node {
            let told = event.resolved.iter().chain(&event.to_resolved).map(ToString::to_string);
            let paths: Vec<String> = told.chain(event.names.iter().cloned()).collect();
            for path in paths {
                let earlier = self.earlier(&path);
                let names = self.names.entry(node).or_default();
                names.extend(earlier.into_iter().chain([path]).map(Into::into));
            }
            if event.created {
                self.made.insert(node);
            }
        }
        if !event.succeeded() {
            return;
        }
        match (event.op, event.resolved.as_deref(), event.to_resolved.as_deref()) {
            (Op::Rename, Some(from), Some(to)) if event.kind == Some(NodeKind::Directory) => {
                self.rename(from, to);
            }
            (Op::Rmdir | Op::Mkdir, Some(path), _) => {
                self.moves.retain(|it| it.now != path);
            }
            _ => {}
        }
    }

    fn rename(&mut self, from: &str, to: &str) {
        if from == to {
            return;
        }
        let earlier = self.earlier(from);
        self.moves.retain(|it| rest(&it.now, to).is_none());
        let moved = |it: Move| match rest(&it.now, from) {
            Some(rest) => Move { now: format!("{to}{rest}"), was: it.was },
            None => it,
        };
        let was = earlier.into_iter().chain([from.to_owned()]);
        let new = was.map(|was| Move { now: to.to_owned(), was });
        let all = std::mem::take(&mut self.moves).into_iter().map(moved).chain(new);
        // A folder that came back is where it was.
        self.moves = all.filter(|it| it.now != it.was).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use playpen_runtime::audit::Decision;

    fn event(op: Op, inode: u64, path: &str) -> Event {
        Event {
            node: Some(NodeRef { device: 2, inode }),
            resolved: Some(path.into()),
            ..Event::new(op, Decision::Allowed, 2, "sh")
        }
    }

    fn moved(inode: u64, from: &str, to: &str) -> Event {
        let kind = Some(NodeKind::Directory);
        Event { to_resolved: Some(to.into()), kind, ..event(Op::Rename, inode, from) }
    }

    fn names(events: &[Event], inode: u64) -> Vec<String> {
        Trace::of(events).names(NodeRef { device: 2, inode }).map(str::to_owned).collect()
    }

    #[test]
    fn a_file_keeps_the_name_that_it_had_before_its_folder_was_renamed() {
        let events = [
            moved(7, "/w/tests/hidden", "/w/a"),
            moved(7, "/w/a", "/w/b"),
            event(Op::OpenRead, 9, "/w/b/x.py"),
        ];
        assert_eq!(names(&events, 9), ["/w/a/x.py", "/w/b/x.py", "/w/tests/hidden/x.py"]);
    }

    #[test]
    fn a_folder_inside_a_renamed_one_is_followed() {
        let events = [
            moved(5, "/w/tests", "/w/t"),
            moved(7, "/w/t/hidden", "/w/h"),
            event(Op::OpenRead, 9, "/w/h/x.py"),
        ];
        assert!(names(&events, 9).contains(&"/w/tests/hidden/x.py".to_owned()));
    }

    #[test]
    fn a_folder_that_goes_to_and_fro_costs_no_more() {
        let mut events = vec![];
        for _ in 0..100 {
            events.extend([moved(7, "/w/a", "/w/b"), moved(7, "/w/b", "/w/a")]);
        }
        events.push(event(Op::OpenRead, 9, "/w/a/x"));
        let trace = Trace::of(&events);
        assert!(trace.moves.len() < 4, "{:?}", trace.moves);
        assert_eq!(names(&events, 9), ["/w/a/x", "/w/b/x"]);
    }

    #[test]
    fn a_new_folder_at_an_old_place_is_another() {
        let events = [
            moved(7, "/w/hidden", "/w/a"),
            moved(7, "/w/a", "/w/b"),
            event(Op::Mkdir, 8, "/w/a"),
            event(Op::OpenRead, 9, "/w/a/x.py"),
        ];
        assert_eq!(names(&events, 9), ["/w/a/x.py"]);
    }
}
