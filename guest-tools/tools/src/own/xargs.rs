//! `xargs`, as GNU's.
//!
//! Ours, because the published one takes options of the command for its own, runs nothing at the same
//! time and cuts its command lines elsewhere.

mod items;

use std::io::{self, BufReader, Read};

use playpen_sys::{Child, Command, ExitStatus, Stdio};

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};
use items::{Item, Items, Kind};

const SPEC: Spec = Spec {
    flags: "0rtpxo",
    values: "dEaInLPs",
    attached: "lie",
    longs: &[
        ("null", '0'),
        ("no-run-if-empty", 'r'),
        ("verbose", 't'),
        ("interactive", 'p'),
        ("exit", 'x'),
        ("open-tty", 'o'),
        ("delimiter", 'd'),
        ("arg-file", 'a'),
        ("max-args", 'n'),
        ("max-lines?", 'l'),
        ("replace?", 'i'),
        ("max-procs", 'P'),
        ("max-chars", 's'),
        ("eof?", 'e'),
        ("show-limits", 'S'),
        ("process-slot-var=", 'v'),
        ("help", 'h'),
        ("version", 'V'),
    ],
    stops: true,
};
/// What GNU xargs takes for a command line unless it is told.
const MAX_CHARS: usize = 131_072;

const HELP: &str = "Usage: xargs [OPTION]... COMMAND [INITIAL-ARGS]...
Run COMMAND with arguments INITIAL-ARGS and more arguments read from input.

  -0, --null                   items are separated by a null, not whitespace
  -a, --arg-file=FILE          read arguments from FILE, not standard input
  -d, --delimiter=CHARACTER    items in input stream are separated by CHARACTER
  -E END                       set logical EOF string
  -I R                         replace R in INITIAL-ARGS with names read from input
  -L, --max-lines=MAX-LINES    use at most MAX-LINES non-blank input lines per command line
  -n, --max-args=MAX-ARGS      use at most MAX-ARGS arguments per command line
  -P, --max-procs=MAX-PROCS    run at most MAX-PROCS processes at a time
  -r, --no-run-if-empty        do not run COMMAND if there are no arguments
  -s, --max-chars=MAX-CHARS    limit length of command line to MAX-CHARS
  -t, --verbose                print commands before executing them
      --help                   display this help and exit
";

/// The longest command line that Linux takes, less what GNU xargs leaves free.
const MOST_CHARS: usize = 2_093_194;

struct Job {
    command: Vec<String>,
    limits: Limits,
    max_chars: usize,
    exits_if_long: bool,
    max_processes: usize,
    verbose: bool,
    /// The variable that tells a command its slot.
    slot_variable: Option<String>,
    running: Vec<(usize, Child)>,
    code: i32,
    from_stdin: bool,
}

/// How much goes into one command.
#[derive(Default)]
struct Limits {
    per_line: Option<usize>,
    max_args: Option<usize>,
    replace: Option<String>,
}

/// Ends everything: an exit status that was decided.
struct Stop(i32);

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("xargs: {e}\n{TRY}");
            return Ok(1);
        }
    };
    if parsed.has('h') {
        print!("{HELP}");
        return Ok(0);
    }
    if parsed.has('V') {
        println!("xargs (GNU findutils) 4.9.0");
        return Ok(0);
    }
    let done = Job::new(&parsed).and_then(|job| {
        let kind = kind(&parsed, &job)?;
        let end = parsed.value('E').or(parsed.value('e')).filter(|it| !it.is_empty());
        let is_special = matches!(kind, Kind::Separated(_));
        if is_special && end.is_some() {
            eprintln!("xargs: warning: the -E option has no effect if -0 or -d is used.\n");
        }
        let end = end.filter(|_| !is_special).map(str::to_owned);
        let input: Box<dyn Read> = match parsed.value('a').filter(|file| *file != "-") {
            Some(file) => Box::new(
                std::fs::File::open(file)
                    .map_err(|e| format!("Cannot open input file '{file}': {}", reason(&e)))?,
            ),
            None => Box::new(io::stdin()),
        };
        Ok((job, Items::new(BufReader::new(input), kind, end)))
    });
    match done {
        Ok((job, items)) => Ok(job.finish(items, parsed.has('r'))),
        Err(message) => {
            eprintln!("xargs: {message}");
            Ok(1)
        }
    }
}

const TRY: &str = "Try 'xargs --help' for more information.";

/// A number of an option, which ends everything if it is none, or smaller than the least one.
fn number(text: &str, letter: char, least: i64) -> Result<usize, String> {
    let digits = text.trim_start();
    let digits = digits.strip_prefix('+').unwrap_or(digits);
    let value = match digits.parse::<i64>() {
        Ok(value) => value,
        Err(e) if *e.kind() == std::num::IntErrorKind::PosOverflow => i64::MAX,
        Err(e) if *e.kind() == std::num::IntErrorKind::NegOverflow => i64::MIN,
        Err(_) => return Err(format!("invalid number \"{text}\" for -{letter} option\n{TRY}")),
    };
    if value < least {
        return Err(format!("value {text} for -{letter} option should be >= {least}\n{TRY}"));
    }
    Ok(usize::try_from(value).unwrap_or(usize::MAX))
}

