//! `timeout [-s SIGNAL] [-k GRACE] LIMIT COMMAND [ARG]...`.

use std::io;

use super::kill::signal;
use super::{Call, R};

/// The command's status; 124 when the limit ended it, 125 when timeout itself failed.
pub(crate) fn run(call: &Call<'_>) -> R {
    limited(call).or_else(|e| {
        eprintln!("timeout: {e}");
        Ok(125)
    })
}

fn limited(call: &Call<'_>) -> R {
    let a = call.args.as_slice();
    let (mut sig, mut grace, mut preserve, mut i) = (15, None, false, 0);
    let secs = |s: &str| -> Option<f64> {
        let (n, k) = match s.chars().last()? {
            's' => (&s[..s.len() - 1], 1.),
            'm' => (&s[..s.len() - 1], 60.),
            'h' => (&s[..s.len() - 1], 3600.),
            'd' => (&s[..s.len() - 1], 86400.),
            _ => (s, 1.),
        };
        n.parse::<f64>().ok().map(|n| n * k)
    };
    while i < a.len() && a[i].starts_with('-') {
        match a[i] {
            "-s" | "--signal" => {
                i += 1;
                sig = a.get(i).and_then(|s| signal(s)).ok_or("invalid signal")?
            }
            "-k" | "--kill-after" => {
                i += 1;
                grace = Some(a.get(i).and_then(|s| secs(s)).ok_or("invalid time interval")?)
            }
            "--preserve-status" | "-p" => preserve = true,
            "--help" => {
                println!(
                    "Usage: timeout [OPTION] DURATION COMMAND [ARG]...\nStart COMMAND, and kill it if still running after DURATION.\n\n  -k, --kill-after=DURATION\n  -s, --signal=SIGNAL\n      --preserve-status  exit with the same status as COMMAND, even when the command times out"
                );
                return Ok(0);
            }
            x if x.starts_with("--kill-after=") => {
                grace = Some(secs(&x[13..]).ok_or("invalid time interval")?)
            }
            x if x.len() > 2 && x.starts_with("-k") => {
                grace = Some(secs(&x[2..]).ok_or("invalid time interval")?)
            }
            x if x.len() > 2 && x.starts_with("-s") => {
                sig = signal(&x[2..]).ok_or("invalid signal")?
            }
            x if x.starts_with("--signal=") => sig = signal(&x[9..]).ok_or("invalid signal")?,
            _ => {}
        }
        i += 1;
    }
    let limit = a.get(i).and_then(|s| secs(s)).ok_or("invalid time interval")?;
    let command = a.get(i + 1..).filter(|c| !c.is_empty()).ok_or("missing operand")?;
    let mut child = match playpen_sys::Command::new(command[0]).args(&command[1..]).spawn() {
        Ok(c) => c,
        Err(e) => {
            let instead = playpen_sys::instead_of(command[0]);
            let reason = super::reason(&e);
            eprintln!("timeout: failed to run command '{}': {reason}{instead}", command[0]);
            return Ok(if e.kind() == io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    let start = std::time::Instant::now();
    let (mut sent, mut pause) = (false, 0.001);
    loop {
        if let Some(s) = child.try_wait()? {
            return Ok(if sent && sig != 9 && !preserve { 124 } else { s.shell_code().into() });
        }
        let t = start.elapsed().as_secs_f64();
        if limit > 0. && t >= limit && !sent {
            playpen_sys::kill(child.id() as i32, sig)?;
            sent = true;
        }
        if sent && grace.is_some_and(|g| t >= limit + g) {
            child.kill()?;
        }
        std::thread::sleep(std::time::Duration::from_secs_f64(pause));
        pause = (pause * 1.5f64).min(0.05);
    }
}
