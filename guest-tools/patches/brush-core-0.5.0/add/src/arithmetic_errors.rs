//! What bash says of an arithmetic expression that has no value: the expression, what is wrong, and the text from the
//! token on where it was noticed.
#![allow(clippy::all, clippy::pedantic, clippy::nursery)]

/// Says why `text` cannot be parsed.
pub fn wrong_syntax(text: &str) -> String {
    Reader::new(text.trim_start()).run()
}

/// Says where `text` divides by zero, or has a negative exponent: at the last operand that may be meant.
pub fn wrong_value(text: &str, why: &str) -> String {
    let text = text.trim_start();
    let operators: &[char] = if why.starts_with("division") { &['/', '%'] } else { &['*'] };
    let mut at = None;
    for (i, _) in text.match_indices(operators) {
        let operand = text[i + 1..].trim_start_matches(['=', ' ', '\t', '*', '-']);
        let number: String = operand.chars().take_while(char::is_ascii_alphanumeric).collect();
        if number.parse::<i64>().map_or(true, |n| n == 0 || why.starts_with("exponent")) {
            at = Some(operand);
            break;
        }
    }
    located(text, why, at.unwrap_or(text))
}

fn located(text: &str, why: &str, token: &str) -> String {
    format!("{text}: {why} (error token is \"{token}\")")
}

/// Reads tokens as bash does, and stops at the first that does not fit.
struct Reader<'a> {
    text: &'a str,
    at: usize,
    /// Where the last token began.
    last: usize,
    /// Parentheses and `?` that are open.
    open: Vec<char>,
    is_name: bool,
}

const OPERAND: &str = "syntax error: operand expected";
const OPERATORS: [&str; 34] = [
    "<<=", ">>=", "**", "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "+=", "-=", "*=", "/=", "%=", "&=", "^=",
    "|=", "<", ">", "=", "+", "-", "*", "/", "%", "&", "^", "|", "?", ":", ",", ")",
];

impl<'a> Reader<'a> {
    const fn new(text: &'a str) -> Self {
        Self { text, at: 0, last: 0, open: vec![], is_name: false }
    }

    fn run(mut self) -> String {
        loop {
            if let Err(message) = self.operand() {
                return message;
            }
            match self.operators() {
                Ok(true) => {}
                Ok(false) => return self.error("syntax error in expression", self.last),
                Err(message) => return message,
            }
        }
    }

    fn rest(&self) -> &'a str {
        &self.text[self.at..]
    }

    fn error(&self, why: &str, from: usize) -> String {
        located(self.text, why, &self.text[from..])
    }

    fn skip_blanks(&mut self) {
        self.at = self.text.len() - self.rest().trim_start().len();
    }

    /// A number, a name or an opening parenthesis, with what may stand before it.
    fn operand(&mut self) -> Result<(), String> {
        loop {
            self.skip_blanks();
            let Some(first) = self.rest().chars().next() else {
                return Err(match self.open.last() {
                    Some('?') if self.text[self.last..].starts_with(':') => {
                        self.error("expression expected", self.last)
                    }
                    _ => self.error(OPERAND, self.last),
                });
            };
            self.last = self.at;
            match first {
                '+' | '-' | '!' | '~' => self.at += 1,
                '(' => {
                    self.open.push('(');
                    self.at += 1;
                }
                '0'..='9' => return self.number(),
                c if c == '_' || c.is_ascii_alphabetic() => return self.name(),
                _ => return Err(self.error(OPERAND, self.at)),
            }
        }
    }

    fn number(&mut self) -> Result<(), String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '#' | '@' | '_');
        let length = self.rest().find(|c| !is_part(c)).unwrap_or(self.rest().len());
        let word = &self.rest()[..length];
        self.is_name = false;
        self.at += length;
        let (base, digits) = match word.split_once('#') {
            Some((base, digits)) => (base.parse().unwrap_or(0), digits),
            None if word.starts_with("0x") || word.starts_with("0X") => (16, &word[2..]),
            None if word.starts_with('0') => (8, word),
            None => (10, word),
        };
        if !(2..=64).contains(&base) {
            return Err(located(word, "invalid arithmetic base", word));
        }
        let value = |c: char| match c {
            '0'..='9' => c as u32 - '0' as u32,
            'a'..='z' => c as u32 - 'a' as u32 + 10,
            'A'..='Z' if base <= 36 => c as u32 - 'A' as u32 + 10,
            'A'..='Z' => c as u32 - 'A' as u32 + 36,
            '@' => 62,
            '_' => 63,
            _ => u32::MAX,
        };
        if digits.chars().any(|c| value(c) >= base) {
            return Err(located(word, "value too great for base", word));
        }
        Ok(())
    }

    fn name(&mut self) -> Result<(), String> {
        let is_part = |c: char| c == '_' || c.is_ascii_alphanumeric();
        let start = self.at;
        self.at += self.rest().find(|c| !is_part(c)).unwrap_or(self.rest().len());
        self.is_name = true;
        if self.rest().starts_with('[') {
            match self.rest().find(']') {
                Some(end) => self.at += end + 1,
                None => return Err(self.error("bad array subscript", start)),
            }
        }
        Ok(())
    }

    /// What stands behind an operand, up to the next one; `false` if nothing fits.
    fn operators(&mut self) -> Result<bool, String> {
        loop {
            self.skip_blanks();
            if self.rest().is_empty() {
                return Err(match self.open.last() {
                    Some('(') => self.error("missing `)'", self.last),
                    Some(_) => self.error("`:' expected for conditional expression", self.last),
                    None => self.error("syntax error in expression", self.last),
                });
            }
            if self.is_name && (self.rest().starts_with("++") || self.rest().starts_with("--")) {
                self.at += 2;
                self.is_name = false;
                continue;
            }
            let Some(operator) = OPERATORS.into_iter().find(|it| self.rest().starts_with(it)) else {
                let is_word = self.rest().starts_with(|c: char| c == '_' || c.is_ascii_alphanumeric());
                if is_word || self.rest().starts_with(['(', '!', '~']) {
                    self.last = self.at;
                    return Ok(false);
                }
                return Err(self.error("syntax error: invalid arithmetic operator", self.at));
            };
            self.last = self.at;
            let is_assignment = operator.ends_with('=') && !matches!(operator, "==" | "!=" | "<=" | ">=");
            if is_assignment && !self.is_name {
                return Err(self.error("attempted assignment to non-variable", self.at));
            }
            match operator {
                ")" if self.open.last() == Some(&'(') => drop(self.open.pop()),
                ")" => return Ok(false),
                ":" if self.open.last() != Some(&'?') => return Ok(false),
                "?" => self.open.push('?'),
                _ => {}
            }
            self.at += operator.len();
            self.is_name = false;
            if operator != ")" {
                if operator == ":" && !self.rest().trim_start().is_empty() {
                    self.open.pop();
                }
                return Ok(true);
            }
        }
    }
}
