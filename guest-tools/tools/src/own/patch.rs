//! `patch [-pN] [-R] [-i FILE] [FILE]`: unified diffs with exact context, over diffy.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let (mut strip, mut reverse, mut input, mut target, mut dry) = (None, false, None, None, false);
    let mut it = a.iter();
    while let Some(x) = it.next() {
        match *x {
            "-R" | "--reverse" => reverse = true,
            "--dry-run" => dry = true,
            "-i" | "--input" => input = it.next().copied(),
            "-p" => strip = it.next().and_then(|n| n.parse().ok()),
            x if x.starts_with("-p") => strip = x[2..].parse().ok(),
            "-d" => std::env::set_current_dir(it.next().ok_or("-d needs a directory")?)?,
            x if x.starts_with('-') => {}
            x => target = Some(x),
        }
    }
    let mut text = String::new();
    match input {
        Some(f) if f != "-" => text = fs::read_to_string(f)?,
        _ => {
            io::stdin().read_to_string(&mut text)?;
        }
    }
    let mut parts: Vec<String> = vec![];
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    for (i, l) in lines.iter().enumerate() {
        if l.starts_with("--- ") && lines.get(i + 1).is_some_and(|n| n.starts_with("+++ ")) {
            parts.push(String::new())
        }
        if let Some(p) = parts.last_mut() {
            if !l.starts_with("diff ")
                && !l.starts_with("index ")
                && !l.starts_with("new file")
                && !l.starts_with("deleted file")
            {
                p.push_str(l)
            }
        }
    }
    if parts.is_empty() {
        return Err("**** Only garbage was found in the patch input.".into());
    }
    let name = |l: &str| -> String {
        let n = l[4..].split('\t').next().unwrap_or("").trim_end().to_owned();
        if n == "/dev/null" {
            return n;
        }
        match strip {
            Some(k) => n.splitn(k + 1, '/').nth(k).unwrap_or("").to_owned(),
            None => n.rsplit('/').next().unwrap_or("").to_owned(),
        }
    };
    let mut code = 0;
    for p in parts {
        let mut l = p.lines();
        let (mut old, mut new) =
            (name(l.next().unwrap_or("--- ")), name(l.next().unwrap_or("+++ ")));
        if reverse {
            std::mem::swap(&mut old, &mut new)
        }
        let file = target.map_or_else(
            || {
                if new == "/dev/null" || (old != "/dev/null" && Path::new(&old).exists()) {
                    old.clone()
                } else {
                    new.clone()
                }
            },
            str::to_owned,
        );
        println!("{} file {file}", if dry { "checking" } else { "patching" });
        let parsed = diffy::Patch::from_str(&p)?;
        let parsed = if reverse { parsed.reverse() } else { parsed };
        let before = if old == "/dev/null" {
            String::new()
        } else {
            fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?
        };
        match diffy::apply(&before, &parsed) {
            Ok(_) if dry => {}
            Ok(after) if new == "/dev/null" && after.is_empty() => fs::remove_file(&file)?,
            Ok(after) => {
                if let Some(d) = Path::new(&file).parent() {
                    fs::create_dir_all(d)?
                }
                fs::write(&file, after)?
            }
            Err(e) => {
                println!("{file}: {e}");
                code = 1
            }
        }
    }
    Ok(code)
}
