//! `tree [-L LEVEL] [-a] [-d] [FOLDER]`.

use std::fs;
use std::io;
use std::path::Path;

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let mut depth = usize::MAX;
    let (mut root, mut i, mut all, mut only_dirs) = (".", 0, false, false);
    while i < a.len() {
        match a[i] {
            "-L" => {
                i += 1;
                depth = a.get(i).ok_or("-L needs a level")?.parse()?
            }
            "-a" => all = true,
            "-d" => only_dirs = true,
            x if !x.starts_with('-') => root = x,
            _ => {}
        }
        i += 1;
    }
    println!("{root}");
    fn walk(
        p: &Path,
        pre: &str,
        depth: usize,
        all: bool,
        only: bool,
        n: &mut [usize; 2],
    ) -> io::Result<()> {
        if depth == 0 {
            return Ok(());
        }
        let mut e: Vec<_> = fs::read_dir(p)?
            .flatten()
            .filter(|e| {
                (all || !e.file_name().to_string_lossy().starts_with('.'))
                    && (!only || e.path().is_dir())
            })
            .collect();
        e.sort_by_key(|e| e.file_name());
        let last = e.len().saturating_sub(1);
        for (i, x) in e.iter().enumerate() {
            let dir = x.file_type()?.is_dir();
            n[usize::from(!dir)] += 1;
            println!(
                "{pre}{}{}",
                if i == last { "└── " } else { "├── " },
                x.file_name().to_string_lossy()
            );
            if dir {
                walk(
                    &x.path(),
                    &format!("{pre}{}", if i == last { "    " } else { "│\u{a0}\u{a0} " }),
                    depth - 1,
                    all,
                    only,
                    n,
                )?
            }
        }
        Ok(())
    }
    let mut n = [0; 2];
    walk(Path::new(root), "", depth, all, only_dirs, &mut n)?;
    println!(
        "\n{} director{}, {} file{}",
        n[0],
        if n[0] == 1 { "y" } else { "ies" },
        n[1],
        if n[1] == 1 { "" } else { "s" }
    );
    Ok(0)
}
