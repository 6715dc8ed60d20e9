//! `--stat`, `--numstat`, `--shortstat`, `--dirstat`.

use super::pair::{Pair, Side};
use super::show::Diff;
use super::similar;
use crate::out;
use crate::quote;
use crate::xdiff::{self, Event};
use std::rc::Rc;

const USUAL_WIDTH: usize = 80;

/// What changed in one file.
pub(crate) struct Count {
    name: Vec<u8>,
    names: (Vec<u8>, Vec<u8>),
    moved: bool,
    comment: &'static str,
    unmerged: bool,
    binary: bool,
    /// Lines, or bytes of a binary file.
    added: usize,
    deleted: usize,
}

/// Prints the wanted kinds.
pub(crate) fn print(diff: &Diff<'_>, pairs: &[Pair]) {
    let counts: Vec<Count> = pairs.iter().filter_map(|pair| count(diff, pair)).collect();
    let formats = diff.options.formats;
    if formats.numstat {
        counts.iter().for_each(|count| numstat(diff, count));
    }
    if formats.dirstat {
        dirstat(diff, pairs);
    }
    if formats.stat {
        stat(diff, &counts);
    }
    if formats.shortstat {
        out::bytes(diff.options.line_prefix.as_bytes());
        out::bytes(total(&counts).as_bytes());
    }
}

fn count(diff: &Diff<'_>, pair: &Pair) -> Option<Count> {
    let work = &diff.work;
    let mut count = Count {
        name: if pair.renamed || pair.copied {
            movement(diff, pair)
        } else {
            diff.quoted(pair.path())
        },
        names: (diff.seen(pair.old_path()).to_vec(), diff.seen(pair.path()).to_vec()),
        moved: pair.renamed || pair.copied,
        comment: comment(pair),
        unmerged: pair.unmerged,
        binary: false,
        added: 0,
        deleted: 0,
    };
    if pair.unmerged {
        return Some(count);
    }
    let binary = |side: &Option<Rc<Side>>| side.as_ref().is_some_and(|side| side.is_binary(work));
    let content =
        |side: &Option<Rc<Side>>| side.as_ref().map(|side| side.content(work)).unwrap_or_default();
    let same = pair.same_content(work);
    let (old, new) = (content(&pair.old), content(&pair.new));
    if !diff.options.text && (binary(&pair.old) || binary(&pair.new)) {
        count.binary = true;
        if !same {
            (count.added, count.deleted) = (new.len(), old.len());
        }
        return Some(count);
    }
    let rewritten = pair.score > 0 && !count.moved && pair.old.is_some() && pair.new.is_some();
    if rewritten {
        let lines = |text: &[u8]| text.split_inclusive(|b| *b == b'\n').count();
        (count.added, count.deleted) = (lines(&new), lines(&old));
        return Some(count);
    }
    if !same {
        xdiff::diff(&old, &new, &diff.options.params, None, &mut |event| match event {
            Event::Line(b'+', ..) => count.added += 1,
            Event::Line(b'-', ..) => count.deleted += 1,
            _ => {}
        });
        if let (Some(a), Some(b)) = (&pair.old, &pair.new)
            && pair.status() == 'M'
            && a.mode == b.mode
            && count.added + count.deleted == 0
        {
            return None;
        }
    }
    Some(count)
}

fn comment(pair: &Pair) -> &'static str {
    match (&pair.old, &pair.new) {
        (None, Some(new)) => match new.mode {
            0o100_755 => " (new +x)",
            0o120_000 => " (new +l)",
            _ => " (new)",
        },
        (Some(_), None) => " (gone)",
        (Some(old), Some(new)) if old.mode != new.mode => match (old.mode, new.mode) {
            (0o100_644, 0o100_755) => " (mode +x)",
            (0o100_755, 0o100_644) => " (mode -x)",
            (_, 0o120_000) => " (mode +l)",
            (0o120_000, _) => " (mode -l)",
            _ => "",
        },
        _ => "",
    }
}

