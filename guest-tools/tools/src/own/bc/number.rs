//! Decimal numbers of any length, with the scales that POSIX gives the results of `bc`.

use std::cmp::Ordering;

use num_bigint::{BigInt, Sign};

/// `units / 10^scale`.
#[derive(Clone, Debug)]
pub(super) struct Number {
    pub(super) units: BigInt,
    pub(super) scale: usize,
}

/// An error text.
pub(super) type Res<T> = Result<T, String>;

/// 10 to a power.
pub(super) fn ten(power: usize) -> BigInt {
    BigInt::from(10).pow(power as u32)
}

impl From<i64> for Number {
    fn from(value: i64) -> Self {
        Self { units: value.into(), scale: 0 }
    }
}

impl Number {
    pub(super) fn is_zero(&self) -> bool {
        self.units.sign() == Sign::NoSign
    }

    pub(super) fn is_negative(&self) -> bool {
        self.units.sign() == Sign::Minus
    }

    /// Digits as they stand in a program, in a base.
    pub(super) fn parse(text: &str, base: u32) -> Self {
        let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
        // A single digit may be larger than the base.
        let is_single = whole.len() + fraction.len() == 1;
        let most = if is_single { 36 } else { base };
        let digit = |c: char| c.to_digit(36).unwrap_or(0).min(most.saturating_sub(1).max(1));
        let mut units = BigInt::from(0);
        for c in whole.chars() {
            units = units * base + digit(c);
        }
        if base == 10 {
            for c in fraction.chars() {
                units = units * 10 + digit(c);
            }
            return Self { units, scale: fraction.len() };
        }
        let scale = fraction.len();
        let (mut part, mut power) = (BigInt::from(0), BigInt::from(1));
        for c in fraction.chars() {
            part = part * base + digit(c);
            power *= base;
        }
        Self { units: units * ten(scale) + part * ten(scale) / power, scale }
    }

    /// The same value with another number of digits behind the point; what is too much is cut off.
    pub(super) fn at_scale(&self, scale: usize) -> Self {
        let units = match scale.cmp(&self.scale) {
            Ordering::Less => &self.units / ten(self.scale - scale),
            Ordering::Equal => self.units.clone(),
            Ordering::Greater => &self.units * ten(scale - self.scale),
        };
        Self { units, scale }
    }

    pub(super) fn negated(&self) -> Self {
        Self { units: -&self.units, scale: self.scale }
    }

    pub(super) fn plus(&self, other: &Self) -> Self {
        let scale = self.scale.max(other.scale);
        Self { units: self.at_scale(scale).units + other.at_scale(scale).units, scale }
    }

    pub(super) fn minus(&self, other: &Self) -> Self {
        self.plus(&other.negated())
    }

    pub(super) fn times(&self, other: &Self, scale: usize) -> Self {
        let whole = self.scale + other.scale;
        let kept = whole.min(scale.max(self.scale).max(other.scale));
        Self { units: &self.units * &other.units, scale: whole }.at_scale(kept)
    }

    pub(super) fn over(&self, other: &Self, scale: usize) -> Res<Self> {
        if other.is_zero() {
            return Err("Divide by zero".to_owned());
        }
        let raised = self.at_scale(self.scale.max(scale + other.scale));
        let units = &raised.units / &other.units;
        Ok(Self { units, scale: raised.scale - other.scale }.at_scale(scale))
    }

    pub(super) fn modulo(&self, other: &Self, scale: usize) -> Res<Self> {
        let quotient = self.over(other, scale).map_err(|_| "Modulo by zero".to_owned())?;
        let kept = self.scale.max(scale + other.scale);
        let product =
            Self { units: quotient.units * &other.units, scale: quotient.scale + other.scale };
        Ok(self.minus(&product).at_scale(kept))
    }

