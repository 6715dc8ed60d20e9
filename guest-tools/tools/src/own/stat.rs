//! `stat [-c FORMAT] FILE...`.

use std::fs;
use std::path::Path;

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let (mut format, mut files, mut i) = (None, vec![], 0);
    while i < a.len() {
        match a[i] {
            "-c" | "--format" | "--printf" => {
                i += 1;
                format = a.get(i).copied()
            }
            x if x.starts_with("--format=") => format = Some(&x[9..]),
            "-L" => {}
            x => files.push(x),
        }
        i += 1;
    }
    for f in files {
        let m = fs::symlink_metadata(f).map_err(|e| format!("cannot statx '{f}': {e}"))?;
        let kind = if m.is_dir() {
            "directory"
        } else if m.is_symlink() {
            "symbolic link"
        } else if m.len() == 0 {
            "regular empty file"
        } else {
            "regular file"
        };
        let (mode, ..) = playpen_sys::stat(Path::new(f), false).unwrap_or((
            if m.is_dir() { 0o755 } else { 0o644 },
            0,
            0,
        ));
        let mode = mode & 0o7777;
        let t = m.modified()?.duration_since(std::time::UNIX_EPOCH)?.as_secs();
        let text = format.unwrap_or("  File: %n\n  Size: %s\t%F\nAccess: (0%a)\nModify: @%Y");
        let mut out = String::new();
        let mut c = text.chars();
        while let Some(x) = c.next() {
            if x != '%' {
                out.push(x);
                continue;
            }
            match c.next() {
                Some('n') => out += f,
                Some('s') => out += &m.len().to_string(),
                Some('F') => out += kind,
                Some('a') => out += &format!("{mode:o}"),
                Some('Y') => out += &t.to_string(),
                Some('U' | 'G') => out += "root",
                Some('u' | 'g') => out += "0",
                Some('h') => out += "1",
                Some(o) => {
                    out.push('%');
                    out.push(o)
                }
                None => out.push('%'),
            }
        }
        println!("{out}");
    }
    Ok(0)
}
