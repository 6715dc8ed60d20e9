//! Who and where: `id`, `whoami`, `groups`, `hostname`, `uname`, `ps`, `pgrep`, `pkill`, `uptime`, `free`; and
//! programs that start another: `nohup`, `nice`, `stdbuf`, `setsid`, `sudo`-free.

use std::io;

use super::options::{self, Spec};
use super::{Call, R, reason};

const HOST: &str = "playpen";

const ID: Spec = Spec {
    flags: "ugGnrzaZ",
    values: "",
    attached: "",
    longs: &[
        ("user", 'u'),
        ("group", 'g'),
        ("groups", 'G'),
        ("name", 'n'),
        ("real", 'r'),
        ("zero", 'z'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: false,
};

const ID_HELP: &str = "[OPTION]... [USER]
  -u  print only the effective user ID
  -g  print only the effective group ID
  -G  print all group IDs
  -n  print a name instead of a number";

/// `id`, `whoami`, `groups`.
pub(crate) fn id(call: &Call<'_>) -> R {
    let help = format!("Usage: {} {ID_HELP}", call.name);
    let Some(parsed) = options::or_usage(call, &ID, &help) else { return Ok(1) };
    if parsed.has('h') {
        return Ok(0);
    }
    if let Some(user) = parsed.operands.first().filter(|it| !matches!(it.as_str(), "root" | "0")) {
        eprintln!("{}: '{user}': no such user", call.name);
        return Ok(1);
    }
    let is_one = parsed.has('u') || parsed.has('g') || parsed.has('G');
    println!(
        "{}",
        match call.name {
            "id" if is_one && parsed.has('n') => "root",
            "id" if is_one => "0",
            "id" => "uid=0(root) gid=0(root) groups=0(root)",
            _ => "root",
        }
    );
    Ok(0)
}

pub(crate) fn hostname(call: &Call<'_>) -> R {
    match call.args.first() {
        Some(word) if !word.starts_with('-') => {
            eprintln!("hostname: you must be root to change the host name");
            Ok(1)
        }
        Some(&"-i" | &"-I") => {
            println!("127.0.0.1");
            Ok(0)
        }
        Some(&"-d") => {
            println!();
            Ok(0)
        }
        _ => {
            println!("{HOST}");
            Ok(0)
        }
    }
}

const UNAME: Spec = Spec {
    flags: "asnrvmpio",
    values: "",
    attached: "",
    longs: &[
        ("all", 'a'),
        ("kernel-name", 's'),
        ("nodename", 'n'),
        ("kernel-release", 'r'),
        ("kernel-version", 'v'),
        ("machine", 'm'),
        ("processor", 'p'),
        ("hardware-platform", 'i'),
        ("operating-system", 'o'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: false,
};

const UNAME_HELP: &str = "Usage: uname [OPTION]...
Print certain system information.  With no OPTION, same as -s.

  -a, -s, -n, -r, -v, -m, -p, -i, -o";

/// What the interface is that programs see. The machine is named as the host's is usually, for
/// programs that look for nothing else; release and version are those of the kernel that answers.
pub(crate) fn uname(call: &Call<'_>) -> R {
    let Some(parsed) = options::or_usage(call, &UNAME, UNAME_HELP) else { return Ok(1) };
    if parsed.has('h') {
        return Ok(0);
    }
    let all = parsed.has('a');
    let fields = [
        ('s', "Linux"),
        ('n', HOST),
        ('r', "0.0.0-playpen"),
        ('v', "playpen, WebAssembly"),
        ('m', "x86_64"),
        ('o', "GNU/Linux"),
    ];
    let mut shown: Vec<&str> =
        fields.iter().filter(|(it, _)| all || parsed.has(*it)).map(|(_, text)| *text).collect();
    if !all && (parsed.has('p') || parsed.has('i')) {
        shown.push("unknown");
    }
    if shown.is_empty() {
        shown.push("Linux");
    }
    println!("{}", shown.join(" "));
    Ok(0)
}

/// `ps`: a guest knows itself and what started it.
pub(crate) fn ps(call: &Call<'_>) -> R {
    let words = call.args.join(" ");
    let me = playpen_sys::pid();
    let parent = playpen_sys::parent();
    let rows = [(parent, "bash".to_owned()), (me, format!("ps {words}").trim_end().to_owned())];
    let full = words.contains('f') || words.contains('F');
    let user = words.contains('u') && !words.starts_with('-');
    if user {
        println!("USER         PID %CPU %MEM    VSZ   RSS TTY      STAT START   TIME COMMAND");
        for (pid, name) in &rows {
            println!("root      {pid:>6}  0.0  0.0      0     0 ?        R    00:00   0:00 {name}");
        }
    } else if full {
        println!("UID          PID    PPID  C STIME TTY          TIME CMD");
        for (pid, name) in &rows {
            let of = if *pid == me { parent } else { 1 };
            println!("root     {pid:>7} {of:>7}  0 00:00 ?        00:00:00 {name}");
        }
    } else {
        println!("    PID TTY          TIME CMD");
        for (pid, name) in &rows {
            let name = name.split(' ').next().unwrap_or(name);
            println!("{pid:>7} ?        00:00:00 {name}");
        }
    }
    Ok(0)
}

/// `pgrep`, `pkill`, `killall`: names of processes are not known here.
pub(crate) fn by_name(call: &Call<'_>) -> R {
    if call.name == "killall"
        && let Some(name) = call.args.iter().find(|it| !it.starts_with('-'))
    {
        eprintln!("{name}: no process found");
    }
    Ok(1)
}

/// `uptime [-p|-s]`: how long the sandbox is there by its own clock. Nobody is logged in, and no load
/// is measured.
pub(crate) fn uptime(call: &Call<'_>) -> R {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let up = playpen_sys::uptime()?.as_secs();
    let (days, hours, minutes) = (up / 86400, up / 3600 % 24, up / 60 % 60);
    let clock = |at: u64| format!("{:02}:{:02}:{:02}", at / 3600 % 24, at / 60 % 60, at % 60);
    let many = |n: u64, unit: &str| format!("{n} {unit}{}", if n == 1 { "" } else { "s" });
    match call.args.first() {
        Some(&"-p" | &"--pretty") => {
            let parts = [(days, "day"), (hours, "hour"), (minutes, "minute")];
            let parts = parts.iter().filter(|(n, _)| *n > 0).map(|(n, unit)| many(*n, unit));
            let text = parts.collect::<Vec<_>>().join(", ");
            println!("up {}", if text.is_empty() { "0 minutes".to_owned() } else { text });
        }
        Some(option) => {
            eprintln!("uptime: {option}: not available here; `uptime` and `uptime -p` are");
            return Ok(1);
        }
        None => {
            let days = if days > 0 { many(days, "day") + ", " } else { String::new() };
            let since = if hours > 0 {
                format!("{hours:2}:{minutes:02}")
            } else {
                format!("{minutes} min")
            };
            println!(" {} up {days}{since},  0 users,  load not measured", clock(now));
        }
    }
    Ok(0)
}

const FREE: Spec = Spec {
    flags: "hbkmgtwl",
    values: "sc",
    attached: "",
    longs: &[
        ("human", 'h'),
        ("bytes", 'b'),
        ("kibi", 'k'),
        ("mebi", 'm'),
        ("gibi", 'g'),
        ("total", 't'),
        ("wide", 'w'),
        ("help", '?'),
    ],
    stops: false,
};

const FREE_HELP: &str = "Usage: free [options]
Show how much memory the command may hold, and how much it holds.

  -b, -k, -m, -g  in bytes, KiB, MiB, GiB
  -h              in units that fit";

/// `free`: the memory of the command that this is part of; there are no caches and no swap.
pub(crate) fn free(call: &Call<'_>) -> R {
    let Some(parsed) = options::or_usage(call, &FREE, FREE_HELP) else { return Ok(1) };
    if parsed.has('?') {
        return Ok(0);
    }
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let kib = |name: &str| -> u64 {
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.and_then(|it| it.split_whitespace().next()?.parse().ok()).unwrap_or(0)
    };
    let (total, free) = (kib("MemTotal:"), kib("MemFree:"));
    let show = |kib: u64| match parsed.options.last().map(|(letter, _)| *letter) {
        Some('h') => options::human(kib * 1024) + if kib == 0 { "B" } else { "i" },
        Some('b') => (kib * 1024).to_string(),
        Some('m') => (kib >> 10).to_string(),
        Some('g') => (kib >> 20).to_string(),
        _ => kib.to_string(),
    };
    let zero = show(0);
    let (total, used, free) = (show(total), show(total - free), show(free));
    println!("               total        used        free      shared  buff/cache   available");
    println!("Mem:     {total:>11} {used:>11} {free:>11} {zero:>11} {zero:>11} {free:>11}");
    println!("Swap:    {zero:>11} {zero:>11} {zero:>11}");
    Ok(0)
}

/// `nohup`, `nice`, `ionice`, `stdbuf`, `setsid`: runs the command as it is.
pub(crate) fn starter(call: &Call<'_>) -> R {
    let with_value: &[&str] = match call.name {
        "nice" => &["-n", "--adjustment"],
        "ionice" => &["-c", "-n", "-p"],
        "stdbuf" => &["-i", "-o", "-e", "--input", "--output", "--error"],
        _ => &[],
    };
    let mut at = 0;
    while let Some(word) = call.args.get(at).filter(|it| it.starts_with('-')) {
        at += 1 + usize::from(with_value.contains(word));
        if *word == "--" {
            break;
        }
    }
    let Some(command) = call.args.get(at..).filter(|it| !it.is_empty()) else {
        if call.name == "nice" {
            println!("0");
            return Ok(0);
        }
        eprintln!("{}: missing operand\nTry '{0} --help' for more information.", call.name);
        return Ok(125);
    };
    if call.name == "nohup" {
        const SIGHUP: u32 = 1;
        playpen_sys::set_action(SIGHUP, playpen_sys::Action::Ignore)?;
    }
    match playpen_sys::Command::new(command[0]).args(&command[1..]).stand_in() {
        Ok(code) => Ok(code),
        Err(e) => {
            let instead = playpen_sys::instead_of(command[0]);
            eprintln!("{}: '{}': {}{instead}", call.name, command[0], reason(&e));
            Ok(if e.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
        }
    }
}
