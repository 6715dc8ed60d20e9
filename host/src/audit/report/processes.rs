//! The processes of a run: when each ran, and which started which.

use super::Record;
use crate::page::{self, Page};
use playpen_runtime::audit::{Decision, Event, Op};
use std::{collections::BTreeMap, sync::Arc};

/// Processes that have a line in the timeline; the longest ones.
const MAX_LANES: usize = 60;

/// Processes that the tree shows.
const MAX_SHOWN: usize = 2000;

/// Levels of the tree that are indented further.
const MAX_INDENT: usize = 12;

/// Columns of the picture of events.
const N_COLUMNS: usize = 120;

#[derive(Debug, Default)]
struct Process {
    argv: String,
    from_us: u64,
    until_us: u64,
    status: Option<Arc<str>>,
    n_events: u64,
    n_denied: u64,
    bytes_read: u64,
    bytes_written: u64,
    children: Vec<u32>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Column {
    looks: u64,
    changes: u64,
    denied: u64,
}

/// All processes of a record.
#[derive(Debug)]
pub(super) struct Processes {
    by_pid: BTreeMap<u32, Process>,
    roots: Vec<u32>,
    took_us: u64,
    columns: Vec<Column>,
}

impl Processes {
    pub(super) fn of(record: &Record) -> Self {
        let took_us = record.events.iter().map(|event| event.at_us).max().unwrap_or(0).max(1);
        let columns = vec![Column::default(); N_COLUMNS];
        let mut all = Self { by_pid: BTreeMap::new(), roots: vec![], took_us, columns };
        for event in &record.events {
            all.add(event);
        }
        all
    }

    fn add(&mut self, event: &Event) {
        let n = event.count.unwrap_or(1);
        let column = u128::from(event.at_us) * (N_COLUMNS as u128 - 1) / u128::from(self.took_us);
        let column = &mut self.columns[usize::try_from(column).unwrap_or(0)];
        if event.decision == Decision::Denied {
            column.denied += n;
        } else if event.op.changes() {
            column.changes += n;
        } else {
            column.looks += n;
        }
        if let Some(child) = event.child {
            self.start(event, child);
        }
        if let Some(process) = self.by_pid.get_mut(&event.pid) {
            process.n_events += n;
            process.n_denied += u64::from(event.decision == Decision::Denied);
            process.bytes_read += event.bytes_read.unwrap_or(0);
            process.bytes_written += event.bytes_written.unwrap_or(0);
            process.until_us = process.until_us.max(event.at_us);
            if event.op == Op::Exit {
                process.status.clone_from(&event.status);
            }
        }
    }

    fn start(&mut self, event: &Event, child: u32) {
        let argv = event.argv.as_ref().map_or_else(String::new, |argv| argv.join(" "));
        // A number is given once; a log that gives it twice is not to make a loop.
        if self.by_pid.contains_key(&child) {
            return;
        }
        let (from_us, until_us) = (event.at_us, event.at_us);
        let process = Process { argv, from_us, until_us, ..Process::default() };
        self.by_pid.insert(child, process);
        match self.by_pid.get_mut(&event.pid) {
            Some(parent) if event.pid != child => parent.children.push(child),
            _ => self.roots.push(child),
        }
    }

    /// Writes the events over time, and a line for each of the longest processes.
    pub(super) fn timeline(&self, page: &mut Page) {
        page.raw("<section>\n<h2>Timeline</h2>\n");
        self.picture(page);
        let mut lanes: Vec<(&u32, &Process)> = self.by_pid.iter().collect();
        lanes.sort_by_key(|(_, process)| std::cmp::Reverse(process.until_us - process.from_us));
        let n_all = lanes.len();
        lanes.truncate(MAX_LANES);
        lanes.sort_by_key(|(pid, process)| (process.from_us, **pid));
        page.raw("<div class=\"lanes\">\n");
        for (pid, process) in lanes {
            page.raw("<div class=\"lane\"><span class=\"name\">").number(u64::from(*pid)).raw(" ");
            page.text(&short(&process.argv)).raw("</span><span class=\"track\"><span class=\"");
            page.raw(if process.n_denied > 0 { "bar denied" } else { "bar" })
                .raw("\" style=\"left:");
            page.percent(process.from_us, self.took_us).raw(";width:");
            page.percent(process.until_us - process.from_us, self.took_us);
            page.raw("\"></span></span></div>\n");
        }
        page.raw("</div>\n");
        page::more(page, n_all, MAX_LANES);
        page.raw("</section>\n");
    }

