//! POSIX syntax to oniguruma's own (`Syntax::ruby`).

use std::iter::Peekable;
use std::str::Chars;

use crate::Options;

/// What of the options the syntax depends on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Dialect {
    extended: bool,
    multi_line: bool,
    escapes: bool,
    bracket_escapes: bool,
}

impl From<Options> for Dialect {
    fn from(options: Options) -> Self {
        let Options { extended, multi_line, escapes, bracket_escapes, .. } = options;
        Self { extended, multi_line, escapes, bracket_escapes }
    }
}

/// A pattern in oniguruma's syntax.
#[derive(Debug)]
pub struct Translated {
    /// The pattern.
    pub text: String,
    /// Whether its first match may not be its longest.
    pub is_ambiguous: bool,
}

/// Rewrites a pattern.
///
/// # Errors
///
/// Fails with GNU's words if it is none.
pub fn translate(pattern: &str, dialect: Dialect) -> Result<Translated, String> {
    let mut parser = Parser {
        rest: pattern.chars().peekable(),
        dialect,
        out: String::with_capacity(pattern.len() * 2),
        groups: vec![],
        n_groups: 0,
        n_closed: 0,
        atom: None,
        is_repeated: false,
        is_ambiguous: false,
    };
    parser.run()?;
    Ok(Translated { text: parser.out, is_ambiguous: parser.is_ambiguous })
}

struct Parser<'a> {
    rest: Peekable<Chars<'a>>,
    dialect: Dialect,
    out: String,
    /// Where each open group starts in `out`.
    groups: Vec<usize>,
    n_groups: usize,
    n_closed: usize,
    /// Where the last thing that can be repeated starts in `out`.
    atom: Option<usize>,
    /// Whether that already has an operator.
    is_repeated: bool,
    is_ambiguous: bool,
}

type R<T = ()> = Result<T, String>;