/// A length of a command line, which is put right if it is out of range.
fn length(text: &str) -> Result<usize, String> {
    match number(text, 's', i64::MIN) {
        Err(message) => Err(message),
        Ok(_) if text.trim_start().starts_with('-') || number(text, 's', 1).is_err() => {
            eprintln!("xargs: value {text} for -s option should be >= 1");
            Ok(1)
        }
        Ok(value) if value > MOST_CHARS => {
            eprintln!("xargs: value {text} for -s option should be <= {MOST_CHARS}");
            Ok(MOST_CHARS)
        }
        Ok(value) => Ok(value),
    }
}

impl Limits {
    /// Reads the options that exclude one another: the last one counts, and takes the others back.
    fn new(parsed: &Parsed) -> Result<Self, String> {
        let mut limits = Self::default();
        for (letter, value) in &parsed.options {
            let name = match letter {
                'n' => "--max-args/-n",
                'L' => "-L",
                'l' => "--max-lines/-l",
                'I' | 'i' => "--replace/-I/-i",
                _ => continue,
            };
            match letter {
                'n' => {
                    let most = number(value, 'n', 1)?;
                    if most == 1 && limits.replace.is_some() {
                        continue;
                    }
                    limits.max_args = Some(most);
                    limits.excludes(name, false, true, true);
                }
                'L' | 'l' => {
                    let text = if value.is_empty() && *letter == 'l' { "1" } else { value };
                    limits.per_line = Some(number(text, *letter, 1)?);
                    limits.excludes(name, true, false, true);
                }
                _ => {
                    let mark = if value.is_empty() && *letter == 'i' { "{}" } else { value };
                    limits.replace = Some(mark.to_owned());
                    limits.excludes(name, true, true, false);
                }
            }
        }
        Ok(limits)
    }

    fn excludes(&mut self, name: &str, args: bool, lines: bool, replace: bool) {
        let mut before = vec![];
        if lines && self.per_line.take().is_some() {
            before.push("max-lines");
        }
        if replace && self.replace.take().is_some() {
            before.push("replace");
        }
        if args && self.max_args.take().is_some() {
            before.push("max-args");
        }
        for before in before {
            eprintln!(
                "xargs: warning: options --{before} and {name} are mutually exclusive, ignoring previous --{before} value"
            );
        }
    }
}

fn kind(parsed: &Parsed, job: &Job) -> Result<Kind, String> {
    // Of `-0` and `-d` the last one counts.
    match parsed.options.iter().rev().find(|(letter, _)| matches!(letter, '0' | 'd')) {
        Some(('d', text)) => items::delimiter(text).map(Kind::Separated),
        Some(_) => Ok(Kind::Separated(0)),
        None if job.limits.replace.is_some() => Ok(Kind::Lines),
        None => Ok(Kind::Words),
    }
}

impl Job {
    fn new(parsed: &Parsed) -> Result<Self, String> {
        let limits = Limits::new(parsed)?;
        let processes = parsed.value('P').map(|it| number(it, 'P', 0)).transpose()?;
        let max_chars = parsed.value('s').map(length).transpose()?;
        let command =
            if parsed.operands.is_empty() { vec!["echo".into()] } else { parsed.operands.clone() };
        if max_chars.is_some_and(|most| most < size(&command)) {
            return Err("cannot fit single argument within argument list size limit".to_owned());
        }
        Ok(Self {
            command,
            exits_if_long: parsed.has('x') || limits.replace.is_some() || limits.per_line.is_some(),
            limits,
            max_chars: max_chars.unwrap_or(MAX_CHARS),
            max_processes: processes.map_or(1, |n| if n == 0 { 64 } else { n }),
            verbose: parsed.has('t') || parsed.has('p'),
            slot_variable: parsed.value('v').map(str::to_owned),
            running: vec![],
            code: 0,
            from_stdin: parsed.value('a').is_none(),
        })
    }

    fn finish<I: Read>(mut self, mut items: Items<I>, skips_empty: bool) -> i32 {
        let done = self.run(&mut items, skips_empty).and_then(|()| self.wait_all());
        match done {
            Ok(()) => self.code,
            Err(Stop(code)) => {
                let _ = self.wait_all();
                code
            }
        }
    }

    /// The next item; what is wrong with the input ends everything, behind what was read before.
    fn next<I: Read>(items: &mut Items<I>, code: &mut i32) -> Option<Item> {
        items.next().unwrap_or_else(|message| {
            eprintln!("xargs: {message}");
            *code = 1;
            None
        })
    }

