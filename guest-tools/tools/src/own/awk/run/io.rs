//! Records in, texts out.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::rc::Rc;

use playpen_sys::{Child, Command, Stdio};
use posix_regex::Regex;

use super::{ARGC, ARGV, FILENAME, FNR, FS, Flow, Machine, NF, NR, OFS, R, RS, Value, fail};
use crate::own::awk::bytes::{self, outward};
use crate::own::awk::tree::Name;
use crate::own::reason;

/// What ends a record.
#[derive(Clone)]
pub(super) enum Separator {
    Byte(u8),
    /// Empty lines.
    Paragraph,
    Regex(Rc<Regex>),
}

/// Open files and commands that are read from.
#[derive(Default)]
pub(super) struct Input {
    main: Option<Box<dyn BufRead>>,
    next_argument: usize,
    used_any: bool,
    others: HashMap<String, (Box<dyn BufRead>, Option<Child>)>,
}

/// How an output is opened.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    File,
    Append,
    Command,
}

/// Open files and commands that are written to.
pub(super) struct Outputs {
    stdout: BufWriter<std::io::Stdout>,
    others: Vec<(String, Box<dyn Write>, Option<Child>)>,
}

impl Default for Outputs {
    fn default() -> Self {
        Self { stdout: BufWriter::with_capacity(65536, std::io::stdout()), others: vec![] }
    }
}

impl Outputs {
    pub(super) fn write(
        &mut self,
        name: Option<&str>,
        kind: Kind,
        text: &str,
    ) -> Result<(), String> {
        let failed = |e: std::io::Error| format!("write failure ({})", reason(&e));
        let Some(name) = name.filter(|name| !matches!(*name, "/dev/stdout" | "-")) else {
            return self.stdout.write_all(&outward(text)).map_err(failed);
        };
        if name == "/dev/stderr" {
            return std::io::stderr().write_all(&outward(text)).map_err(failed);
        }
        let index = match self.others.iter().position(|(it, ..)| it == name) {
            Some(index) => index,
            None => {
                self.flush();
                let (writer, child) = open_output(&bytes::name(name), kind)
                    .map_err(|e| format!("cannot open {name} ({})", reason(&e)))?;
                self.others.push((name.to_owned(), writer, child));
                self.others.len() - 1
            }
        };
        self.others[index].1.write_all(&outward(text)).map_err(failed)
    }

    pub(super) fn flush(&mut self) {
        drop(self.stdout.flush());
        self.others.iter_mut().for_each(|(_, writer, _)| drop(writer.flush()));
    }

    /// The exit status of what was closed, if it was open.
    pub(super) fn close(&mut self, name: &str) -> Option<f64> {
        let index = self.others.iter().position(|(it, ..)| it == name)?;
        drop(self.stdout.flush());
        let (_, mut writer, child) = self.others.remove(index);
        drop(writer.flush());
        drop(writer);
        Some(child.map_or(0., wait))
    }

    /// Closes everything; whether standard output took all.
    pub(super) fn close_all(&mut self) -> bool {
        let is_written = self.stdout.flush().is_ok();
        while let Some((name, ..)) = self.others.first() {
            let name = name.clone();
            self.close(&name);
        }
        is_written
    }
}

fn open_output(name: &str, kind: Kind) -> std::io::Result<(Box<dyn Write>, Option<Child>)> {
    match kind {
        Kind::File => Ok((Box::new(BufWriter::new(File::create(name)?)), None)),
        Kind::Append => {
            let file = File::options().append(true).create(true).open(name)?;
            Ok((Box::new(BufWriter::new(file)), None))
        }
        Kind::Command => {
            let mut child = Command::new("sh").args(["-c", name]).stdin(Stdio::piped()).spawn()?;
            let stdin = child.stdin.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
            Ok((Box::new(BufWriter::new(stdin)), Some(child)))
        }
    }
}

fn wait(mut child: Child) -> f64 {
    child.wait().map_or(-1., |status| f64::from(status.shell_code()))
}

impl Input {
    pub(super) fn skip_file(&mut self) {
        self.main = None;
    }

    pub(super) fn from_file(
        &mut self,
        name: &str,
        separator: &Separator,
    ) -> std::io::Result<Option<String>> {
        if !self.others.contains_key(name) {
            self.others.insert(name.to_owned(), (open_input(&bytes::name(name))?, None));
        }
        self.read_other(name, separator)
    }

