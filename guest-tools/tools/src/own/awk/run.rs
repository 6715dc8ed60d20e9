//! Running a program: the machine, its statements and its expressions.

mod builtins;
mod io;
mod time;

use std::collections::HashMap;
use std::rc::Rc;

use onig::Region;
use posix_regex::Regex;

use super::parse::{self, SPECIAL};
use super::tree::{Expr, Name, Op, Order, Pattern, Program, Redirect, Source, Stmt};
use super::value::{Array, Cell, Value};
use io::{Input, Outputs};

const NF: usize = 0;
const NR: usize = 1;
const FNR: usize = 2;
const FS: usize = 3;
const OFS: usize = 4;
const ORS: usize = 5;
const RS: usize = 6;
const SUBSEP: usize = 7;
const FILENAME: usize = 8;
const RSTART: usize = 9;
const RLENGTH: usize = 10;
const CONVFMT: usize = 11;
const OFMT: usize = 12;
const ENVIRON: usize = 13;
const ARGC: usize = 14;
const ARGV: usize = 15;

/// How many calls may be in one another (TM-STACK-1 within a tool).
const MAX_CALLS: usize = 2_000;

/// Why the statement after this one is not the next.
enum Flow {
    Break,
    Continue,
    Next,
    NextFile,
    Exit,
    Return(Value),
    /// A message for the user; ends the program.
    Error(String),
}

type R<T = ()> = Result<T, Flow>;

fn fail<T>(message: impl Into<String>) -> R<T> {
    Err(Flow::Error(message.into()))
}

/// The state of a running program.
pub(super) struct Machine {
    program: Rc<Program>,
    globals: Vec<Cell>,
    locals: Vec<Vec<Cell>>,
    record: Rc<str>,
    fields: Vec<Value>,
    /// Whether `fields` are those of `record`.
    is_split: bool,
    /// Whether `record` is that of `fields`.
    is_joined: bool,
    in_range: Vec<bool>,
    regexes: HashMap<Rc<str>, Rc<Regex>>,
    region: Region,
    input: Input,
    outputs: Outputs,
    code: i32,
    seed: f64,
    random: u64,
}

impl Machine {
    pub(super) fn new(program: Program, arguments: Vec<String>) -> Self {
        let n_ranges = super::text::n_ranges(&program);
        let globals = program.globals.iter().map(|_| Cell::default()).collect();
        let mut machine = Self {
            in_range: vec![false; n_ranges],
            program: Rc::new(program),
            globals,
            locals: vec![],
            record: "".into(),
            fields: vec![],
            is_split: true,
            is_joined: true,
            regexes: HashMap::new(),
            region: Region::new(),
            input: Input::default(),
            outputs: Outputs::default(),
            code: 0,
            seed: 0.,
            random: 0x2545_f491_4f6c_dd1d,
        };
        machine.set_up(arguments);
        machine
    }

    fn set_up(&mut self, arguments: Vec<String>) {
        for (index, value) in [(FS, " "), (OFS, " "), (ORS, "\n"), (RS, "\n"), (SUBSEP, "\u{1c}")] {
            self.globals[index] = Cell::Value(Value::text(value));
        }
        for index in [CONVFMT, OFMT] {
            self.globals[index] = Cell::Value(Value::text("%.6g"));
        }
        for index in [NF, NR, FNR, RSTART] {
            self.globals[index] = Cell::Value(Value::Number(0.));
        }
        self.globals[RLENGTH] = Cell::Value(Value::Number(-1.));
        let environment = self.array(Name::Global(ENVIRON));
        for (name, value) in std::env::vars() {
            let inward = |text: String| super::bytes::inward(text.into_bytes());
            environment
                .borrow_mut()
                .insert(inward(name).into(), Value::Input(inward(value).into()));
        }
        let argv = self.array(Name::Global(ARGV));
        self.globals[ARGC] = Cell::Value(Value::Number(arguments.len() as f64 + 1.));
        argv.borrow_mut().insert("0".into(), Value::text("awk"));
        for (i, argument) in arguments.into_iter().enumerate() {
            let key = (i + 1).to_string().into();
            argv.borrow_mut().insert(key, Value::Input(argument.into()));
        }
    }

