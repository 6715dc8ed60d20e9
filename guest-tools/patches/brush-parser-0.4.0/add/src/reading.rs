//! Commands that come in line by line: after which line one can run.
//!
//! All lines of a command are parsed together only where it may end. What is known from the tokens of
//! each line alone (a quote, a here-document or a compound command that is open) tells where it cannot,
//! so that a long command costs what its lines cost and not their square.

use crate::{
    ParseError, Parser, ParserOptions, Token, TokenizerError,
    tokenizer::{Unfinished, uncached_tokenize_str, without_warnings},
};

/// What the lines read so far are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Commands that can run.
    Whole,
    /// The beginning of one.
    Incomplete,
    /// No command, whatever follows.
    Wrong,
}

/// The lines of a command, as they come in.
#[derive(Debug)]
pub struct Reading {
    text: String,
    /// Where in the text the lines start whose tokens are not known yet.
    n_known: usize,
    /// What a line must have for the tokens of these lines to end.
    wants: Option<Wants>,
    open: Compound,
}

#[derive(Debug)]
enum Wants {
    /// To be the last line of a here-document.
    Delimiter(String),
    Char(char),
}

impl Reading {
    /// Nothing is read yet.
    pub fn new() -> Self {
        Self { text: String::new(), n_known: 0, wants: None, open: Compound::new() }
    }

    /// Returns the lines so far.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the lines so far, and needs them no more.
    pub fn into_text(self) -> String {
        self.text
    }

    /// Adds a line and tells what the lines are now.
    pub fn push(&mut self, line: &str, options: &ParserOptions) -> State {
        self.text.push_str(line);
        if self.may_end(line, options) { self.state(options) } else { State::Incomplete }
    }

    /// Parses the lines so far.
    pub fn state(&self, options: &ParserOptions) -> State {
        let (parsed, unfinished) =
            without_warnings(|| Parser::new(self.text.as_bytes(), options).parse_program());
        match parsed {
            _ if !unfinished.is_empty() => State::Incomplete,
            Ok(_) if is_continued(&self.text) => State::Incomplete,
            Ok(_) => State::Whole,
            Err(ParseError::ParsingAtEndOfInput) => State::Incomplete,
            Err(ParseError::Tokenizing { inner, .. }) if inner.is_incomplete() => State::Incomplete,
            Err(_) => State::Wrong,
        }
    }

    /// Tells whether a command can end with the line that was just added.
    fn may_end(&mut self, line: &str, options: &ParserOptions) -> bool {
        let is_wanted = match &self.wants {
            None => true,
            Some(Wants::Delimiter(delimiter)) => {
                let line = line.strip_suffix('\n').unwrap_or(line);
                line == delimiter || line.trim_start_matches('\t') == delimiter
            }
            Some(Wants::Char(wanted)) => line.contains(*wanted),
        };
        if !is_wanted {
            return false;
        }
        let lines = &self.text[self.n_known..];
        let (tokens, unfinished) =
            without_warnings(|| uncached_tokenize_str(lines, &options.tokenizer_options()));
        self.wants = match (&tokens, unfinished.into_iter().next()) {
            (_, Some(Unfinished::HereDocument(delimiter))) => Some(Wants::Delimiter(delimiter)),
            (_, Some(Unfinished::Substitution)) => Some(Wants::Char(')')),
            (Err(TokenizerError::UnterminatedSingleQuote(_)), None) => Some(Wants::Char('\'')),
            (Err(TokenizerError::UnterminatedDoubleQuote(_)), None) => Some(Wants::Char('"')),
            _ => None,
        };
        match tokens {
            Ok(tokens) if self.wants.is_none() && !is_continued(lines) => {
                let before = self.open.clone();
                tokens.iter().for_each(|token| self.open.see(token));
                if self.open.is_arithmetic() {
                    // What `<<` means depends on the line where it began.
                    self.open = before;
                } else {
                    self.n_known = self.text.len();
                }
                self.open.closers.is_empty()
            }
            // Not wrong before the parser says so.
            Err(error) => !error.is_incomplete(),
            Ok(_) => false,
        }
    }
}

