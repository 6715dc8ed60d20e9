//! Running a script on its input.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, Read as _, Write};
use std::rc::Rc;

use onig::Region;
use posix_regex::Regex;

use super::command::{Action, Address, Case, Command, Part, Range, Substitution};
use super::parse::Script;
use crate::own::{reason, text_encoding};

/// What options say.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) quiet: bool,
    pub(super) separate: bool,
    /// The suffix of backups.
    pub(super) in_place: Option<String>,
    pub(super) separator: u8,
    /// Of lines that `l` writes.
    pub(super) width: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Self { quiet: false, separate: false, in_place: None, separator: b'\n', width: 70 }
    }
}

/// A line and whether a newline ended it.
#[derive(Clone, Debug)]
struct Line {
    text: Vec<u8>,
    is_ended: bool,
}

/// Output that knows whether it owes a newline.
struct Output {
    to: Box<dyn Write>,
    owes_newline: bool,
}

/// What is written when the cycle ends.
enum Later {
    Text(Vec<u8>),
    File(String),
    Line(Vec<u8>),
}

/// How a cycle ended.
enum End {
    /// Print the pattern space and go on.
    Cycle,
    /// Go on without printing.
    Deleted,
    /// `D`: start again with what is left.
    Again,
    Quit {
        code: i32,
        prints: bool,
    },
}

type Shared<T> = Rc<RefCell<T>>;

/// A running script.
pub(super) struct Editor {
    script: Rc<Vec<Command>>,
    settings: Settings,
    files: VecDeque<String>,
    input: Option<Box<dyn BufRead>>,
    file: String,
    line: u64,
    pattern: Line,
    hold: Line,
    later: Vec<Later>,
    out: Shared<Output>,
    /// What becomes of the file that is edited in place.
    edited: Option<Shared<Vec<u8>>>,
    written: BTreeMap<String, Shared<Output>>,
    read: BTreeMap<String, Option<Box<dyn BufRead>>>,
    last_pattern: Option<Rc<Regex>>,
    region: Region,
    substituted: bool,
    code: i32,
}

/// A writer into a shared buffer.
struct IntoBuffer(Shared<Vec<u8>>);

impl Write for IntoBuffer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.borrow_mut().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn new(to: Box<dyn Write>) -> Shared<Self> {
        Rc::new(RefCell::new(Self { to, owes_newline: false }))
    }

    fn raw(&mut self, bytes: &[u8]) {
        if self.owes_newline {
            self.owes_newline = false;
            self.put(b"\n");
        }
        self.put(bytes);
    }

    fn line(&mut self, line: &Line, separator: u8) {
        self.raw(&line.text);
        if line.is_ended {
            self.put(&[separator]);
        } else {
            self.owes_newline = true;
        }
    }

    fn put(&mut self, bytes: &[u8]) {
        if let Err(e) = self.to.write_all(bytes) {
            eprintln!("sed: couldn't write to output: {}", reason(&e));
            std::process::exit(4);
        }
    }
}

impl Editor {
    pub(super) fn new(script: Script, settings: Settings, files: Vec<String>) -> Self {
        let empty = Line { text: vec![], is_ended: true };
        let mut editor = Self {
            script: Rc::new(script.commands),
            settings,
            files: files.into(),
            input: None,
            file: "-".into(),
            line: 0,
            pattern: empty.clone(),
            hold: empty,
            later: vec![],
            out: Output::new(Box::new(io::BufWriter::new(io::stdout()))),
            edited: None,
            written: BTreeMap::new(),
            read: BTreeMap::new(),
            last_pattern: None,
            region: Region::new(),
            substituted: false,
            code: 0,
        };
        editor.create_files();
        editor.reset_ranges();
        editor
    }

    /// A text after the substitutions of the script, and nothing else in it.
    pub(super) fn renamed(&mut self, text: &str) -> String {
        self.pattern = Line { text: text.as_bytes().to_vec(), is_ended: true };
        for command in Rc::clone(&self.script).iter() {
            if let Action::Substitute(substitution) = &command.action {
                self.substitute(substitution);
            }
        }
        String::from_utf8_lossy(&self.pattern.text).into_owned()
    }

