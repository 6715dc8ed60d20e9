//! `xargs`, as GNU's.
//!
//! Ours, because the published one takes options of the command for its own, runs nothing at the same
//! time and cuts its command lines elsewhere.

use std::io::{self, Read as _};

use playpen_sys::{Child, Command, ExitStatus, Stdio};

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};

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

struct Job {
    command: Vec<String>,
    per_line: Option<usize>,
    max_args: Option<usize>,
    max_chars: usize,
    replace: Option<String>,
    max_processes: usize,
    verbose: bool,
    running: Vec<Child>,
    code: i32,
    from_stdin: bool,
}

/// Ends everything: an exit status that was decided.
struct Stop(i32);

pub(crate) fn run(call: &Call<'_>) -> R {
    let parsed = match options::parse(&call.args, &SPEC) {
        Ok(parsed) => parsed,
        Err(e) => {
            eprintln!("xargs: {e}\nTry 'xargs --help' for more information.");
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
    match parsed.value('a') {
        Some(file) => {
            run_on(std::fs::read(file).map_err(|e| format!("{file}: {}", reason(&e)))?, &parsed)
        }
        None => {
            let mut input = vec![];
            io::stdin().read_to_end(&mut input)?;
            run_on(input, &parsed)
        }
    }
}

fn run_on(input: Vec<u8>, parsed: &Parsed) -> R {
    let number = |letter: char| parsed.value(letter).and_then(|it| it.parse::<usize>().ok());
    let lines = parsed.value('l').map(|it| it.parse().unwrap_or(1)).or(number('L'));
    let replace = parsed.value('I').map(str::to_owned).or_else(|| {
        parsed.value('i').map(|it| if it.is_empty() { "{}".into() } else { it.to_owned() })
    });
    let command =
        if parsed.operands.is_empty() { vec!["echo".into()] } else { parsed.operands.clone() };
    let mut job = Job {
        command,
        per_line: lines,
        max_args: number('n').filter(|_| replace.is_none()),
        max_chars: number('s').unwrap_or(MAX_CHARS),
        replace,
        max_processes: number('P').map_or(1, |n| if n == 0 { 64 } else { n }),
        verbose: parsed.has('t') || parsed.has('p'),
        running: vec![],
        code: 0,
        from_stdin: parsed.value('a').is_none(),
    };
    let text = String::from_utf8_lossy(&input);
    let items = match delimiter(parsed) {
        Some(delimiter) => separated(&text, delimiter),
        None => match quoted(&text, job.replace.is_some(), parsed.value('E').or(parsed.value('e')))
        {
            Ok(items) => items,
            Err(message) => {
                eprintln!("xargs: {message}");
                return Ok(1);
            }
        },
    };
    let done = job.run(&items, parsed.has('r')).and_then(|()| job.wait_all());
    Ok(match done {
        Ok(()) => job.code,
        Err(Stop(code)) => {
            let _ = job.wait_all();
            code
        }
    })
}

fn delimiter(parsed: &Parsed) -> Option<char> {
    if parsed.has('0') {
        return Some('\0');
    }
    parsed.value('d').map(|it| match it {
        "\\n" => '\n',
        "\\t" => '\t',
        "\\0" => '\0',
        "\\r" => '\r',
        "\\\\" => '\\',
        other => other.chars().next().unwrap_or('\n'),
    })
}

/// An argument, and whether a line ends behind it.
type Item = (String, bool);

fn separated(text: &str, delimiter: char) -> Vec<Item> {
    let text = text.strip_suffix(delimiter).unwrap_or(text);
    if text.is_empty() {
        return vec![];
    }
    text.split(delimiter).map(|it| (it.to_owned(), true)).collect()
}

/// Items as the shell would take them, or whole lines for `-I`.
fn quoted(text: &str, by_line: bool, end: Option<&str>) -> Result<Vec<Item>, String> {
    let mut items: Vec<Item> = vec![];
    let (mut item, mut has_item, mut quote) = (String::new(), false, None);
    let mut chars = text.chars().chain(['\n']).peekable();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(_), '\n') => {
                let kind = if quote == Some('"') { "double" } else { "single" };
                return Err(format!(
                    "unmatched {kind} quote; by default quotes are special to xargs unless you use the -0 option"
                ));
            }
            (Some(open), c) if c == open => quote = None,
            (Some(_), c) => item.push(c),
            (None, '"' | '\'') => {
                quote = Some(c);
                has_item = true;
            }
            (None, '\\') => {
                if let Some(next) = chars.next() {
                    item.push(next);
                    has_item = true;
                }
            }
            (None, ' ' | '\t') if by_line && has_item => item.push(c),
            (None, ' ' | '\t' | '\n') => {
                if has_item {
                    if end == Some(item.as_str()) {
                        return Ok(items);
                    }
                    // A blank at its end carries a line on.
                    items.push((std::mem::take(&mut item), c == '\n'));
                    has_item = false;
                } else if c == '\n'
                    && let Some(last) = items.last_mut()
                {
                    last.1 = true;
                }
            }
            (None, c) => {
                item.push(c);
                has_item = true;
            }
        }
    }
    Ok(items)
}

impl Job {
    fn run(&mut self, items: &[Item], skips_empty: bool) -> Result<(), Stop> {
        if let Some(mark) = self.replace.clone() {
            for (item, _) in items {
                let command = self.command.iter().map(|it| it.replace(&mark, item)).collect();
                self.start(command)?;
            }
            return Ok(());
        }
        if items.is_empty() {
            return if skips_empty { Ok(()) } else { self.start(self.command.clone()) };
        }
        let fixed: usize = self.command.iter().map(|it| it.len() + 1).sum();
        let (mut taken, mut size, mut lines): (Vec<String>, usize, usize) = (vec![], fixed, 0);
        for (item, ends_line) in items {
            let is_full = self.max_args.is_some_and(|max| taken.len() >= max)
                || self.per_line.is_some_and(|max| lines >= max)
                || size + item.len() + 1 > self.max_chars;
            if is_full && !taken.is_empty() {
                self.start_with(std::mem::take(&mut taken))?;
                (size, lines) = (fixed, 0);
            }
            if size + item.len() + 1 > self.max_chars {
                eprintln!("xargs: argument line too long");
                return Err(Stop(1));
            }
            size += item.len() + 1;
            taken.push(item.clone());
            lines += usize::from(*ends_line);
        }
        self.start_with(taken)
    }

    fn start_with(&mut self, items: Vec<String>) -> Result<(), Stop> {
        self.start(self.command.iter().cloned().chain(items).collect())
    }

    fn start(&mut self, command: Vec<String>) -> Result<(), Stop> {
        if self.verbose {
            eprintln!("{}", command.join(" "));
        }
        let mut starting = Command::new(&command[0]);
        starting.args(&command[1..]);
        if self.from_stdin {
            starting.stdin(Stdio::null());
        }
        match starting.spawn() {
            Ok(child) => self.running.push(child),
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
        let (index, status) =
            if self.running.len() == 1 { (0, self.running[0].wait()) } else { self.first_ended() };
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
            for (i, child) in self.running.iter_mut().enumerate() {
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