    /// Assigns a variable from the command line.
    pub(super) fn assign(&mut self, name: &str, value: &str) {
        let value = Value::Input(super::lex::unescape(value).into());
        let index = self.program.globals.iter().position(|it| it == name);
        if let Some(index) = index {
            self.globals[index] = Cell::Value(value);
        } else if SPECIAL.contains(&name) {
            // Every special variable has its place from the start.
        }
    }

    pub(super) fn run(mut self) -> i32 {
        let program = Rc::clone(&self.program);
        let mut result = self.begin_and_rules(&program);
        if !matches!(result, Err(Flow::Error(_))) {
            let exited = matches!(result, Err(Flow::Exit));
            if !exited || !program.end.is_empty() {
                result = self.end(&program);
            }
        }
        let closed = self.outputs.close_all();
        if let Err(Flow::Error(message)) = result {
            eprintln!("awk: {message}");
            return 2;
        }
        if closed { self.code } else { 2 }
    }

    fn begin_and_rules(&mut self, program: &Program) -> R {
        for body in &program.begin {
            self.top(body)?;
        }
        if program.rules.is_empty() && program.end.is_empty() {
            return Ok(());
        }
        while self.next_record()? {
            match self.rules(program) {
                Err(Flow::Next) => {}
                Err(Flow::NextFile) => self.input.skip_file(),
                other => other?,
            }
        }
        Ok(())
    }

    fn end(&mut self, program: &Program) -> R {
        for body in &program.end {
            match self.top(body) {
                Err(Flow::Exit) => break,
                other => other?,
            }
        }
        Ok(())
    }

    /// Statements that no loop is around.
    fn top(&mut self, body: &[Stmt]) -> R {
        match self.all(body) {
            Err(Flow::Next | Flow::NextFile) => fail("next used in BEGIN or END"),
            Err(Flow::Break | Flow::Continue | Flow::Return(_)) => Ok(()),
            other => other,
        }
    }

    fn rules(&mut self, program: &Program) -> R {
        for rule in &program.rules {
            let applies = match &rule.pattern {
                Pattern::Always => true,
                Pattern::If(condition) => self.eval(condition)?.is_true(),
                Pattern::Range(first, last, index) => {
                    let starts = self.in_range[*index] || self.eval(first)?.is_true();
                    if starts {
                        self.in_range[*index] = !self.eval(last)?.is_true();
                    }
                    starts
                }
            };
            if !applies {
                continue;
            }
            match &rule.body {
                Some(body) => match self.all(body) {
                    Err(Flow::Break | Flow::Continue | Flow::Return(_)) => {}
                    other => other?,
                },
                None => {
                    let text = self.whole().to_string() + &self.special(ORS);
                    self.write(None, &text)?;
                }
            }
        }
        Ok(())
    }

    fn special(&self, index: usize) -> Rc<str> {
        match &self.globals[index] {
            Cell::Value(value) => value.show("%.6g"),
            Cell::Array(_) => "".into(),
        }
    }

    fn set_special(&mut self, index: usize, value: Value) {
        self.globals[index] = Cell::Value(value);
    }

    fn all(&mut self, body: &[Stmt]) -> R {
        body.iter().try_for_each(|it| self.execute(it))
    }

    /// A loop's body: whether the loop goes on.
    fn turn(&mut self, body: &[Stmt]) -> R<bool> {
        match self.all(body) {
            Err(Flow::Break) => Ok(false),
            Err(Flow::Continue) | Ok(()) => Ok(true),
            Err(other) => Err(other),
        }
    }

