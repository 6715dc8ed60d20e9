//! Messages of commits and tags.

use crate::fail::{Fail, Outcome, fatal, io_text, plain};
use crate::place::Place;

/// How a message is tidied up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cleanup {
    Verbatim,
    Whitespace,
    /// Comments go too.
    Strip,
    Scissors,
}

/// The way of `--cleanup`.
pub(crate) fn cleanup(name: Option<&str>, edited: bool) -> Outcome<Cleanup> {
    match name {
        None | Some("default") if edited => Ok(Cleanup::Strip),
        None | Some("default" | "whitespace") => Ok(Cleanup::Whitespace),
        Some("strip") => Ok(Cleanup::Strip),
        Some("verbatim") => Ok(Cleanup::Verbatim),
        Some("scissors") => Ok(Cleanup::Scissors),
        Some(other) => Err(fatal(format!("Invalid cleanup mode {other}"))),
    }
}

/// Without blanks at the ends of lines, empty lines around, and more than one empty line between.
pub(crate) fn tidy(text: &str, how: Cleanup) -> String {
    if how == Cleanup::Verbatim {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut gap = false;
    for line in text.lines() {
        if how == Cleanup::Scissors && line.starts_with("# ------------------------ >8") {
            break;
        }
        if how == Cleanup::Strip && line.starts_with('#') {
            continue;
        }
        let line = line.trim_end();
        if line.is_empty() {
            gap = !out.is_empty();
            continue;
        }
        if gap {
            out.push('\n');
            gap = false;
        }
        out.push_str(line);
        out.push('\n');
    }
    out
}

/// Reads the file of `-F`.
pub(crate) fn read(file: &str) -> Outcome<String> {
    let bytes = if file == "-" {
        let mut bytes = vec![];
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes).map(|_| bytes)
    } else {
        std::fs::read(file)
    };
    match bytes {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(e) => Err(fatal(format!("could not read log file '{file}': {}", io_text(&e)))),
    }
}

/// Paragraphs of all `-m`.
pub(crate) fn paragraphs<'a>(texts: impl Iterator<Item = &'a str>) -> Option<String> {
    let mut all: Option<String> = None;
    for text in texts {
        let mut message = all.map_or_else(String::new, |before| before + "\n");
        message.push_str(text);
        if !message.ends_with('\n') {
            message.push('\n');
        }
        all = Some(message);
    }
    all
}

/// Lets the editor change a message; without one it is what git says on a dumb terminal.
pub(crate) fn edited(place: &Place, text: &str) -> Outcome<String> {
    let Some(editor) = crate::programs::editor(place, false) else { return Err(no_editor()) };
    let file = place.meta("COMMIT_EDITMSG");
    std::fs::write(&file, format!("{}\n{TEMPLATE}", tidy(text, Cleanup::Whitespace)))?;
    if !crate::programs::edit(place, &editor, &file)? {
        return Err(plain(1, "Please supply the message using either -m or -F option."));
    }
    Ok(tidy(&String::from_utf8_lossy(&std::fs::read(&file)?), Cleanup::Strip))
}

/// What an editor shows below a message.
const TEMPLATE: &str = "# Please enter the commit message for your changes. Lines starting\n\
# with '#' will be ignored, and an empty message aborts the commit.\n";

/// There is no editor: what git says on a dumb terminal.
fn no_editor() -> Fail {
    plain(
        1,
        "error: Terminal is dumb, but EDITOR unset\nPlease supply the message using either -m or -F option.",
    )
}
