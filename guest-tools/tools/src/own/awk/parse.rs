//! Tokens to a program.

use std::rc::Rc;

use posix_regex::{Options, Regex};

use super::lex::{Located, Token, tokens};
use super::tree::{
    Expr, Function, Name, Op, Order, Pattern, Program, Redirect, Rule, Source, Stmt,
};

type R<T> = Result<T, String>;

/// The variables that the language gives a meaning to; their numbers are their places here.
pub(super) const SPECIAL: [&str; 16] = [
    "NF", "NR", "FNR", "FS", "OFS", "ORS", "RS", "SUBSEP", "FILENAME", "RSTART", "RLENGTH",
    "CONVFMT", "OFMT", "ENVIRON", "ARGC", "ARGV",
];

pub(super) fn parse(text: &str) -> R<Program> {
    let globals = SPECIAL.iter().map(|name| (*name).to_owned()).collect();
    let mut parser = Parser {
        tokens: tokens(text)?,
        at: 0,
        program: Program { globals, ..Program::default() },
        locals: vec![],
        n_ranges: 0,
        no_greater: false,
    };
    parser.program()?;
    if let Some(missing) = parser.program.functions.iter().find(|it| !it.is_defined) {
        return Err(format!("function {} never defined", missing.name));
    }
    super::text::infer_arrays(&mut parser.program);
    Ok(parser.program)
}

/// A compiled extended pattern.
pub(super) fn regex(text: &str) -> R<Rc<Regex>> {
    let options = Options {
        extended: true,
        escapes: true,
        bracket_escapes: true,
        utf8: true,
        ..Options::default()
    };
    Regex::new(text, options).map(Rc::new).map_err(|e| format!("regular expression /{text}/: {e}"))
}

struct Parser {
    tokens: Vec<Located>,
    at: usize,
    program: Program,
    locals: Vec<String>,
    n_ranges: usize,
    /// Whether `>` is a redirection here.
    no_greater: bool,
}