impl Default for Reading {
    fn default() -> Self {
        Self::new()
    }
}

/// Tells whether the line break at the end of a text is escaped.
fn is_continued(text: &str) -> bool {
    let Some(line) = text.strip_suffix('\n') else { return false };
    let n_backslashes = line.chars().rev().take_while(|c| *c == '\\').count();
    let last = line.rsplit('\n').next().unwrap_or(line);
    n_backslashes % 2 == 1 && !last.trim_start().starts_with('#')
}

/// The compound commands that are open.
///
/// One that is not noticed costs time, since the lines are parsed too often. One that is noticed and is
/// none lets the command wait for the end of the input, so what is not certain is left out.
#[derive(Clone, Debug)]
struct Compound {
    /// What ends each of them, the innermost last.
    closers: Vec<&'static str>,
    place: Place,
}

/// What the next word is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// The first of a command, where reserved words are known.
    Command,
    /// What a function is called.
    Name,
    /// A pattern of `case`.
    Pattern,
    /// Anything else.
    Argument,
}

/// Ends a subshell.
const SUBSHELL: &str = ")";
/// Ends the elements of an array, or the parentheses after the name of a function.
const LIST: &str = "=)";

impl Compound {
    const fn new() -> Self {
        Self { closers: vec![], place: Place::Command }
    }

    /// Tells whether the innermost may be an arithmetic command.
    fn is_arithmetic(&self) -> bool {
        self.closers.ends_with(&[SUBSHELL, SUBSHELL]) || self.closers.ends_with(&[LIST, LIST])
    }

    fn see(&mut self, token: &Token) {
        self.place = match token {
            Token::Operator(operator, _) => self.operator(operator),
            Token::Word(word, _) => self.word(word),
        };
    }

    /// Returns what the word after an operator is.
    fn operator(&mut self, operator: &str) -> Place {
        match (operator, self.place) {
            ("(" | "\n", Place::Pattern) => Place::Pattern,
            ("\n", _) if self.is_in(LIST) => Place::Argument,
            ("(", Place::Argument) => self.open(LIST, Place::Argument),
            ("(", _) => self.open(SUBSHELL, Place::Command),
            (")", _) => {
                let _ = self.close(SUBSHELL) || self.close(LIST);
                Place::Command
            }
            (";;" | ";&" | ";;&", _) if self.is_in("esac") => Place::Pattern,
            ("\n" | ";" | "&" | "|" | "|&" | "&&" | "||", _) => Place::Command,
            _ => Place::Argument,
        }
    }

    /// Returns what the word after a word is.
    fn word(&mut self, word: &str) -> Place {
        match (word, self.place) {
            ("esac", Place::Command | Place::Pattern) | ("}" | "fi" | "done", Place::Command)
                if self.close(word) =>
            {
                Place::Command
            }
            ("then" | "do" | "else" | "elif" | "!" | "time" | "coproc", Place::Command) => {
                Place::Command
            }
            ("{", Place::Command) => self.open("}", Place::Command),
            ("if", Place::Command) => self.open("fi", Place::Command),
            ("while" | "until", Place::Command) => self.open("done", Place::Command),
            ("for" | "select", Place::Command) => self.open("done", Place::Argument),
            ("case", Place::Command) => self.open("esac", Place::Argument),
            ("in", Place::Argument) if self.is_in("esac") => Place::Pattern,
            ("function", Place::Command) => Place::Name,
            (_, Place::Name) => Place::Command,
            (_, Place::Pattern) => Place::Pattern,
            _ => Place::Argument,
        }
    }

    fn is_in(&self, closer: &str) -> bool {
        self.closers.last() == Some(&closer)
    }

    fn open(&mut self, closer: &'static str, place: Place) -> Place {
        self.closers.push(closer);
        place
    }

    /// Closes the innermost, if this is what ends it.
    fn close(&mut self, closer: &str) -> bool {
        let is_innermost = self.is_in(closer);
        if is_innermost {
            self.closers.pop();
        }
        is_innermost
    }
}