    pub(super) fn run(mut self) -> i32 {
        let script = Rc::clone(&self.script);
        let mut keeps_pattern = false;
        while keeps_pattern || self.next_line() {
            keeps_pattern = false;
            let end = self.cycle(&script);
            if matches!(end, End::Cycle | End::Quit { prints: true, .. }) && !self.settings.quiet {
                self.print_pattern();
            }
            if !matches!(end, End::Quit { prints: false, .. }) {
                self.write_later();
            }
            match end {
                End::Quit { code, .. } => {
                    self.code = code;
                    self.close_input();
                    break;
                }
                End::Again => keeps_pattern = true,
                End::Cycle | End::Deleted => {}
            }
        }
        self.close_input();
        for output in self.written.values().chain([&self.out]) {
            drop(output.borrow_mut().to.flush());
        }
        self.code
    }

    /// Makes the files of `w`, even those that nothing will be written to.
    fn create_files(&mut self) {
        let script = Rc::clone(&self.script);
        for command in script.iter() {
            let name = match &command.action {
                Action::Write(name) | Action::WriteFirst(name) => Some(name),
                Action::Substitute(it) => it.write.as_ref(),
                _ => None,
            };
            let Some(name) = name.filter(|name| !self.written.contains_key(*name)) else {
                continue;
            };
            let output = match name.as_str() {
                "/dev/stdout" => Rc::clone(&self.out),
                "/dev/stderr" => Output::new(Box::new(io::stderr())),
                _ => match File::create(name) {
                    Ok(file) => Output::new(Box::new(file)),
                    Err(e) => {
                        eprintln!("sed: couldn't open file {name}: {}", reason(&e));
                        std::process::exit(4);
                    }
                },
            };
            self.written.insert(name.clone(), output);
        }
    }

    fn reset_ranges(&self) {
        for command in self.script.iter() {
            let starts_inside = matches!(command.from, Some(Address::Line(0)));
            let range = if starts_inside { Range::Until(None) } else { Range::Outside };
            *command.range.borrow_mut() = range;
        }
    }

    /// Reads the next line into the pattern space.
    fn next_line(&mut self) -> bool {
        match self.read_line() {
            Some(line) => {
                self.pattern = line;
                true
            }
            None => false,
        }
    }

    fn read_line(&mut self) -> Option<Line> {
        loop {
            if self.input.is_none() && !self.open_next() {
                return None;
            }
            let mut text = vec![];
            let read = self.input.as_mut()?.read_until(self.settings.separator, &mut text);
            match read {
                Ok(0) => self.close_input(),
                Ok(_) => {
                    let is_ended = text.last() == Some(&self.settings.separator);
                    text.truncate(text.len() - usize::from(is_ended));
                    self.line += 1;
                    return Some(Line { text, is_ended });
                }
                Err(e) => {
                    let (file, why) = (&self.file, reason(&e));
                    eprintln!("sed: couldn't read {file}: {why}");
                    self.code = 2;
                    self.close_input();
                }
            }
        }
    }

    /// Opens the next file there is.
    fn open_next(&mut self) -> bool {
        while let Some(name) = self.files.pop_front() {
            match open(&name, self.settings.in_place.is_some()) {
                Ok(input) => {
                    self.file = name;
                    self.input = Some(input);
                    if self.settings.separate {
                        self.line = 0;
                        self.reset_ranges();
                    }
                    if self.settings.in_place.is_some() {
                        let buffer = Shared::default();
                        self.out = Output::new(Box::new(IntoBuffer(Rc::clone(&buffer))));
                        self.edited = Some(buffer);
                    }
                    return true;
                }
                Err(message) => {
                    eprintln!("sed: {message}");
                    self.code = if message.starts_with("couldn't") { 4 } else { 2 };
                }
            }
        }
        false
    }