/// `old => new`, with what both have in common outside of braces.
pub(crate) fn movement(diff: &Diff<'_>, pair: &Pair) -> Vec<u8> {
    let (a, b) = (diff.seen(pair.old_path()), diff.seen(pair.path()));
    let (quoted_a, quoted_b) = (quote::path(a, diff.quotes_high), quote::path(b, diff.quotes_high));
    if quoted_a != a || quoted_b != b {
        return [quoted_a.as_slice(), b" => ", &quoted_b].concat();
    }
    let same = a.iter().zip(b).take_while(|(a, b)| a == b).count();
    let prefix = a[..same].iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
    let floor = prefix.saturating_sub(1).max(0);
    let floor = if prefix > 0 { floor } else { 0 };
    let mut suffix = 0;
    let mut n = 0;
    while a.len() > floor + n && b.len() > floor + n && a[a.len() - 1 - n] == b[b.len() - 1 - n] {
        n += 1;
        if a[a.len() - n] == b'/' {
            suffix = n;
        }
    }
    let middle = |path: &[u8]| path[prefix..path.len().saturating_sub(suffix).max(prefix)].to_vec();
    let change = [middle(a), b" => ".to_vec(), middle(b)].concat();
    if prefix + suffix == 0 {
        return change;
    }
    [&a[..prefix], b"{", &change, b"}", &a[a.len() - suffix..]].concat()
}

fn numstat(diff: &Diff<'_>, count: &Count) {
    let numbers = match count.binary {
        true => "-\t-\t".to_owned(),
        false => format!("{}\t{}\t", count.added, count.deleted),
    };
    out::bytes(diff.options.line_prefix.as_bytes());
    out::bytes(numbers.as_bytes());
    if !diff.options.nul {
        out::bytes(&[count.name.as_slice(), b"\n"].concat());
    } else if count.moved {
        out::bytes(&[b"\0", count.names.0.as_slice(), b"\0", &count.names.1, b"\0"].concat());
    } else {
        out::bytes(&[count.names.1.as_slice(), b"\0"].concat());
    }
}

/// The last line.
fn total(counts: &[Count]) -> String {
    let files = counts.iter().filter(|count| !count.unmerged).count();
    let sum = |of: fn(&Count) -> usize| counts.iter().filter(|c| !c.binary).map(of).sum::<usize>();
    let (added, deleted) = (sum(|c| c.added), sum(|c| c.deleted));
    let s = |n: usize| if n == 1 { "" } else { "s" };
    if files == 0 {
        return " 0 files changed\n".to_owned();
    }
    let mut text = format!(" {files} file{} changed", s(files));
    if added > 0 || deleted == 0 {
        text += &format!(", {added} insertion{}(+)", s(added));
    }
    if deleted > 0 || added == 0 {
        text += &format!(", {deleted} deletion{}(-)", s(deleted));
    }
    text + "\n"
}

/// How wide the parts of a line are.
struct Widths {
    name: usize,
    number: usize,
    graph: usize,
    most: usize,
}

fn digits(n: usize) -> usize {
    n.to_string().len()
}

fn shown_name(diff: &Diff<'_>, count: &Count) -> String {
    let comment = if diff.options.formats.compact_summary { count.comment } else { "" };
    String::from_utf8_lossy(&count.name).into_owned() + comment
}

/// The number of columns of a text; wide letters take two.
fn columns(text: &str) -> usize {
    text.chars().map(width_of).sum()
}

fn width_of(c: char) -> usize {
    match u32::from(c) {
        0x0300..=0x036f | 0x200b..=0x200f | 0xfe00..=0xfe0f => 0,
        0x1100..=0x115f
        | 0x2e80..=0xa4cf
        | 0xac00..=0xd7a3
        | 0xf900..=0xfaff
        | 0xfe30..=0xfe6f
        | 0xff00..=0xff60
        | 0xffe0..=0xffe6
        | 0x1f300..=0x1f64f
        | 0x1f900..=0x1f9ff
        | 0x20000..=0x3fffd => 2,
        _ => 1,
    }
}

