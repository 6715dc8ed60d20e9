//! What became of the files: made, changed, renamed, removed.

use super::Record;
use crate::page::{self, Page};
use playpen_runtime::audit::{ContentDigest, Event, Header, NodeRef, Op};
use std::collections::BTreeMap;

/// Changes that are listed.
const MAX_SHOWN: usize = 1000;

/// Hexadecimal digits of a hash that are shown.
const DIGITS: usize = 12;

#[derive(Debug, Default)]
struct Fate {
    first_path: String,
    path: String,
    is_made: bool,
    is_removed: bool,
    is_touched: bool,
    before: Option<ContentDigest>,
    after: Option<ContentDigest>,
    bytes_written: u64,
}

/// What became of each node.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<NodeRef, Fate>);

impl Changes {
    pub(super) fn of(record: &Record) -> Self {
        let mut changes = Self::default();
        for event in record.events.iter().filter(|event| event.succeeded()) {
            changes.add(event);
        }
        changes
    }

    fn add(&mut self, event: &Event) {
        let writes = event.hash_after.is_some() || event.bytes_written.is_some_and(|n| n > 0);
        let (Some(node), Some(path)) = (event.node, event.resolved.as_deref()) else { return };
        if !(writes || event.op.changes()) {
            return;
        }
        let fate = self.0.entry(node).or_insert_with(|| Fate {
            first_path: path.to_owned(),
            path: path.to_owned(),
            ..Fate::default()
        });
        fate.is_made |= event.created;
        fate.is_touched |= matches!(event.op, Op::Chmod | Op::Utimes | Op::Truncate);
        fate.bytes_written += event.bytes_written.unwrap_or(0);
        match (event.op, event.to_resolved.as_deref()) {
            // One of several names is not the file.
            (Op::Unlink | Op::Rmdir, _) => fate.is_removed = event.names.is_empty(),
            (Op::Rename, Some(to)) => to.clone_into(&mut fate.path),
            _ => {}
        }
        if let Some(after) = &event.hash_after {
            if fate.after.is_none() {
                fate.before.clone_from(&event.hash_before);
            }
            fate.after = Some(after.clone());
        }
    }

    /// Writes them, those in mounted folders first.
    pub(super) fn write(&self, page: &mut Page, header: &Header) {
        let mut fates: Vec<(&'static str, &Fate)> =
            self.0.values().filter_map(|fate| Some((fate.what()?, fate))).collect();
        let is_elsewhere =
            |path: &str| !header.mounts.iter().any(|mount| path.starts_with(&mount.guest));
        fates.sort_by_cached_key(|(_, fate)| (is_elsewhere(&fate.path), fate.path.clone()));
        page.raw("<section>\n<h2>Changes</h2>\n");
        if fates.is_empty() {
            page.raw("<p class=\"about\">None that lasted.</p>\n</section>\n");
            return;
        }
        page.raw("<div class=\"wide\"><table>\n<tr><th>what</th><th>path</th><th>written</th><th class=\"h\">before</th><th class=\"h\">after</th></tr>\n");
        for (what, fate) in fates.iter().take(MAX_SHOWN) {
            page.raw("<tr><td>").raw(what).raw("</td><td class=\"p\"><code>");
            if fate.path != fate.first_path && !fate.is_made {
                page.text(&fate.first_path).raw("</code> → <code>");
            }
            page.text(&fate.path).raw("</code></td><td class=\"n\">");
            if fate.bytes_written > 0 {
                page.text(&page::bytes(fate.bytes_written));
            }
            page.raw("</td>");
            let before = fate.before.as_ref().filter(|_| !fate.is_made);
            for digest in [before, fate.after.as_ref()] {
                let hex = digest.map_or_else(String::new, |it| it.hash().to_string());
                page.raw("<td class=\"h\"><code>")
                    .text(&hex[..hex.len().min(DIGITS)])
                    .raw("</code></td>");
            }
            page.raw("</tr>\n");
        }
        page.raw("</table></div>\n");
        page::more(page, fates.len(), MAX_SHOWN);
        page.raw("</section>\n");
    }
}

impl Fate {
    /// Says what became of it; none if it is as if nothing had been.
    fn what(&self) -> Option<&'static str> {
        let is_other = self.after.is_some() && self.before != self.after;
        match (self.is_made, self.is_removed) {
            (true, true) => None,
            (true, false) => Some("<em class=\"made\">made</em>"),
            (false, true) => Some("<em class=\"denied\">removed</em>"),
            _ if self.path != self.first_path => Some("<em>renamed</em>"),
            _ if is_other || (self.bytes_written > 0 && self.after.is_none()) => {
                Some("<em>changed</em>")
            }
            _ if self.is_touched => Some("<em class=\"calm\">touched</em>"),
            _ => None,
        }
    }
}
