//! Permission bits: `chmod`, and modes as text.

use std::fs;
use std::path::Path;

use super::options::{self, Spec};
use super::{Call, R, reason};

const HELP: &str = "Usage: chmod [OPTION]... MODE[,MODE]... FILE...
  or:  chmod [OPTION]... OCTAL-MODE FILE...
  or:  chmod [OPTION]... --reference=RFILE FILE...
Change the mode of each FILE to MODE.

  -c, --changes          like verbose but report only when a change is made
  -f, --silent, --quiet  suppress most error messages
  -v, --verbose          output a diagnostic for every file processed
      --reference=RFILE  use RFILE's mode instead of MODE values
  -R, --recursive        change files and directories recursively
      --help             display this help and exit

Each MODE is of the form '[ugoa]*([-+=]([rwxXst]*|[ugo]))+|[-+=][0-7]+'.
";

const SPEC: Spec = Spec {
    flags: "cfvR",
    values: "",
    attached: "",
    longs: &[
        ("changes", 'c'),
        ("silent", 'f'),
        ("quiet", 'f'),
        ("verbose", 'v'),
        ("recursive", 'R'),
        ("reference=", 'r'),
        ("preserve-root", 'p'),
        ("no-preserve-root", 'p'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: false,
};

/// What the mode becomes.
enum To {
    Symbols(String),
    Exactly(u32),
}

pub(crate) fn chmod(call: &Call<'_>) -> R {
    // A mode like `-x` or `-rw` looks like options.
    let is_mode = |word: &str| {
        word.len() > 1
            && word.starts_with('-')
            && word[1..].chars().all(|c| "rwxXstugoa+-=,".contains(c))
    };
    let mut mode = call.args.iter().find(|it| is_mode(it)).map(|it| (*it).to_owned());
    let args: Vec<&str> =
        call.args.iter().copied().filter(|it| mode.as_deref() != Some(it)).collect();
    let usage = |message: &str| {
        eprintln!("chmod: {message}\nTry 'chmod --help' for more information.");
        Ok(1)
    };
    let mut parsed = match options::parse(&args, &SPEC) {
        Ok(parsed) => parsed,
        Err(message) => return usage(&message),
    };
    if parsed.has('h') {
        print!("{HELP}");
        return Ok(0);
    }
    let to = match parsed.value('r') {
        Some(file) => match playpen_sys::stat(Path::new(file), true) {
            Ok((bits, ..)) => To::Exactly(bits & 0o7777),
            Err(e) => {
                eprintln!("chmod: failed to get attributes of '{file}': {}", reason(&e));
                return Ok(1);
            }
        },
        None => {
            if mode.is_none() {
                if parsed.operands.is_empty() {
                    return usage("missing operand");
                }
                mode = Some(parsed.operands.remove(0));
            }
            let mode = mode.unwrap_or_default();
            if changed(0, false, &mode, 0).is_none() {
                return usage(&format!("invalid mode: '{mode}'"));
            }
            if parsed.operands.is_empty() {
                return usage(&format!("missing operand after '{mode}'"));
            }
            To::Symbols(mode)
        }
    };
    let change = Change {
        to,
        recursive: parsed.has('R'),
        verbose: parsed.has('v'),
        changes: parsed.has('c'),
        quiet: parsed.has('f'),
    };
    let oks: Vec<bool> = parsed.operands.iter().map(|it| change.apply(Path::new(it))).collect();
    Ok(i32::from(oks.contains(&false)))
}

struct Change {
    to: To,
    recursive: bool,
    verbose: bool,
    changes: bool,
    quiet: bool,
}

impl Change {
    /// Changes a path and, if asked for, all below it; whether all of it worked.
    fn apply(&self, path: &Path) -> bool {
        let shown = path.display();
        let found =
            fs::metadata(path).and_then(|it| Ok((it.is_dir(), playpen_sys::stat(path, true)?.0)));
        let (is_dir, bits) = match found {
            Ok(found) => found,
            Err(e) => {
                if !self.quiet {
                    eprintln!("chmod: cannot access '{shown}': {}", reason(&e));
                }
                return false;
            }
        };
        let old = bits & 0o7777;
        let new = match &self.to {
            To::Exactly(mode) => *mode,
            To::Symbols(text) => {
                let mask = playpen_sys::umask(0o022).unwrap_or(0o022);
                let _ = playpen_sys::umask(mask);
                changed(old, is_dir, text, mask).unwrap_or(old)
            }
        };
        if let Err(e) = playpen_sys::chmod(path, new) {
            if !self.quiet {
                eprintln!("chmod: changing permissions of '{shown}': {}", reason(&e));
            }
            return false;
        }
        let (a, b) = (letters(old), letters(new));
        if old != new && (self.verbose || self.changes) {
            println!("mode of '{shown}' changed from {old:04o} ({a}) to {new:04o} ({b})");
        } else if self.verbose {
            println!("mode of '{shown}' retained as {old:04o} ({a})");
        }
        let mut all = true;
        if self.recursive && is_dir && !path.is_symlink() {
            let entries = fs::read_dir(path).into_iter().flatten().flatten();
            for entry in entries.filter(|it| !it.path().is_symlink()) {
                all &= self.apply(&entry.path());
            }
        }
        all
    }
}

/// A mode changed as text says; `None` if that is no mode.
pub(crate) fn changed(old: u32, is_dir: bool, text: &str, umask: u32) -> Option<u32> {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        let new = u32::from_str_radix(text, 8).ok().filter(|it| *it <= 0o7777)?;
        // Folders keep these two unless all five digits are there.
        let kept = if is_dir && text.len() < 5 { old & 0o6000 } else { 0 };
        return Some(new | kept);
    }
    let mut mode = old;
    for clause in text.split(',') {
        let start = clause.find(['+', '-', '='])?;
        let who = clause[..start].chars().try_fold(0, |who, c| {
            Some(
                who | match c {
                    'u' => 0o4700,
                    'g' => 0o2070,
                    'o' => 0o1007,
                    'a' => 0o7777,
                    _ => return None,
                },
            )
        })?;
        let (who, allowed) = if who == 0 { (0o7777, !umask) } else { (who, !0) };
        let mut rest = &clause[start..];
        while let Some(sign) = rest.chars().next() {
            let end = rest[1..].find(['+', '-', '=']).map_or(rest.len(), |it| it + 1);
            let bits = permissions(&rest[1..end], mode, is_dir)? & who & allowed;
            mode = match sign {
                '+' => mode | bits,
                '-' => mode & !bits,
                _ => mode & !(who & if is_dir { 0o1777 } else { 0o7777 }) | bits,
            };
            rest = &rest[end..];
        }
    }
    Some(mode)
}

fn permissions(letters: &str, mode: u32, is_dir: bool) -> Option<u32> {
    if let Ok(number) = u32::from_str_radix(letters, 8) {
        return Some(number);
    }
    letters.chars().try_fold(0, |bits, c| {
        Some(
            bits | match c {
                'r' => 0o444,
                'w' => 0o222,
                'x' => 0o111,
                'X' if is_dir || mode & 0o111 != 0 => 0o111,
                'X' => 0,
                's' => 0o6000,
                't' => 0o1000,
                'u' => (mode >> 6 & 7) * 0o111,
                'g' => (mode >> 3 & 7) * 0o111,
                'o' => (mode & 7) * 0o111,
                _ => return None,
            },
        )
    })
}

/// `rwxr-xr-x`.
pub(crate) fn letters(mode: u32) -> String {
    let mut text: Vec<char> =
        (0..9).map(|i| if mode & 0o400 >> i == 0 { '-' } else { ['r', 'w', 'x'][i % 3] }).collect();
    for (bit, at, set, unset) in
        [(0o4000, 2, 's', 'S'), (0o2000, 5, 's', 'S'), (0o1000, 8, 't', 'T')]
    {
        if mode & bit != 0 {
            text[at] = if text[at] == 'x' { set } else { unset };
        }
    }
    text.into_iter().collect()
}

/// What kind of file, as `stat %F` has it, and as the first letter of `ls -l`.
pub(crate) fn kind(mode: u32, size: u64) -> (&'static str, char) {
    match mode & 0o170_000 {
        0o040_000 => ("directory", 'd'),
        0o120_000 => ("symbolic link", 'l'),
        0o020_000 => ("character special file", 'c'),
        0o060_000 => ("block special file", 'b'),
        0o010_000 => ("fifo", 'p'),
        0o140_000 => ("socket", 's'),
        _ if size == 0 => ("regular empty file", '-'),
        _ => ("regular file", '-'),
    }
}

/// `chown` and `chgrp`: there is one user to whom everything belongs, so they only look at what they are told.
pub(crate) fn chown(call: &Call<'_>) -> R {
    let name = call.name;
    let mut operands: Vec<&str> =
        call.args.iter().copied().filter(|it| !it.starts_with('-')).collect();
    let by_reference = call.args.iter().any(|it| it.starts_with("--reference"));
    let wrong = |text: &str| {
        eprintln!("{name}: {text}\nTry '{name} --help' for more information.");
        Ok(1)
    };
    if operands.is_empty() {
        return wrong("missing operand");
    }
    if !by_reference {
        let owner = operands.remove(0);
        if operands.is_empty() {
            return wrong(&format!("missing operand after '{owner}'"));
        }
        if let Some(complaint) = unknown_owner(name, owner) {
            eprintln!("{name}: {complaint}");
            return Ok(1);
        }
    }
    let mut code = 0;
    for path in operands {
        if let Err(e) = fs::symlink_metadata(path) {
            eprintln!("{name}: cannot access '{path}': {}", reason(&e));
            code = 1;
        }
    }
    Ok(code)
}

/// What is wrong with `USER:GROUP`, or with the group of `chgrp`.
fn unknown_owner(name: &str, owner: &str) -> Option<String> {
    let is_in = |file: &str, who: &str| {
        let lines = fs::read_to_string(file).unwrap_or_default();
        who.is_empty()
            || who.parse::<u32>().is_ok()
            || lines.lines().any(|line| line.split(':').next() == Some(who))
    };
    let (user, group) = match (name, owner.split_once(':').or(owner.split_once('.'))) {
        ("chgrp", _) => ("", owner),
        (_, Some(both)) => both,
        (_, None) => (owner, ""),
    };
    if !is_in("/etc/passwd", user) {
        return Some(format!("invalid user: '{owner}'"));
    }
    (!is_in("/etc/group", group)).then(|| format!("invalid group: '{owner}'"))
}