fn widths(diff: &Diff<'_>, counts: &[Count]) -> Widths {
    let options = &diff.options;
    let terminal = || std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok());
    let mut width = options.stat_width.or_else(terminal).unwrap_or(USUAL_WIDTH);
    width = width.saturating_sub(options.line_prefix.len());
    let longest = counts.iter().map(|count| columns(&shown_name(diff, count))).max().unwrap_or(0);
    let most = counts.iter().filter(|c| !c.binary).map(|c| c.added + c.deleted).max().unwrap_or(0);
    let any_binary = counts.iter().any(|c| c.binary || c.unmerged);
    let binary_width = counts
        .iter()
        .filter_map(|c| {
            if c.unmerged {
                Some(8)
            } else {
                c.binary.then(|| 14 + digits(c.added) + digits(c.deleted))
            }
        })
        .max()
        .unwrap_or(0);
    let mut number = digits(most);
    if any_binary && counts.iter().any(|c| c.binary) {
        number = number.max(3);
    }
    width = width.max(16 + 6 + number);
    let mut graph = if most + 4 > binary_width { most } else { binary_width - 4 };
    if let Some(limit) = options.stat_graph_width.filter(|n| *n > 0) {
        graph = graph.min(limit);
    }
    let mut name = options.stat_name_width.filter(|n| *n > 0 && *n < longest).unwrap_or(longest);
    if name + number + 6 + graph > width {
        if graph > (width * 3 / 8).saturating_sub(number + 6) {
            graph = (width * 3 / 8).saturating_sub(number + 6).max(6);
        }
        if let Some(limit) = options.stat_graph_width.filter(|n| *n > 0) {
            graph = graph.min(limit);
        }
        if name > width - number - 6 - graph {
            name = width - number - 6 - graph;
        } else {
            graph = width - number - 6 - name;
        }
    }
    Widths { name, number, graph, most }
}

fn stat(diff: &Diff<'_>, counts: &[Count]) {
    if counts.is_empty() {
        return;
    }
    let limit = diff.options.stat_count.unwrap_or(usize::MAX);
    let widths = widths(diff, &counts[..counts.len().min(limit)]);
    for count in counts.iter().take(limit) {
        out::bytes(diff.options.line_prefix.as_bytes());
        out::bytes(stat_line(diff, count, &widths).as_bytes());
    }
    if counts.len() > limit {
        out::bytes(b" ...\n");
    }
    out::bytes(diff.options.line_prefix.as_bytes());
    out::bytes(total(counts).as_bytes());
}

fn stat_line(diff: &Diff<'_>, count: &Count, widths: &Widths) -> String {
    let name = shown_name(diff, count);
    let (start, room) = cut(&name, widths.name);
    let padding = " ".repeat(room.saturating_sub(columns(&start.1)));
    let name = format!(" {}{}{padding} |", start.0, start.1);
    if count.unmerged {
        return format!("{name} {:>width$}\n", "Unmerged", width = widths.number);
    }
    if count.binary {
        let line = format!("{name} {:>width$}", "Bin", width = widths.number);
        if count.added + count.deleted == 0 {
            return line + "\n";
        }
        return format!("{line} {} -> {} bytes\n", count.deleted, count.added);
    }
    let changes = count.added + count.deleted;
    let blank = if changes > 0 { " " } else { "" };
    let (mut added, mut deleted) = (count.added, count.deleted);
    if widths.graph <= widths.most {
        let scale = |n: usize| if n == 0 { 0 } else { 1 + n * (widths.graph - 1) / widths.most };
        let mut total = scale(changes);
        if total < 2 && added > 0 && deleted > 0 {
            total = 2;
        }
        if added < deleted {
            added = scale(added);
            deleted = total - added;
        } else {
            deleted = scale(deleted);
            added = total - deleted;
        }
    }
    let paint = |sign: &str, n: usize, color: &str| match (n, diff.options.color) {
        (0, _) => String::new(),
        (n, true) => format!("\x1b[{color}m{}\x1b[m", sign.repeat(n)),
        (n, false) => sign.repeat(n),
    };
    let graph = paint("+", added, "32") + &paint("-", deleted, "31");
    format!("{name} {changes:>width$}{blank}{graph}\n", width = widths.number)
}

