//! Pages to look at: HTML that needs nothing but itself, and in which nothing but literals of this program
//! is markup.
//!
//! What a page shows (paths, arguments, what models and guests wrote) is hostile: it is escaped, a page has no
//! script, and its policy forbids all that it does not have.

pub(crate) use crate::units::grouped;
use std::fmt::Write as _;

const STYLE: &str = include_str!("page/style.css");

/// Lines of a patch that are shown.
const MAX_PATCH_LINES: usize = 5000;

/// A page that grows.
#[derive(Debug, Default)]
pub(crate) struct Page(String);

impl Page {
    /// Starts a page with what it is called.
    pub(crate) fn titled(what: &'static str, name: &str) -> Self {
        let mut page = Self::default();
        page.raw("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
        page.raw("<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n");
        page.raw("<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n");
        page.raw("<meta name=\"color-scheme\" content=\"light dark\">\n<title>");
        page.raw(what).text(name).raw("</title>\n<style>\n").raw(STYLE);
        page.raw("</style>\n</head>\n<body>\n");
        page
    }

    /// Adds one of the figures at the top of a page.
    pub(crate) fn figure(&mut self, name: &'static str, value: &str, is_alarm: bool) {
        self.raw(if is_alarm { "<div class=\"alarm\"><b>" } else { "<div><b>" }).text(value);
        self.raw("</b><span>").raw(name).raw("</span></div>\n");
    }

    /// Adds what was changed, as `diff -u` writes it.
    pub(crate) fn patch(&mut self, patch: &str) {
        self.raw("<pre class=\"patch\">");
        for line in patch.lines().take(MAX_PATCH_LINES) {
            let (open, close) = match line.as_bytes() {
                [b'+', b'+', b'+', b' ', ..] | [b'-', b'-', b'-', b' ', ..] | [b'd', ..] => {
                    ("<b>", "</b>")
                }
                [b'+', ..] => ("<ins>", "</ins>"),
                [b'-', ..] => ("<del>", "</del>"),
                [b'@', ..] => ("<i>", "</i>"),
                _ => ("<span>", "</span>"),
            };
            self.raw(open).text(line).raw(close);
        }
        self.raw("</pre>\n");
        more(self, patch.lines().count(), MAX_PATCH_LINES);
    }

    /// Ends the page.
    pub(crate) fn finish(mut self) -> String {
        self.raw("</body>\n</html>\n");
        self.0
    }

    /// Adds markup; it can only be a literal.
    pub(crate) fn raw(&mut self, html: &'static str) -> &mut Self {
        self.0.push_str(html);
        self
    }

    /// Adds text, of which nothing is markup and nothing moves what stands beside it.
    pub(crate) fn text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if is_invisible(c) => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
        self
    }

    /// Adds a number.
    pub(crate) fn number(&mut self, n: u64) -> &mut Self {
        self.0.push_str(&n.to_string());
        self
    }

    /// Adds a part of a whole in percent.
    pub(crate) fn percent(&mut self, part: u64, whole: u64) -> &mut Self {
        let tenths = u128::from(part) * 1000 / u128::from(whole.max(1));
        // Writing to a string cannot fail.
        let _ = write!(self.0, "{}.{}%", tenths / 10, tenths % 10);
        self
    }
}

/// Characters that are not seen, or that change how their neighbors are: control characters, and those
/// that turn the direction of writing.
fn is_invisible(c: char) -> bool {
    (c.is_control() && c != '\t')
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// Says how many of a list are not shown, if any.
pub(crate) fn more(page: &mut Page, n: usize, n_shown: usize) {
    if n > n_shown {
        page.raw("<p class=\"about\">and ").text(&grouped((n - n_shown) as u64));
        page.raw(" more, which the record has</p>\n");
    }
}

/// Shows a number of bytes.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn bytes(n: u64) -> String {
    match n {
        ..10_000 => format!("{} B", grouped(n)),
        10_000..10_000_000 => format!("{:.1} kB", n as f64 / 1e3),
        _ => format!("{:.1} MB", n as f64 / 1e6),
    }
}

/// Shows microseconds as seconds.
#[expect(clippy::cast_precision_loss, reason = "for people")]
pub(crate) fn seconds(us: u64) -> String {
    format!("{:.3} s", us as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_for_people() {
        assert_eq!([grouped(7), grouped(1000), grouped(1_234_567)], ["7", "1,000", "1,234,567"]);
        assert_eq!(
            [bytes(9999), bytes(12_345), bytes(12_345_678)],
            ["9,999 B", "12.3 kB", "12.3 MB"]
        );
        assert_eq!(seconds(1_234_567), "1.235 s");
        let mut page = Page::default();
        page.percent(1, 3).raw(" ").percent(0, 0).raw(" ").percent(u64::MAX, u64::MAX);
        assert_eq!(page.0, "33.3% 0.0% 100.0%");
    }
}
