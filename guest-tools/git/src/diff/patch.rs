//! Patches: headers and hunks as git writes them.

use std::rc::Rc;

use super::pair::{Pair, Side};
use super::show::Diff;
use super::{binary, drivers, words};
use crate::fail::Outcome;
use crate::out;
use crate::quote;
use crate::xdiff::{self, Event};

const META: &str = "\x1b[1m";
const FRAGMENT: &str = "\x1b[36m";
const OLD: &str = "\x1b[31m";
const NEW: &str = "\x1b[32m";
const RESET: &str = "\x1b[m";
const TRAILING: &str = "\x1b[41m";

/// Prints the patch of a pair; returns whether there was anything to show.
pub(crate) fn print(diff: &Diff<'_>, pair: &Pair) -> Outcome<bool> {
    if pair.unmerged {
        out::bytes(diff.options.line_prefix.as_bytes());
        out::bytes(&[b"* Unmerged path ", diff.quoted(pair.path()).as_slice(), b"\n"].concat());
        return Ok(true);
    }
    if pair.status() == 'T' {
        // A file that becomes a link goes, and a link comes.
        let gone = Pair::new(pair.old.clone(), None);
        let came = Pair::new(None, pair.new.clone());
        let first = Patch::new(diff, &gone).print()?;
        return Ok(Patch::new(diff, &came).print()? || first);
    }
    Patch::new(diff, pair).print()
}

struct Patch<'a> {
    diff: &'a Diff<'a>,
    pair: &'a Pair,
    /// Names with prefixes and quotes, or `/dev/null`.
    labels: [Vec<u8>; 2],
    header: Vec<u8>,
    /// The header is shown even if no line differs.
    must_show: bool,
}

impl<'a> Patch<'a> {
    fn new(diff: &'a Diff<'a>, pair: &'a Pair) -> Self {
        let mut patch =
            Self { diff, pair, labels: [vec![], vec![]], header: vec![], must_show: false };
        patch.make_header();
        patch
    }

    fn sides(&self) -> (Option<&Rc<Side>>, Option<&Rc<Side>>) {
        (self.pair.old.as_ref(), self.pair.new.as_ref())
    }

    fn make_header(&mut self) {
        let (diff, pair) = (self.diff, self.pair);
        let (old, new) = (pair.old_path(), pair.path());
        let mut prefixes = [diff.options.old_prefix.as_bytes(), diff.options.new_prefix.as_bytes()];
        if diff.options.reverse {
            prefixes.reverse();
        }
        let name = |prefix: &[u8], path: &[u8]| {
            let path = diff.seen(path);
            quote::two(prefix, path.strip_prefix(b"/").unwrap_or(path), diff.quotes_high)
        };
        let names = [name(prefixes[0], old), name(prefixes[1], new)];
        self.line(&[b"diff --git ", names[0].as_slice(), b" ", names[1].as_slice()]);
        match self.sides() {
            (None, Some(side)) => {
                self.line(&[format!("new file mode {:06o}", side.mode).as_bytes()]);
                self.must_show = true;
            }
            (Some(side), None) => {
                self.line(&[format!("deleted file mode {:06o}", side.mode).as_bytes()]);
                self.must_show = true;
            }
            (Some(old), Some(new)) if old.mode != new.mode => {
                let (old, new) = (old.mode, new.mode);
                self.line(&[format!("old mode {old:06o}").as_bytes()]);
                self.line(&[format!("new mode {new:06o}").as_bytes()]);
                self.must_show = true;
            }
            _ => {}
        }
        self.movement();
        self.index_line();
        let none = b"/dev/null".to_vec();
        let [a, b] = names;
        self.labels = [
            if pair.old.is_some() { a } else { none.clone() },
            if pair.new.is_some() { b } else { none },
        ];
    }