/// The end of a name that fits, with dots before it; and the room for it.
fn cut(name: &str, width: usize) -> ((&'static str, String), usize) {
    if columns(name) <= width {
        return (("", name.to_owned()), width);
    }
    let room = width.saturating_sub(3);
    let mut rest = name;
    while columns(rest) > room {
        let mut letters = rest.chars();
        letters.next();
        rest = letters.as_str();
    }
    if let Some(at) = rest.find('/') {
        rest = &rest[at..];
    }
    (("...", rest.to_owned()), room)
}

/// The share of each folder in the changed bytes, at least 3 percent.
fn dirstat(diff: &Diff<'_>, pairs: &[Pair]) {
    let mut folders: std::collections::BTreeMap<Vec<u8>, u64> = std::collections::BTreeMap::new();
    let mut all = 0;
    for pair in pairs.iter().filter(|pair| !pair.unmerged) {
        let damage = damage(diff, pair);
        all += damage;
        let path = diff.seen(pair.path());
        let at = path.iter().rposition(|b| *b == b'/').map_or(0, |at| at + 1);
        *folders.entry(path[..at].to_vec()).or_default() += damage;
    }
    for (folder, damage) in folders {
        let permille = (damage * 1000).checked_div(all).unwrap_or(0);
        if permille >= 30 && !folder.is_empty() {
            let name = quote::path(&folder, diff.quotes_high);
            out::bytes(format!("{:4}.{}% ", permille / 10, permille % 10).as_bytes());
            out::bytes(&[name.as_slice(), b"\n"].concat());
        }
    }
}

/// Bytes that went and bytes that came.
fn damage(diff: &Diff<'_>, pair: &Pair) -> u64 {
    let work = &diff.work;
    let content =
        |side: &Option<Rc<Side>>| side.as_ref().map(|side| side.content(work)).unwrap_or_default();
    let (old, new) = (content(&pair.old), content(&pair.new));
    let text = |side: &Option<Rc<Side>>| side.as_ref().is_none_or(|side| !side.is_binary(work));
    let pieces = |content: &[u8], side| similar::pieces(content, text(side));
    let (copied, added) = similar::count(&pieces(&old, &pair.old), &pieces(&new, &pair.new));
    let damage = (old.len() as u64).saturating_sub(copied) + added;
    if damage == 0 && !pair.same_content(work) { 1 } else { damage }
}

/// `--stat` of changes that are known already: name, added, deleted, binary.
pub(crate) fn print_plain(changes: &[(String, usize, usize, bool)]) {
    let longest = changes.iter().map(|c| columns(&c.0)).max().unwrap_or(0).min(50);
    let most = changes.iter().map(|c| c.1 + c.2).max().unwrap_or(0);
    let room = 80usize.saturating_sub(longest + 7 + digits(most).max(4)).min(40 + 50 - longest);
    for (name, added, deleted, binary) in changes {
        let (start, width) = cut(name, longest);
        let name = format!("{}{}", start.0, start.1);
        let padding = " ".repeat(width.saturating_sub(columns(&start.1)));
        if *binary {
            out::bytes(format!(" {name}{padding} |  Bin\n").as_bytes());
            continue;
        }
        let scale = |n: usize| if most > room && n > 0 { (n * room / most).max(1) } else { n };
        let graph = "+".repeat(scale(*added)) + &"-".repeat(scale(*deleted));
        out::bytes(format!(" {name}{padding} |{:>5} {graph}\n", added + deleted).as_bytes());
    }
    let counts: Vec<Count> = changes
        .iter()
        .map(|(_, added, deleted, binary)| Count {
            name: vec![],
            names: (vec![], vec![]),
            moved: false,
            comment: "",
            unmerged: false,
            binary: *binary,
            added: *added,
            deleted: *deleted,
        })
        .collect();
    out::bytes(total(&counts).as_bytes());
}