    /// Ends with the current file; what was edited in place is written to it.
    fn close_input(&mut self) {
        self.input = None;
        let (Some(buffer), Some(suffix)) = (self.edited.take(), &self.settings.in_place) else {
            return;
        };
        let path = std::path::Path::new(&self.file);
        let done = match suffix.as_str() {
            "" => Ok(()),
            _ => fs::copy(path, backup_name(path, suffix)).map(drop),
        };
        if let Err(e) = done.and_then(|()| fs::write(path, &*buffer.borrow())) {
            eprintln!("sed: couldn't edit {}: {}", self.file, reason(&e));
            self.code = 4;
        }
    }

    /// Whether the current line is the last.
    fn is_last(&mut self) -> bool {
        if let Some(input) = &mut self.input
            && input.fill_buf().is_ok_and(|rest| !rest.is_empty())
        {
            return false;
        }
        if self.settings.separate {
            return true;
        }
        self.files.iter().all(|name| {
            open(name, false).map_or(true, |mut it| it.fill_buf().map_or(true, <[u8]>::is_empty))
        })
    }

    fn print_pattern(&mut self) {
        self.out.borrow_mut().line(&self.pattern, self.settings.separator);
    }

    fn write_later(&mut self) {
        for later in std::mem::take(&mut self.later) {
            match later {
                Later::Text(text) => self.out.borrow_mut().raw(&text),
                Later::Line(text) => {
                    let line = Line { text, is_ended: true };
                    self.out.borrow_mut().line(&line, self.settings.separator);
                }
                Later::File(name) => {
                    let content = match name.as_str() {
                        "/dev/stdin" => {
                            let mut all = vec![];
                            io::stdin().read_to_end(&mut all).map(|_| all)
                        }
                        name => fs::read(name),
                    };
                    if let Ok(content) = content
                        && !content.is_empty()
                    {
                        self.out.borrow_mut().raw(&content);
                    }
                }
            }
        }
    }

    fn cycle(&mut self, script: &[Command]) -> End {
        let mut at = 0;
        while let Some(command) = script.get(at) {
            at += 1;
            if self.selects(command) == command.is_negated {
                if let Action::Block(end) = command.action {
                    at = end;
                }
                continue;
            }
            match &command.action {
                Action::Branch(to) => at = to.unwrap_or(script.len()),
                Action::BranchIf(to) if self.substituted => {
                    self.substituted = false;
                    at = to.unwrap_or(script.len());
                }
                Action::BranchUnless(to) if !self.substituted => at = to.unwrap_or(script.len()),
                Action::BranchUnless(_) => self.substituted = false,
                _ => {
                    if let Some(end) = self.execute(command) {
                        if !matches!(end, End::Again) {
                            self.substituted = false;
                        }
                        return end;
                    }
                }
            }
        }
        self.substituted = false;
        End::Cycle
    }

    fn selects(&mut self, command: &Command) -> bool {
        let Some(from) = &command.from else { return true };
        let Some(to) = &command.to else { return self.is_at(from) };
        let range = *command.range.borrow();
        let (range, selected) = match range {
            Range::Until(Some(line)) if self.line >= line => (Range::Over, self.line == line),
            Range::Until(Some(_)) => return true,
            Range::Until(None) => {
                if !self.is_at(to) {
                    return true;
                }
                (Range::Over, true)
            }
            Range::Outside | Range::Over => {
                let starts = match from {
                    Address::Line(line) => range == Range::Outside && self.line >= *line,
                    other => self.is_at(other),
                };
                if !starts {
                    return false;
                }
                self.enter(from, to)
            }
        };
        *command.range.borrow_mut() = range;
        selected
    }

    /// The state of a range whose first address fits this line, and whether the line is in it.
    fn enter(&self, from: &Address, to: &Address) -> (Range, bool) {
        let end = match to {
            Address::Line(line) => *line,
            Address::Plus(more) => self.line.saturating_add(*more),
            Address::Multiple(0) => self.line,
            Address::Multiple(step) => self.line.div_ceil(*step) * step,
            _ => return (Range::Until(None), true),
        };
        if end > self.line {
            return (Range::Until(Some(end)), true);
        }
        let is_first = !matches!(from, Address::Line(line) if *line != self.line);
        (Range::Over, is_first || end == self.line)
    }