    fn movement(&mut self) {
        let (diff, pair) = (self.diff, self.pair);
        let word = match (pair.renamed, pair.copied) {
            (true, _) => "rename",
            (_, true) => "copy",
            _ => {
                if pair.score > 0 && pair.old.is_some() && pair.new.is_some() {
                    self.line(&[format!("dissimilarity index {}%", pair.percent()).as_bytes()]);
                    self.must_show = true;
                }
                return;
            }
        };
        self.line(&[format!("similarity index {}%", pair.percent()).as_bytes()]);
        self.line(&[format!("{word} from ").as_bytes(), &diff.quoted(pair.old_path())]);
        self.line(&[format!("{word} to ").as_bytes(), &diff.quoted(pair.path())]);
        self.must_show = true;
    }

    fn index_line(&mut self) {
        let (old, new) = self.sides();
        if self.pair.same_content(&self.diff.work) {
            return;
        }
        let is_binary =
            |side: Option<&Rc<Side>>| side.is_some_and(|side| side.is_binary(&self.diff.work));
        let whole = self.diff.options.binary && (is_binary(old) || is_binary(new));
        let mut line =
            format!("index {}..{}", self.diff.short(old, whole), self.diff.short(new, whole));
        if let (Some(old), Some(new)) = (old, new)
            && old.mode == new.mode
        {
            line += &format!(" {:06o}", old.mode);
        }
        self.line(&[line.as_bytes()]);
    }

    fn line(&mut self, parts: &[&[u8]]) {
        self.header.extend_from_slice(self.diff.options.line_prefix.as_bytes());
        let color = self.diff.options.color;
        if color {
            self.header.extend_from_slice(META.as_bytes());
        }
        parts.iter().for_each(|part| self.header.extend_from_slice(part));
        if color {
            self.header.extend_from_slice(RESET.as_bytes());
        }
        self.header.push(b'\n');
    }

    fn print(mut self) -> Outcome<bool> {
        let (diff, pair) = (self.diff, self.pair);
        let content = |side: &Option<Rc<Side>>| {
            side.as_ref().map(|s| s.content(&diff.work)).unwrap_or_default()
        };
        let (old, new) = (content(&pair.old), content(&pair.new));
        if diff.options.without_content_of_deleted && pair.new.is_none() {
            out::bytes(&self.header);
            return Ok(true);
        }
        let binary =
            |side: &Option<Rc<Side>>| side.as_ref().is_some_and(|side| side.is_binary(&diff.work));
        if !diff.options.text && (binary(&pair.old) || binary(&pair.new)) {
            if old == new {
                return Ok(self.header_if_due());
            }
            out::bytes(&self.header);
            self.print_binary(&old, &new);
            return Ok(true);
        }
        let shown = self.header_if_due();
        let rewritten = pair.score > 0
            && !pair.renamed
            && !pair.copied
            && pair.old.is_some()
            && pair.new.is_some();
        if rewritten {
            self.print_rewrite(&old, &new);
            return Ok(true);
        }
        Ok(self.print_hunks(&old, &new, shown) || shown)
    }

    fn header_if_due(&self) -> bool {
        if self.must_show {
            out::bytes(&self.header);
        }
        self.must_show
    }

    fn print_binary(&self, old: &[u8], new: &[u8]) {
        let prefix = self.diff.options.line_prefix.as_bytes();
        if self.diff.options.binary {
            out::bytes(&binary::patch(old, new));
            return;
        }
        let [a, b] = &self.labels;
        out::bytes(
            &[prefix, b"Binary files ", a.as_slice(), b" and ", b.as_slice(), b" differ\n"]
                .concat(),
        );
    }

