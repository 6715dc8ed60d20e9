//! Program text to tokens.

/// One token.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    Number(f64),
    Text(String),
    Regex(String),
    Name(String),
    /// A name with `(` right behind it.
    Function(String),
    Builtin(&'static str),
    Keyword(&'static str),
    Sign(&'static str),
    Newline,
    End,
}

const KEYWORDS: [&str; 20] = [
    "BEGIN", "END", "function", "func", "if", "else", "while", "for", "do", "break", "continue",
    "next", "nextfile", "exit", "return", "delete", "in", "getline", "print", "printf",
];
const BUILTINS: [&str; 26] = [
    "length", "substr", "index", "split", "sub", "gsub", "match", "sprintf", "sin", "cos", "atan2",
    "exp", "log", "sqrt", "int", "rand", "srand", "tolower", "toupper", "system", "close",
    "fflush", "gensub", "systime", "strftime", "mktime",
];
/// Longest first.
const SIGNS: [&str; 45] = [
    "**=", "&&", "||", "==", "<=", ">=", "!=", "!~", "++", "--", "+=", "-=", "*=", "/=", "%=",
    "^=", ">>", "**", "{", "}", "(", ")", "[", "]", ";", ",", "+", "-", "*", "/", "%", "^", "!",
    "<", ">", "|", "?", ":", "~", "$", "=", "&", "@", "\\", "'",
];

/// A token and the line that it is on.
pub(super) type Located = (Token, usize);

pub(super) fn tokens(program: &str) -> Result<Vec<Located>, String> {
    let mut lexer = Lexer { text: program.chars().collect(), at: 0, line: 1, found: vec![] };
    lexer.run()?;
    Ok(lexer.found)
}

struct Lexer {
    text: Vec<char>,
    at: usize,
    line: usize,
    found: Vec<Located>,
}

impl Lexer {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.text.get(self.at + ahead).copied()
    }

    fn push(&mut self, token: Token) {
        self.found.push((token, self.line));
    }

    fn run(&mut self) -> Result<(), String> {
        while let Some(c) = self.peek(0) {
            match c {
                '\n' => {
                    self.at += 1;
                    self.push(Token::Newline);
                    self.line += 1;
                }
                '\\' if self.peek(1) == Some('\n') => {
                    self.at += 2;
                    self.line += 1;
                }
                '\\' if self.peek(1) == Some('\r') => self.at += 2,
                '#' => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                c if c.is_whitespace() => self.at += 1,
                '"' => self.string()?,
                '/' if !self.is_operand() => self.regex()?,
                c if c.is_ascii_digit() => self.number(),
                '.' if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number(),
                c if c.is_alphabetic() || c == '_' => self.word(),
                _ => self.sign()?,
            }
        }
        self.push(Token::Newline);
        self.push(Token::End);
        Ok(())
    }

    /// Whether a `/` here divides.
    fn is_operand(&self) -> bool {
        matches!(
            self.found.last(),
            Some((
                Token::Number(_)
                    | Token::Text(_)
                    | Token::Regex(_)
                    | Token::Name(_)
                    | Token::Builtin("length")
                    | Token::Sign(")" | "]" | "$" | "++" | "--"),
                _
            ))
        )
    }

    fn string(&mut self) -> Result<(), String> {
        let start = self.at + 1;
        self.at = start;
        loop {
            match self.peek(0) {
                Some('"') => break,
                Some('\\') => self.at += 2,
                Some('\n') | None => {
                    return Err(format!("line {}: unterminated string", self.line));
                }
                Some(_) => self.at += 1,
            }
        }
        let raw: String = self.text[start..self.at].iter().collect();
        self.at += 1;
        self.push(Token::Text(unescape(&raw)));
        Ok(())
    }

    fn regex(&mut self) -> Result<(), String> {
        self.at += 1;
        let mut text = String::new();
        let mut in_bracket = false;
        loop {
            let c = self.peek(0).filter(|c| *c != '\n');
            let c = c.ok_or_else(|| format!("line {}: unterminated regexp", self.line))?;
            self.at += 1;
            match c {
                '/' if !in_bracket => break,
                '\\' => match self.peek(0) {
                    Some('/') => {
                        self.at += 1;
                        text.push('/');
                    }
                    Some(next) => {
                        self.at += 1;
                        text.extend(['\\', next]);
                    }
                    None => {}
                },
                '[' if !in_bracket => {
                    in_bracket = true;
                    text.push(c);
                    // A bracket right behind the opening one is a member.
                    if self.peek(0) == Some('^') {
                        text.push('^');
                        self.at += 1;
                    }
                    if self.peek(0) == Some(']') {
                        text.push(']');
                        self.at += 1;
                    }
                }
                '[' if self.peek(0) == Some(':') => {
                    // `[:alpha:]` up to its own bracket.
                    text.push('[');
                    while let Some(c) = self.peek(0).filter(|c| *c != '\n') {
                        text.push(c);
                        self.at += 1;
                        if c == ']' {
                            break;
                        }
                    }
                }
                ']' if in_bracket => {
                    in_bracket = false;
                    text.push(c);
                }
                c => text.push(c),
            }
        }
        self.push(Token::Regex(text));
        Ok(())
    }

    fn number(&mut self) {
        let start = self.at;
        if self.peek(0) == Some('0') && matches!(self.peek(1), Some('x' | 'X')) {
            self.at += 2;
            while self.peek(0).is_some_and(|c| c.is_ascii_hexdigit()) {
                self.at += 1;
            }
            let digits: String = self.text[start + 2..self.at].iter().collect();
            self.push(Token::Number(u64::from_str_radix(&digits, 16).unwrap_or(0) as f64));
            return;
        }
        let digits = |lexer: &mut Self| {
            while lexer.peek(0).is_some_and(|c| c.is_ascii_digit()) {
                lexer.at += 1;
            }
        };
        digits(self);
        if self.peek(0) == Some('.') {
            self.at += 1;
            digits(self);
        }
        if matches!(self.peek(0), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            if self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
                self.at += 1 + sign;
                digits(self);
            }
        }
        let text: String = self.text[start..self.at].iter().collect();
        self.push(Token::Number(text.parse().unwrap_or(0.)));
    }

    fn word(&mut self) {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_alphanumeric() || c == '_') {
            self.at += 1;
        }
        let word: String = self.text[start..self.at].iter().collect();
        let find = |list: &[&'static str]| list.iter().find(|it| **it == word).copied();
        let token = match (find(&KEYWORDS), find(&BUILTINS)) {
            (Some("func"), _) => Token::Keyword("function"),
            (Some(keyword), _) => Token::Keyword(keyword),
            (_, Some(builtin)) => Token::Builtin(builtin),
            _ if self.peek(0) == Some('(') => Token::Function(word),
            _ => Token::Name(word),
        };
        self.push(token);
    }

    fn sign(&mut self) -> Result<(), String> {
        let rest: String = self.text[self.at..].iter().take(3).collect();
        let sign = SIGNS.iter().find(|sign| rest.starts_with(**sign));
        let sign = sign.ok_or_else(|| format!("line {}: unexpected `{rest}'", self.line))?;
        self.at += sign.len();
        self.push(Token::Sign(match *sign {
            "**" => "^",
            "**=" => "^=",
            other => other,
        }));
        Ok(())
    }
}

/// The escapes of a string.
pub(super) fn unescape(raw: &str) -> String {
    let mut text = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' {
            text.push(c);
            continue;
        }
        match rest.next() {
            Some('n') => text.push('\n'),
            Some('t') => text.push('\t'),
            Some('r') => text.push('\r'),
            Some('\\') => text.push('\\'),
            Some('"') => text.push('"'),
            Some('/') => text.push('/'),
            Some('a') => text.push('\x07'),
            Some('b') => text.push('\x08'),
            Some('f') => text.push('\x0c'),
            Some('v') => text.push('\x0b'),
            Some('\n') => {}
            Some(c @ '0'..='7') => {
                let mut value = c.to_digit(8).unwrap_or(0);
                for _ in 0..2 {
                    let Some(digit) = rest.peek().and_then(|c| c.to_digit(8)) else { break };
                    value = value * 8 + digit;
                    rest.next();
                }
                text.extend(char::from_u32(value));
            }
            // Unknown: both stay, so that "\." is a pattern.
            Some(other) => text.extend(['\\', other]),
            None => text.push('\\'),
        }
    }
    text
}
