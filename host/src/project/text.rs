//! Text in normal form, and the lines of a document with its code blocks marked.

/// What a test without a name is called.
const UNNAMED: &str = "unnamed";

/// Returns `raw` as one line: control characters and runs of white space become one space.
pub(super) fn line(raw: &str) -> String {
    let spaced: String = raw.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    spaced.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns `raw` as a block of lines: no control characters but the tab, no white space at the end of
/// a line, no empty lines at the start or the end, no indentation of the first line.
pub(super) fn block(raw: &str) -> String {
    let unified = raw.replace("\r\n", "\n").replace('\r', "\n");
    let clean =
        |text: &str| -> String { text.chars().filter(|&c| c == '\t' || !c.is_control()).collect() };
    let lines: Vec<String> =
        unified.split('\n').map(|text| clean(text).trim_end().to_owned()).collect();
    lines.join("\n").trim().to_owned()
}

/// Returns `raw` as a name that can stand between `**` and `:**` in a list of tests.
pub(super) fn label(raw: &str) -> String {
    let plain: String = raw.chars().filter(|c| !matches!(c, '*' | '`')).collect();
    let plain = line(&plain);
    let name = plain.trim_matches(|c: char| c == ':' || c.is_whitespace());
    match name.to_ascii_lowercase().as_str() {
        "" => UNNAMED.to_owned(),
        "unit tests" | "unit test" | "tests" | "code tests" | "code test" | "visual tests"
        | "visual test" => {
            format!("{name} (test)")
        }
        _ => name.to_owned(),
    }
}

/// Where a line stands with respect to fenced code blocks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// Outside of every code block.
    Text,
    /// The fences of a code block and what is between them.
    Code,
    /// A fence that is never closed: ordinary text, but worth a report.
    OpenFence,
}

/// Marks each of `lines` as text or code.
///
/// A fence that nothing closes is text, so that one forgotten fence does not swallow the rest.
pub(super) fn places(lines: &[&str]) -> Vec<Place> {
    let mut places = vec![Place::Text; lines.len()];
    let mut hopeless = Hopeless::default();
    let mut idx = 0;
    while idx < lines.len() {
        let Some(fence) = Fence::opening(lines[idx]) else {
            idx += 1;
            continue;
        };
        if let Some(offset) = hopeless.find_close(fence, &lines[idx + 1..]) {
            let end = idx + 1 + offset;
            places[idx..=end].fill(Place::Code);
            idx = end + 1;
        } else {
            places[idx] = Place::OpenFence;
            idx += 1;
        }
    }
    places
}

/// The start of a code block.
#[derive(Clone, Copy, Debug)]
struct Fence {
    mark: char,
    length: usize,
}

impl Fence {
    fn opening(text: &str) -> Option<Fence> {
        let text = text.trim_start();
        let mark = text.chars().next().filter(|c| matches!(c, '`' | '~'))?;
        let rest = text.trim_start_matches(mark);
        let length = text.len() - rest.len();
        let is_inline_code = mark == '`' && rest.contains('`');
        (length >= 3 && !is_inline_code).then_some(Fence { mark, length })
    }

    fn is_closed_by(self, text: &str) -> bool {
        let text = text.trim();
        text.len() >= self.length && text.chars().all(|c| c == self.mark)
    }
}

/// The shortest fence of each kind that is known to be closed nowhere below, so that a document full
/// of open fences is not searched to its end for each of them.
#[derive(Debug)]
struct Hopeless {
    backticks: usize,
    tildes: usize,
}

impl Default for Hopeless {
    fn default() -> Self {
        Self { backticks: usize::MAX, tildes: usize::MAX }
    }
}

impl Hopeless {
    fn find_close(&mut self, fence: Fence, below: &[&str]) -> Option<usize> {
        let shortest = if fence.mark == '`' { &mut self.backticks } else { &mut self.tildes };
        if fence.length >= *shortest {
            return None;
        }
        let close = below.iter().position(|text| fence.is_closed_by(text));
        if close.is_none() {
            *shortest = fence.length;
        }
        close
    }
}
