//! `kill [-SIGNAL | -s SIGNAL] PID...`.

use super::{Call, R};

/// `TERM`, `SIGTERM` or `15`.
pub(super) fn signal(s: &str) -> Option<u32> {
    let s = s.strip_prefix("SIG").unwrap_or(s);
    s.parse().ok().or(Some(match s {
        "HUP" => 1,
        "INT" => 2,
        "QUIT" => 3,
        "KILL" => 9,
        "USR1" => 10,
        "USR2" => 12,
        "TERM" => 15,
        _ => return None,
    }))
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let (sig, pids) = match a.split_first() {
        Some((&"-s", r)) => (r.first().and_then(|s| signal(s)).ok_or("invalid signal")?, &r[1..]),
        Some((s, r)) if s.starts_with('-') => (signal(&s[1..]).ok_or("invalid signal")?, r),
        _ => (15, a),
    };
    for p in pids {
        playpen_sys::kill(p.parse()?, sig)?;
    }
    Ok(0)
}