    fn is_at(&mut self, address: &Address) -> bool {
        match address {
            Address::Line(line) => self.line == *line,
            Address::Step(first, 0) => self.line == *first,
            Address::Step(first, step) => {
                self.line >= *first && (self.line - first).is_multiple_of(*step)
            }
            Address::Last => self.is_last(),
            Address::Match(pattern) => {
                let pattern = self.pattern_or_last(pattern.as_ref());
                pattern.is_match(&self.pattern.text)
            }
            Address::Plus(_) | Address::Multiple(_) => false,
        }
    }

    fn pattern_or_last(&mut self, pattern: Option<&Rc<Regex>>) -> Rc<Regex> {
        if let Some(pattern) = pattern {
            self.last_pattern = Some(Rc::clone(pattern));
        }
        self.last_pattern.clone().unwrap_or_else(|| {
            eprintln!("sed: no previous regular expression");
            std::process::exit(1)
        })
    }

    /// Does what a command says; how the cycle ends, if it does.
    fn execute(&mut self, command: &Command) -> Option<End> {
        match &command.action {
            Action::Append(text) => self.later.push(Later::Text(text.clone())),
            Action::Insert(text) => self.out.borrow_mut().raw(text),
            Action::Change(text) => {
                let is_inside = matches!(*command.range.borrow(), Range::Until(_));
                if !is_inside || command.is_negated {
                    self.out.borrow_mut().raw(text);
                }
                return Some(End::Deleted);
            }
            Action::Substitute(substitution) => self.substitute(substitution),
            Action::Translate(pairs) => self.translate(pairs),
            Action::Read(name) => self.later.push(Later::File(name.clone())),
            Action::ReadLine(name) => self.read_one(name),
            Action::Write(name) => {
                let line = self.pattern.clone();
                self.write_to(name, &line);
            }
            Action::WriteFirst(name) => {
                let text = first_line(&self.pattern.text).to_vec();
                self.write_to(name, &Line { text, is_ended: true });
            }
            Action::Execute(shell) => self.shell(shell),
            Action::Quit(code) => return Some(End::Quit { code: *code, prints: true }),
            Action::QuitSilently(code) => return Some(End::Quit { code: *code, prints: false }),
            Action::List(width) => {
                let text = listed(&self.pattern.text, width.unwrap_or(self.settings.width));
                self.out.borrow_mut().raw(&text);
            }
            Action::Plain(name) => return self.plain(*name),
            _ => {}
        }
        None
    }

    fn plain(&mut self, name: char) -> Option<End> {
        match name {
            '=' => {
                let text = format!("{}\n", self.line);
                self.out.borrow_mut().raw(text.as_bytes());
            }
            'd' => return Some(End::Deleted),
            'D' => {
                let Some(newline) = self.pattern.text.iter().position(|c| *c == b'\n') else {
                    return Some(End::Deleted);
                };
                self.pattern.text.drain(..=newline);
                return Some(End::Again);
            }
            'F' => {
                let text = format!("{}\n", self.file);
                self.out.borrow_mut().raw(text.as_bytes());
            }
            'g' => self.pattern = self.hold.clone(),
            'G' => append(&mut self.pattern, &self.hold, self.settings.separator),
            'h' => self.hold = self.pattern.clone(),
            'H' => append(&mut self.hold, &self.pattern, self.settings.separator),
            'x' => std::mem::swap(&mut self.pattern, &mut self.hold),
            'z' => self.pattern.text.clear(),
            'p' => self.print_pattern(),
            'P' => {
                let text = first_line(&self.pattern.text).to_vec();
                let line = Line { text, is_ended: true };
                self.out.borrow_mut().line(&line, self.settings.separator);
            }
            'n' => return self.next_pattern(),
            'N' => return self.append_next(),
            _ => {}
        }
        None
    }

    fn next_pattern(&mut self) -> Option<End> {
        if self.is_last() && !self.has_more_files() {
            return Some(End::Quit { code: self.code, prints: true });
        }
        if !self.settings.quiet {
            self.print_pattern();
        }
        self.write_later();
        if self.next_line() { None } else { Some(End::Quit { code: self.code, prints: false }) }
    }

