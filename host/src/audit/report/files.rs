//! The files that were touched, as a tree with what was read and written.

use super::Record;
use crate::page::{self, Page};
use playpen_runtime::audit::{Decision, Event, Header, Op};
use std::collections::BTreeMap;

/// Files and folders that the tree shows.
const MAX_SHOWN: usize = 5000;

/// Levels of folders that are shown; what is deeper is counted above.
const MAX_DEPTH: usize = 40;

#[derive(Clone, Copy, Debug, Default)]
struct Sums {
    files: u64,
    reads: u64,
    writes: u64,
    bytes_read: u64,
    bytes_written: u64,
    denied: u64,
}

#[derive(Debug, Default)]
struct Entry {
    sums: Sums,
    below: BTreeMap<String, Entry>,
}

/// All files of a record whose content was read, or that were changed or denied.
#[derive(Debug, Default)]
pub(super) struct Files(Entry);

impl Files {
    pub(super) fn of(record: &Record) -> Self {
        let mut by_path: BTreeMap<&str, Sums> = BTreeMap::new();
        for event in &record.events {
            let resolved = event.resolved.as_deref().or(event.path.as_deref());
            for path in resolved.into_iter().chain(event.to_resolved.as_deref()) {
                if let Some(sums) = sums_of(event) {
                    by_path.entry(path).or_default().add(sums);
                }
            }
        }
        let mut root = Entry::default();
        for (path, sums) in by_path {
            root.add(path, Sums { files: 1, ..sums });
        }
        Self(root)
    }

    pub(super) fn write(&self, page: &mut Page, header: &Header) {
        page.raw(
            "<section>\n<h2>Files</h2>\n<p class=\"about\">Whose content was read, or that were ",
        );
        page.raw("changed or denied. Folders show the sums of what is in them.</p>\n<div class=\"files\">\n");
        let mounts = header.mounts.iter().map(|mount| mount.guest.as_str());
        let open: Vec<&str> = mounts.chain(header.cwd.as_deref()).collect();
        let mut left = MAX_SHOWN;
        for (name, entry) in &self.0.below {
            entry.write(page, name, &format!("/{name}"), &open, &mut left);
        }
        page.raw("</div>\n");
        if left == 0 {
            page.raw("<p class=\"about\">and more, which the log has</p>\n");
        }
        page.raw("</section>\n");
    }
}

/// Returns what an event adds to the sums of its paths; none if it only looks.
fn sums_of(event: &Event) -> Option<Sums> {
    let denied = u64::from(event.decision == Decision::Denied);
    let reads = u64::from(event.reads_content() && event.op != Op::Close);
    let writes = u64::from(event.succeeded() && event.op.changes());
    let (bytes_read, bytes_written) =
        (event.bytes_read.unwrap_or(0), event.bytes_written.unwrap_or(0));
    let is_told = denied + reads + writes + bytes_read + bytes_written > 0;
    is_told.then_some(Sums { files: 0, reads, writes, bytes_read, bytes_written, denied })
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.files += other.files;
        self.reads += other.reads;
        self.writes += other.writes;
        self.bytes_read += other.bytes_read;
        self.bytes_written += other.bytes_written;
        self.denied += other.denied;
    }
}

impl Entry {
    fn add(&mut self, path: &str, sums: Sums) {
        let mut entry = self;
        entry.sums.add(sums);
        for name in path.split('/').filter(|name| !name.is_empty()).take(MAX_DEPTH) {
            entry = entry.below.entry(name.to_owned()).or_default();
            entry.sums.add(sums);
        }
    }

    /// Writes the entry and what is below it; the depth is bounded by [`MAX_DEPTH`].
    fn write(&self, page: &mut Page, name: &str, path: &str, open: &[&str], left: &mut usize) {
        if *left == 0 {
            return;
        }
        *left -= 1;
        if self.below.is_empty() {
            page.raw("<div class=\"file\">");
            self.line(page, name, "");
            page.raw("</div>\n");
            return;
        }
        let is_open = open.contains(&path);
        page.raw(if is_open { "<details open><summary>" } else { "<details><summary>" });
        self.line(page, name, "/");
        page.raw("</summary>\n");
        for (name, entry) in &self.below {
            entry.write(page, name, &format!("{path}/{name}"), open, left);
        }
        page.raw("</details>\n");
    }

    fn line(&self, page: &mut Page, name: &str, end: &'static str) {
        let Sums { files, reads, writes, bytes_read, bytes_written, denied } = self.sums;
        page.raw("<code>").text(name).raw(end).raw("</code><span class=\"sums\">");
        if !self.below.is_empty() {
            page.raw("<span>").text(&page::grouped(files)).raw(" files</span>");
        }
        if reads + bytes_read > 0 {
            page.raw("<span class=\"looks\">read ").text(&page::grouped(reads)).raw("× ");
            page.text(&page::bytes(bytes_read)).raw("</span>");
        }
        if writes + bytes_written > 0 {
            page.raw("<span class=\"changes\">changed ").text(&page::grouped(writes)).raw("× ");
            page.text(&page::bytes(bytes_written)).raw("</span>");
        }
        if denied > 0 {
            page.raw("<span class=\"denied\">denied ").text(&page::grouped(denied)).raw("×</span>");
        }
        page.raw("</span>");
    }
}
