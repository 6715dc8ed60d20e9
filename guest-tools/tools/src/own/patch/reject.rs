//! Hunks as they stand in a `.rej` file.

use super::parse::{FilePatch, Form, Hunk};

/// The text of rejected hunks, each with the lines that the file had grown by; of the names so many parts are left out.
pub(super) fn text(
    patch: &FilePatch,
    hunks: &[(Hunk, isize)],
    form: Form,
    strip: Option<usize>,
) -> String {
    let mut out = header(patch, form, strip);
    for (hunk, growth) in hunks {
        out.push_str(&match form {
            Form::Unified => unified(hunk, *growth),
            form => context(hunk, *growth, form),
        });
    }
    out
}

fn header(patch: &FilePatch, form: Form, strip: Option<usize>) -> String {
    let signs = if form == Form::Unified { ["---", "+++"] } else { ["***", "---"] };
    let mut out = String::new();
    for (at, sign) in signs.iter().enumerate() {
        let name = patch.header.get(at).and_then(|line| line.get(4..));
        let name = name.map_or("/dev/null".to_owned(), |name| without_parts(name, strip));
        out.push_str(&format!("{sign} {name}\n"));
    }
    out
}

/// `a/folder/file` with fewer parts of the path; without a number only the last one stays.
fn without_parts(name: &str, strip: Option<usize>) -> String {
    let (path, rest) = name.split_once('\t').map_or((name, None), |(path, it)| (path, Some(it)));
    let parts: Vec<&str> = path.split('/').collect();
    let n_left_out = strip.unwrap_or(parts.len() - 1).min(parts.len() - 1);
    let shown = if path == "/dev/null" { path.to_owned() } else { parts[n_left_out..].join("/") };
    let rest = rest.map_or(String::new(), |rest| format!("\t{rest}"));
    format!("{shown}{rest}")
}

fn push_line(out: &mut String, sign: &str, line: &str) {
    out.push_str(sign);
    out.push_str(line);
    if !line.ends_with('\n') {
        out.push_str("\n\\ No newline at end of file\n");
    }
}

fn unified(hunk: &Hunk, growth: isize) -> String {
    let range = |start: usize, count: usize| match (start as isize + growth, count) {
        (start, 1) => start.to_string(),
        (start, n) => format!("{start},{n}"),
    };
    let old = range(hunk.old_start, hunk.side('+').len());
    let new = range(hunk.new_start, hunk.side('-').len());
    let mut out = format!("@@ -{old} +{new} @@\n");
    for (sign, line) in &hunk.lines {
        push_line(&mut out, &sign.to_string(), line);
    }
    out
}

fn context(hunk: &Hunk, growth: isize, form: Form) -> String {
    let range = |start: usize, count: usize| {
        let first = start as isize + growth;
        match count {
            0 => "0".to_owned(),
            1 => first.to_string(),
            n => format!("{first},{}", first + n as isize - 1),
        }
    };
    let (stars, dashes) = if form == Form::Normal { ("", " -----") } else { (" ****", " ----") };
    let (old, new) = (hunk.side('+').len(), hunk.side('-').len());
    let mut out = format!("***************\n*** {}{stars}\n", range(hunk.old_start, old));
    half(&mut out, hunk, '-', form);
    out.push_str(&format!("--- {}{dashes}\n", range(hunk.new_start, new)));
    half(&mut out, hunk, '+', form);
    out
}

/// The lines of one side; what is on both sides of a change has a `!`.
fn half(out: &mut String, hunk: &Hunk, side: char, form: Form) {
    let mut start = 0;
    while start < hunk.lines.len() {
        let run = hunk.lines[start..].iter().take_while(|(it, _)| *it != ' ').count();
        let lines = &hunk.lines[start..start + run.max(1)];
        let has = |sign: char| lines.iter().any(|(it, _)| *it == sign);
        let is_both = has('-') && has('+') && form != Form::Normal;
        for (sign, line) in lines.iter().filter(|(it, _)| *it == ' ' || *it == side) {
            let shown = if is_both { '!' } else { *sign };
            push_line(out, &format!("{shown} "), line);
        }
        start += run.max(1);
    }
}
