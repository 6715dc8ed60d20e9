//! The language of `bc`: text into statements.

use super::number::Res;

/// A place that can be assigned to.
#[derive(Clone, Debug)]
pub(super) enum Place {
    Variable(String),
    Element(String, Box<Expr>),
    Scale,
    Ibase,
    Obase,
    Last,
}

#[derive(Clone, Debug)]
pub(super) enum Expr {
    Number(String),
    Read(Place),
    /// What is assigned, or for `+=` and its like the operator with it.
    Assign(Place, Option<char>, Box<Expr>),
    /// The step, and whether the value is that of before.
    Step(Place, i64, bool),
    Binary(char, Box<Expr>, Box<Expr>),
    Compare(Op, Box<Expr>, Box<Expr>),
    And(Box<Expr>, Box<Expr>),
    Or(Box<Expr>, Box<Expr>),
    Not(Box<Expr>),
    Negative(Box<Expr>),
    Call(String, Vec<Argument>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

/// A value, or a whole array.
#[derive(Clone, Debug)]
pub(super) enum Argument {
    Value(Expr),
    Array(String),
}

#[derive(Clone, Debug)]
pub(super) enum Statement {
    /// Whether the value is printed.
    Value(Expr, bool),
    Text(String),
    Print(Vec<Printed>),
    If(Expr, Box<Statement>, Option<Box<Statement>>),
    While(Expr, Box<Statement>),
    For(Option<Expr>, Option<Expr>, Option<Expr>, Box<Statement>),
    Block(Vec<Statement>),
    Define(String, Function),
    Return(Option<Expr>),
    Break,
    Continue,
    Quit,
}

#[derive(Clone, Debug)]
pub(super) enum Printed {
    Value(Expr),
    Text(String),
}

/// Names of parameters and automatic variables; arrays end in `[]`.
#[derive(Clone, Debug)]
pub(super) struct Function {
    pub(super) parameters: Vec<String>,
    pub(super) automatic: Vec<String>,
    pub(super) body: Vec<Statement>,
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(String),
    Word(String),
    Text(String),
    Sign(&'static str),
    Line,
    End,
}

const SIGNS: &[&str] = &[
    "++", "--", "+=", "-=", "*=", "/=", "%=", "^=", "==", "!=", "<=", ">=", "&&", "||", "+", "-",
    "*", "/", "%", "^", "=", "<", ">", "!", "(", ")", "{", "}", "[", "]", ";", ",",
];

fn tokens(text: &str) -> Res<Vec<Token>> {
    let (mut out, mut rest) = (vec![], text);
    while let Some(c) = rest.chars().next() {
        let taken = match c {
            '\n' => {
                out.push(Token::Line);
                1
            }
            '\\' if rest.starts_with("\\\n") => 2,
            c if c.is_whitespace() => c.len_utf8(),
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => rest.find("*/").map_or(rest.len(), |at| at + 2),
            '"' => {
                let end = rest[1..].find('"').ok_or("unterminated string")?;
                out.push(Token::Text(rest[1..=end].to_owned()));
                end + 2
            }
            c if c.is_ascii_digit() || c == '.' || c.is_ascii_uppercase() => {
                let fits = |c: char| c.is_ascii_digit() || c.is_ascii_uppercase() || c == '.';
                let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
                let word = &rest[..end];
                out.push(match word {
                    "." => Token::Word("last".to_owned()),
                    word => Token::Number(word.to_owned()),
                });
                end
            }
            c if c.is_ascii_lowercase() => {
                let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
                let end = rest.find(|c| !fits(c)).unwrap_or(rest.len());
                out.push(Token::Word(rest[..end].to_owned()));
                end
            }
            _ => {
                let sign = SIGNS.iter().find(|it| rest.starts_with(**it));
                let sign = sign.ok_or_else(|| format!("illegal character: {c}"))?;
                out.push(Token::Sign(sign));
                sign.len()
            }
        };
        rest = &rest[taken..];
    }
    out.push(Token::End);
    Ok(out)
}

/// Reads statements from a text.
pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
}

impl Parser {
    pub(super) fn new(text: &str) -> Res<Self> {
        Ok(Self { tokens: tokens(text)?, at: 0 })
    }

    /// The next statement; none at the end.
    pub(super) fn next(&mut self) -> Res<Option<Statement>> {
        self.skip_ends();
        if self.peek() == &Token::End {
            return Ok(None);
        }
        let statement = self.statement()?;
        match self.peek() {
            Token::Line | Token::End | Token::Sign(";" | "}") => Ok(Some(statement)),
            _ => Err("syntax error".to_owned()),
        }
    }

    /// Skips what ends statements.
    pub(super) fn skip_ends(&mut self) {
        while self.peek() == &Token::Line || self.is(";") {
            self.at += 1;
        }
    }

    /// Whether no line ends from here on.
    pub(super) fn is_in_last_line(&self) -> bool {
        !self.tokens[self.at.min(self.tokens.len())..].contains(&Token::Line)
    }

    /// Whether nothing is left.
    pub(super) fn is_at_end(&self) -> bool {
        self.peek() == &Token::End
    }

    /// Goes on behind the line with an error.
    pub(super) fn skip_line(&mut self) {
        while !matches!(self.peek(), Token::Line | Token::End) {
            self.at += 1;
        }
    }

    fn peek(&self) -> &Token {
        self.tokens.get(self.at).unwrap_or(&Token::End)
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(it) if *it == sign)
    }

    fn take(&mut self, sign: &str) -> bool {
        let is = self.is(sign);
        self.at += usize::from(is);
        is
    }

    fn need(&mut self, sign: &str) -> Res<()> {
        if self.take(sign) { Ok(()) } else { Err("syntax error".to_owned()) }
    }

    fn word(&mut self, wanted: &str) -> bool {
        let is = matches!(self.peek(), Token::Word(word) if word == wanted);
        self.at += usize::from(is);
        is
    }

    fn skip_lines(&mut self) {
        while self.peek() == &Token::Line {
            self.at += 1;
        }
    }

    fn name(&mut self) -> Res<String> {
        match self.peek().clone() {
            Token::Word(word) => {
                self.at += 1;
                Ok(word)
            }
            _ => Err("syntax error".to_owned()),
        }
    }

    fn statement(&mut self) -> Res<Statement> {
        if let Token::Text(text) = self.peek().clone() {
            self.at += 1;
            return Ok(Statement::Text(text));
        }
        if self.take("{") {
            return Ok(Statement::Block(self.block()?));
        }
        let Token::Word(word) = self.peek().clone() else { return self.value() };
        let start = self.at;
        self.at += 1;
        Ok(match word.as_str() {
            "if" => self.conditional()?,
            "while" => {
                self.need("(")?;
                let condition = self.expr()?;
                self.need(")")?;
                self.skip_lines();
                Statement::While(condition, Box::new(self.statement()?))
            }
            "for" => self.counted()?,
            "define" => self.function()?,
            "print" => Statement::Print(self.printed()?),
            "return" => Statement::Return(match self.peek() {
                Token::Line | Token::End | Token::Sign(";" | "}") => None,
                _ => Some(self.expr()?),
            }),
            "break" => Statement::Break,
            "continue" => Statement::Continue,
            "quit" | "halt" => Statement::Quit,
            _ => {
                self.at = start;
                self.value()?
            }
        })
    }

    fn value(&mut self) -> Res<Statement> {
        let in_brackets = self.is("(");
        let expr = self.expr()?;
        let is_printed = in_brackets || !matches!(expr, Expr::Assign(..));
        Ok(Statement::Value(expr, is_printed))
    }

    fn block(&mut self) -> Res<Vec<Statement>> {
        let mut out = vec![];
        while !self.take("}") {
            match self.next()? {
                Some(statement) => out.push(statement),
                None => return Err("syntax error".to_owned()),
            }
            self.skip_ends();
        }
        Ok(out)
    }

    fn conditional(&mut self) -> Res<Statement> {
        self.need("(")?;
        let condition = self.expr()?;
        self.need(")")?;
        self.skip_lines();
        let then = Box::new(self.statement()?);
        let before = self.at;
        self.skip_ends();
        if !self.word("else") {
            self.at = before;
            return Ok(Statement::If(condition, then, None));
        }
        self.skip_lines();
        Ok(Statement::If(condition, then, Some(Box::new(self.statement()?))))
    }

    fn counted(&mut self) -> Res<Statement> {
        self.need("(")?;
        let mut parts = [None, None, None];
        for (i, end) in [";", ";", ")"].into_iter().enumerate() {
            if !self.is(end) {
                parts[i] = Some(self.expr()?);
            }
            self.need(end)?;
        }
        self.skip_lines();
        let [first, condition, step] = parts;
        Ok(Statement::For(first, condition, step, Box::new(self.statement()?)))
    }

    fn names(&mut self, end: impl Fn(&Self) -> bool) -> Res<Vec<String>> {
        let mut out = vec![];
        while !end(self) {
            self.take("*");
            let mut name = self.name()?;
            if self.take("[") {
                self.need("]")?;
                name.push_str("[]");
            }
            out.push(name);
            self.take(",");
        }
        Ok(out)
    }

    fn function(&mut self) -> Res<Statement> {
        self.word("void");
        let name = self.name()?;
        self.need("(")?;
        let parameters = self.names(|it| it.is(")"))?;
        self.need(")")?;
        self.skip_lines();
        self.need("{")?;
        self.skip_ends();
        let automatic = if self.word("auto") {
            self.names(|it| it.is(";") || it.peek() == &Token::Line)?
        } else {
            vec![]
        };
        let body = self.block()?;
        Ok(Statement::Define(name, Function { parameters, automatic, body }))
    }

    fn printed(&mut self) -> Res<Vec<Printed>> {
        let mut out = vec![];
        loop {
            out.push(match self.peek().clone() {
                Token::Text(text) => {
                    self.at += 1;
                    Printed::Text(text)
                }
                _ => Printed::Value(self.expr()?),
            });
            if !self.take(",") {
                return Ok(out);
            }
        }
    }

    // From what binds least: || && ! comparison = + - * / % ^ and signs.
    fn expr(&mut self) -> Res<Expr> {
        let mut left = self.conjunction()?;
        while self.take("||") {
            left = Expr::Or(Box::new(left), Box::new(self.conjunction()?));
        }
        Ok(left)
    }

    fn conjunction(&mut self) -> Res<Expr> {
        let mut left = self.negation()?;
        while self.take("&&") {
            left = Expr::And(Box::new(left), Box::new(self.negation()?));
        }
        Ok(left)
    }

    fn negation(&mut self) -> Res<Expr> {
        if self.take("!") {
            return Ok(Expr::Not(Box::new(self.negation()?)));
        }
        let mut left = self.assignment()?;
        loop {
            let op = match self.peek() {
                Token::Sign("==") => Op::Equal,
                Token::Sign("!=") => Op::NotEqual,
                Token::Sign("<") => Op::Less,
                Token::Sign("<=") => Op::LessEqual,
                Token::Sign(">") => Op::Greater,
                Token::Sign(">=") => Op::GreaterEqual,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Compare(op, Box::new(left), Box::new(self.assignment()?));
        }
    }

    fn assignment(&mut self) -> Res<Expr> {
        let left = self.sum()?;
        let operator = match self.peek() {
            Token::Sign("=") => None,
            Token::Sign(it @ ("+=" | "-=" | "*=" | "/=" | "%=" | "^=")) => it.chars().next(),
            _ => return Ok(left),
        };
        let Expr::Read(place) = left else { return Err("syntax error".to_owned()) };
        self.at += 1;
        Ok(Expr::Assign(place, operator, Box::new(self.assignment()?)))
    }

    fn sum(&mut self) -> Res<Expr> {
        let mut left = self.product()?;
        loop {
            let sign = match self.peek() {
                Token::Sign(it @ ("+" | "-")) => it.chars().next().unwrap_or('+'),
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(sign, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> Res<Expr> {
        let mut left = self.power()?;
        loop {
            let sign = match self.peek() {
                Token::Sign(it @ ("*" | "/" | "%")) => it.chars().next().unwrap_or('*'),
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(sign, Box::new(left), Box::new(self.power()?));
        }
    }

    fn power(&mut self) -> Res<Expr> {
        let left = self.unary()?;
        if self.take("^") {
            return Ok(Expr::Binary('^', Box::new(left), Box::new(self.power()?)));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Res<Expr> {
        if self.take("-") {
            return Ok(Expr::Negative(Box::new(self.unary()?)));
        }
        for (sign, step) in [("++", 1), ("--", -1)] {
            if self.take(sign) {
                let Expr::Read(place) = self.primary()? else {
                    return Err("syntax error".to_owned());
                };
                return Ok(Expr::Step(place, step, false));
            }
        }
        let expr = self.primary()?;
        for (sign, step) in [("++", 1), ("--", -1)] {
            if let (Expr::Read(place), true) = (&expr, self.is(sign)) {
                let place = place.clone();
                self.at += 1;
                return Ok(Expr::Step(place, step, true));
            }
        }
        Ok(expr)
    }

    fn primary(&mut self) -> Res<Expr> {
        if self.take("(") {
            let expr = self.expr()?;
            self.need(")")?;
            return Ok(expr);
        }
        if let Token::Number(text) = self.peek().clone() {
            self.at += 1;
            return Ok(Expr::Number(text));
        }
        let name = self.name()?;
        if self.take("(") {
            return Ok(Expr::Call(name, self.arguments()?));
        }
        if self.take("[") {
            let index = self.expr()?;
            self.need("]")?;
            return Ok(Expr::Read(Place::Element(name, Box::new(index))));
        }
        Ok(Expr::Read(match name.as_str() {
            "scale" => Place::Scale,
            "ibase" => Place::Ibase,
            "obase" => Place::Obase,
            "last" => Place::Last,
            _ => Place::Variable(name),
        }))
    }

    fn arguments(&mut self) -> Res<Vec<Argument>> {
        let mut out = vec![];
        while !self.take(")") {
            let start = self.at;
            let array = self.name().ok().filter(|_| self.take("[") && self.take("]"));
            out.push(match array {
                Some(name) => Argument::Array(name),
                None => {
                    self.at = start;
                    Argument::Value(self.expr()?)
                }
            });
            if !self.take(",") && !self.is(")") {
                return Err("syntax error".to_owned());
            }
        }
        Ok(out)
    }
}
