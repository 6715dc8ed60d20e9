//! Values: numbers, texts, and texts from input that may look like numbers.

use std::cell::RefCell;
use std::rc::Rc;

use indexmap::IndexMap;

/// An array; its order is that of insertion.
pub(super) type Array = Rc<RefCell<IndexMap<Rc<str>, Value>>>;

/// A value.
#[derive(Clone, Debug, Default)]
pub(super) enum Value {
    #[default]
    Nothing,
    Number(f64),
    Text(Rc<str>),
    /// From input: also a number, if it looks like one.
    Input(Rc<str>),
}

/// What a variable holds.
#[derive(Clone, Debug)]
pub(super) enum Cell {
    Value(Value),
    Array(Array),
}

impl Default for Cell {
    fn default() -> Self {
        Self::Value(Value::Nothing)
    }
}

impl Value {
    pub(super) fn text(text: impl Into<Rc<str>>) -> Self {
        Self::Text(text.into())
    }

    pub(super) fn truth(is_true: bool) -> Self {
        Self::Number(if is_true { 1. } else { 0. })
    }

    pub(super) fn number(&self) -> f64 {
        match self {
            Self::Nothing => 0.,
            Self::Number(number) => *number,
            Self::Text(text) | Self::Input(text) => leading_number(text).0,
        }
    }

    /// The number that this is, if it is to be compared as one.
    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Nothing => Some(0.),
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
            Self::Input(text) => {
                let (number, len) = leading_number(text);
                (len > 0 && text[len..].trim().is_empty()).then_some(number)
            }
        }
    }

    pub(super) fn is_true(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Number(number) => *number != 0.,
            Self::Text(text) => !text.is_empty(),
            Self::Input(text) => self.as_number().map_or(!text.is_empty(), |number| number != 0.),
        }
    }

    /// As text, numbers in the given format.
    pub(super) fn show(&self, format: &str) -> Rc<str> {
        match self {
            Self::Nothing => "".into(),
            Self::Text(text) | Self::Input(text) => Rc::clone(text),
            Self::Number(number) => show_number(*number, format).into(),
        }
    }
}

pub(super) fn show_number(number: f64, format: &str) -> String {
    if number.is_nan() {
        return if number.is_sign_negative() { "-nan" } else { "nan" }.into();
    }
    if number.is_infinite() {
        return if number < 0. { "-inf" } else { "inf" }.into();
    }
    if number == number.trunc() && number.abs() < 1e18 {
        return format!("{}", number as i64);
    }
    super::text::format(format, &[Value::Number(number)])
}

/// The number at the start of a text, and where it ends.
pub(super) fn leading_number(text: &str) -> (f64, usize) {
    let bytes = text.as_bytes();
    let start = bytes.iter().take_while(|c| c.is_ascii_whitespace()).count();
    let mut at = start + usize::from(matches!(bytes.get(start), Some(b'+' | b'-')));
    let digits = |from: usize| bytes[from..].iter().take_while(|c| c.is_ascii_digit()).count();
    let whole = digits(at);
    at += whole;
    let mut fraction = 0;
    if bytes.get(at) == Some(&b'.') {
        fraction = digits(at + 1);
        at += usize::from(whole + fraction > 0) + fraction;
    }
    if whole + fraction == 0 {
        return (0., 0);
    }
    if matches!(bytes.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(bytes.get(at + 1), Some(b'+' | b'-')));
        let exponent = bytes.get(at + 1 + sign..).map_or(0, |_| digits(at + 1 + sign));
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    (text[start..at].trim_start_matches('+').parse().unwrap_or(0.), at)
}
