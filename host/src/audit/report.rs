//! One page to look at: what a log says, as HTML that needs nothing but itself.
//!
//! Everything in a log that a guest has chosen (paths, arguments, names of programs) is hostile; the
//! page is written through [`Page`], which escapes it.

mod changes;
mod files;
mod processes;

use super::{Access, Record, denied, stats};
use crate::page::{self, Page};
use changes::Changes;
use files::Files;
use processes::Processes;

/// Denials and flagged accesses that are listed.
const MAX_DENIED: usize = 500;

/// Returns the page. `patch` is what the run changed, as `diff -u` writes it, if anybody has it.
pub fn html(record: &Record, patch: Option<&str>) -> String {
    let mut page = Page::titled("Audit of ", &record.header.run);
    head(&mut page, record);
    figures(&mut page, record);
    let processes = Processes::of(record);
    processes.timeline(&mut page);
    denials(&mut page, &denied(record));
    Changes::of(record).write(&mut page, &record.header);
    if let Some(patch) = patch {
        page.raw("<section>\n<h2>Diff</h2>\n").patch(patch);
        page.raw("</section>\n");
    }
    processes.tree(&mut page);
    Files::of(record).write(&mut page, &record.header);
    page.finish()
}

fn head(page: &mut Page, record: &Record) {
    let header = &record.header;
    page.raw("<header>\n<h1>Audit</h1>\n<p class=\"command\"><code>");
    page.text(&header.command.join(" ")).raw("</code></p>\n<p class=\"about\">run <code>");
    page.text(&header.run).raw("</code>");
    if let Some(seed) = header.seed {
        page.raw(", deterministic with seed ").number(seed);
    }
    if let Some(exit) = record.end.as_ref().and_then(|end| end.exit.as_deref()) {
        page.raw(", ended with ").text(exit);
    }
    if let Some(key) = &record.signed_by {
        page.raw(", signed by <code>").text(key).raw("</code>");
    }
    page.raw("</p>\n");
    for mount in &header.mounts {
        page.raw("<p class=\"about\"><code>").text(&mount.guest).raw("</code> (").text(&mount.mode);
        page.raw(") from <code>").text(&mount.host).raw("</code></p>\n");
    }
    for doubt in record.doubts() {
        page.raw("<p class=\"bad\">Not to be relied on: ").text(&doubt).raw("</p>\n");
    }
    page.raw("</header>\n");
}

fn figures(page: &mut Page, record: &Record) {
    let stats = stats(record);
    page.raw("<section class=\"figures\">\n");
    let mut figure = |name, value: String, is_alarm| page.figure(name, &value, is_alarm);
    figure("events", page::grouped(stats.n_events), false);
    figure("denied", page::grouped(stats.n_denied as u64), stats.n_denied > 0);
    figure("flagged", page::grouped(stats.n_flagged as u64), stats.n_flagged > 0);
    figure("processes", page::grouped(stats.n_processes as u64), false);
    figure("files read", page::grouped(stats.n_files_read as u64), false);
    figure("files written", page::grouped(stats.n_files_written as u64), false);
    figure("read", page::bytes(stats.bytes_read), false);
    figure("written", page::bytes(stats.bytes_written), false);
    figure("time", page::seconds(stats.took_us), false);
    page.raw("</section>\n");
}

fn denials(page: &mut Page, denied: &[Access]) {
    page.raw("<section>\n<h2>Denied and flagged</h2>\n");
    if denied.is_empty() {
        page.raw("<p class=\"about\">Nothing was.</p>\n</section>\n");
        return;
    }
    page.raw("<div class=\"wide\"><table>\n<tr><th>event</th><th>time</th><th>what</th><th>path or address</th><th>by</th><th>process</th></tr>\n");
    for access in denied.iter().take(MAX_DENIED) {
        let is_denied = access.decision == playpen_runtime::audit::Decision::Denied;
        page.raw("<tr><td class=\"n\">").number(access.seq).raw("</td><td class=\"n\">");
        page.text(&page::seconds(access.at_us)).raw("</td><td>");
        page.raw(if is_denied { "<em class=\"denied\">denied</em> " } else { "<em>flagged</em> " });
        page.raw(access.op.name()).raw("</td><td class=\"p\"><code>");
        page.text(&access.path).raw("</code></td><td>");
        page.text(access.by.as_deref().unwrap_or("the kernel")).raw("</td><td>");
        page.number(u64::from(access.pid))
            .raw(" <code>")
            .text(&processes::short(&access.argv.join(" ")));
        page.raw("</code></td></tr>\n");
    }
    page.raw("</table></div>\n");
    page::more(page, denied.len(), MAX_DENIED);
    page.raw("</section>\n");
}