    fn picture(&self, page: &mut Page) {
        let sum = |it: &Column| it.looks + it.changes + it.denied;
        let highest = self.columns.iter().map(sum).max().unwrap_or(0);
        page.raw("<div class=\"picture\" role=\"img\" aria-label=\"events over time\">\n");
        for column in &self.columns {
            page.raw("<span class=\"column\">");
            let parts = [
                ("<i class=\"denied\" style=\"height:", column.denied),
                ("<i class=\"changes\" style=\"height:", column.changes),
                ("<i class=\"looks\" style=\"height:", column.looks),
            ];
            for (start, n) in parts.into_iter().filter(|(_, n)| *n > 0) {
                page.raw(start).percent(n, highest).raw("\"></i>");
            }
            page.raw("</span>");
        }
        page.raw("\n</div>\n<p class=\"scale\"><span>0 s</span><span class=\"legend\">");
        page.raw("<i class=\"looks\"></i> reads and looks <i class=\"changes\"></i> changes ");
        page.raw("<i class=\"denied\"></i> denied</span><span>");
        page.text(&page::seconds(self.took_us)).raw("</span></p>\n");
    }

    /// Writes which process started which.
    pub(super) fn tree(&self, page: &mut Page) {
        page.raw(
            "<section>\n<h2>Processes</h2>\n<div class=\"wide\"><table class=\"processes\">\n",
        );
        page.raw("<tr><th>process</th><th>ended with</th><th>events</th><th>denied</th><th>read</th><th>written</th><th>time</th></tr>\n");
        let mut pending: Vec<(u32, usize)> = self.roots.iter().rev().map(|pid| (*pid, 0)).collect();
        let mut n_shown = 0;
        while let Some((pid, depth)) = pending.pop() {
            let Some(process) = self.by_pid.get(&pid) else { continue };
            n_shown += 1;
            if n_shown > MAX_SHOWN {
                break;
            }
            row(page, pid, depth, process);
            pending.extend(process.children.iter().rev().map(|child| (*child, depth + 1)));
        }
        page.raw("</table></div>\n");
        page::more(page, self.by_pid.len(), MAX_SHOWN);
        page.raw("</section>\n");
    }
}

fn row(page: &mut Page, pid: u32, depth: usize, process: &Process) {
    page.raw("<tr><td class=\"tree\"><span style=\"padding-left:");
    page.number(depth.min(MAX_INDENT) as u64).raw("em\">");
    page.raw(if depth > 0 { "<i>└</i> " } else { "" }).number(u64::from(pid)).raw(" <code>");
    page.text(&process.argv).raw("</code></span></td><td>");
    page.text(process.status.as_deref().unwrap_or("(the run)")).raw("</td>");
    for figure in [
        page::grouped(process.n_events),
        page::grouped(process.n_denied),
        page::bytes(process.bytes_read),
        page::bytes(process.bytes_written),
        page::seconds(process.until_us - process.from_us),
    ] {
        page.raw("<td class=\"n\">").text(&figure).raw("</td>");
    }
    page.raw("</tr>\n");
}

/// Shortens the arguments of a process for its line.
pub(super) fn short(argv: &str) -> String {
    const MAX_CHARS: usize = 60;
    let mut short: String = argv.chars().take(MAX_CHARS).collect();
    if short.len() < argv.len() {
        short.push('…');
    }
    short
}
