//! Carrying out what a `bc` program says.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::io::Write as _;

use super::math;
use super::number::{Number, Res};
use super::parse::{Argument, Expr, Function, Op, Place, Printed, Statement};

type Array = BTreeMap<usize, Number>;

/// How a statement ended.
pub(super) enum Flow {
    Next,
    Break,
    Continue,
    Return(Number),
    Quit,
}

/// Values of variables, and what the program has set.
pub(super) struct Machine {
    scale: usize,
    ibase: u32,
    obase: u32,
    last: Number,
    variables: BTreeMap<String, Number>,
    arrays: BTreeMap<String, Array>,
    functions: BTreeMap<String, Function>,
    has_library: bool,
    depth: usize,
    /// Characters in a line of output, 0 for as many as there are.
    line_length: usize,
}

impl Machine {
    pub(super) fn new(has_library: bool, line_length: usize) -> Self {
        Self {
            scale: if has_library { 20 } else { 0 },
            ibase: 10,
            obase: 10,
            last: Number::from(0),
            variables: BTreeMap::new(),
            arrays: BTreeMap::new(),
            functions: BTreeMap::new(),
            has_library,
            depth: 0,
            line_length,
        }
    }

    pub(super) fn statement(&mut self, statement: &Statement) -> Res<Flow> {
        match statement {
            Statement::Value(expr, is_printed) => {
                let value = self.value(expr)?;
                if *is_printed {
                    self.print_line(&value);
                    self.last = value;
                }
            }
            Statement::Text(text) => print!("{text}"),
            Statement::Print(items) => self.print(items)?,
            Statement::Block(list) => return self.all(list),
            Statement::If(condition, then, otherwise) => {
                let is_true = !self.value(condition)?.is_zero();
                match (is_true, otherwise) {
                    (true, _) => return self.statement(then),
                    (false, Some(otherwise)) => return self.statement(otherwise),
                    (false, None) => {}
                }
            }
            Statement::While(condition, body) => {
                return self.repeat(Some(condition), None, body);
            }
            Statement::For(first, condition, step, body) => {
                if let Some(first) = first {
                    self.value(first)?;
                }
                return self.repeat(condition.as_ref(), step.as_ref(), body);
            }
            Statement::Define(name, function) => {
                self.functions.insert(name.clone(), function.clone());
            }
            Statement::Return(expr) => {
                let value = expr.as_ref().map(|it| self.value(it)).transpose()?;
                return Ok(Flow::Return(value.unwrap_or(Number::from(0))));
            }
            Statement::Break => return Ok(Flow::Break),
            Statement::Continue => return Ok(Flow::Continue),
            Statement::Quit => return Ok(Flow::Quit),
        }
        Ok(Flow::Next)
    }

    fn all(&mut self, list: &[Statement]) -> Res<Flow> {
        for statement in list {
            match self.statement(statement)? {
                Flow::Next => {}
                other => return Ok(other),
            }
        }
        Ok(Flow::Next)
    }

    fn repeat(
        &mut self,
        condition: Option<&Expr>,
        step: Option<&Expr>,
        body: &Statement,
    ) -> Res<Flow> {
        loop {
            if let Some(condition) = condition
                && self.value(condition)?.is_zero()
            {
                return Ok(Flow::Next);
            }
            match self.statement(body)? {
                Flow::Next | Flow::Continue => {}
                Flow::Break => return Ok(Flow::Next),
                other => return Ok(other),
            }
            if let Some(step) = step {
                self.value(step)?;
            }
        }
    }

    /// Writes a number in lines that a backslash joins.
    fn print_line(&self, value: &Number) {
        println!("{}", self.folded(&value.shown(self.obase)));
    }

    fn folded(&self, text: &str) -> String {
        if self.line_length == 0 || text.len() < self.line_length {
            return text.to_owned();
        }
        let width = (self.line_length - 2).max(1);
        let parts: Vec<String> = text
            .as_bytes()
            .chunks(width)
            .map(|part| String::from_utf8_lossy(part).into_owned())
            .collect();
        parts.join("\\\n")
    }