    fn execute(&mut self, statement: &Stmt) -> R {
        match statement {
            Stmt::Expr(it) => self.eval(it).map(drop),
            Stmt::Print(list, to) => self.print(list, to.as_ref()),
            Stmt::Printf(list, to) => {
                let Some((format, rest)) = list.split_first() else {
                    return fail("printf: no format");
                };
                let format = self.text(format)?;
                let values = rest.iter().map(|it| self.eval(it)).collect::<R<Vec<_>>>()?;
                let text = super::text::format(&format, &values);
                self.write(to.as_ref(), &text)
            }
            Stmt::If(condition, then, other) => {
                let body = if self.eval(condition)?.is_true() { then } else { other };
                self.all(body)
            }
            Stmt::While(condition, body) => {
                while self.eval(condition)?.is_true() && self.turn(body)? {}
                Ok(())
            }
            Stmt::DoWhile(body, condition) => {
                while self.turn(body)? && self.eval(condition)?.is_true() {}
                Ok(())
            }
            Stmt::For(first, condition, step, body) => {
                if let Some(first) = first {
                    self.execute(first)?;
                }
                loop {
                    if let Some(condition) = condition
                        && !self.eval(condition)?.is_true()
                    {
                        return Ok(());
                    }
                    if !self.turn(body)? {
                        return Ok(());
                    }
                    if let Some(step) = step {
                        self.execute(step)?;
                    }
                }
            }
            Stmt::ForIn(place, array, body) => {
                let keys: Vec<Rc<str>> = self.array(*array).borrow().keys().cloned().collect();
                for key in keys {
                    self.store(place, Value::Input(key))?;
                    if !self.turn(body)? {
                        break;
                    }
                }
                Ok(())
            }
            Stmt::Delete(array, None) => {
                self.array(*array).borrow_mut().clear();
                Ok(())
            }
            Stmt::Delete(array, Some(keys)) => {
                let key = self.key(keys)?;
                self.array(*array).borrow_mut().shift_remove(&key);
                Ok(())
            }
            Stmt::Break => Err(Flow::Break),
            Stmt::Continue => Err(Flow::Continue),
            Stmt::Next => Err(Flow::Next),
            Stmt::NextFile => Err(Flow::NextFile),
            Stmt::Exit(code) => {
                if let Some(code) = code {
                    self.code = self.eval(code)?.number() as i32 & 0xff;
                }
                Err(Flow::Exit)
            }
            Stmt::Return(value) => {
                let value = value.as_ref().map_or(Ok(Value::Nothing), |it| self.eval(it))?;
                Err(Flow::Return(value))
            }
            Stmt::Block(body) => self.all(body),
        }
    }

    fn print(&mut self, list: &[Expr], to: Option<&Redirect>) -> R {
        let mut text = String::new();
        if list.is_empty() {
            text.push_str(&self.whole());
        }
        let format = self.special(OFMT);
        for (i, it) in list.iter().enumerate() {
            if i > 0 {
                text.push_str(&self.special(OFS));
            }
            text.push_str(&self.eval(it)?.show(&format));
        }
        text.push_str(&self.special(ORS));
        self.write(to, &text)
    }

    fn write(&mut self, to: Option<&Redirect>, text: &str) -> R {
        let (name, kind) = match to {
            None => (None, io::Kind::File),
            Some(Redirect::To(it)) => (Some(self.text(it)?), io::Kind::File),
            Some(Redirect::Append(it)) => (Some(self.text(it)?), io::Kind::Append),
            Some(Redirect::Pipe(it)) => (Some(self.text(it)?), io::Kind::Command),
        };
        self.outputs.write(name.as_deref(), kind, text).map_err(Flow::Error)
    }

    fn text(&mut self, expr: &Expr) -> R<Rc<str>> {
        let value = self.eval(expr)?;
        Ok(self.show(&value))
    }

    fn show(&self, value: &Value) -> Rc<str> {
        match value {
            Value::Number(_) => value.show(&self.special(CONVFMT)),
            other => other.show("%.6g"),
        }
    }

    fn number(&mut self, expr: &Expr) -> R<f64> {
        self.eval(expr).map(|value| value.number())
    }

