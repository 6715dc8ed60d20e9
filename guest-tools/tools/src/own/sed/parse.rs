//! Scripts: text to commands.

use std::collections::BTreeMap;
use std::rc::Rc;

use posix_regex::{Options, Regex};

use super::command::{Action, Address, Case, Command, Part, Substitution};

/// A parsed script.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) commands: Vec<Command>,
}

/// Why a script is none.
#[derive(Debug)]
pub(super) struct Error {
    /// How many characters of it were read.
    pub(super) at: usize,
    pub(super) message: String,
}

type R<T> = Result<T, String>;

impl Script {
    pub(super) fn parse(text: &str, extended: bool, utf8: bool) -> Result<Self, Error> {
        let options = Options { extended, utf8, escapes: true, ..Options::default() };
        let mut parser = Parser {
            text: text.chars().collect(),
            at: 0,
            options,
            commands: vec![],
            blocks: vec![],
            labels: BTreeMap::new(),
            jumps: vec![],
        };
        match parser.script() {
            Ok(()) => Ok(Self { commands: parser.commands }),
            Err(message) => Err(Error { at: parser.at, message }),
        }
    }
}

struct Parser {
    text: Vec<char>,
    at: usize,
    options: Options,
    commands: Vec<Command>,
    blocks: Vec<usize>,
    labels: BTreeMap<String, usize>,
    /// Commands that jump, and to which label.
    jumps: Vec<(usize, String)>,
}