    pub(super) fn from_command(
        &mut self,
        command: &str,
        separator: &Separator,
    ) -> std::io::Result<Option<String>> {
        if !self.others.contains_key(command) {
            let mut child = Command::new("sh")
                .args(["-c", &bytes::name(command)])
                .stdout(Stdio::piped())
                .spawn()?;
            let stdout = child.stdout.take().ok_or(std::io::ErrorKind::BrokenPipe)?;
            let reader = Box::new(BufReader::new(stdout));
            self.others.insert(command.to_owned(), (reader, Some(child)));
        }
        self.read_other(command, separator)
    }

    fn read_other(&mut self, name: &str, separator: &Separator) -> std::io::Result<Option<String>> {
        match self.others.get_mut(name) {
            Some((reader, _)) => read_record(reader.as_mut(), separator),
            None => Ok(None),
        }
    }

    pub(super) fn close(&mut self, name: &str) -> Option<f64> {
        let (reader, child) = self.others.remove(name)?;
        drop(reader);
        Some(child.map_or(0., wait))
    }
}

fn open_input(name: &str) -> std::io::Result<Box<dyn BufRead>> {
    if matches!(name, "-" | "/dev/stdin") {
        return Ok(Box::new(BufReader::new(std::io::stdin())));
    }
    if std::fs::metadata(name)?.is_dir() {
        return Err(std::io::ErrorKind::IsADirectory.into());
    }
    Ok(Box::new(BufReader::with_capacity(65536, File::open(name)?)))
}

fn read_record(reader: &mut dyn BufRead, separator: &Separator) -> std::io::Result<Option<String>> {
    let mut bytes = vec![];
    match separator {
        Separator::Byte(end) => {
            if reader.read_until(*end, &mut bytes)? == 0 {
                return Ok(None);
            }
            if bytes.last() == Some(end) {
                bytes.pop();
            }
        }
        Separator::Paragraph => {
            let mut line = vec![];
            loop {
                line.clear();
                if reader.read_until(b'\n', &mut line)? == 0 {
                    break;
                }
                match (line == b"\n", bytes.is_empty()) {
                    (true, true) => {}
                    (true, false) => break,
                    (false, _) => bytes.extend_from_slice(&line),
                }
            }
            if bytes.is_empty() {
                return Ok(None);
            }
            if bytes.last() == Some(&b'\n') {
                bytes.pop();
            }
        }
        Separator::Regex(regex) => return read_until_match(reader, regex),
    }
    Ok(Some(text(bytes)))
}

/// Reads up to a match that more input could not make longer.
fn read_until_match(reader: &mut dyn BufRead, regex: &Regex) -> std::io::Result<Option<String>> {
    let mut bytes: Vec<u8> = vec![];
    let mut region = onig::Region::new();
    loop {
        let before = bytes.len();
        let n = reader.read_until(b'\n', &mut bytes)?;
        let found = regex.find_at(&bytes, 0, &mut region).then(|| region.pos(0)).flatten();
        match found.filter(|(from, to)| from < to) {
            Some((from, to)) if to < bytes.len() || n == 0 || to > before => {
                // What is behind the separator is for the next record.
                let rest = bytes.split_off(to);
                bytes.truncate(from);
                PENDING.with_borrow_mut(|pending| *pending = rest);
                return Ok(Some(text(bytes)));
            }
            _ if n == 0 => {
                if bytes.last() == Some(&b'\n') {
                    bytes.pop();
                }
                return Ok((before > 0).then(|| text(bytes)));
            }
            _ => {}
        }
    }
}

thread_local! {
    /// What was read behind the last separator that a pattern describes.
    static PENDING: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(vec![]) };
}

/// A reader that gives what is pending first.
struct Pending<'a>(&'a mut dyn BufRead);

impl std::io::Read for Pending<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let from = self.fill_buf()?;
        let n = from.len().min(buffer.len());
        buffer[..n].copy_from_slice(&from[..n]);
        self.consume(n);
        Ok(n)
    }
}

impl BufRead for Pending<'_> {
    fn fill_buf(&mut self) -> std::io::Result<&[u8]> {
        self.0.fill_buf()
    }

    fn consume(&mut self, n: usize) {
        self.0.consume(n);
    }
}