    fn print(&mut self, items: &[Printed]) -> Res<()> {
        for item in items {
            match item {
                Printed::Text(text) => print!("{}", unescaped(text)),
                Printed::Value(expr) => {
                    let value = self.value(expr)?;
                    print!("{}", self.folded(&value.shown(self.obase)));
                    self.last = value;
                }
            }
        }
        std::io::stdout().flush().map_err(|e| e.to_string())
    }

    pub(super) fn value(&mut self, expr: &Expr) -> Res<Number> {
        let truth = |is: bool| Number::from(i64::from(is));
        Ok(match expr {
            Expr::Number(text) => Number::parse(text, self.ibase),
            Expr::Read(place) => self.read(place)?,
            Expr::Assign(place, operator, expr) => {
                let value = self.value(expr)?;
                let value = match operator {
                    Some(operator) => {
                        let old = self.read(place)?;
                        self.binary(*operator, &old, &value)?
                    }
                    None => value,
                };
                self.write(place, value.clone())?;
                value
            }
            Expr::Step(place, step, is_old) => {
                let old = self.read(place)?;
                let new = old.plus(&Number::from(*step));
                self.write(place, new.clone())?;
                if *is_old { old } else { new }
            }
            Expr::Binary(operator, left, right) => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                self.binary(*operator, &left, &right)?
            }
            Expr::Compare(op, left, right) => {
                let order = self.value(left)?.compare(&self.value(right)?);
                truth(match op {
                    Op::Equal => order == Ordering::Equal,
                    Op::NotEqual => order != Ordering::Equal,
                    Op::Less => order == Ordering::Less,
                    Op::LessEqual => order != Ordering::Greater,
                    Op::Greater => order == Ordering::Greater,
                    Op::GreaterEqual => order != Ordering::Less,
                })
            }
            Expr::And(left, right) => {
                truth(!self.value(left)?.is_zero() && !self.value(right)?.is_zero())
            }
            Expr::Or(left, right) => {
                truth(!self.value(left)?.is_zero() || !self.value(right)?.is_zero())
            }
            Expr::Not(expr) => truth(self.value(expr)?.is_zero()),
            Expr::Negative(expr) => self.value(expr)?.negated(),
            Expr::Call(name, arguments) => self.call(name, arguments)?,
        })
    }

    fn binary(&self, operator: char, left: &Number, right: &Number) -> Res<Number> {
        match operator {
            '+' => Ok(left.plus(right)),
            '-' => Ok(left.minus(right)),
            '*' => Ok(left.times(right, self.scale)),
            '/' => left.over(right, self.scale),
            '%' => left.modulo(right, self.scale),
            _ => left.power(right, self.scale),
        }
    }

    fn index(&mut self, expr: &Expr) -> Res<usize> {
        self.value(expr)?.small().ok_or_else(|| "Array subscript out of bounds".to_owned())
    }

    fn read(&mut self, place: &Place) -> Res<Number> {
        Ok(match place {
            Place::Variable(name) => self.variables.get(name).cloned().unwrap_or(Number::from(0)),
            Place::Element(name, index) => {
                let index = self.index(index)?;
                let element = self.arrays.get(name).and_then(|array| array.get(&index));
                element.cloned().unwrap_or(Number::from(0))
            }
            Place::Scale => Number::from(self.scale as i64),
            Place::Ibase => Number::from(i64::from(self.ibase)),
            Place::Obase => Number::from(i64::from(self.obase)),
            Place::Last => self.last.clone(),
        })
    }

    fn write(&mut self, place: &Place, value: Number) -> Res<()> {
        let small = value.small();
        match place {
            Place::Variable(name) => drop(self.variables.insert(name.clone(), value)),
            Place::Element(name, index) => {
                let index = self.index(index)?;
                self.arrays.entry(name.clone()).or_default().insert(index, value);
            }
            Place::Scale => self.scale = small.ok_or("negative scale, set to 0")?,
            Place::Ibase => self.ibase = small.unwrap_or(2).clamp(2, 36) as u32,
            Place::Obase => self.obase = small.unwrap_or(2).clamp(2, 1 << 30) as u32,
            Place::Last => self.last = value,
        }
        Ok(())
    }

    fn call(&mut self, name: &str, arguments: &[Argument]) -> Res<Number> {
        if let Some(function) = self.functions.get(name).cloned() {
            return self.call_defined(name, &function, arguments);
        }
        if name == "read" {
            let mut line = String::new();
            std::io::stdin().read_line(&mut line).map_err(|e| e.to_string())?;
            return Ok(Number::parse(line.trim(), self.ibase));
        }
        let x = match arguments.first() {
            Some(Argument::Value(expr)) => self.value(expr)?,
            _ => return Err(format!("Function {name} not defined.")),
        };
        Ok(match name {
            "sqrt" => x.root(self.scale)?,
            "length" => Number::from(x.length() as i64),
            "scale" => Number::from(x.scale as i64),
            "e" if self.has_library => math::exp(&x, self.scale)?,
            "l" if self.has_library => math::ln(&x, self.scale),
            "s" if self.has_library => math::sin(&x, self.scale),
            "c" if self.has_library => math::cos(&x, self.scale),
            "a" if self.has_library => math::atan(&x, self.scale),
            _ => return Err(format!("Function {name} not defined.")),
        })
    }

    /// Calls a function of the program: its names hide those outside until it returns.
    fn call_defined(
        &mut self,
        name: &str,
        function: &Function,
        arguments: &[Argument],
    ) -> Res<Number> {
        if arguments.len() != function.parameters.len() {
            return Err(format!("Parameter number mismatch: {name}"));
        }
        if self.depth > 2000 {
            return Err("function calls nested too deeply".to_owned());
        }
        let mut values = vec![];
        for argument in arguments {
            values.push(match argument {
                Argument::Value(expr) => (Some(self.value(expr)?), None),
                Argument::Array(name) => (None, self.arrays.get(name).cloned()),
            });
        }
        let names: Vec<&String> = function.parameters.iter().chain(&function.automatic).collect();
        let hidden: Vec<_> = names
            .iter()
            .map(|name| match name.strip_suffix("[]") {
                Some(array) => (None, self.arrays.remove(array)),
                None => (self.variables.remove(*name), None),
            })
            .collect();
        for (name, (value, array)) in function.parameters.iter().zip(values) {
            match (name.strip_suffix("[]"), value, array) {
                (Some(name), _, Some(array)) => drop(self.arrays.insert(name.to_owned(), array)),
                (None, Some(value), _) => drop(self.variables.insert(name.clone(), value)),
                _ => {}
            }
        }
        self.depth += 1;
        let flow = self.all(&function.body);
        self.depth -= 1;
        for (name, (value, array)) in names.into_iter().zip(hidden) {
            match name.strip_suffix("[]") {
                Some(name) => put_back(&mut self.arrays, name, array),
                None => put_back(&mut self.variables, name, value),
            }
        }
        match flow? {
            Flow::Return(value) => Ok(value),
            _ => Ok(Number::from(0)),
        }
    }
}

fn put_back<T>(map: &mut BTreeMap<String, T>, name: &str, value: Option<T>) {
    match value {
        Some(value) => drop(map.insert(name.to_owned(), value)),
        None => drop(map.remove(name)),
    }
}

/// The escapes of `print`.
fn unescaped(text: &str) -> String {
    let (mut out, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('a') => out.push('\x07'),
            Some('b') => out.push('\x08'),
            Some('f') => out.push('\x0c'),
            Some('q') => out.push('"'),
            Some('e' | '\\') => out.push('\\'),
            Some(other) => out.extend(['\\', other]),
            None => out.push('\\'),
        }
    }
    out
}
