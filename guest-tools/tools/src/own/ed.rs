//! `ed`: the line editor, for scripts on standard input. `G`, `V` and encrypted files are left out.

mod address;
mod change;

use std::io::{BufRead as _, Write as _};
use std::path::Path;

use posix_regex::{Options, Regex};

use super::{Call, R};

/// A line and its number, which it keeps wherever it goes.
#[derive(Clone)]
struct Line(u64, Vec<u8>);

/// What went wrong: what `h` says.
type Wrong = String;
type Done<T = ()> = Result<T, Wrong>;

/// What `u` goes back to.
#[derive(Clone)]
struct Snapshot {
    lines: Vec<Line>,
    dot: usize,
    modified: bool,
}

/// The last substitution, for `s` alone.
#[derive(Clone, Default)]
struct Substitution {
    replacement: Vec<u8>,
    global: bool,
    nth: usize,
    suffix: Vec<u8>,
}

struct Ed {
    lines: Vec<Line>,
    dot: usize,
    next_id: u64,
    file: Option<String>,
    modified: bool,
    /// The last command has warned of changes that would be lost.
    warned: bool,
    silent: bool,
    extended: bool,
    explains: bool,
    prompt: String,
    prompts: bool,
    last_error: String,
    marks: Vec<(u8, u64)>,
    pattern: Option<Vec<u8>>,
    substitution: Option<Substitution>,
    cut: Vec<Vec<u8>>,
    undo: Option<Snapshot>,
    in_global: bool,
    shell_command: String,
}

/// Where lines of commands come from: standard input, or the list of a `g`.
struct Input<'a> {
    list: Option<std::vec::IntoIter<Vec<u8>>>,
    stdin: &'a mut dyn FnMut() -> Option<Vec<u8>>,
}

impl Input<'_> {
    fn line(&mut self) -> Option<Vec<u8>> {
        match &mut self.list {
            Some(list) => list.next(),
            None => (self.stdin)(),
        }
    }
}

/// How it goes on behind a command.
enum Next {
    On,
    Quit,
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let mut ed = Ed::new();
    let (mut loose, mut file) = (false, None);
    let mut args = call.args.iter();
    while let Some(arg) = args.next() {
        match *arg {
            "-" | "-s" | "--quiet" | "--silent" => ed.silent = true,
            "-E" | "-r" | "--extended-regexp" => ed.extended = true,
            "-v" | "--verbose" => ed.explains = true,
            "-l" | "--loose-exit-status" => loose = true,
            "-G" | "--traditional" | "--restricted" | "--strip-trailing-cr" => {}
            "-p" => set_prompt(&mut ed, args.next().copied().unwrap_or_default()),
            "--version" => {
                println!("GNU ed 1.19 (scripts are read as it reads them)");
                return Ok(0);
            }
            long if long.starts_with("--prompt=") => set_prompt(&mut ed, &long[9..]),
            option if option.starts_with("--") => {
                return Ok(unknown("unrecognized option", option));
            }
            option if option.starts_with('-') && option.len() > 1 => {
                return Ok(unknown("invalid option --", option.trim_start_matches('-')));
            }
            name => file = Some(name.to_owned()),
        }
    }
    if let Some(name) = file {
        ed.file = Some(name.clone());
        // A file that is not there yet is a new one.
        drop(ed.read_file(&name, 0));
        ed.modified = false;
        ed.undo = None;
    }
    let code = ed.main();
    std::io::stdout().flush()?;
    Ok(if loose && code == 1 { 0 } else { code })
}

fn set_prompt(ed: &mut Ed, text: &str) {
    text.clone_into(&mut ed.prompt);
    ed.prompts = true;
}

fn unknown(what: &str, option: &str) -> i32 {
    eprintln!("ed: {what} '{option}'\nTry 'ed --help' for more information.");
    1
}

/// What stands between the end of a command and that of its line.
fn wrong<T>(text: &str) -> Done<T> {
    Err(text.to_owned())
}