fn text(bytes: Vec<u8>) -> String {
    bytes::inward(bytes)
}

impl Machine {
    pub(super) fn separator(&mut self, text: &Rc<str>) -> R<Separator> {
        match text.as_bytes() {
            [] => Ok(Separator::Paragraph),
            [one] => Ok(Separator::Byte(*one)),
            _ => self.compiled(text).map(Separator::Regex),
        }
    }

    /// Reads the next record of the main input into `$0`.
    pub(super) fn next_record(&mut self) -> R<bool> {
        match self.read_main()? {
            Some(text) => {
                self.set_record(text.into());
                Ok(true)
            }
            None => Ok(false),
        }
    }

    pub(super) fn count_record(&mut self, in_file: bool) {
        for index in [NR, FNR].into_iter().take(if in_file { 2 } else { 1 }) {
            let number = self.number_of(index) + 1.;
            self.set_special(index, Value::Number(number));
        }
    }

    fn number_of(&self, index: usize) -> f64 {
        match &self.globals[index] {
            super::Cell::Value(value) => value.number(),
            super::Cell::Array(_) => 0.,
        }
    }

    pub(super) fn read_main(&mut self) -> R<Option<String>> {
        loop {
            if self.input.main.is_none() && !self.open_main()? {
                return Ok(None);
            }
            let separator = self.special(RS);
            let separator = self.separator(&separator)?;
            let Some(reader) = self.input.main.as_mut() else { return Ok(None) };
            let read = if let Separator::Regex(_) = separator {
                let pending = PENDING.with_borrow_mut(std::mem::take);
                let mut chained =
                    std::io::Read::chain(pending.as_slice(), Pending(reader.as_mut()));
                let read = read_record(&mut chained, &separator);
                // What of the old rest was not read stays in front.
                let (rest, _) = chained.into_inner();
                if !rest.is_empty() {
                    PENDING.with_borrow_mut(|it| it.extend_from_slice(rest));
                }
                read
            } else {
                read_record(reader.as_mut(), &separator)
            };
            match read {
                Ok(Some(text)) => {
                    self.count_record(true);
                    return Ok(Some(text));
                }
                Ok(None) => self.input.main = None,
                Err(e) => return fail(format!("read failure ({})", reason(&e))),
            }
        }
    }

    /// Opens the next operand that is a file; standard input if there is none.
    fn open_main(&mut self) -> R<bool> {
        let argv = self.array(Name::Global(ARGV));
        loop {
            self.input.next_argument += 1;
            let index = self.input.next_argument;
            if index as f64 >= self.number_of(ARGC) {
                break;
            }
            let operand = argv.borrow().get(index.to_string().as_str()).cloned();
            let operand = operand.map_or("".into(), |it| it.show("%.6g"));
            if operand.is_empty() {
                continue;
            }
            if let Some((name, value)) = assignment(&operand) {
                self.assign(name, value);
                continue;
            }
            self.input.used_any = true;
            match open_input(&bytes::name(&operand)) {
                Ok(reader) => {
                    self.input.main = Some(reader);
                    self.set_special(FILENAME, Value::Input(Rc::clone(&operand)));
                    self.set_special(FNR, Value::Number(0.));
                    return Ok(true);
                }
                Err(e) => {
                    drop(self.outputs.stdout.flush());
                    eprintln!("awk: cannot open {operand} ({})", reason(&e));
                    self.code = 2;
                }
            }
        }
        if self.input.used_any {
            return Ok(false);
        }
        self.input.used_any = true;
        self.input.main = Some(Box::new(BufReader::new(std::io::stdin())));
        Ok(true)
    }

    pub(super) fn set_record(&mut self, text: Rc<str>) {
        self.record = text;
        self.is_split = false;
        self.is_joined = true;
    }

    /// `$0`.
    pub(super) fn whole(&mut self) -> Rc<str> {
        if !self.is_joined {
            let fields: Vec<Rc<str>> = self.fields.iter().map(|it| self.show(it)).collect();
            self.record = fields.join(&*self.special(OFS)).into();
            self.is_joined = true;
        }
        Rc::clone(&self.record)
    }