    pub(super) fn power(&self, exponent: &Self, scale: usize) -> Res<Self> {
        let exponent = exponent.at_scale(0).units;
        let n: i64 = exponent.try_into().map_err(|_| "exponent too large in raise".to_owned())?;
        let size = u32::try_from(n.unsigned_abs()).map_err(|_| "exponent too large in raise")?;
        let whole = Self { units: self.units.pow(size), scale: self.scale * size as usize };
        if n < 0 {
            return Self::from(1).over(&whole, scale);
        }
        let kept = whole.scale.min(scale.max(self.scale));
        Ok(whole.at_scale(kept))
    }

    pub(super) fn root(&self, scale: usize) -> Res<Self> {
        if self.is_negative() {
            return Err("Square root of a negative number".to_owned());
        }
        let scale = scale.max(self.scale);
        Ok(Self { units: self.at_scale(2 * scale).units.sqrt(), scale })
    }

    pub(super) fn compare(&self, other: &Self) -> Ordering {
        let scale = self.scale.max(other.scale);
        self.at_scale(scale).units.cmp(&other.at_scale(scale).units)
    }

    /// The value as an index or a base.
    pub(super) fn small(&self) -> Option<usize> {
        self.at_scale(0).units.try_into().ok()
    }

    /// Digits, the point not counted.
    pub(super) fn length(&self) -> usize {
        let digits = self.units.magnitude().to_string().len();
        if self.is_zero() { self.scale.max(1) } else { digits.max(self.scale) }
    }

    /// As it is printed in a base.
    pub(super) fn shown(&self, base: u32) -> String {
        if self.is_zero() {
            return "0".to_owned();
        }
        let sign = if self.is_negative() { "-" } else { "" };
        let magnitude = BigInt::from(self.units.magnitude().clone());
        let unit = ten(self.scale);
        let (whole, part) = (&magnitude / &unit, &magnitude % &unit);
        let text = match (base, self.scale) {
            (10, 0) => whole.to_string(),
            (10, scale) => {
                let whole = whole.to_string();
                let whole = if whole == "0" { "" } else { whole.as_str() };
                format!("{whole}.{part:0>scale$}", part = part.to_string())
            }
            (2..=16, _) => {
                let whole = whole.to_str_radix(base).to_uppercase();
                let whole = if whole == "0" { String::new() } else { whole };
                let digits = fraction(part, &unit, base, |digit| {
                    char::from_digit(digit, base).unwrap_or('0').to_ascii_uppercase().to_string()
                });
                if self.scale == 0 { whole } else { format!("{whole}.{digits}") }
            }
            _ => return format!("{sign}{}", self.in_large_base(&whole, part, &unit, base)),
        };
        format!("{sign}{text}")
    }

    /// Digits of a base above 16 are decimal numbers with blanks in front.
    fn in_large_base(&self, whole: &BigInt, part: BigInt, unit: &BigInt, base: u32) -> String {
        let width = (base - 1).to_string().len();
        let (_, digits) = whole.to_radix_be_or_empty(base);
        let mut out: String = digits.iter().map(|digit| format!(" {digit:0>width$}")).collect();
        if self.scale > 0 {
            out.push('.');
            out.push_str(&fraction(part, unit, base, |digit| format!(" {digit:0>width$}")));
        }
        out
    }
}

/// Digits behind the point: as many as say what the decimal ones say.
fn fraction(mut part: BigInt, unit: &BigInt, base: u32, show: impl Fn(u32) -> String) -> String {
    let (mut out, mut power) = (String::new(), BigInt::from(1));
    while &power < unit {
        part *= base;
        power *= base;
        let digit: u32 = (&part / unit).try_into().unwrap_or(0);
        part %= unit;
        out.push_str(&show(digit));
    }
    out
}

/// Digits of a number in any base.
trait Digits {
    fn to_radix_be_or_empty(&self, base: u32) -> (bool, Vec<u32>);
}

impl Digits for BigInt {
    fn to_radix_be_or_empty(&self, base: u32) -> (bool, Vec<u32>) {
        let (mut rest, mut digits) = (self.clone(), vec![]);
        while rest.sign() != Sign::NoSign {
            digits.push(u32::try_from(&rest % base).unwrap_or(0));
            rest /= base;
        }
        digits.reverse();
        (digits.is_empty(), digits)
    }
}
