//! Where a command substitution ends.

use crate::tokenizer::{Unfinished, note_unfinished};

/// What is open while looking for the end.
#[derive(PartialEq)]
enum Open {
    /// A parenthesis.
    Parenthesis,
    /// A `case`: a parenthesis in it may close a pattern.
    Case,
}

/// A here-document whose body begins at the next line.
struct HereDocument {
    delimiter: String,
    strips_tabs: bool,
}

/// Returns the length of the command that `text` begins with, up to the `)` that ends it.
///
/// Quotes, comments, here-documents, nested substitutions and the patterns of `case` are passed over.
pub(crate) fn command_end(text: &str) -> Option<usize> {
    scan(text).map(|(end, _)| end)
}

/// As [`command_end`]; none if the body of a here-document follows after the command.
pub(crate) fn whole_command_end(text: &str) -> Option<usize> {
    scan(text).filter(|(_, is_whole)| *is_whole).map(|(end, _)| end)
}

/// Returns where a command ends, and whether all of its here-documents do.
fn scan(text: &str) -> Option<(usize, bool)> {
    let bytes = text.as_bytes();
    let (mut open, mut documents) = (vec![], vec![]);
    let mut pos = 0;
    let mut starts_word = true;
    while let Some(byte) = bytes.get(pos).copied() {
        let started_word = std::mem::replace(&mut starts_word, b" \t\n;&|()`{".contains(&byte));
        match byte {
            b'\\' => pos += 1,
            b'\'' => pos += text[pos + 1..].find('\'')? + 1,
            b'"' => pos += double_quoted(&text[pos + 1..])?,
            b'`' => pos += backquoted(&text[pos + 1..])?,
            b'$' => pos += dollar(&text[pos + 1..])?,
            b'#' if started_word => {
                pos += text[pos..].find('\n').unwrap_or(text.len() - pos);
                starts_word = true;
                continue;
            }
            b'<' if text[pos..].starts_with("<<<") => pos += 2,
            b'<' if text[pos..].starts_with("<<") => {
                let (document, length) = here_document(&text[pos + 2..]);
                documents.extend(document);
                pos += 1 + length;
            }
            b'\n' => {
                for document in documents.drain(..) {
                    // One that does not end is no more than its first line.
                    pos += body(&text[pos + 1..], &document).unwrap_or_else(|| {
                        note_unfinished(|| Unfinished::HereDocument(document.delimiter.clone()));
                        0
                    });
                }
            }
            b'(' => open.push(Open::Parenthesis),
            b')' => match open.last() {
                None => return Some((pos, documents.is_empty())),
                Some(Open::Parenthesis) => drop(open.pop()),
                Some(Open::Case) => {}
            },
            b'c' if started_word && is_case(&text[pos..]) => open.push(Open::Case),
            b'e' if started_word && is_word(&text[pos..], "esac") => {
                if open.last() == Some(&Open::Case) {
                    open.pop();
                }
            }
            _ => {}
        }
        pos += 1;
    }
    None
}

/// Returns the length of what follows an opening double quote, the closing one included.
fn double_quoted(text: &str) -> Option<usize> {
    let mut pos = 0;
    loop {
        match text.as_bytes().get(pos)? {
            b'\\' => pos += 1,
            b'"' => return Some(pos + 1),
            b'`' => pos += backquoted(&text[pos + 1..])?,
            b'$' if !text[pos..].starts_with("$'") => pos += dollar(&text[pos + 1..])?,
            _ => {}
        }
        pos += 1;
    }
}

/// Returns the length of what follows an opening backquote, the closing one included.
fn backquoted(text: &str) -> Option<usize> {
    let mut pos = 0;
    loop {
        match text.as_bytes().get(pos)? {
            b'\\' => pos += 1,
            b'`' => return Some(pos + 1),
            _ => {}
        }
        pos += 1;
    }
}

/// Returns the length of what belongs to a dollar sign.
fn dollar(text: &str) -> Option<usize> {
    match text.as_bytes().first() {
        Some(b'(') => Some(command_end(&text[1..])? + 2),
        Some(b'{') => braced(&text[1..]).map(|length| length + 1),
        Some(b'\'') => {
            let mut pos = 1;
            loop {
                match text.as_bytes().get(pos)? {
                    b'\\' => pos += 2,
                    b'\'' => return Some(pos + 1),
                    _ => pos += 1,
                }
            }
        }
        _ => Some(0),
    }
}

/// Returns the length of what follows `${`, the closing brace included.
fn braced(text: &str) -> Option<usize> {
    let mut pos = 0;
    loop {
        match text.as_bytes().get(pos)? {
            b'\\' => pos += 1,
            b'}' => return Some(pos + 1),
            b'\'' => pos += text[pos + 1..].find('\'')? + 1,
            b'"' => pos += double_quoted(&text[pos + 1..])?,
            b'`' => pos += backquoted(&text[pos + 1..])?,
            b'$' => pos += dollar(&text[pos + 1..])?,
            _ => {}
        }
        pos += 1;
    }
}

/// Reads the delimiter after `<<`; returns it and how long it is.
fn here_document(text: &str) -> (Option<HereDocument>, usize) {
    let strips_tabs = text.starts_with('-');
    let start = usize::from(strips_tabs);
    let blanks = text[start..].len() - text[start..].trim_start_matches([' ', '\t']).len();
    let word = &text[start + blanks..];
    let mut delimiter = String::new();
    let mut quote = None;
    let mut length = 0;
    for c in word.chars() {
        match quote {
            Some(open) if c == open => quote = None,
            Some(_) => delimiter.push(c),
            None if c == '\'' || c == '"' => quote = Some(c),
            None if c == '\\' => {}
            None if c.is_whitespace() || ";&|<>()".contains(c) => break,
            None => delimiter.push(c),
        }
        length += c.len_utf8();
    }
    let document = (length > 0).then_some(HereDocument { delimiter, strips_tabs });
    (document, start + blanks + length)
}

/// Returns the length of a body with its last line, unless that line is missing.
fn body(text: &str, document: &HereDocument) -> Option<usize> {
    let mut length = 0;
    for line in text.split_inclusive('\n') {
        let shown = line.strip_suffix('\n').unwrap_or(line);
        let shown = if document.strips_tabs { shown.trim_start_matches('\t') } else { shown };
        if shown == document.delimiter {
            // The line break after it is the shell's again.
            return Some(length + line.trim_end_matches('\n').len());
        }
        length += line.len();
    }
    None
}

fn is_word(text: &str, word: &str) -> bool {
    let rest = text.strip_prefix(word);
    rest.is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
}

/// Tells whether this is `case WORD in`.
fn is_case(text: &str) -> bool {
    let Some(rest) = text.strip_prefix("case").filter(|rest| rest.starts_with([' ', '\t'])) else {
        return false;
    };
    let rest = rest.trim_start();
    let after = rest.find(char::is_whitespace).map_or("", |end| &rest[end..]);
    is_word(after.trim_start(), "in")
}

#[cfg(test)]
mod tests {
    use super::command_end;

    #[test]
    fn the_end_is_the_parenthesis_that_nothing_else_closes() {
        for inside in [
            "echo hi",
            "echo ')' \")\" \\)",
            "cat <<'EOF'\n1) it's \"half\nEOF\n",
            "cat <<-X\n\t)\n\tX\n",
            "case x in x) echo;; esac",
            "echo # :)\n",
            "echo $(echo \")\") ${x:-)} `echo )`",
            "echo $((1 << 2)); (true)",
        ] {
            let text = format!("{inside}) rest)");
            assert_eq!(command_end(&text), Some(inside.len()), "{inside}");
        }
    }
}