    fn eval(&mut self, expr: &Expr) -> R<Value> {
        Ok(match expr {
            Expr::Number(number) => Value::Number(*number),
            Expr::Text(text) => Value::Text(Rc::clone(text)),
            Expr::Regex(regex) => Value::truth(regex.is_match(self.whole().as_bytes())),
            Expr::Var(name) => self.variable(*name)?,
            Expr::Field(index) => {
                let index = self.number(index)?;
                self.field(index)?
            }
            Expr::Element(array, keys) => {
                let key = self.key(keys)?;
                let array = self.array(*array);
                let mut array = array.borrow_mut();
                array.entry(key).or_default().clone()
            }
            Expr::Assign(place, op, value) => {
                let value = self.eval(value)?;
                let value = match op {
                    None => value,
                    Some(op) => {
                        let before = self.number(place)?;
                        Value::Number(calculate(*op, before, value.number())?)
                    }
                };
                self.store(place, value.clone())?;
                value
            }
            Expr::If(condition, then, other) => {
                let taken = if self.eval(condition)?.is_true() { then } else { other };
                self.eval(taken)?
            }
            Expr::And(a, b) => Value::truth(self.eval(a)?.is_true() && self.eval(b)?.is_true()),
            Expr::Or(a, b) => Value::truth(self.eval(a)?.is_true() || self.eval(b)?.is_true()),
            Expr::Not(a) => Value::truth(!self.eval(a)?.is_true()),
            Expr::Minus(a) => Value::Number(-self.number(a)?),
            Expr::Plus(a) => Value::Number(self.number(a)?),
            Expr::Binary(op, a, b) => {
                let (a, b) = (self.number(a)?, self.number(b)?);
                Value::Number(calculate(*op, a, b)?)
            }
            Expr::Compare(order, a, b) => {
                let (a, b) = (self.eval(a)?, self.eval(b)?);
                Value::truth(self.compare(*order, &a, &b))
            }
            Expr::Match(is_negated, text, pattern) => {
                let text = self.text(text)?;
                let regex = self.regex(pattern)?;
                Value::truth(regex.is_match(text.as_bytes()) != *is_negated)
            }
            Expr::In(keys, array) => {
                let key = self.key(keys)?;
                Value::truth(self.array(*array).borrow().contains_key(&key))
            }
            Expr::Concat(a, b) => {
                let (a, b) = (self.text(a)?, self.text(b)?);
                Value::Text(format!("{a}{b}").into())
            }
            Expr::Step(place, by, is_before) => {
                let before = self.number(place)?;
                self.store(place, Value::Number(before + by))?;
                Value::Number(if *is_before { before } else { before + by })
            }
            Expr::Call(function, arguments) => self.call(*function, arguments)?,
            Expr::Builtin(name, arguments) => self.builtin(name, arguments)?,
            Expr::Getline(source, place) => self.getline(source, place.as_deref())?,
            Expr::List(list) => {
                let mut text = String::new();
                for it in list {
                    text.push_str(&self.text(it)?);
                }
                Value::text(text)
            }
        })
    }

    fn compare(&self, order: Order, a: &Value, b: &Value) -> bool {
        use std::cmp::Ordering;
        let ordering = match (a.as_number(), b.as_number()) {
            (Some(a), Some(b)) => match a.partial_cmp(&b) {
                Some(ordering) => ordering,
                None => return order == Order::NotEqual,
            },
            _ => self.show(a).as_bytes().cmp(self.show(b).as_bytes()),
        };
        match order {
            Order::Less => ordering == Ordering::Less,
            Order::LessEqual => ordering != Ordering::Greater,
            Order::Equal => ordering == Ordering::Equal,
            Order::NotEqual => ordering != Ordering::Equal,
            Order::Greater => ordering == Ordering::Greater,
            Order::GreaterEqual => ordering != Ordering::Less,
        }
    }

    /// The pattern that an expression is or has the text of.
    fn regex(&mut self, expr: &Expr) -> R<Rc<Regex>> {
        if let Expr::Regex(regex) = expr {
            return Ok(Rc::clone(regex));
        }
        let text = self.text(expr)?;
        self.compiled(&text)
    }

    fn compiled(&mut self, text: &Rc<str>) -> R<Rc<Regex>> {
        if let Some(regex) = self.regexes.get(text) {
            return Ok(Rc::clone(regex));
        }
        let regex = parse::regex(text).map_err(Flow::Error)?;
        self.regexes.insert(Rc::clone(text), Rc::clone(&regex));
        Ok(regex)
    }

    fn cell(&mut self, name: Name) -> &mut Cell {
        match name {
            Name::Global(index) => &mut self.globals[index],
            Name::Local(index) => {
                // A local name exists within a call only.
                let frame = self.locals.len() - 1;
                &mut self.locals[frame][index]
            }
        }
    }