impl Ed {
    fn new() -> Self {
        Self {
            lines: vec![],
            dot: 0,
            next_id: 1,
            file: None,
            modified: false,
            warned: false,
            silent: false,
            extended: false,
            explains: false,
            prompt: "*".to_owned(),
            prompts: false,
            last_error: String::new(),
            marks: vec![],
            pattern: None,
            substitution: None,
            cut: vec![],
            undo: None,
            in_global: false,
            shell_command: String::new(),
        }
    }

    fn main(&mut self) -> i32 {
        let mut stdin = std::io::stdin().lock();
        let mut read = || {
            let mut line = vec![];
            match stdin.read_until(b'\n', &mut line) {
                Ok(n) if n > 0 => {
                    if line.last() == Some(&b'\n') {
                        line.pop();
                    }
                    Some(line)
                }
                _ => None,
            }
        };
        let mut code = 0;
        loop {
            if self.prompts {
                print!("{}", self.prompt);
            }
            let mut input = Input { list: None, stdin: &mut read };
            let Some(line) = input.line() else {
                if self.modified && !self.warned {
                    println!("?");
                    return 2;
                }
                return code;
            };
            let had_warned = std::mem::take(&mut self.warned);
            match self.command(&line, &mut input, had_warned) {
                Ok(Next::On) => {}
                Ok(Next::Quit) => return code,
                Err(why) => {
                    println!("?");
                    if self.explains {
                        println!("{why}");
                    }
                    self.last_error = why;
                    code = 1;
                }
            }
        }
    }

    fn regex(&mut self, pattern: &[u8], ignore_case: bool) -> Done<Regex> {
        if !pattern.is_empty() {
            self.pattern = Some(pattern.to_vec());
        }
        let Some(pattern) = &self.pattern else { return wrong("No previous pattern") };
        let options =
            Options { extended: self.extended, ignore_case, utf8: true, ..Options::default() };
        Regex::new(&String::from_utf8_lossy(pattern), options)
    }

    fn add(&mut self, at: usize, texts: Vec<Vec<u8>>) {
        let n = texts.len();
        let id = self.next_id;
        self.next_id += n as u64;
        let lines = texts.into_iter().enumerate().map(|(i, text)| Line(id + i as u64, text));
        self.lines.splice(at..at, lines);
        if n > 0 {
            self.dot = at + n;
            self.modified = true;
        }
    }

    fn remove(&mut self, first: usize, last: usize) {
        self.cut = self.texts(first, last);
        self.lines.drain(first - 1..last);
        self.modified = true;
    }

    fn texts(&self, first: usize, last: usize) -> Vec<Vec<u8>> {
        if first == 0 {
            return vec![];
        }
        self.lines[first - 1..last].iter().map(|line| line.1.clone()).collect()
    }

    /// Shows lines as `p`, `n` and `l` do.
    fn show(&mut self, first: usize, last: usize, how: &[u8]) -> Done {
        if first == 0 {
            return wrong("Invalid address");
        }
        let mut out = std::io::stdout().lock();
        for at in first..=last {
            let text = &self.lines[at - 1].1;
            let mut shown = vec![];
            if how.contains(&b'n') {
                shown.extend(format!("{at}\t").into_bytes());
            }
            if how.contains(&b'l') {
                list(text, &mut shown);
            } else {
                shown.extend_from_slice(text);
            }
            shown.push(b'\n');
            // A reader that is gone is told by what ends the program.
            drop(out.write_all(&shown));
        }
        self.dot = last;
        Ok(())
    }

    /// Reads a file or what a command prints behind a line.
    fn read_file(&mut self, name: &str, at: usize) -> Done {
        let bytes = match name.strip_prefix('!') {
            Some(command) => output(command)?,
            None => match std::fs::read(name) {
                Ok(bytes) => bytes,
                Err(e) => {
                    let text = e.to_string();
                    let why = text.split(" (os error").next().unwrap_or(&text);
                    let _ = std::io::stdout().flush();
                    eprintln!("{name}: {why}");
                    return wrong("Cannot open input file");
                }
            },
        };
        let mut texts: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let mut n_bytes = bytes.len();
        if texts.last().is_some_and(Vec::is_empty) {
            texts.pop();
        } else if !self.silent || !texts.is_empty() {
            println!("Newline appended");
            n_bytes += 1;
        }
        self.add(at, texts);
        if !self.silent {
            println!("{n_bytes}");
        }
        Ok(())
    }