    fn append_next(&mut self) -> Option<End> {
        self.write_later();
        if self.is_last() && !self.has_more_files() {
            let prints = std::env::var_os("POSIXLY_CORRECT").is_none();
            return Some(End::Quit { code: self.code, prints });
        }
        let Some(line) = self.read_line() else {
            return Some(End::Quit { code: self.code, prints: true });
        };
        append(&mut self.pattern, &line, self.settings.separator);
        None
    }

    /// Whether there are files after this one that are worked on one by one.
    fn has_more_files(&self) -> bool {
        self.settings.separate && !self.files.is_empty()
    }

    fn read_one(&mut self, name: &str) {
        let separator = self.settings.separator;
        let input = self.read.entry(name.to_owned()).or_insert_with(|| open(name, false).ok());
        let mut text = vec![];
        if let Some(input) = input
            && input.read_until(separator, &mut text).is_ok_and(|n| n > 0)
        {
            if text.last() == Some(&separator) {
                text.pop();
            }
            self.later.push(Later::Line(text));
        }
    }

    fn write_to(&mut self, name: &str, line: &Line) {
        // `/dev/stdout` is where the output of the moment goes, also in place.
        let output = match name {
            "/dev/stdout" => Some(&self.out),
            _ => self.written.get(name),
        };
        if let Some(output) = output {
            let mut output = output.borrow_mut();
            output.line(line, self.settings.separator);
            drop(output.to.flush());
        }
    }

    fn shell(&mut self, command: &str) {
        let from_pattern = command.is_empty();
        let text = String::from_utf8_lossy(&self.pattern.text).into_owned();
        let command = if from_pattern { &text } else { command };
        drop(self.out.borrow_mut().to.flush());
        let output = playpen_sys::Command::new("sh")
            .args(["-c", command])
            .stderr(playpen_sys::Stdio::inherit())
            .output();
        let mut stdout = output.map(|output| output.stdout).unwrap_or_default();
        if from_pattern {
            if stdout.last() == Some(&b'\n') {
                stdout.pop();
            }
            self.pattern.text = stdout;
        } else {
            self.out.borrow_mut().raw(&stdout);
        }
    }

    fn translate(&mut self, pairs: &[(char, char)]) {
        let map = |c: char| pairs.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to);
        match std::str::from_utf8(&self.pattern.text) {
            Ok(text) => self.pattern.text = text.chars().map(map).collect::<String>().into_bytes(),
            Err(_) => {
                for byte in &mut self.pattern.text {
                    *byte = u8::try_from(map(char::from(*byte))).unwrap_or(*byte);
                }
            }
        }
    }

    fn substitute(&mut self, substitution: &Substitution) {
        let pattern = self.pattern_or_last(substitution.pattern.as_ref());
        let Some(result) = self.replaced(&pattern, substitution) else { return };
        self.pattern.text = result;
        self.substituted = true;
        if substitution.execute {
            self.shell("");
        }
        if substitution.print {
            self.print_pattern();
        }
        if let Some(name) = &substitution.write {
            let line = self.pattern.clone();
            self.write_to(name, &line);
        }
    }

    /// The pattern space with its matches replaced; `None` if there was nothing to replace.
    fn replaced(&mut self, pattern: &Regex, substitution: &Substitution) -> Option<Vec<u8>> {
        let text = &self.pattern.text;
        let mut result = Vec::with_capacity(text.len() + 32);
        let (mut start, mut count, mut is_replaced) = (0, 0, false);
        let mut last_end = None;
        while start <= text.len() && pattern.find_at(text, start, &mut self.region) {
            let (from, to) = self.region.pos(0)?;
            result.extend_from_slice(&text[start..from]);
            let is_adjacent = from == to && last_end == Some(from);
            count += usize::from(!is_adjacent);
            if is_adjacent || count < substitution.number {
                result.extend_from_slice(&text[from..to]);
            } else {
                replace(&mut result, text, &self.region, &substitution.replacement);
                is_replaced = true;
            }
            last_end = Some(to);
            start = to;
            if is_replaced && !substitution.global {
                break;
            }
            if from == to {
                let step = char_len(&text[to..]);
                result.extend_from_slice(&text[to..to + step]);
                start = to + step.max(1);
            }
        }
        result.extend_from_slice(text.get(start..).unwrap_or_default());
        is_replaced.then_some(result)
    }
}