    fn variable(&mut self, name: Name) -> R<Value> {
        if name == Name::Global(NF) {
            self.split_record();
        }
        match self.cell(name) {
            Cell::Value(value) => Ok(value.clone()),
            Cell::Array(_) => fail("an array is used where a value is needed"),
        }
    }

    /// The array of a name, which becomes one if it is nothing yet.
    fn array(&mut self, name: Name) -> Array {
        let cell = self.cell(name);
        if let Cell::Array(array) = cell {
            return Rc::clone(array);
        }
        let array = Array::default();
        *cell = Cell::Array(Rc::clone(&array));
        array
    }

    fn key(&mut self, keys: &[Expr]) -> R<Rc<str>> {
        if let [key] = keys {
            let value = self.eval(key)?;
            return Ok(self.show(&value));
        }
        let separator = self.special(SUBSEP);
        let keys = keys.iter().map(|key| self.text(key)).collect::<R<Vec<_>>>()?;
        Ok(keys.join(&*separator).into())
    }

    fn store(&mut self, place: &Expr, value: Value) -> R {
        match place {
            Expr::Var(name) => {
                if *name == Name::Global(NF) {
                    let count = value.number();
                    return self.set_field_count(count);
                }
                match self.cell(*name) {
                    Cell::Value(cell) => *cell = value,
                    Cell::Array(_) => return fail("an array cannot be assigned to"),
                }
            }
            Expr::Element(array, keys) => {
                let key = self.key(keys)?;
                self.array(*array).borrow_mut().insert(key, value);
            }
            Expr::Field(index) => {
                let index = self.number(index)?;
                return self.set_field(index, value);
            }
            _ => return fail("assignment to what is no variable"),
        }
        Ok(())
    }

    fn call(&mut self, function: usize, arguments: &[Expr]) -> R<Value> {
        if self.locals.len() >= MAX_CALLS {
            return fail("function calls nested too deeply");
        }
        let program = Rc::clone(&self.program);
        let function = &program.functions[function];
        if arguments.len() > function.parameters {
            return fail(format!("function {} called with too many arguments", function.name));
        }
        let mut frame = Vec::with_capacity(function.parameters);
        for (i, argument) in arguments.iter().enumerate() {
            frame.push(match argument {
                Expr::Var(name) if function.arrays[i] => Cell::Array(self.array(*name)),
                other => Cell::Value(self.eval(other)?),
            });
        }
        frame.resize_with(function.parameters, Cell::default);
        self.locals.push(frame);
        let result = self.all(&function.body);
        self.locals.pop();
        match result {
            Ok(()) => Ok(Value::Nothing),
            Err(Flow::Return(value)) => Ok(value),
            Err(other) => Err(other),
        }
    }

    fn getline(&mut self, source: &Source, place: Option<&Expr>) -> R<Value> {
        let separator = self.special(RS);
        let separator = self.separator(&separator)?;
        let read = match source {
            Source::Main => {
                return match self.read_main()? {
                    Some(text) => {
                        match place {
                            Some(place) => self.store(place, Value::Input(text.into()))?,
                            None => self.set_record(text.into()),
                        }
                        Ok(Value::Number(1.))
                    }
                    None => Ok(Value::Number(0.)),
                };
            }
            Source::File(file) => {
                let file = self.text(file)?;
                self.input.from_file(&file, &separator)
            }
            Source::Command(command) => {
                let command = self.text(command)?;
                self.outputs.flush();
                let read = self.input.from_command(&command, &separator);
                if matches!(read, Ok(Some(_))) {
                    self.count_record(false);
                }
                read
            }
        };
        match read {
            Err(_) => Ok(Value::Number(-1.)),
            Ok(None) => Ok(Value::Number(0.)),
            Ok(Some(text)) => {
                match place {
                    Some(place) => self.store(place, Value::Input(text.into()))?,
                    None => self.set_record(text.into()),
                }
                Ok(Value::Number(1.))
            }
        }
    }
}

fn calculate(op: Op, a: f64, b: f64) -> R<f64> {
    Ok(match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => signed_nan(a / b),
        Op::Mod => signed_nan(a % b),
        Op::Pow => a.powf(b),
    })
}

/// What has no result is negative where mawk runs.
fn signed_nan(number: f64) -> f64 {
    if number.is_nan() { -f64::NAN.abs() } else { number }
}