    fn print_hunks(&mut self, old: &[u8], new: &[u8], header_shown: bool) -> bool {
        let (diff, pair) = (self.diff, self.pair);
        let path = if pair.old.is_some() { pair.old_path() } else { pair.path() };
        let namer = drivers::namer(diff, path);
        let namer = namer.as_ref().map(|namer| namer as xdiff::Namer<'_>);
        let mut started = false;
        let mut words = words::Words::new(diff);
        xdiff::diff(old, new, &diff.options.params, namer, &mut |event| {
            if !started {
                if !header_shown {
                    out::bytes(&self.header);
                }
                self.print_labels();
                started = true;
            }
            match event {
                Event::Hunk(hunk) => {
                    words.flush();
                    self.print_hunk_header(&hunk);
                }
                Event::Line(sign, line, ends) if diff.shows_words() => words.take(sign, line, ends),
                Event::Line(sign, line, unended) => self.print_line(sign, line, unended),
            }
        });
        words.flush();
        started
    }

    /// The lines with `---` and `+++`.
    fn print_labels(&mut self) {
        let labels = self.labels.clone();
        let header = std::mem::take(&mut self.header);
        for (sign, label) in [b"--- ", b"+++ "].into_iter().zip(&labels) {
            let tab: &[u8] = if label.contains(&b' ') { b"\t" } else { b"" };
            self.line(&[sign.as_slice(), label.as_slice(), tab]);
        }
        out::bytes(&self.header);
        self.header = header;
    }

    fn print_hunk_header(&self, hunk: &xdiff::Hunk) {
        let range = |(start, n): (usize, usize)| {
            if n == 1 { start.to_string() } else { format!("{start},{n}") }
        };
        let text = format!("@@ -{} +{} @@", range(hunk.old), range(hunk.new));
        out::bytes(self.diff.options.line_prefix.as_bytes());
        let mut line = vec![];
        if self.diff.options.color {
            line.extend_from_slice(format!("{FRAGMENT}{text}{RESET}").as_bytes());
            if !hunk.function.is_empty() {
                line.extend_from_slice(format!(" {RESET}").as_bytes());
                line.extend_from_slice(&hunk.function);
                line.extend_from_slice(RESET.as_bytes());
            }
        } else {
            line.extend_from_slice(text.as_bytes());
            if !hunk.function.is_empty() {
                line.push(b' ');
                line.extend_from_slice(&hunk.function);
            }
        }
        line.push(b'\n');
        out::bytes(&line);
    }

    fn print_line(&self, sign: u8, line: &[u8], unended: bool) {
        let options = &self.diff.options;
        out::bytes(options.line_prefix.as_bytes());
        let shown = options.indicators[usize::from(sign == b'-') + 2 * usize::from(sign == b' ')];
        if options.color {
            print_colored(sign, shown, line);
        } else {
            out::bytes(&[shown]);
            out::bytes(line);
        }
        if unended {
            if !options.color {
                out::bytes(b"\n");
            }
            out::bytes(options.line_prefix.as_bytes());
            let reset = if options.color { RESET } else { "" };
            out::bytes(format!("\\ No newline at end of file{reset}\n").as_bytes());
        }
    }

    /// All old lines, then all new ones.
    fn print_rewrite(&mut self, old: &[u8], new: &[u8]) {
        self.print_labels();
        let n = |text: &[u8]| text.split_inclusive(|b| *b == b'\n').count();
        let range = |n: usize| match n {
            0 => "0,0".to_owned(),
            1 => "1".to_owned(),
            n => format!("1,{n}"),
        };
        out::bytes(format!("@@ -{} +{} @@\n", range(n(old)), range(n(new))).as_bytes());
        for (sign, text) in [(b'-', old), (b'+', new)] {
            for line in text.split_inclusive(|b| *b == b'\n') {
                self.print_line(sign, line, !line.ends_with(b"\n"));
            }
        }
    }
}

fn print_colored(sign: u8, shown: u8, line: &[u8]) {
    let (text, end) = match line.strip_suffix(b"\n") {
        Some(text) => (text, &b"\n"[..]),
        None => (line, &b"\n"[..]),
    };
    let text_of = |color: &str, text: &[u8]| [color.as_bytes(), text, RESET.as_bytes()].concat();
    let colored = match sign {
        b'-' => text_of(OLD, &[&[shown], text].concat()),
        b'+' => {
            let kept = text.len()
                - text.iter().rev().take_while(|b| matches!(b, b' ' | b'\t' | b'\r')).count();
            let mut colored = text_of(NEW, &[shown]);
            if kept > 0 {
                colored.extend(text_of(NEW, &text[..kept]));
            }
            if kept < text.len() {
                colored.extend(text_of(TRAILING, &text[kept..]));
            }
            colored
        }
        _ => text_of("", &[&[shown], text].concat()),
    };
    out::bytes(&colored);
    out::bytes(end);
}
