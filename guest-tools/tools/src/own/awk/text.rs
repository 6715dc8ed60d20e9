//! Formats, and what of a program can be known without running it.

use super::tree::{Expr, Name, Pattern, Program, Redirect, Source, Stmt};
use super::value::Value;

/// What `printf` writes.
pub(super) fn format(format: &str, values: &[Value]) -> String {
    let mut out = String::new();
    let mut values = values.iter();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = rest.next_if(|c| "-+ #0'".contains(*c)) {
            spec.flags.push(flag);
        }
        let mut number = |rest: &mut std::iter::Peekable<std::str::Chars<'_>>| {
            if rest.next_if_eq(&'*').is_some() {
                return Some(values.next().map_or(0., Value::number) as i64);
            }
            let mut digits = String::new();
            while let Some(digit) = rest.next_if(char::is_ascii_digit) {
                digits.push(digit);
            }
            digits.parse().ok()
        };
        spec.width = number(&mut rest);
        if rest.next_if_eq(&'.').is_some() {
            spec.precision = Some(number(&mut rest).unwrap_or(0));
        }
        while rest.next_if(|c| "hlLqjzt".contains(*c)).is_some() {}
        if spec.width.is_some_and(|width| width < 0) {
            spec.flags.push('-');
            spec.width = spec.width.map(i64::abs);
        }
        match rest.next() {
            Some('%') => out.push('%'),
            Some(kind) if "diouxXeEfFgGcs".contains(kind) => {
                let value = values.next().cloned().unwrap_or_default();
                out.push_str(&spec.apply(kind, &value));
            }
            Some(other) => {
                out.push('%');
                out.push(other);
            }
            None => out.push('%'),
        }
    }
    out
}

#[derive(Default)]
struct Spec {
    flags: String,
    width: Option<i64>,
    precision: Option<i64>,
}

impl Spec {
    fn has(&self, flag: char) -> bool {
        self.flags.contains(flag)
    }

    fn apply(&self, kind: char, value: &Value) -> String {
        let precision = self.precision.map(|it| it.max(0) as usize);
        let (body, is_number) = match kind {
            'c' => (
                match value {
                    Value::Number(code) => char::from(*code as i64 as u8).to_string(),
                    other => other.show("%.6g").chars().next().map_or(String::new(), String::from),
                },
                false,
            ),
            's' => {
                let text = value.show("%.6g");
                let cut = precision.map_or(text.len(), |n| {
                    text.char_indices().nth(n).map_or(text.len(), |(i, _)| i)
                });
                (text[..cut].to_owned(), false)
            }
            'd' | 'i' => (self.integer(value.number(), precision), true),
            'o' => (unsigned(value.number(), precision, |n| format!("{n:o}")), true),
            'x' => (unsigned(value.number(), precision, |n| format!("{n:x}")), true),
            'X' => (unsigned(value.number(), precision, |n| format!("{n:X}")), true),
            'u' => (unsigned(value.number(), precision, |n| format!("{n}")), true),
            _ => (self.float(kind, value.number(), precision.unwrap_or(6)), true),
        };
        self.pad(body, is_number, "diouxX".contains(kind) && precision.is_some())
    }

    fn pad(&self, body: String, is_number: bool, no_zeros: bool) -> String {
        let width = self.width.unwrap_or(0) as usize;
        let len = body.chars().count();
        if len >= width {
            return body;
        }
        let fill = width - len;
        if self.has('-') {
            return body + &" ".repeat(fill);
        }
        let is_finite = body.contains(|c: char| c.is_ascii_digit());
        if self.has('0') && is_number && !no_zeros && is_finite {
            let sign = usize::from(body.starts_with(['-', '+', ' ']));
            return format!("{}{}{}", &body[..sign], "0".repeat(fill), &body[sign..]);
        }
        " ".repeat(fill) + &body
    }

    fn sign(&self, is_negative: bool) -> &'static str {
        match () {
            () if is_negative => "-",
            () if self.has('+') => "+",
            () if self.has(' ') => " ",
            () => "",
        }
    }

    fn integer(&self, number: f64, precision: Option<usize>) -> String {
        if !number.is_finite() {
            return super::value::show_number(number, "%.6g");
        }
        let number = number.trunc();
        let digits = format!("{:.0}", number.abs());
        let zeros = precision.map_or(0, |n| n.saturating_sub(digits.len()));
        format!("{}{}{digits}", self.sign(number < 0.), "0".repeat(zeros))
    }

    fn float(&self, kind: char, number: f64, precision: usize) -> String {
        let upper = kind.is_ascii_uppercase();
        if !number.is_finite() {
            return super::value::show_number(number, "%.6g");
        }
        let size = number.abs();
        let body = match kind.to_ascii_lowercase() {
            'f' => format!("{size:.precision$}"),
            'e' => exponential(size, precision),
            _ => general(size, precision.max(1), self.has('#')),
        };
        let body = format!("{}{body}", self.sign(number.is_sign_negative()));
        if upper { body.to_uppercase() } else { body }
    }
}

fn unsigned(number: f64, precision: Option<usize>, show: fn(u64) -> String) -> String {
    let number = number.trunc();
    let digits = show(if number < 0. { number as i64 as u64 } else { number as u64 });
    let zeros = precision.map_or(0, |n| n.saturating_sub(digits.len()));
    "0".repeat(zeros) + &digits
}