impl Parser {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek();
        self.at += usize::from(c.is_some());
        c
    }

    fn skip(&mut self, wanted: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&wanted) {
            self.at += 1;
        }
    }

    fn skip_blanks(&mut self) {
        self.skip(|c| c != '\n' && c.is_whitespace());
    }

    fn script(&mut self) -> R<()> {
        loop {
            self.skip(|c| c.is_whitespace() || c == ';');
            if self.peek().is_none() {
                break;
            }
            self.command()?;
        }
        if !self.blocks.is_empty() {
            self.at = 0;
            return Err("unmatched `{'".into());
        }
        for (index, label) in std::mem::take(&mut self.jumps) {
            let target = *self
                .labels
                .get(&label)
                .ok_or_else(|| format!("can't find label for jump to `{label}'"))?;
            match &mut self.commands[index].action {
                Action::Branch(to) | Action::BranchIf(to) | Action::BranchUnless(to) => {
                    *to = Some(target);
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn command(&mut self) -> R<()> {
        let from = self.address()?;
        self.skip_blanks();
        let to = match from {
            Some(_) if self.peek() == Some(',') => {
                self.at += 1;
                self.skip_blanks();
                Some(self.second_address()?)
            }
            _ => None,
        };
        if matches!(from, Some(Address::Line(0))) && !matches!(to, Some(Address::Match(_))) {
            return Err("invalid usage of line address 0".into());
        }
        self.skip_blanks();
        let mut is_negated = false;
        while self.peek() == Some('!') {
            self.at += 1;
            is_negated = true;
            self.skip(char::is_whitespace);
        }
        let name = self.next().ok_or("missing command")?;
        let (has_from, has_to) = (from.is_some(), to.is_some());
        let index = self.commands.len();
        let action = self.action(name, index, has_from, has_to)?;
        let range = Default::default();
        self.commands.push(Command { from, to, is_negated, range, action });
        if name == '}' {
            let start = self.blocks.pop().ok_or("unexpected `}'")?;
            self.commands[start].action = Action::Block(index);
        }
        Ok(())
    }

    fn address(&mut self) -> R<Option<Address>> {
        Ok(Some(match self.peek() {
            Some(c) if c.is_ascii_digit() => {
                let line = self.number();
                self.skip_blanks();
                if self.peek() == Some('~') {
                    self.at += 1;
                    self.skip_blanks();
                    Address::Step(line, self.number())
                } else {
                    Address::Line(line)
                }
            }
            Some('$') => {
                self.at += 1;
                Address::Last
            }
            Some('/') => {
                self.at += 1;
                Address::Match(self.address_pattern('/')?)
            }
            Some('\\') => {
                self.at += 1;
                let delimiter = self.next().ok_or("unexpected `,'")?;
                Address::Match(self.address_pattern(delimiter)?)
            }
            _ => return Ok(None),
        }))
    }

    fn second_address(&mut self) -> R<Address> {
        match self.peek() {
            Some('+') => {
                self.at += 1;
                Ok(Address::Plus(self.number()))
            }
            Some('~') => {
                self.at += 1;
                Ok(Address::Multiple(self.number()))
            }
            _ => self.address()?.ok_or_else(|| "unexpected `,'".into()),
        }
    }

    fn address_pattern(&mut self, delimiter: char) -> R<Option<Rc<Regex>>> {
        let text = self.delimited(delimiter, true).ok_or("unterminated address regex")?;
        let mut options = self.options;
        loop {
            match self.peek() {
                Some('I') => options.ignore_case = true,
                Some('M') => options.multi_line = true,
                _ => break,
            }
            self.at += 1;
        }
        compile(&text, options)
    }

    fn number(&mut self) -> u64 {
        let start = self.at;
        self.skip(|c| c.is_ascii_digit());
        self.text[start..self.at].iter().collect::<String>().parse().unwrap_or(u64::MAX)
    }

    /// The text up to a delimiter, which a backslash before it makes an ordinary character, as does a
    /// bracket of a pattern around it.
    fn delimited(&mut self, delimiter: char, is_pattern: bool) -> Option<String> {
        let mut text = String::new();
        loop {
            match self.next()? {
                c if c == delimiter => return Some(text),
                '[' if is_pattern => {
                    text.push('[');
                    self.bracket(&mut text)?;
                }
                '\\' => match self.next()? {
                    c if c == delimiter => {
                        // What was special without the backslash is literal with it.
                        let keeps = if is_pattern { is_special(c) } else { c == '&' };
                        if keeps {
                            text.push('\\');
                        }
                        text.push(c);
                    }
                    '\n' if is_pattern => text.push('\n'),
                    c => text.extend(['\\', c]),
                },
                c => text.push(c),
            }
        }
    }

    /// What is behind an opening bracket, with the closing one.
    fn bracket(&mut self, text: &mut String) -> Option<()> {
        let start = self.at;
        let mut is_first = true;
        loop {
            let c = self.next()?;
            text.push(c);
            match c {
                '^' if self.at == start + 1 => continue,
                ']' if !is_first => return Some(()),
                '[' if matches!(self.peek(), Some(':' | '.' | '=')) => {
                    let kind = self.next()?;
                    text.push(kind);
                    while !(text.ends_with(']') && text[..text.len() - 1].ends_with(kind)) {
                        text.push(self.next()?);
                    }
                }
                _ => {}
            }
            is_first = false;
        }
    }

    fn action(&mut self, name: char, index: usize, has_from: bool, has_to: bool) -> R<Action> {
        let action = match name {
            '#' => {
                if has_from {
                    return Err("comments don't accept any addresses".into());
                }
                self.skip(|c| c != '\n');
                return Ok(Action::Nothing);
            }
            ':' => {
                if has_from {
                    return Err(": doesn't want any addresses".into());
                }
                let label = self.label(false);
                if label.is_empty() {
                    return Err("\":\" lacks a label".into());
                }
                self.labels.insert(label, index);
                return Ok(Action::Nothing);
            }
            '{' => {
                self.blocks.push(index);
                return Ok(Action::Block(index));
            }
            '}' => {
                if has_from {
                    return Err("} doesn't want any addresses".into());
                }
                Action::Nothing
            }
            'a' => return self.text_argument().map(Action::Append),
            'i' => return self.text_argument().map(Action::Insert),
            'c' => return self.text_argument().map(Action::Change),
            'b' | 't' | 'T' => {
                let label = self.label(true);
                if !label.is_empty() {
                    self.jumps.push((index, label));
                }
                match name {
                    'b' => Action::Branch(None),
                    't' => Action::BranchIf(None),
                    _ => Action::BranchUnless(None),
                }
            }
            's' => Action::Substitute(Box::new(self.substitution()?)),
            'y' => Action::Translate(self.translation()?),
            'r' => return self.file_name().map(Action::Read),
            'R' => return self.file_name().map(Action::ReadLine),
            'w' => return self.file_name().map(Action::Write),
            'W' => return self.file_name().map(Action::WriteFirst),
            'e' => {
                self.skip_blanks();
                return Ok(Action::Execute(self.rest_of_line()));
            }
            'q' | 'Q' if has_to => return Err("command only uses one address".into()),
            'q' => Action::Quit(self.optional_number().unwrap_or(0) as i32),
            'Q' => Action::QuitSilently(self.optional_number().unwrap_or(0) as i32),
            'l' | 'L' => Action::List(self.optional_number().map(|n| n as usize)),
            'v' => {
                self.rest_of_line();
                return Ok(Action::Nothing);
            }
            '=' | 'd' | 'D' | 'F' | 'g' | 'G' | 'h' | 'H' | 'n' | 'N' | 'p' | 'P' | 'x' | 'z' => {
                Action::Plain(name)
            }
            other => return Err(format!("unknown command: `{other}'")),
        };
        self.end()?;
        Ok(action)
    }

    /// What may follow a command.
    fn end(&mut self) -> R<()> {
        self.skip_blanks();
        match self.peek() {
            None | Some('}' | '#') => Ok(()),
            Some('\n' | ';') => {
                self.at += 1;
                Ok(())
            }
            Some(_) => {
                self.at += 1;
                Err("extra characters after command".into())
            }
        }
    }

    fn optional_number(&mut self) -> Option<u64> {
        self.skip_blanks();
        self.peek().filter(char::is_ascii_digit).map(|_| self.number())
    }

    fn label(&mut self, ends_at_semicolon: bool) -> String {
        self.skip_blanks();
        let start = self.at;
        self.skip(|c| c != '\n' && c != ';' && !(c.is_whitespace() && ends_at_semicolon));
        let label: String = self.text[start..self.at].iter().collect();
        // GNU ends labels at semicolons, and a block may close right behind one.
        match label.strip_suffix('}') {
            Some(before) if ends_at_semicolon && !self.blocks.is_empty() => {
                self.at -= 1;
                before.trim_end().to_owned()
            }
            _ => label.trim_end().to_owned(),
        }
    }

    fn rest_of_line(&mut self) -> String {
        let start = self.at;
        self.skip(|c| c != '\n');
        self.text[start..self.at].iter().collect()
    }

    fn file_name(&mut self) -> R<String> {
        self.skip_blanks();
        let name = self.rest_of_line();
        if name.is_empty() { Err("missing filename in r/R/w/W commands".into()) } else { Ok(name) }
    }

    /// The text of `a`, `i` and `c`.
    fn text_argument(&mut self) -> R<Vec<u8>> {
        self.skip_blanks();
        if self.peek().is_none() {
            return Err("expected \\ after `a', `c' or `i'".into());
        }
        if self.peek() == Some('\\') {
            self.at += 1;
            let after = self.at;
            self.skip_blanks();
            match self.peek() {
                Some('\n') => self.at += 1,
                None => {}
                // One line: what stands behind the backslash keeps its blanks.
                _ => self.at = after,
            }
            if self.peek().is_none() && self.text.get(self.at.wrapping_sub(1)) != Some(&'\n') {
                // Nothing but the newline that the last line may lack.
                return Ok(vec![]);
            }
        }
        let mut text = String::new();
        while let Some(c) = self.next() {
            match c {
                '\n' => break,
                '\\' => match self.next() {
                    Some(c) => self.text_escape(c, &mut text),
                    None => break,
                },
                c => text.push(c),
            }
        }
        text.push('\n');
        Ok(text.into_bytes())
    }

    /// What a backslash and a character are in a text: GNU knows `\t`, and drops other backslashes.
    fn text_escape(&mut self, c: char, text: &mut String) {
        match c {
            't' => text.push('\t'),
            'a' => text.push('\x07'),
            'f' => text.push('\x0c'),
            'v' => text.push('\x0b'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            'x' | 'o' | 'd' => match self.number_escape(c) {
                Some(found) => text.push(found),
                None => text.push(c),
            },
            other => text.push(other),
        }
    }

    /// The character of `\xHH`, `\oNNN` and `\dNNN`, from behind the letter.
    fn number_escape(&mut self, letter: char) -> Option<char> {
        let (radix, width) = match letter {
            'x' => (16, 2),
            'o' => (8, 3),
            _ => (10, 3),
        };
        let digits: String =
            self.text[self.at..].iter().take(width).take_while(|c| c.is_digit(radix)).collect();
        let value = u32::from_str_radix(&digits, radix).ok()?;
        self.at += digits.len();
        char::from_u32(value)
    }

    fn substitution(&mut self) -> R<Substitution> {
        const UNTERMINATED: &str = "unterminated `s' command";
        let delimiter = self.next().ok_or(UNTERMINATED)?;
        if delimiter == '\n' || delimiter == '\\' {
            return Err(UNTERMINATED.into());
        }
        let pattern = self.delimited(delimiter, true).ok_or(UNTERMINATED)?;
        let replacement = self.delimited(delimiter, false).ok_or(UNTERMINATED)?;
        let mut found = Substitution {
            pattern: None,
            replacement: parts(&replacement),
            global: false,
            number: 1,
            print: false,
            execute: false,
            write: None,
        };
        let mut options = self.options;
        loop {
            match self.peek() {
                Some('g') => found.global = true,
                Some('p') => found.print = true,
                Some('i' | 'I') => options.ignore_case = true,
                Some('m' | 'M') => options.multi_line = true,
                Some('e') => found.execute = true,
                Some('0') => return Err("number option to `s' command may not be zero".into()),
                Some(c) if c.is_ascii_digit() => {
                    found.number = self.number() as usize;
                    continue;
                }
                Some('w') => {
                    self.at += 1;
                    found.write = Some(self.file_name()?);
                    break;
                }
                None | Some('}' | '#' | ';' | '\n') => break,
                Some(c) if c.is_whitespace() => break,
                Some(_) => {
                    self.at += 1;
                    return Err("unknown option to `s'".into());
                }
            }
            self.at += 1;
        }
        found.pattern = compile(&pattern, options)?;
        let highest = found.replacement.iter().filter_map(|part| match part {
            Part::Group(n) => Some(*n),
            _ => None,
        });
        if let (Some(pattern), Some(highest)) = (&found.pattern, highest.max())
            && highest > pattern.groups()
        {
            return Err(format!("invalid reference \\{highest} on `s' command's RHS"));
        }
        Ok(found)
    }

    fn translation(&mut self) -> R<Vec<(char, char)>> {
        const UNTERMINATED: &str = "unterminated `y' command";
        let delimiter = self.next().ok_or(UNTERMINATED)?;
        let from = plain(&self.delimited(delimiter, false).ok_or(UNTERMINATED)?);
        let to = plain(&self.delimited(delimiter, false).ok_or(UNTERMINATED)?);
        if from.len() != to.len() {
            return Err("strings for `y' command are different lengths".into());
        }
        Ok(from.into_iter().zip(to).collect())
    }
}

/// Whether a delimiter with a backslash must keep it to be literal in a pattern. Of `s|a\|b|x|` GNU
/// says that the bar is a bar.
fn is_special(c: char) -> bool {
    matches!(c, '.' | '*' | '[' | ']' | '^' | '$')
}

fn compile(text: &str, options: Options) -> R<Option<Rc<Regex>>> {
    if text.is_empty() {
        return Ok(None);
    }
    Regex::new(text, options).map(|regex| Some(Rc::new(regex)))
}

/// The strings of `y`, where a backslash and an `n` are a newline.
fn plain(text: &str) -> Vec<char> {
    let mut found = vec![];
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        found.push(match (c, rest.clone().next()) {
            ('\\', Some('n')) => {
                rest.next();
                '\n'
            }
            ('\\', Some('t')) => {
                rest.next();
                '\t'
            }
            ('\\', Some(c)) => {
                rest.next();
                c
            }
            (c, _) => c,
        });
    }
    found
}

/// A replacement in its parts.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = vec![];
    let mut literal = String::new();
    let mut rest = text.chars().peekable();
    let flush = |literal: &mut String, parts: &mut Vec<Part>, part| {
        if !literal.is_empty() {
            parts.push(Part::Text(std::mem::take(literal).into_bytes()));
        }
        parts.extend(part);
    };
    while let Some(c) = rest.next() {
        match c {
            '&' => flush(&mut literal, &mut parts, Some(Part::Group(0))),
            '\\' => match rest.next() {
                Some(c @ '0'..='9') => {
                    let number = c.to_digit(10).unwrap_or(0) as usize;
                    flush(&mut literal, &mut parts, Some(Part::Group(number)));
                }
                Some(c @ ('U' | 'L' | 'E' | 'u' | 'l')) => {
                    flush(&mut literal, &mut parts, Some(Part::Case(case(c))));
                }
                Some('n') => literal.push('\n'),
                Some('t') => literal.push('\t'),
                Some('a') => literal.push('\x07'),
                Some('f') => literal.push('\x0c'),
                Some('r') => literal.push('\r'),
                Some('v') => literal.push('\x0b'),
                Some(c @ ('x' | 'o' | 'd')) => {
                    let (radix, width) = match c {
                        'x' => (16, 2),
                        'o' => (8, 3),
                        _ => (10, 3),
                    };
                    let digits: String =
                        rest.clone().take(width).take_while(|c| c.is_digit(radix)).collect();
                    let value = u32::from_str_radix(&digits, radix).ok().and_then(char::from_u32);
                    (0..digits.len()).for_each(|_| drop(rest.next()));
                    literal.push(value.unwrap_or(c));
                }
                Some(c) => literal.push(c),
                None => literal.push('\\'),
            },
            c => literal.push(c),
        }
    }
    flush(&mut literal, &mut parts, None);
    parts
}

fn case(letter: char) -> Case {
    match letter {
        'U' => Case::Upper,
        'L' => Case::Lower,
        'u' => Case::NextUpper,
        'l' => Case::NextLower,
        _ => Case::Keep,
    }
}