fn open(name: &str, in_place: bool) -> Result<Box<dyn BufRead>, String> {
    if name == "-" && !in_place {
        return Ok(Box::new(BufReader::new(io::stdin())));
    }
    match fs::metadata(name) {
        Err(e) => Err(format!("can't read {name}: {}", reason(&e))),
        Ok(it) if it.is_dir() && in_place => {
            Err(format!("couldn't edit {name}: not a regular file"))
        }
        Ok(it) if it.is_dir() => Err(format!("read error on {name}: Is a directory")),
        Ok(_) => match File::open(name) {
            Ok(file) => Ok(Box::new(BufReader::with_capacity(65536, file))),
            Err(e) => Err(format!("can't read {name}: {}", reason(&e))),
        },
    }
}

fn backup_name(path: &std::path::Path, suffix: &str) -> std::path::PathBuf {
    let name = path.file_name().map_or(String::new(), |name| name.to_string_lossy().into_owned());
    let backup = match suffix.contains('*') {
        true => suffix.replace('*', &name),
        false => format!("{name}{suffix}"),
    };
    if backup.contains('/') { backup.into() } else { path.with_file_name(backup) }
}

fn first_line(text: &[u8]) -> &[u8] {
    text.split(|c| *c == b'\n').next().unwrap_or(text)
}

fn append(to: &mut Line, from: &Line, separator: u8) {
    to.text.push(separator);
    to.text.extend_from_slice(&from.text);
    to.is_ended = from.is_ended;
}

/// How many bytes the first character has.
fn char_len(text: &[u8]) -> usize {
    if text.is_empty() || !text_encoding() {
        return text.len().min(1);
    }
    let len = match text[0] {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => 1,
    };
    len.min(text.len())
}

/// Adds a replacement to the result.
fn replace(result: &mut Vec<u8>, text: &[u8], region: &Region, parts: &[Part]) {
    let (mut lasting, mut once) = (Case::Keep, None);
    for part in parts {
        let piece = match part {
            Part::Case(case @ (Case::NextUpper | Case::NextLower)) => {
                once = Some(*case);
                continue;
            }
            Part::Case(case) => {
                lasting = *case;
                continue;
            }
            Part::Text(piece) => piece.as_slice(),
            Part::Group(group) => region.pos(*group).map_or(&[][..], |(from, to)| &text[from..to]),
        };
        if lasting == Case::Keep && once.is_none() || piece.is_empty() {
            result.extend_from_slice(piece);
            continue;
        }
        result.extend_from_slice(cased(piece, lasting, once.take()).as_bytes());
    }
}

fn cased(piece: &[u8], lasting: Case, once: Option<Case>) -> String {
    let piece = String::from_utf8_lossy(piece);
    let change = |text: &str, case| match case {
        Case::Upper | Case::NextUpper => text.to_uppercase(),
        Case::Lower | Case::NextLower => text.to_lowercase(),
        Case::Keep => text.to_owned(),
    };
    let Some(once) = once else { return change(&piece, lasting) };
    let first = piece.chars().next().map_or(0, char::len_utf8);
    change(&piece[..first], once) + &change(&piece[first..], lasting)
}

/// What `l` shows of a text.
fn listed(text: &[u8], width: usize) -> Vec<u8> {
    let (mut out, mut column) = (String::new(), 0);
    for byte in text {
        let shown = match byte {
            b'\\' => "\\\\".into(),
            7 => "\\a".into(),
            8 => "\\b".into(),
            12 => "\\f".into(),
            b'\n' => "\\n".into(),
            b'\r' => "\\r".into(),
            b'\t' => "\\t".into(),
            11 => "\\v".into(),
            b' '..=b'~' => char::from(*byte).to_string(),
            other => format!("\\{other:03o}"),
        };
        if width > 1 && column + shown.len() > width - 1 {
            out.push_str("\\\n");
            column = 0;
        }
        column += shown.len();
        out.push_str(&shown);
    }
    out.push_str("$\n");
    out.into_bytes()
}
