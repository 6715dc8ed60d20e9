//! `timeout [-fpv] [-s SIGNAL] [-k GRACE] LIMIT COMMAND [ARG]...`.

use std::io;
use std::time::{Duration, Instant};

use playpen_sys::{Action, Child, EINTR, ExitStatus};

use super::kill::{name_of, signal};
use super::{Call, R};

const HELP: &str = "\
Usage: timeout [OPTION] DURATION COMMAND [ARG]...
Start COMMAND, and kill it if still running after DURATION.

  -f, --foreground       send signals to COMMAND only, not to what it has started
  -k, --kill-after=DURATION
                         also send KILL if COMMAND is still running this long after the first signal
  -p, --preserve-status  exit with the same status as COMMAND, even when the command times out
  -s, --signal=SIGNAL    the signal to send on timeout: a name like HUP or a number; default TERM
  -v, --verbose          say on standard error what signal is sent
";

const KILL: u32 = 9;
const CHLD: u32 = 17;
const CONT: u32 = 18;
/// Signals to `timeout` itself, which are passed on.
const PASSED_ON: [u32; 4] = [1, 2, 3, 15];

struct Options {
    foreground: bool,
    preserves: bool,
    verbose: bool,
    signal: u32,
    grace: Option<Duration>,
}

/// The command's status; 124 when the limit ended it, 125 when timeout itself failed.
pub(crate) fn run(call: &Call<'_>) -> R {
    limited(call).or_else(|e| {
        let message = e.to_string();
        if !message.is_empty() {
            eprintln!("timeout: {message}");
        }
        eprintln!("Try 'timeout --help' for more information.");
        Ok(125)
    })
}

fn limited(call: &Call<'_>) -> R {
    let Some((options, words)) = parse(&call.args)? else {
        print!("{HELP}");
        return Ok(0);
    };
    let limit = duration(words.first().ok_or("")?)?;
    let command = words.get(1..).filter(|c| !c.is_empty()).ok_or("")?;
    if !options.foreground {
        // The first process of a command leads its group already.
        let _ = playpen_sys::lead_group();
    }
    let child = match playpen_sys::Command::new(command[0]).args(&command[1..]).spawn() {
        Ok(child) => child,
        Err(e) => {
            let instead = playpen_sys::instead_of(command[0]);
            let reason = super::reason(&e);
            eprintln!("timeout: failed to run command '{}': {reason}{instead}", command[0]);
            return Ok(if e.kind() == io::ErrorKind::NotFound { 127 } else { 126 });
        }
    };
    for number in PASSED_ON.into_iter().chain([CHLD, options.signal]) {
        let _ = playpen_sys::set_action(number, Action::Catch);
    }
    let watch = Watch { name: command[0], child, sends: options.signal, options, timed_out: false };
    watch.wait((!limit.is_zero()).then(|| Instant::now() + limit))
}

/// A command that runs.
struct Watch<'a> {
    name: &'a str,
    child: Child,
    options: Options,
    /// The signal that is sent at the next deadline.
    sends: u32,
    timed_out: bool,
}

impl Watch<'_> {
    fn wait(mut self, mut deadline: Option<Instant>) -> R {
        loop {
            while let Some(number) = playpen_sys::take_signal() {
                if number != CHLD {
                    deadline = self.send(number)?.or(deadline);
                }
            }
            match self.child.try_wait() {
                Ok(Some(status)) => return self.ended(status),
                Err(e) if e.raw_os_error() == Some(EINTR) => continue,
                other => drop(other?),
            }
            let now = Instant::now();
            if deadline.is_some_and(|deadline| now >= deadline) {
                self.timed_out = true;
                deadline = self.send(self.sends)?;
                continue;
            }
            let left = deadline.map_or(Duration::MAX, |deadline| deadline - now);
            playpen_sys::sleep(left)?;
        }
    }

    /// Sends a signal to the command and all that it has started; returns when it is to be killed.
    fn send(&mut self, number: u32) -> io::Result<Option<Instant>> {
        let next = self.options.grace.take().map(|grace| Instant::now() + grace);
        self.sends = if next.is_some() { KILL } else { self.sends };
        if self.options.verbose {
            let signal = name_of(number);
            eprintln!("timeout: sending signal {signal} to command '{}'", self.name);
        }
        // It may have ended meanwhile.
        let _ = playpen_sys::kill(self.child.id() as i32, number);
        if !self.options.foreground {
            let _ = playpen_sys::set_action(number, Action::Ignore);
            let _ = playpen_sys::kill(0, number);
            if number != KILL && number != CONT {
                let _ = playpen_sys::kill(0, CONT);
            }
        }
        Ok(next)
    }

    fn ended(self, status: ExitStatus) -> R {
        let preserves = self.options.preserves || status.signal() == Some(KILL as i32);
        if self.timed_out && !preserves {
            return Ok(124);
        }
        if let Some(number) = status.signal().filter(|_| !self.timed_out) {
            let _ = playpen_sys::set_action(number as u32, Action::Default);
            let _ = playpen_sys::kill(playpen_sys::pid(), number as u32);
        }
        Ok(status.shell_code().into())
    }
}