#[cfg(test)]
mod tests {
    use super::*;
    use playpen_runtime::audit::{Decision, Event, Header, NodeKind, NodeRef, Op};

    /// What a guest would call things to leave the place where they are shown.
    const HOSTILE: &[&str] = &[
        "<script>alert(1)</script>",
        "\"><img src=x onerror=alert(1)>",
        "'--></style></pre></code><svg onload=alert(1)>",
        "&lt;b&gt;\u{202e}\u{0}\u{1b}[31m",
        "]]>{{7*7}}`${1}`",
    ];

    fn record() -> Record {
        let mut events = vec![];
        for (n, name) in (1_u32..).zip(HOSTILE) {
            let path = format!("/workspace/{name}/{name}");
            let node = Some(NodeRef { device: 2, inode: n.into() });
            let spawn = Event {
                argv: Some(vec![(*name).to_owned(), (*name).to_owned()]),
                child: Some(n + 1),
                ..Event::new(Op::Spawn, Decision::Allowed, n, *name)
            };
            let at = |op, decision| Event {
                path: Some((*name).into()),
                resolved: Some(path.as_str().into()),
                to: Some((*name).into()),
                to_resolved: Some(format!("{path}2").into()),
                address: Some((*name).into()),
                kind: Some(NodeKind::File),
                rule: Some((*name).into()),
                node,
                created: op == Op::OpenWrite,
                bytes_read: Some(1),
                bytes_written: Some(1),
                ..Event::new(op, decision, n + 1, *name)
            };
            let exit = Event {
                status: Some((*name).into()),
                ..Event::new(Op::Exit, Decision::Allowed, n + 1, *name)
            };
            events.push(spawn);
            for op in [Op::OpenRead, Op::OpenWrite, Op::Close, Op::Rename, Op::Unlink] {
                events.extend([at(op, Decision::Allowed), at(op, Decision::Denied)]);
            }
            events.push(exit);
        }
        let text = HOSTILE.concat();
        let header =
            Header { run: text.clone(), command: vec![text], version: 1, ..Header::default() };
        let mut record = Record::default();
        (record.header, record.events) = (header, events);
        record
    }

    #[test]
    fn what_guests_chose_is_escaped() {
        let page = html(&record(), Some(&HOSTILE.join("\n+")));
        for sign in ["<script", "<img", "<svg", "onerror=alert(1)>", "\u{202e}", "\u{1b}", "\u{0}"]
        {
            assert!(!page.contains(sign), "{sign:?}");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("&amp;lt;b&amp;gt;"));
        assert_eq!(page.matches("</style>").count(), 1);
    }

    #[test]
    fn nothing_outside_of_the_page_is_named() {
        let page = html(&record(), None);
        for sign in ["http:", "https:", "src=", "href=", "url(", "@import", "<link", "<script"] {
            let shown = page.replace("src=x onerror", "");
            assert!(!shown.contains(sign), "{sign}");
        }
    }

    /// Only elements of ours, each closed: what a guest wrote opens none and closes none.
    #[test]
    fn every_element_is_one_of_ours_and_closed() {
        let page = html(&record(), Some(HOSTILE[2]));
        let mut open: Vec<&str> = vec![];
        let body = page.split_once("</style>").unwrap().1;
        for tag in body.split('<').skip(1) {
            let name =
                tag.split(|c: char| !(c.is_ascii_alphanumeric() || c == '/')).next().unwrap();
            match name.strip_prefix('/') {
                Some("head" | "html") => {}
                Some(closed) => assert_eq!(open.pop(), Some(closed), "<{tag}"),
                None if name == "br" => {}
                None => open.push(name),
            }
        }
        assert_eq!(open, Vec::<&str>::new());
    }
}