    pub(super) fn split_record(&mut self) {
        if self.is_split {
            return;
        }
        self.is_split = true;
        let separator = self.special(FS);
        let record = Rc::clone(&self.record);
        let pieces = self.pieces(&record, &separator).unwrap_or_default();
        self.fields = pieces.into_iter().map(|it| Value::Input(it.into())).collect();
        let count = self.fields.len() as f64;
        self.set_special(NF, Value::Number(count));
    }

    /// A text cut at separators, as FS says.
    pub(super) fn pieces(&mut self, text: &str, separator: &Rc<str>) -> R<Vec<String>> {
        let owned = |it: &str| it.to_owned();
        let is_paragraph = self.special(RS).is_empty();
        let mut chars = separator.chars();
        Ok(match (chars.next(), chars.next()) {
            (Some(' '), None) => {
                let blank = |c: char| matches!(c, ' ' | '\t' | '\n');
                text.split(blank).filter(|it| !it.is_empty()).map(owned).collect()
            }
            _ if text.is_empty() => vec![],
            (None, _) => text.chars().map(String::from).collect(),
            (Some(c), None) if c != '\\' => {
                text.split(|it| it == c || is_paragraph && it == '\n').map(owned).collect()
            }
            _ => {
                let regex = self.compiled(separator)?;
                split_at_matches(text, &regex, is_paragraph)
            }
        })
    }

    pub(super) fn field(&mut self, index: f64) -> R<Value> {
        if index < 0. {
            return fail(format!("negative field index ${index}"));
        }
        if index < 1. {
            return Ok(Value::Input(self.whole()));
        }
        self.split_record();
        Ok(self.fields.get(index as usize - 1).cloned().unwrap_or_default())
    }

    pub(super) fn set_field(&mut self, index: f64, value: Value) -> R {
        if !(0. ..100_000_000.).contains(&index) {
            return fail(format!("field index ${index} out of range"));
        }
        if index < 1. {
            let text = self.show(&value);
            self.set_record(text);
            return Ok(());
        }
        self.split_record();
        let index = index as usize;
        if self.fields.len() < index {
            self.fields.resize(index, Value::Nothing);
            self.set_special(NF, Value::Number(index as f64));
        }
        self.fields[index - 1] = match value {
            Value::Number(_) => Value::Input(self.show(&value)),
            other => other,
        };
        self.is_joined = false;
        Ok(())
    }

    pub(super) fn set_field_count(&mut self, count: f64) -> R {
        self.split_record();
        if !(0. ..100_000_000.).contains(&count) {
            return fail("NF out of range");
        }
        self.fields.resize(count as usize, Value::Nothing);
        self.set_special(NF, Value::Number(count.trunc()));
        self.is_joined = false;
        Ok(())
    }

    pub(super) fn close(&mut self, name: &str) -> f64 {
        self.outputs.close(name).or_else(|| self.input.close(name)).unwrap_or(-1.)
    }

    pub(super) fn system(&mut self, command: &str) -> R<f64> {
        self.outputs.flush();
        let status = Command::new("sh").args(["-c", &bytes::name(command)]).status();
        status.map(|it| f64::from(it.shell_code())).map_err(|e| Flow::Error(reason(&e)))
    }
}

fn split_at_matches(text: &str, regex: &Regex, is_paragraph: bool) -> Vec<String> {
    let mut region = onig::Region::new();
    let (mut pieces, mut start, mut from) = (vec![], 0, 0);
    let bytes = text.as_bytes();
    while from <= bytes.len() && regex.find_at(bytes, from, &mut region) {
        let Some((a, b)) = region.pos(0) else { break };
        if a == b {
            from = b + 1;
            continue;
        }
        pieces.push(text.get(start..a).unwrap_or_default().to_owned());
        start = b;
        from = b;
    }
    pieces.push(text.get(start..).unwrap_or_default().to_owned());
    if is_paragraph {
        return pieces.iter().flat_map(|it| it.split('\n')).map(str::to_owned).collect();
    }
    pieces
}

/// `name=value`, as an operand may be.
fn assignment(operand: &str) -> Option<(&str, &str)> {
    let (name, value) = operand.split_once('=')?;
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|c| c.is_ascii_alphabetic() || c == '_');
    (starts && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')).then_some((name, value))
}
