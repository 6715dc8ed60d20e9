//! `kill [-SIGNAL | -s SIGNAL] PID...`, `kill -l [SIGNAL]`.

use super::{Call, R, reason};

const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2",
    "PIPE", "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG",
    "XCPU", "XFSZ", "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];

/// `TERM`, `SIGTERM` or `15`.
pub(super) fn signal(name: &str) -> Option<u32> {
    let name = name.to_uppercase();
    let name = name.strip_prefix("SIG").unwrap_or(&name);
    let by_name = || NAMES.iter().position(|it| *it == name).map(|i| i as u32 + 1);
    name.parse().ok().or_else(by_name)
}

/// The name of a signal, without `SIG`.
pub(super) fn name_of(signal: u32) -> String {
    let name = (signal as usize).checked_sub(1).and_then(|at| NAMES.get(at));
    name.map_or(signal.to_string(), |name| (*name).to_owned())
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let args = call.args.as_slice();
    let (signal, pids) = match args.split_first() {
        None => {
            eprintln!("kill: not enough arguments");
            return Ok(1);
        }
        Some((&("-l" | "-L" | "--list"), rest)) => return Ok(list(rest)),
        Some((&"--", rest)) => (15, rest),
        Some((&("-s" | "--signal" | "-n"), rest)) => {
            (rest.first().and_then(|it| signal(it)).ok_or("invalid signal")?, &rest[1..])
        }
        Some((word, rest)) if word.starts_with('-') && word.len() > 1 => {
            (signal(&word[1..]).ok_or_else(|| format!("{}: invalid signal", &word[1..]))?, rest)
        }
        _ => (15, args),
    };
    let mut code = 0;
    for pid in pids {
        let sent = pid.parse().map_err(|_| "invalid process id".to_owned());
        let sent = sent.and_then(|it| playpen_sys::kill(it, signal).map_err(|e| reason(&e)));
        if let Err(message) = sent {
            eprintln!("kill: ({pid}) - {message}");
            code = 1;
        }
    }
    Ok(code)
}

fn list(wanted: &[&str]) -> i32 {
    if wanted.is_empty() {
        println!("{}", NAMES.join(" "));
    }
    for word in wanted {
        match word.parse::<usize>() {
            Ok(number) => {
                println!("{}", NAMES.get((number & 0x7f).wrapping_sub(1)).unwrap_or(&"0"));
            }
            Err(_) => println!("{}", signal(word).unwrap_or(0)),
        }
    }
    0
}