fn exponential(number: f64, precision: usize) -> String {
    let text = format!("{number:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, digits) = exponent.strip_prefix('-').map_or(('+', exponent), |it| ('-', it));
    format!("{mantissa}e{sign}{digits:0>2}")
}

fn general(number: f64, precision: usize, keeps_zeros: bool) -> String {
    let text = format!("{number:.*e}", precision - 1);
    let exponent: i32 = text.split_once('e').map_or(0, |(_, it)| it.parse().unwrap_or(0));
    let strip = |text: String| match text.contains('.') && !keeps_zeros {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    };
    if number != 0. && (exponent < -4 || exponent >= precision as i32) {
        let text = exponential(number, precision - 1);
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "+00"));
        return format!("{}e{exponent}", strip(mantissa.to_owned()));
    }
    let decimals = (precision as i32 - 1 - if number == 0. { 0 } else { exponent }).max(0);
    strip(format!("{number:.*}", decimals as usize))
}

/// Finds out which parameters of functions are arrays.
pub(super) fn infer_arrays(program: &mut Program) {
    loop {
        let mut found: Vec<(usize, usize)> = vec![];
        for (index, function) in program.functions.iter().enumerate() {
            let mut see = |name: &Name| {
                if let Name::Local(local) = name
                    && !function.arrays.get(*local).copied().unwrap_or(true)
                {
                    found.push((index, *local));
                }
            };
            function.body.iter().for_each(|it| in_statement(it, program, &mut see));
        }
        if found.is_empty() {
            return;
        }
        for (function, local) in found {
            program.functions[function].arrays[local] = true;
        }
    }
}

type See<'a> = dyn FnMut(&Name) + 'a;

fn in_statement(statement: &Stmt, program: &Program, see: &mut See<'_>) {
    let mut all = |list: &[Stmt], see: &mut See<'_>| {
        list.iter().for_each(|it| in_statement(it, program, see));
    };
    match statement {
        Stmt::Expr(it) => in_expr(it, program, see),
        Stmt::Print(list, to) | Stmt::Printf(list, to) => {
            list.iter().for_each(|it| in_expr(it, program, see));
            if let Some(Redirect::To(it) | Redirect::Append(it) | Redirect::Pipe(it)) = to {
                in_expr(it, program, see);
            }
        }
        Stmt::If(condition, then, other) => {
            in_expr(condition, program, see);
            all(then, see);
            all(other, see);
        }
        Stmt::While(condition, body) | Stmt::DoWhile(body, condition) => {
            in_expr(condition, program, see);
            all(body, see);
        }
        Stmt::For(first, condition, step, body) => {
            first.iter().chain(step).for_each(|it| in_statement(it, program, see));
            condition.iter().for_each(|it| in_expr(it, program, see));
            all(body, see);
        }
        Stmt::ForIn(_, array, body) => {
            see(array);
            all(body, see);
        }
        Stmt::Delete(array, keys) => {
            see(array);
            keys.iter().flatten().for_each(|it| in_expr(it, program, see));
        }
        Stmt::Exit(it) | Stmt::Return(it) => it.iter().for_each(|it| in_expr(it, program, see)),
        Stmt::Block(body) => all(body, see),
        Stmt::Break | Stmt::Continue | Stmt::Next | Stmt::NextFile => {}
    }
}

fn in_expr(expr: &Expr, program: &Program, see: &mut See<'_>) {
    match expr {
        Expr::Element(array, keys) | Expr::In(keys, array) => {
            see(array);
            keys.iter().for_each(|it| in_expr(it, program, see));
        }
        Expr::Call(function, arguments) => {
            for (i, argument) in arguments.iter().enumerate() {
                if let Expr::Var(name) = argument
                    && program.functions[*function].arrays.get(i).copied().unwrap_or(false)
                {
                    see(name);
                }
                in_expr(argument, program, see);
            }
        }
        Expr::Builtin(name, arguments) => {
            if let ("split", Some(Expr::Var(array))) = (*name, arguments.get(1)) {
                see(array);
            }
            arguments.iter().for_each(|it| in_expr(it, program, see));
        }
        Expr::List(list) => list.iter().for_each(|it| in_expr(it, program, see)),
        Expr::Field(a) | Expr::Not(a) | Expr::Minus(a) | Expr::Plus(a) | Expr::Step(a, ..) => {
            in_expr(a, program, see);
        }
        Expr::Assign(a, _, b)
        | Expr::And(a, b)
        | Expr::Or(a, b)
        | Expr::Binary(_, a, b)
        | Expr::Compare(_, a, b)
        | Expr::Match(_, a, b)
        | Expr::Concat(a, b) => {
            in_expr(a, program, see);
            in_expr(b, program, see);
        }
        Expr::If(a, b, c) => [a, b, c].into_iter().for_each(|it| in_expr(it, program, see)),
        Expr::Getline(source, place) => {
            if let Source::File(it) | Source::Command(it) = source {
                in_expr(it, program, see);
            }
            place.iter().for_each(|it| in_expr(it, program, see));
        }
        Expr::Number(_) | Expr::Text(_) | Expr::Regex(_) | Expr::Var(_) => {}
    }
}

/// Whether a rule has a pattern that is a range, and how many there are in all.
pub(super) fn n_ranges(program: &Program) -> usize {
    program.rules.iter().filter(|rule| matches!(rule.pattern, Pattern::Range(..))).count()
}