    fn run<I: Read>(&mut self, items: &mut Items<I>, skips_empty: bool) -> Result<(), Stop> {
        let mut code = 0;
        if let Some(mark) = self.limits.replace.clone() {
            while let Some(item) = Self::next(items, &mut code) {
                let command: Vec<String> =
                    self.command.iter().map(|it| it.replace(&mark, &item.text)).collect();
                if size(&command) > self.max_chars {
                    return Err(too_long("argument list too long"));
                }
                self.start(command)?;
            }
            return if code == 0 { Ok(()) } else { Err(Stop(code)) };
        }
        let fixed = size(&self.command);
        let (mut taken, mut length, mut lines): (Vec<String>, usize, usize) = (vec![], fixed, 0);
        let mut is_first = true;
        while let Some(item) = Self::next(items, &mut code) {
            let is_long = length + item.text.len() + 1 > self.max_chars;
            let is_full = self.limits.max_args.is_some_and(|max| taken.len() >= max)
                || self.limits.per_line.is_some_and(|max| lines >= max);
            if is_long && !is_full && !taken.is_empty() && self.exits_if_long {
                return Err(too_long("argument list too long"));
            }
            if (is_full || is_long) && !taken.is_empty() {
                self.start_with(std::mem::take(&mut taken))?;
                (length, lines, is_first) = (fixed, 0, false);
            }
            if length + item.text.len() + 1 > self.max_chars {
                return Err(too_long("argument line too long"));
            }
            length += item.text.len() + 1;
            taken.push(item.text);
            lines += usize::from(item.ends_line);
        }
        if !taken.is_empty() || is_first && !skips_empty && code == 0 {
            self.start_with(taken)?;
        }
        if code == 0 { Ok(()) } else { Err(Stop(code)) }
    }

    fn start_with(&mut self, items: Vec<String>) -> Result<(), Stop> {
        self.start(self.command.iter().cloned().chain(items).collect())
    }

    fn start(&mut self, command: Vec<String>) -> Result<(), Stop> {
        if self.verbose {
            let words: Vec<String> = command.iter().map(|it| super::diff::quoted(it)).collect();
            eprintln!("{}", words.join(" "));
        }
        let mut starting = Command::new(&command[0]);
        starting.args(&command[1..]);
        if self.from_stdin {
            starting.stdin(Stdio::null());
        }
        let slot = (0..).find(|slot| self.running.iter().all(|(it, _)| it != slot)).unwrap_or(0);
        if let Some(name) = &self.slot_variable {
            starting.env(name, slot.to_string());
        }
        match starting.spawn() {
            Ok(child) => self.running.push((slot, child)),
            Err(e) => {
                let instead = playpen_sys::instead_of(&command[0]);
                eprintln!("xargs: {}: {}{instead}", command[0], reason(&e));
                return Err(Stop(if e.kind() == io::ErrorKind::NotFound { 127 } else { 126 }));
            }
        }
        while self.running.len() >= self.max_processes {
            self.wait_one(&command[0])?;
        }
        Ok(())
    }

    fn wait_all(&mut self) -> Result<(), Stop> {
        let name = self.command[0].clone();
        while !self.running.is_empty() {
            self.wait_one(&name)?;
        }
        Ok(())
    }

    /// Waits for the first that ends.
    fn wait_one(&mut self, name: &str) -> Result<(), Stop> {
        let (index, status) = if self.running.len() == 1 {
            (0, self.running[0].1.wait())
        } else {
            self.first_ended()
        };
        self.running.remove(index);
        let status = status.unwrap_or_default();
        if let Some(signal) = status.signal() {
            eprintln!("xargs: {name}: terminated by signal {signal}");
            return Err(Stop(125));
        }
        match status.code() {
            Some(0) | None => {}
            Some(255) => {
                eprintln!("xargs: {name}: exited with status 255; aborting");
                return Err(Stop(124));
            }
            Some(_) => self.code = 123,
        }
        Ok(())
    }

    fn first_ended(&mut self) -> (usize, io::Result<ExitStatus>) {
        let mut pause = std::time::Duration::from_micros(200);
        loop {
            for (i, (_, child)) in self.running.iter_mut().enumerate() {
                match child.try_wait() {
                    Ok(None) => {}
                    Ok(Some(status)) => return (i, Ok(status)),
                    Err(e) => return (i, Err(e)),
                }
            }
            std::thread::sleep(pause);
            pause = (pause * 2).min(std::time::Duration::from_millis(10));
        }
    }
}

/// What a command line counts.
fn size(command: &[String]) -> usize {
    command.iter().map(|it| it.len() + 1).sum()
}

fn too_long(why: &str) -> Stop {
    eprintln!("xargs: {why}");
    Stop(1)
}
