//! `git apply [--check] [--cached | --index] [-R is not here] [FILE]`.

use git2::{ApplyLocation, ApplyOptions, Diff, Error};

use crate::place::{Args, Place};

pub(crate) fn apply(place: &mut Place, args: &Args) -> Result<i32, Error> {
    if args.has(&["-R", "--reverse"]) {
        return Err(Error::from_str("--reverse is not in this git: use patch -R"));
    }
    let mut patches = vec![];
    let files = args.operands(&["-p"]);
    for file in if files.is_empty() { vec!["-"] } else { files } {
        let text = if file == "-" { read_all() } else { std::fs::read(file) };
        patches
            .push(text.map_err(|e| Error::from_str(&format!("can't open patch '{file}': {e}")))?);
    }
    let location = if args.has(&["--cached"]) {
        ApplyLocation::Index
    } else if args.has(&["--index"]) {
        ApplyLocation::Both
    } else {
        ApplyLocation::WorkDir
    };
    let mut options = ApplyOptions::new();
    options.check(args.has(&["--check"]));
    for patch in patches {
        place.repo.apply(
            &Diff::from_buffer(&with_git_lines(&patch))?,
            location,
            Some(&mut options),
        )?;
    }
    Ok(0)
}

fn read_all() -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![];
    std::io::Read::read_to_end(&mut std::io::stdin(), &mut bytes)?;
    Ok(bytes)
}

/// Puts the `diff --git` line, which libgit2 insists on, before files of a plain diff.
fn with_git_lines(patch: &[u8]) -> Vec<u8> {
    let lines: Vec<&[u8]> = patch.split_inclusive(|b| *b == b'\n').collect();
    let mut out = vec![];
    let mut in_git_header = false;
    for (i, line) in lines.iter().enumerate() {
        in_git_header =
            line.starts_with(b"diff --git ") || (in_git_header && !line.starts_with(b"@@ "));
        let next = lines.get(i + 1).copied().unwrap_or_default();
        if line.starts_with(b"--- ") && next.starts_with(b"+++ ") && !in_git_header {
            let (old, new) = (name(line), name(next));
            let (old, new) = match (old.as_str(), new.as_str()) {
                ("/dev/null", file) | (file, "/dev/null") => (file.to_owned(), file.to_owned()),
                pair => (pair.0.to_owned(), pair.1.to_owned()),
            };
            let (old, new) = (old.replacen("b/", "a/", 1), new.replacen("a/", "b/", 1));
            out.extend(format!("diff --git {old} {new}\n").into_bytes());
        }
        out.extend_from_slice(line);
    }
    out
}

/// The path of a `---` or `+++` line.
fn name(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(&line[4..]).into_owned();
    text.split('\t').next().unwrap_or_default().trim_end().to_owned()
}
