//! Colors of a difference, put around what is there without them.

use super::show::Kind;

/// The colors of headers, line numbers, deleted and added lines, as parameters of terminals.
#[derive(Clone, Debug)]
pub(super) struct Palette {
    header: String,
    numbers: String,
    deleted: String,
    added: String,
}

impl Default for Palette {
    fn default() -> Self {
        let color = |text: &str| text.to_owned();
        Self { header: color("1"), numbers: color("36"), deleted: color("31"), added: color("32") }
    }
}

impl Palette {
    /// Reads `ad=33:de=31`; what it does not know is left as it is.
    pub(super) fn change(&mut self, text: &str) {
        for (name, color) in text.split(':').filter_map(|part| part.split_once('=')) {
            match name {
                "hd" => color.clone_into(&mut self.header),
                "ln" => color.clone_into(&mut self.numbers),
                "de" => color.clone_into(&mut self.deleted),
                "ad" => color.clone_into(&mut self.added),
                _ => {}
            }
        }
    }

    /// Returns a difference with its colors.
    pub(super) fn paint(&self, text: &str, kind: Kind) -> String {
        let mut out = String::new();
        // In a context diff, which of the two files lines are of.
        let mut side = None;
        for (n, line) in text.split_inclusive('\n').enumerate() {
            let line = line.strip_suffix('\n').unwrap_or(line);
            let (colored, rest) = match kind {
                Kind::Unified if n > 1 && line.starts_with("@@") => {
                    line.split_at(line[2..].find("@@").map_or(line.len(), |at| at + 4))
                }
                _ => (line, ""),
            };
            let color = match kind {
                Kind::Unified | Kind::Context if n < 2 => Some(&self.header),
                Kind::Unified => self.of(line, "@", "-", "+"),
                Kind::Normal if line.starts_with(|c: char| c.is_ascii_digit()) => {
                    Some(&self.numbers)
                }
                Kind::Normal => self.of(line, "\0", "<", ">"),
                Kind::Context => self.of_context(line, &mut side),
                _ => None,
            };
            match color {
                Some(color) => out.push_str(&format!("\x1b[{color}m{colored}\x1b[0m{rest}\n")),
                None => out.push_str(&format!("{line}\n")),
            }
        }
        out
    }

    fn of(&self, line: &str, numbers: &str, deleted: &str, added: &str) -> Option<&String> {
        match line.get(..1)? {
            "-" if line == "---" && deleted == "<" => None,
            first if first == numbers => Some(&self.numbers),
            first if first == deleted => Some(&self.deleted),
            first if first == added => Some(&self.added),
            _ => None,
        }
    }

    fn of_context<'a>(&'a self, line: &str, side: &mut Option<&'a String>) -> Option<&'a String> {
        if line.starts_with("***************") || line.starts_with('\\') {
            return None;
        }
        if line.starts_with("*** ") {
            *side = Some(&self.deleted);
            return Some(&self.numbers);
        }
        if line.starts_with("--- ") {
            *side = Some(&self.added);
            return Some(&self.numbers);
        }
        *side
    }
}