impl Parser {
    fn peek(&self) -> &Token {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn ahead(&self, by: usize) -> &Token {
        self.tokens.get(self.at + by).map_or(&Token::End, |(token, _)| token)
    }

    fn next(&mut self) -> Token {
        let token = self.peek().clone();
        self.at += 1;
        token
    }

    fn is(&self, sign: &str) -> bool {
        matches!(self.peek(), Token::Sign(it) if *it == sign)
    }

    fn is_keyword(&self, word: &str) -> bool {
        matches!(self.peek(), Token::Keyword(it) if *it == word)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = self.is(sign);
        self.at += usize::from(found);
        found
    }

    fn take_keyword(&mut self, word: &str) -> bool {
        let found = self.is_keyword(word);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, sign: &str) -> R<()> {
        if self.take(sign) { Ok(()) } else { self.unexpected() }
    }

    fn unexpected<T>(&self) -> R<T> {
        let line = self.tokens.get(self.at).map_or(0, |(_, line)| *line);
        let what = match self.peek() {
            Token::End => "end of file".to_owned(),
            Token::Newline => "end of line".to_owned(),
            Token::Sign(it) | Token::Keyword(it) | Token::Builtin(it) => (*it).to_owned(),
            Token::Name(it) | Token::Function(it) => it.clone(),
            Token::Text(it) => format!("\"{it}\""),
            Token::Regex(it) => format!("/{it}/"),
            Token::Number(it) => it.to_string(),
        };
        Err(format!("line {line}: syntax error at or near {what}"))
    }

    fn skip_newlines(&mut self) {
        while *self.peek() == Token::Newline {
            self.at += 1;
        }
    }

    fn skip_ends(&mut self) {
        while *self.peek() == Token::Newline || self.is(";") {
            self.at += 1;
        }
    }

    fn program(&mut self) -> R<()> {
        self.skip_ends();
        while *self.peek() != Token::End {
            self.item()?;
            self.skip_ends();
        }
        Ok(())
    }

    fn item(&mut self) -> R<()> {
        if self.take_keyword("function") {
            return self.function();
        }
        if self.take_keyword("BEGIN") {
            self.skip_newlines();
            let body = self.block()?;
            self.program.begin.push(body);
            return Ok(());
        }
        if self.take_keyword("END") {
            self.skip_newlines();
            let body = self.block()?;
            self.program.end.push(body);
            return Ok(());
        }
        let pattern = if self.is("{") {
            Pattern::Always
        } else {
            let first = self.expr()?;
            if self.take(",") {
                self.skip_newlines();
                let last = self.expr()?;
                self.n_ranges += 1;
                Pattern::Range(first, last, self.n_ranges - 1)
            } else {
                Pattern::If(first)
            }
        };
        let body = if self.is("{") { Some(self.block()?) } else { None };
        self.program.rules.push(Rule { pattern, body });
        Ok(())
    }

    fn function(&mut self) -> R<()> {
        let name = match self.next() {
            Token::Name(name) | Token::Function(name) => name,
            _ => {
                self.at -= 1;
                return self.unexpected();
            }
        };
        self.expect("(")?;
        self.locals.clear();
        while !self.take(")") {
            self.skip_newlines();
            match self.next() {
                Token::Name(parameter) => self.locals.push(parameter),
                _ => {
                    self.at -= 1;
                    return self.unexpected();
                }
            }
            self.skip_newlines();
            if !self.take(",") && !self.is(")") {
                return self.unexpected();
            }
        }
        self.skip_newlines();
        let index = self.function_index(&name);
        let parameters = self.locals.len();
        let body = self.block()?;
        self.locals.clear();
        let arrays = vec![false; parameters];
        self.program.functions[index] =
            Function { name, parameters, arrays, body, is_defined: true };
        Ok(())
    }

    fn function_index(&mut self, name: &str) -> usize {
        let functions = &mut self.program.functions;
        functions.iter().position(|it| it.name == name).unwrap_or_else(|| {
            functions.push(Function { name: name.to_owned(), ..Function::default() });
            functions.len() - 1
        })
    }

    fn name(&mut self, name: &str) -> Name {
        if let Some(index) = self.locals.iter().position(|it| it == name) {
            return Name::Local(index);
        }
        let globals = &mut self.program.globals;
        Name::Global(globals.iter().position(|it| it == name).unwrap_or_else(|| {
            globals.push(name.to_owned());
            globals.len() - 1
        }))
    }

    fn block(&mut self) -> R<Vec<Stmt>> {
        self.expect("{")?;
        let mut body = vec![];
        self.skip_ends();
        while !self.take("}") {
            if *self.peek() == Token::End {
                return self.unexpected();
            }
            body.push(self.statement()?);
            self.skip_ends();
        }
        Ok(body)
    }

    /// A statement that another one governs.
    fn body(&mut self) -> R<Vec<Stmt>> {
        self.skip_newlines();
        if self.take(";") {
            return Ok(vec![]);
        }
        Ok(vec![self.statement()?])
    }

    /// The end of a simple statement.
    fn end(&mut self) -> R<()> {
        match self.peek() {
            Token::Newline | Token::Sign(";") => {
                self.at += 1;
                Ok(())
            }
            Token::Sign("}") | Token::End => Ok(()),
            _ => self.unexpected(),
        }
    }

    fn statement(&mut self) -> R<Stmt> {
        if self.is("{") {
            return Ok(Stmt::Block(self.block()?));
        }
        let Token::Keyword(word) = *self.peek() else {
            let found = self.simple()?;
            self.end()?;
            return Ok(found);
        };
        match word {
            "if" => {
                self.at += 1;
                let condition = self.condition()?;
                let then = self.body()?;
                let before = self.at;
                self.skip_ends();
                if self.take_keyword("else") {
                    return Ok(Stmt::If(condition, then, self.body()?));
                }
                self.at = before;
                Ok(Stmt::If(condition, then, vec![]))
            }
            "while" => {
                self.at += 1;
                let condition = self.condition()?;
                Ok(Stmt::While(condition, self.body()?))
            }
            "do" => {
                self.at += 1;
                let body = self.body()?;
                self.skip_ends();
                if !self.take_keyword("while") {
                    return self.unexpected();
                }
                let condition = self.condition()?;
                self.end()?;
                Ok(Stmt::DoWhile(body, condition))
            }
            "for" => {
                self.at += 1;
                self.for_loop()
            }
            _ => {
                let found = self.simple()?;
                self.end()?;
                Ok(found)
            }
        }
    }

    fn condition(&mut self) -> R<Expr> {
        self.expect("(")?;
        let found = self.free(Self::expr)?;
        self.expect(")")?;
        Ok(found)
    }

    /// Parses where `>` compares.
    fn free<T>(&mut self, parse: impl FnOnce(&mut Self) -> R<T>) -> R<T> {
        let before = std::mem::replace(&mut self.no_greater, false);
        let found = parse(self);
        self.no_greater = before;
        found
    }

    fn for_loop(&mut self) -> R<Stmt> {
        self.expect("(")?;
        if let (Token::Name(key), Token::Keyword("in"), Token::Name(array), Token::Sign(")")) =
            (self.peek().clone(), self.ahead(1), self.ahead(2).clone(), self.ahead(3))
        {
            self.at += 4;
            let (key, array) = (Expr::Var(self.name(&key)), self.name(&array));
            return Ok(Stmt::ForIn(key, array, self.body()?));
        }
        let first = if self.is(";") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(";")?;
        self.skip_newlines();
        let condition = if self.is(";") { None } else { Some(self.expr()?) };
        self.expect(";")?;
        self.skip_newlines();
        let step = if self.is(")") { None } else { Some(Box::new(self.simple()?)) };
        self.expect(")")?;
        Ok(Stmt::For(first, condition, step, self.body()?))
    }

    fn simple(&mut self) -> R<Stmt> {
        let Token::Keyword(word) = *self.peek() else { return Ok(Stmt::Expr(self.expr()?)) };
        if word == "getline" {
            return Ok(Stmt::Expr(self.expr()?));
        }
        self.at += 1;
        let ends = matches!(self.peek(), Token::Newline | Token::Sign(";" | "}") | Token::End);
        Ok(match word {
            "print" | "printf" => return self.print(word == "printf"),
            "break" => Stmt::Break,
            "continue" => Stmt::Continue,
            "next" => Stmt::Next,
            "nextfile" => Stmt::NextFile,
            "exit" => Stmt::Exit(if ends { None } else { Some(self.expr()?) }),
            "return" => Stmt::Return(if ends { None } else { Some(self.expr()?) }),
            "delete" => {
                let Token::Name(name) = self.next() else {
                    self.at -= 1;
                    return self.unexpected();
                };
                let name = self.name(&name);
                let keys = if self.take("[") { Some(self.list("]")?) } else { None };
                Stmt::Delete(name, keys)
            }
            _ => {
                self.at -= 1;
                return self.unexpected();
            }
        })
    }

    fn print(&mut self, is_formatted: bool) -> R<Stmt> {
        let before = std::mem::replace(&mut self.no_greater, true);
        let mut list = vec![];
        let ends = |it: &Self| {
            matches!(
                it.peek(),
                Token::Newline | Token::Sign(";" | "}" | ">" | ">>" | "|") | Token::End
            )
        };
        while !ends(self) {
            list.push(self.expr()?);
            if !self.take(",") {
                break;
            }
            self.skip_newlines();
        }
        if let [Expr::List(_)] = list.as_slice()
            && let Some(Expr::List(inner)) = list.pop()
        {
            list = inner;
        }
        let redirect = match self.peek() {
            Token::Sign(">") => Some(Redirect::To as fn(Expr) -> Redirect),
            Token::Sign(">>") => Some(Redirect::Append as fn(Expr) -> Redirect),
            Token::Sign("|") => Some(Redirect::Pipe as fn(Expr) -> Redirect),
            _ => None,
        };
        let redirect = match redirect {
            Some(make) => {
                self.at += 1;
                Some(make(self.concatenation(false)?))
            }
            None => None,
        };
        self.no_greater = before;
        Ok(if is_formatted { Stmt::Printf(list, redirect) } else { Stmt::Print(list, redirect) })
    }

    /// Expressions up to a closing sign.
    fn list(&mut self, close: &str) -> R<Vec<Expr>> {
        self.free(|it| {
            let mut found = vec![];
            it.skip_newlines();
            while !it.take(close) {
                found.push(it.expr()?);
                it.skip_newlines();
                if it.take(",") {
                    it.skip_newlines();
                } else if !it.is(close) {
                    return it.unexpected();
                }
            }
            Ok(found)
        })
    }

    fn expr(&mut self) -> R<Expr> {
        let condition = self.or()?;
        if !self.take("?") {
            return Ok(condition);
        }
        self.skip_newlines();
        let then = self.expr()?;
        self.skip_newlines();
        self.expect(":")?;
        self.skip_newlines();
        let other = self.expr()?;
        Ok(Expr::If(Box::new(condition), Box::new(then), Box::new(other)))
    }

    fn or(&mut self) -> R<Expr> {
        let mut left = self.and()?;
        while self.take("||") {
            self.skip_newlines();
            left = Expr::Or(Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> R<Expr> {
        let mut left = self.membership()?;
        while self.take("&&") {
            self.skip_newlines();
            left = Expr::And(Box::new(left), Box::new(self.membership()?));
        }
        Ok(left)
    }

    fn membership(&mut self) -> R<Expr> {
        let mut left = self.matching()?;
        while self.take_keyword("in") {
            let Token::Name(array) = self.next() else {
                self.at -= 1;
                return self.unexpected();
            };
            let keys = match left {
                Expr::List(keys) => keys,
                key => vec![key],
            };
            left = Expr::In(keys, self.name(&array));
        }
        Ok(left)
    }

    fn matching(&mut self) -> R<Expr> {
        let mut left = self.comparison()?;
        loop {
            let is_negated = self.is("!~");
            if !is_negated && !self.is("~") {
                return Ok(left);
            }
            self.at += 1;
            left = Expr::Match(is_negated, Box::new(left), Box::new(self.comparison()?));
        }
    }

    fn comparison(&mut self) -> R<Expr> {
        let left = self.concatenation(true)?;
        let order = match self.peek() {
            Token::Sign("<") => Order::Less,
            Token::Sign("<=") => Order::LessEqual,
            Token::Sign("==") => Order::Equal,
            Token::Sign("!=") => Order::NotEqual,
            Token::Sign(">") if !self.no_greater => Order::Greater,
            Token::Sign(">=") => Order::GreaterEqual,
            _ => return Ok(left),
        };
        self.at += 1;
        Ok(Expr::Compare(order, Box::new(left), Box::new(self.concatenation(true)?)))
    }

    fn concatenation(&mut self, pipes: bool) -> R<Expr> {
        let mut left = self.sum()?;
        loop {
            if pipes && self.is("|") && *self.ahead(1) == Token::Keyword("getline") {
                self.at += 2;
                let place = self.optional_place()?;
                left = Expr::Getline(Source::Command(Box::new(left)), place);
            } else if self.starts_operand() {
                left = Expr::Concat(Box::new(left), Box::new(self.sum()?));
            } else {
                return Ok(left);
            }
        }
    }

    fn starts_operand(&self) -> bool {
        match self.peek() {
            Token::Number(_) | Token::Text(_) | Token::Regex(_) | Token::Name(_) => true,
            Token::Function(_) | Token::Builtin(_) => true,
            Token::Sign(sign) => matches!(*sign, "$" | "!" | "(" | "-" | "+" | "++" | "--"),
            _ => false,
        }
    }

    fn sum(&mut self) -> R<Expr> {
        let mut left = self.product()?;
        loop {
            let op = match self.peek() {
                Token::Sign("+") => Op::Add,
                Token::Sign("-") => Op::Sub,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.product()?));
        }
    }

    fn product(&mut self) -> R<Expr> {
        let mut left = self.unary()?;
        loop {
            let op = match self.peek() {
                Token::Sign("*") => Op::Mul,
                Token::Sign("/") => Op::Div,
                Token::Sign("%") => Op::Mod,
                _ => return Ok(left),
            };
            self.at += 1;
            left = Expr::Binary(op, Box::new(left), Box::new(self.unary()?));
        }
    }

    fn unary(&mut self) -> R<Expr> {
        let make = match self.peek() {
            Token::Sign("!") => Expr::Not as fn(Box<Expr>) -> Expr,
            Token::Sign("-") => Expr::Minus as fn(Box<Expr>) -> Expr,
            Token::Sign("+") => Expr::Plus as fn(Box<Expr>) -> Expr,
            _ => return self.power(),
        };
        self.at += 1;
        Ok(make(Box::new(self.unary()?)))
    }

    fn power(&mut self) -> R<Expr> {
        let base = self.postfix()?;
        if !self.take("^") {
            return Ok(base);
        }
        // To the right, and a sign may stand before the exponent.
        let exponent = if self.is("-") || self.is("+") || self.is("!") {
            self.unary()?
        } else {
            self.power()?
        };
        Ok(Expr::Binary(Op::Pow, Box::new(base), Box::new(exponent)))
    }

    /// An operand, with `++` or an assignment behind it if it is a place.
    fn postfix(&mut self) -> R<Expr> {
        let found = self.primary()?;
        if !found.is_place() {
            return Ok(found);
        }
        if self.take("++") {
            return Ok(Expr::Step(Box::new(found), 1., true));
        }
        if self.take("--") {
            return Ok(Expr::Step(Box::new(found), -1., true));
        }
        let op = match self.peek() {
            Token::Sign("=") => None,
            Token::Sign("+=") => Some(Op::Add),
            Token::Sign("-=") => Some(Op::Sub),
            Token::Sign("*=") => Some(Op::Mul),
            Token::Sign("/=") => Some(Op::Div),
            Token::Sign("%=") => Some(Op::Mod),
            Token::Sign("^=") => Some(Op::Pow),
            _ => return Ok(found),
        };
        self.at += 1;
        self.skip_newlines();
        Ok(Expr::Assign(Box::new(found), op, Box::new(self.expr()?)))
    }

    fn primary(&mut self) -> R<Expr> {
        let token = self.next();
        Ok(match token {
            Token::Number(number) => Expr::Number(number),
            Token::Text(text) => Expr::Text(text.into()),
            Token::Regex(text) => Expr::Regex(regex(&text)?),
            Token::Sign("$") => {
                let inner = match self.peek() {
                    Token::Sign(sign @ ("++" | "--")) => {
                        let by = if *sign == "++" { 1. } else { -1. };
                        self.at += 1;
                        Expr::Step(Box::new(self.primary()?), by, false)
                    }
                    Token::Sign("-") => {
                        self.at += 1;
                        Expr::Minus(Box::new(self.primary()?))
                    }
                    _ => self.primary()?,
                };
                Expr::Field(Box::new(inner))
            }
            Token::Sign(sign @ ("++" | "--")) => {
                let by = if sign == "++" { 1. } else { -1. };
                Expr::Step(Box::new(self.primary()?), by, false)
            }
            Token::Sign("(") => {
                let mut list = self.list(")")?;
                match list.len() {
                    0 => {
                        self.at -= 1;
                        return self.unexpected();
                    }
                    // In brackets a place is a value: `(x) = 1` is none of our business.
                    1 => list.remove(0),
                    _ => Expr::List(list),
                }
            }
            Token::Name(name) => {
                let name = self.name(&name);
                if self.take("[") { Expr::Element(name, self.list("]")?) } else { Expr::Var(name) }
            }
            Token::Function(name) => {
                self.expect("(")?;
                let arguments = self.list(")")?;
                Expr::Call(self.function_index(&name), arguments)
            }
            Token::Builtin(name) => {
                if self.take("(") {
                    Expr::Builtin(name, self.list(")")?)
                } else if name == "length" {
                    Expr::Builtin(name, vec![])
                } else {
                    return self.unexpected();
                }
            }
            Token::Keyword("getline") => {
                let place = self.optional_place()?;
                if self.take("<") {
                    let file = self.primary()?;
                    Expr::Getline(Source::File(Box::new(file)), place)
                } else {
                    Expr::Getline(Source::Main, place)
                }
            }
            _ => {
                self.at -= 1;
                return self.unexpected();
            }
        })
    }

    fn optional_place(&mut self) -> R<Option<Box<Expr>>> {
        match self.peek() {
            Token::Name(_) | Token::Sign("$") => Ok(Some(Box::new(self.primary()?))),
            _ => Ok(None),
        }
    }
}
