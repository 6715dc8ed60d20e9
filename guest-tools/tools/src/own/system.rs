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

/// `id`, `whoami`, `groups`.
pub(crate) fn id(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &ID) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("{}: {e}\nTry '{0} --help' for more information.", call.name);
            return Ok(1);
        }
    };
    if parsed.has('h') {
        println!(
            "Usage: {} [OPTION]... [USER]\n  -u  print only the effective user ID\n  -g  print only the effective group ID\n  -G  print all group IDs\n  -n  print a name instead of a number",
            call.name
        );
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

/// What a guest that asks is told; programs only look for `Linux` and `x86_64`.
pub(crate) fn uname(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &UNAME) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("uname: {e}\nTry 'uname --help' for more information.");
            return Ok(1);
        }
    };
    if parsed.has('h') {
        println!(
            "Usage: uname [OPTION]...\nPrint certain system information.  With no OPTION, same as -s.\n\n  -a, -s, -n, -r, -v, -m, -p, -i, -o"
        );
        return Ok(0);
    }
    let all = parsed.has('a');
    let fields = [
        ('s', "Linux"),
        ('n', HOST),
        ('r', "6.1.0"),
        ('v', "#1 SMP"),
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

pub(crate) fn uptime(_: &Call<'_>) -> R {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let (hour, minute, second) = (since / 3600 % 24, since / 60 % 60, since % 60);
    println!(
        " {hour:02}:{minute:02}:{second:02} up 0 min,  0 users,  load average: 0.00, 0.00, 0.00"
    );
    Ok(0)
}

/// `free`: what the sandbox may use is not known to guests.
pub(crate) fn free(call: &Call<'_>) -> R {
    let (kib, unit) = (4_194_304u64, call.args.first().copied().unwrap_or("-k"));
    let total = match unit {
        "-h" => "4.0Gi".to_owned(),
        "-m" => (kib / 1024).to_string(),
        "-g" => (kib / 1024 / 1024).to_string(),
        "-b" => (kib * 1024).to_string(),
        _ => kib.to_string(),
    };
    let zero = if unit == "-h" { "0B" } else { "0" };
    println!("               total        used        free      shared  buff/cache   available");
    println!("Mem:     {total:>11} {zero:>11} {total:>11} {zero:>11} {zero:>11} {total:>11}");
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
    match playpen_sys::Command::new(command[0]).args(&command[1..]).status() {
        Ok(status) => Ok(status.shell_code().into()),
        Err(e) => {
            eprintln!("{}: '{}': {}", call.name, command[0], reason(&e));
            Ok(if e.kind() == io::ErrorKind::NotFound { 127 } else { 126 })
        }
    }
}