type Parsed<'a> = Option<(Options, Vec<&'a str>)>;

/// Reads the options, which end before the first operand; none for `--help`.
fn parse<'a>(args: &[&'a str]) -> Result<Parsed<'a>, String> {
    let (foreground, preserves, verbose) = (false, false, false);
    let mut options = Options { foreground, preserves, verbose, signal: 15, grace: None };
    let mut args = args.iter().copied();
    while let Some(arg) = args.clone().next().filter(|arg| arg.len() > 1 && arg.starts_with('-')) {
        args.next();
        if arg == "--" {
            break;
        }
        let (name, value) = match arg.strip_prefix("--") {
            Some(long) => match long.split_once('=') {
                Some((name, value)) => (long_option(name)?, Some(value)),
                None => (long_option(long)?, None),
            },
            None => {
                let letters = &arg[1..];
                let at = letters.find(['k', 's']).unwrap_or(letters.len());
                for letter in letters[..at].chars() {
                    options.set(letter)?;
                }
                let Some(letter) = letters[at..].chars().next() else { continue };
                (letter, Some(&letters[at + 1..]).filter(|value| !value.is_empty()))
            }
        };
        match name {
            'h' => return Ok(None),
            'k' | 's' => {
                let value = value.or_else(|| args.next());
                let value = value.ok_or(format!("option requires an argument -- '{name}'"))?;
                options.set_to(name, value)?;
            }
            _ => options.set(name)?,
        }
    }
    Ok(Some((options, args.collect())))
}

fn long_option(name: &str) -> Result<char, String> {
    let known = [
        ("foreground", 'f'),
        ("kill-after", 'k'),
        ("preserve-status", 'p'),
        ("signal", 's'),
        ("verbose", 'v'),
        ("help", 'h'),
    ];
    let found = known.iter().find(|(long, _)| long.starts_with(name) && !name.is_empty());
    found.map(|(_, letter)| *letter).ok_or(format!("unrecognized option '--{name}'"))
}

impl Options {
    fn set(&mut self, letter: char) -> Result<(), String> {
        match letter {
            'f' => self.foreground = true,
            'p' => self.preserves = true,
            'v' => self.verbose = true,
            _ => return Err(format!("invalid option -- '{letter}'")),
        }
        Ok(())
    }

    fn set_to(&mut self, letter: char, value: &str) -> Result<(), String> {
        if letter == 's' {
            self.signal = signal(value).ok_or(format!("'{value}': invalid signal"))?;
        } else {
            self.grace = Some(duration(value)?);
        }
        Ok(())
    }
}

/// A number with `s`, `m`, `h` or `d` after it.
fn duration(text: &str) -> Result<Duration, String> {
    let unit = text.chars().last().filter(|it| matches!(it, 's' | 'm' | 'h' | 'd'));
    let number = text.strip_suffix(|_: char| unit.is_some()).unwrap_or(text);
    let factor = match unit {
        Some('m') => 60.,
        Some('h') => 3600.,
        Some('d') => 86400.,
        _ => 1.,
    };
    let seconds = number.parse::<f64>().ok().map(|number| number * factor);
    let time = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds.min(1e15)).ok());
    time.ok_or(format!("invalid time interval '{text}'"))
}
