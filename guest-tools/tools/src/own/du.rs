//! `du [-s] [-a] [-h] [-b] [FILE]...`.

use std::fs;
use std::io;
use std::path::Path;

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let has =
        |c: char| a.iter().any(|x| x.starts_with('-') && !x.starts_with("--") && x.contains(c));
    let (s, all, h, b) = (has('s'), has('a'), has('h'), has('b'));
    let show = |n: u64| {
        if b {
            return n.to_string();
        }
        if !h {
            return n.div_ceil(1024).to_string();
        }
        let (mut v, mut u) = (n as f64, 0);
        while v >= 1024. && u < 4 {
            v /= 1024.;
            u += 1
        }
        if u == 0 {
            format!("{n}")
        } else if v < 10. {
            format!("{:.1}{}", (v * 10.).ceil() / 10., ["", "K", "M", "G", "T"][u])
        } else {
            format!("{}{}", v.ceil(), ["", "K", "M", "G", "T"][u])
        }
    };
    fn walk(
        p: &Path,
        top: bool,
        s: bool,
        all: bool,
        b: bool,
        show: &dyn Fn(u64) -> String,
    ) -> io::Result<u64> {
        let m = fs::symlink_metadata(p)?;
        let mut n = if b {
            m.len()
        } else if m.is_dir() {
            4096
        } else {
            m.len().div_ceil(4096) * 4096
        };
        if m.is_dir() {
            let mut e: Vec<_> = fs::read_dir(p)?.flatten().map(|e| e.path()).collect();
            e.sort();
            for x in e {
                n += walk(&x, false, s, all, b, show)?
            }
        }
        if top || (!s && (m.is_dir() || all)) {
            println!("{}\t{}", show(n), p.display())
        }
        Ok(n)
    }
    let mut files: Vec<&str> = a.iter().copied().filter(|x| !x.starts_with('-')).collect();
    if files.is_empty() {
        files.push(".")
    }
    for f in files {
        walk(Path::new(f), true, s, all, b, &show)?;
    }
    Ok(0)
}