impl Parser<'_> {
    fn run(&mut self) -> R {
        while let Some(c) = self.rest.next() {
            match c {
                '\\' => self.escaped()?,
                '[' => self.bracket()?,
                '.' => self.push_atom("(?m:.)"),
                '*' => self.star()?,
                '^' if self.dialect.extended || self.is_start() => self.start_of_line(),
                '$' if self.dialect.extended || self.is_end() => self.end_of_line(),
                '(' if self.dialect.extended => self.open(),
                ')' if self.dialect.extended => self.close()?,
                '|' if self.dialect.extended => self.or(),
                '+' | '?' if self.dialect.extended => self.repeat(&c.to_string())?,
                '{' if self.dialect.extended => self.interval()?,
                '\n' if !self.dialect.escapes && !self.dialect.bracket_escapes => self.or(),
                other => self.literal(other),
            }
        }
        match self.groups.is_empty() {
            true => Ok(()),
            false => Err("Unmatched ( or \\(".into()),
        }
    }

    /// Whether a basic pattern takes `^` and `*` here for what they are at its start.
    fn is_start(&self) -> bool {
        self.out.is_empty() || self.opens_here()
    }

    fn opens_here(&self) -> bool {
        self.atom.is_none() && (self.out.ends_with('(') || self.out.ends_with('|'))
    }

    fn is_end(&self) -> bool {
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (None, _) | (Some('\\'), Some(')' | '|')) => true,
            (Some('\n'), _) => !self.dialect.escapes,
            _ => false,
        }
    }

    fn start_of_line(&mut self) {
        self.out.push_str(if self.dialect.multi_line { "(?:\\A|(?<=\\n))" } else { "\\A" });
        self.atom = None;
    }

    fn end_of_line(&mut self) {
        self.out.push_str(if self.dialect.multi_line { "(?=\\n|\\z)" } else { "\\z" });
        self.atom = None;
    }

    fn push_atom(&mut self, text: &str) {
        self.atom = Some(self.out.len());
        self.is_repeated = false;
        self.out.push_str(text);
    }

    fn literal(&mut self, c: char) {
        self.atom = Some(self.out.len());
        self.is_repeated = false;
        if c.is_ascii_punctuation() {
            self.out.push('\\');
        }
        self.out.push(c);
    }

    fn open(&mut self) {
        self.groups.push(self.out.len());
        self.n_groups += 1;
        self.out.push('(');
        self.atom = None;
    }

    fn close(&mut self) -> R {
        let start = self.groups.pop().ok_or("Unmatched ) or \\)")?;
        self.n_closed += 1;
        self.out.push(')');
        self.atom = Some(start);
        self.is_repeated = false;
        Ok(())
    }

    fn or(&mut self) {
        self.is_ambiguous = true;
        self.out.push('|');
        self.atom = None;
    }

    /// `*`, which is itself where there is nothing to repeat.
    fn star(&mut self) -> R {
        let is_basic = !self.dialect.extended;
        match self.atom {
            Some(_) => self.repeat("*"),
            None if is_basic => {
                self.literal('*');
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn repeat(&mut self, operator: &str) -> R {
        let Some(start) = self.atom else { return Ok(()) };
        if self.is_repeated {
            self.out.insert_str(start, "(?:");
            self.out.push(')');
        }
        if self.out[start..].starts_with('(') && !self.out[start..].starts_with("(?m") {
            self.is_ambiguous = true;
        }
        self.out.push_str(operator);
        self.is_repeated = true;
        Ok(())
    }

    /// What follows a `{`; not an interval, it is that character in an extended pattern.
    fn interval(&mut self) -> R {
        let mut ahead = self.rest.clone();
        let mut text = String::new();
        let end = if self.dialect.extended { "}" } else { "\\}" };
        while let Some(c) = ahead.next() {
            text.push(c);
            if text.ends_with(end) {
                break;
            }
        }
        let parsed = text.strip_suffix(end).and_then(bounds);
        match parsed {
            Some(_) if self.atom.is_none() && !self.dialect.extended => {
                Err("Invalid preceding regular expression".into())
            }
            Some((low, high)) => {
                self.rest = ahead;
                if high.is_some_and(|high| low > high) {
                    return Err("Invalid content of \\{\\}".into());
                }
                let high = high.map_or(String::new(), |high| high.to_string());
                let exact = !text.contains(',');
                let text = if exact { format!("{{{low}}}") } else { format!("{{{low},{high}}}") };
                self.repeat(&text)
            }
            None if self.dialect.extended => {
                self.literal('{');
                Ok(())
            }
            None if text.ends_with(end) => Err("Invalid content of \\{\\}".into()),
            None => Err("Unmatched \\{".into()),
        }
    }

    fn escaped(&mut self) -> R {
        let Some(c) = self.rest.next() else { return Err("Trailing backslash".into()) };
        match c {
            '(' if !self.dialect.extended => self.open(),
            ')' if !self.dialect.extended => self.close()?,
            '|' if !self.dialect.extended => self.or(),
            '+' | '?' if !self.dialect.extended => match self.atom {
                Some(_) => self.repeat(&c.to_string())?,
                None => self.literal(c),
            },
            '{' if !self.dialect.extended => self.interval()?,
            '<' => self.assertion("(?:\\b(?=\\w))"),
            '>' => self.assertion("(?:\\b(?<=\\w))"),
            'b' if !self.dialect.bracket_escapes => self.assertion("\\b"),
            'B' => self.assertion("\\B"),
            '`' => self.assertion("\\A"),
            '\'' => self.assertion("\\z"),
            'w' | 'W' | 's' | 'S' => self.push_atom(&format!("\\{c}")),
            '1'..='9' if !self.dialect.bracket_escapes => self.reference(c)?,
            'n' if self.dialect.escapes => self.push_atom("\\n"),
            'b' => self.literal('\x08'),
            '0'..='7' if self.dialect.bracket_escapes => {
                let found = octal(c, &mut self.rest);
                self.literal(found);
            }
            other if self.dialect.escapes => match escape(other, &mut self.rest) {
                Some(found) => self.literal(found),
                None => self.literal(other),
            },
            other => self.literal(other),
        }
        Ok(())
    }

    fn assertion(&mut self, text: &str) {
        self.out.push_str(text);
        self.atom = None;
    }

    fn reference(&mut self, digit: char) -> R {
        let number = digit.to_digit(10).unwrap_or(0) as usize;
        if number > self.n_closed {
            return Err("Invalid back reference".into());
        }
        self.push_atom(&format!("(?:\\{digit})"));
        Ok(())
    }

    fn bracket(&mut self) -> R {
        const UNMATCHED: &str = "Unmatched [, [^, [:, [., or [=";
        let start = self.out.len();
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut is_first = true;
        loop {
            let c = self.rest.next().ok_or(UNMATCHED)?;
            match (c, self.rest.peek()) {
                (']', _) if !is_first => break,
                ('[', Some(':')) => self.class()?,
                ('[', Some('.' | '=')) => {
                    let kind = self.rest.next().unwrap_or('.');
                    let member = self.rest.next().ok_or(UNMATCHED)?;
                    let closed = self.rest.next() == Some(kind) && self.rest.next() == Some(']');
                    closed.then_some(()).ok_or(UNMATCHED)?;
                    self.member(member);
                }
                (c, _) => self.member_or_range(c)?,
            }
            is_first = false;
        }
        self.out.push(']');
        self.atom = Some(start);
        self.is_repeated = false;
        Ok(())
    }

    /// `[:alpha:]` and its like, from the colon on.
    fn class(&mut self) -> R {
        const CLASSES: [&str; 12] = [
            "alnum", "alpha", "blank", "cntrl", "digit", "graph", "lower", "print", "punct",
            "space", "upper", "xdigit",
        ];
        let mut ahead = self.rest.clone();
        ahead.next();
        let name: String = ahead.clone().take_while(|c| c.is_ascii_alphabetic()).collect();
        let mut after = ahead.skip(name.len());
        if (after.next(), after.next()) != (Some(':'), Some(']')) {
            self.member('[');
            return Ok(());
        }
        if !CLASSES.contains(&name.as_str()) {
            return Err("Invalid character class name".into());
        }
        (0..name.len() + 3).for_each(|_| drop(self.rest.next()));
        self.out.push_str(&format!("[:{name}:]"));
        Ok(())
    }

    fn member_or_range(&mut self, c: char) -> R {
        let low = self.bracket_char(c);
        let mut ahead = self.rest.clone();
        match (ahead.next(), ahead.next()) {
            (Some('-'), Some(high)) if high != ']' && !(high == '[' && is_named(&ahead)) => {
                self.rest = ahead;
                let high = self.bracket_char(high);
                if low > high {
                    return Err("Invalid range end".into());
                }
                self.member(low);
                self.out.push('-');
                self.member(high);
            }
            _ => self.member(low),
        }
        Ok(())
    }

    /// A character of a bracket, where `\n` and the like may be one.
    fn bracket_char(&mut self, c: char) -> char {
        if c != '\\' || !(self.dialect.escapes || self.dialect.bracket_escapes) {
            return c;
        }
        let Some(&next) = self.rest.peek() else { return c };
        let mut ahead = self.rest.clone();
        ahead.next();
        let found = if next == 'n' { Some('\n') } else { escape(next, &mut ahead) };
        match found {
            Some(found) => {
                self.rest = ahead;
                found
            }
            None if self.dialect.bracket_escapes => {
                self.rest.next();
                next
            }
            None => c,
        }
    }

    fn member(&mut self, c: char) {
        if matches!(c, '[' | ']' | '\\' | '^' | '-' | '&') {
            self.out.push('\\');
        }
        self.out.push(c);
    }
}

/// Whether a `[` that was just read starts `[:`, `[.` or `[=`.
fn is_named(rest: &Peekable<Chars<'_>>) -> bool {
    matches!(rest.clone().peek(), Some(':' | '.' | '='))
}

/// `2`, `2,`, `,3`, `2,3`.
fn bounds(text: &str) -> Option<(u32, Option<u32>)> {
    let number = |text: &str| text.parse().ok().filter(|n| *n <= 32767);
    match text.split_once(',') {
        None => number(text).map(|n| (n, Some(n))),
        Some(("", "")) => Some((0, None)),
        Some((low, "")) => Some((number(low)?, None)),
        Some(("", high)) => Some((0, Some(number(high)?))),
        Some((low, high)) => Some((number(low)?, Some(number(high)?))),
    }
}

/// The character of `\047`; consumes what follows the first digit.
fn octal(first: char, rest: &mut Peekable<Chars<'_>>) -> char {
    let mut value = first.to_digit(8).unwrap_or(0);
    for _ in 0..2 {
        let Some(digit) = rest.peek().and_then(|c| c.to_digit(8)) else { break };
        value = value * 8 + digit;
        rest.next();
    }
    char::from_u32(value).unwrap_or(first)
}

/// The character of `\t`, `\x41`, `\o101`, `\d065`, `\cA` and so on; consumes what follows the letter.
fn escape(letter: char, rest: &mut Peekable<Chars<'_>>) -> Option<char> {
    let simple = match letter {
        'a' => Some('\x07'),
        'f' => Some('\x0c'),
        'r' => Some('\r'),
        't' => Some('\t'),
        'v' => Some('\x0b'),
        _ => None,
    };
    let (radix, width) = match letter {
        'x' => (16, 2),
        'o' => (8, 3),
        'd' => (10, 3),
        _ => return simple,
    };
    let digits: String = rest.clone().take(width).take_while(|c| c.is_digit(radix)).collect();
    let value = u32::from_str_radix(&digits, radix).ok()?;
    (0..digits.len()).for_each(|_| drop(rest.next()));
    char::from_u32(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(pattern: &str, extended: bool) -> String {
        let dialect = Dialect { extended, ..Dialect::default() };
        translate(pattern, dialect).map_or_else(|e| e, |found| found.text)
    }

    #[test]
    fn basic_patterns() {
        for (pattern, expected) in [
            ("a*b", "a*b"),
            ("*a", r"\*a"),
            (r"\(*a\)", r"(\*a)"),
            ("a+b?", r"a\+b\?"),
            (r"a\+b\?", "a+b?"),
            (r"a\{2,3\}", "a{2,3}"),
            ("a{2}", r"a\{2\}"),
            ("x^y$z", r"x\^y\$z"),
            ("^a$", r"\Aa\z"),
            (r"a$\|^b", r"a\z|\Ab"),
            (r"[\w.]", r"[\\w.]"),
            ("[]a]", r"[\]a]"),
            ("[[:alpha:]_-]", r"[[:alpha:]_\-]"),
            ("[a&&b]", r"[a\&\&b]"),
            (r"\(a", "Unmatched ( or \\("),
            ("[a", "Unmatched [, [^, [:, [., or [="),
            (r"\(a\)\1", r"(a)(?:\1)"),
        ] {
            assert_eq!(text(pattern, false), expected, "{pattern}");
        }
    }

    #[test]
    fn extended_patterns() {
        for (pattern, expected) in [
            ("a|b", "a|b"),
            ("(a|b)+c", "(a|b)+c"),
            ("a{2}{3}", "(?:a{2}){3}"),
            ("a*?", "(?:a*)?"),
            ("a{b", r"a\{b"),
            ("a^b", r"a\Ab"),
            ("x{,3}", "x{0,3}"),
            (r"a\+b", r"a\+b"),
            ("*a", "a"),
            ("a)", "Unmatched ) or \\)"),
        ] {
            assert_eq!(text(pattern, true), expected, "{pattern}");
        }
    }
}