    fn write_file(&mut self, name: &str, first: usize, last: usize, appends: bool) -> Done {
        let mut bytes = vec![];
        for text in self.texts(first, last) {
            bytes.extend(text);
            bytes.push(b'\n');
        }
        match name.strip_prefix('!') {
            Some(command) => feed(command, &bytes)?,
            None => {
                let mut options = std::fs::OpenOptions::new();
                options.create(true).append(appends).write(true).truncate(!appends);
                let written = options.open(name).and_then(|mut file| file.write_all(&bytes));
                if let Err(e) = written {
                    let text = e.to_string();
                    eprintln!("{name}: {}", text.split(" (os error").next().unwrap_or(&text));
                    return wrong("Cannot open output file");
                }
            }
        }
        if !self.silent {
            println!("{}", bytes.len());
        }
        if first <= 1 && last == self.lines.len() && !name.starts_with('!') {
            self.modified = false;
        }
        Ok(())
    }

    /// The name that follows a command, or that of the file.
    fn name(&mut self, given: &[u8], is_kept: bool) -> Done<String> {
        if !given.is_empty() && !given.starts_with(b" ") && !given.starts_with(b"\t") {
            return wrong("Unexpected command suffix");
        }
        let name = String::from_utf8_lossy(given).trim().to_owned();
        if name.is_empty() {
            return self.file.clone().ok_or_else(|| "No current filename".to_owned());
        }
        if (self.file.is_none() || is_kept) && !name.starts_with('!') {
            self.file = Some(name.clone());
        }
        Ok(name)
    }

    fn remember(&mut self) {
        if !self.in_global {
            self.undo = Some(self.snapshot());
        }
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { lines: self.lines.clone(), dot: self.dot, modified: self.modified }
    }
}

/// A line with what cannot be seen spelled out, folded as on a screen.
fn list(text: &[u8], out: &mut Vec<u8>) {
    const WIDTH: usize = 72;
    let mut column = 0;
    for byte in text {
        let shown = match byte {
            b'\\' => b"\\\\".to_vec(),
            b'\t' => b"\\t".to_vec(),
            7 => b"\\a".to_vec(),
            8 => b"\\b".to_vec(),
            11 => b"\\v".to_vec(),
            12 => b"\\f".to_vec(),
            13 => b"\\r".to_vec(),
            b'$' => b"\\$".to_vec(),
            b' '..=b'~' => vec![*byte],
            _ => format!("\\{byte:03o}").into_bytes(),
        };
        if column + shown.len() > WIDTH {
            out.extend(b"\\\n");
            column = 0;
        }
        column += shown.len();
        out.extend(shown);
    }
    out.push(b'$');
}

fn shell(command: &str) -> playpen_sys::Command {
    let _ = std::io::stdout().flush();
    let mut program = playpen_sys::Command::new("sh");
    program.arg("-c").arg(command);
    program
}

fn output(command: &str) -> Done<Vec<u8>> {
    let ended = shell(command).output().map_err(|e| e.to_string())?;
    Ok(ended.stdout)
}

fn feed(command: &str, bytes: &[u8]) -> Done {
    let mut program = shell(command);
    let mut child =
        program.stdin(playpen_sys::Stdio::piped()).spawn().map_err(|e| e.to_string())?;
    if let Some(mut pipe) = child.stdin.take() {
        // A command that reads nothing is none of ed's business.
        drop(pipe.write_all(bytes));
    }
    child.wait().map(drop).map_err(|e| e.to_string())
}

/// Whether a file that is to be read has a name at all.
fn is_name(name: &str) -> bool {
    name.starts_with('!') || !Path::new(name).as_os_str().is_empty()
}
