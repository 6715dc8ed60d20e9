//! `chmod [-R] MODE FILE...`, octal or symbolic.

use std::fs;
use std::io;
use std::path::Path;

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let recursive = a.iter().any(|x| matches!(*x, "-R" | "--recursive"));
    let mut words = a.iter().filter(|x| !matches!(**x, "-R" | "--recursive" | "-v" | "-f"));
    let spec = words.next().ok_or("missing operand")?;
    fn apply(old: u32, dir: bool, spec: &str) -> Option<u32> {
        if let Ok(m) = u32::from_str_radix(spec, 8) {
            return Some(m & 0o7777);
        }
        let mut m = old & 0o7777;
        for clause in spec.split(',') {
            let at = clause.find(['+', '-', '='])?;
            let who = clause[..at].chars().fold(0, |w, c| {
                w | match c {
                    'u' => 0o700,
                    'g' => 0o070,
                    'o' => 0o007,
                    _ => 0o777,
                }
            });
            let who = if who == 0 { 0o777 } else { who };
            let bits = clause[at + 1..].chars().try_fold(0, |b, c| {
                Some(
                    b | match c {
                        'r' => 0o444,
                        'w' => 0o222,
                        'x' => 0o111,
                        'X' => {
                            if dir || m & 0o111 != 0 {
                                0o111
                            } else {
                                0
                            }
                        }
                        _ => return None,
                    },
                )
            })? & who;
            m = match clause.as_bytes()[at] {
                b'+' => m | bits,
                b'-' => m & !bits,
                _ => m & !who | bits,
            };
        }
        Some(m)
    }
    fn one(p: &Path, spec: &str, recursive: bool) -> Result<(), String> {
        let fail = |e: io::Error| format!("cannot access '{}': {e}", p.display());
        let dir = fs::metadata(p).map_err(fail)?.is_dir();
        let (old, ..) =
            playpen_sys::stat(p, true).unwrap_or((if dir { 0o755 } else { 0o644 }, 0, 0));
        let mode = apply(old, dir, spec).ok_or(format!("invalid mode: '{spec}'"))?;
        playpen_sys::chmod(p, mode).map_err(fail)?;
        if dir && recursive {
            for e in fs::read_dir(p).map_err(fail)?.flatten() {
                one(&e.path(), spec, true)?;
            }
        }
        Ok(())
    }
    let mut code = 0;
    for f in words {
        if let Err(e) = one(Path::new(f), spec, recursive) {
            eprintln!("chmod: {e}");
            code = 1;
        }
    }
    Ok(code)
}
