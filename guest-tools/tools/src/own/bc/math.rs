//! The functions of `bc -l`, by their series with digits to spare.

use num_bigint::BigInt;

use super::number::{Number, Res, ten};

/// Digits behind those that are wanted.
const SPARE: usize = 12;

fn at(x: &Number, scale: usize) -> BigInt {
    x.at_scale(scale).units
}

/// Cuts the digits to spare off; what is 1 but for an error in the last of them is 1.
fn cut(units: BigInt, from: usize, to: usize) -> Number {
    let nudge = ten((from - to).saturating_sub(SPARE - 4));
    let units = if units < BigInt::from(0) { units - nudge } else { units + nudge };
    Number { units, scale: from }.at_scale(to)
}

/// `e(x)`.
pub(super) fn exp(x: &Number, scale: usize) -> Res<Number> {
    let whole = x.at_scale(0).units.magnitude().to_string();
    let size: usize = whole.parse().map_err(|_| "exponent too large in e".to_owned())?;
    // Large results have digits in front of the point that must be right as well.
    let work = scale + SPARE + size / 2 + 4;
    // Halved until small, then squared as often.
    let halvings = (size + 2).ilog2() as usize + 4;
    let wide = work + halvings;
    let one = ten(wide);
    let small =
        at(&Number { units: x.units.magnitude().clone().into(), ..x.clone() }, wide) >> halvings;
    let (mut sum, mut term, mut n) = (one.clone(), one.clone(), 1u32);
    while term > BigInt::from(0) {
        term = term * &small / &one / n;
        sum += &term;
        n += 1;
    }
    for _ in 0..halvings {
        sum = &sum * &sum / &one;
    }
    if x.is_negative() {
        sum = &one * &one / sum;
    }
    Ok(cut(sum, wide, scale))
}

/// `l(x)`.
pub(super) fn ln(x: &Number, scale: usize) -> Number {
    if x.is_zero() || x.is_negative() {
        // What GNU bc gives for the logarithm of nothing.
        let units = BigInt::from(1) - ten(scale);
        return Number { units: units * ten(scale), scale };
    }
    let work = scale + SPARE + 10;
    let one = ten(work);
    let mut y = x.at_scale(work).units;
    let mut roots = 0;
    // Roots until it is near 1; then the series of the area tangent.
    let (low, high) = (&one * 9u32 / 10u32, &one * 11u32 / 10u32);
    let mut work_units = one.clone();
    let mut extra = 0;
    while y < low || y > high {
        if extra == 0 {
            // One root loses no digit, many do: go on with more of them.
            extra = work;
            y *= ten(extra);
            work_units = ten(work + extra);
        }
        y = (&y * &work_units).sqrt();
        roots += 1;
        if y >= &low * ten(extra) && y <= &high * ten(extra) {
            break;
        }
    }
    let one = work_units;
    let ratio = (&y - &one) * &one / (&y + &one);
    let square = &ratio * &ratio / &one;
    let (mut sum, mut power, mut n) = (ratio.clone(), ratio, 3u32);
    loop {
        power = power * &square / &one;
        let term = &power / n;
        if term == BigInt::from(0) {
            break;
        }
        sum += term;
        n += 2;
    }
    let total: BigInt = (sum * 2u32) << roots;
    cut(total, work + extra, scale)
}

/// `a(x)`: the arc tangent.
pub(super) fn atan(x: &Number, scale: usize) -> Number {
    let work = scale + SPARE + 10;
    let one = ten(work);
    let mut y = at(x, work);
    let mut halvings = 0;
    // a(x) = 2 a(x / (1 + sqrt(1 + x^2)))
    while y.magnitude() > (&one / 10u32).magnitude() {
        let root = (&one * &one + &y * &y).sqrt();
        y = &y * &one / (&one + root);
        halvings += 1;
    }
    let square = &y * &y / &one;
    let (mut sum, mut power, mut n) = (y.clone(), y, 1u32);
    loop {
        n += 2;
        power = -(power * &square / &one);
        let term = &power / n;
        if term == BigInt::from(0) {
            break;
        }
        sum += term;
    }
    cut(sum << halvings, work, scale)
}

/// `s(x)`.
pub(super) fn sin(x: &Number, scale: usize) -> Number {
    let digits = x.length().saturating_sub(x.scale);
    let work = scale + SPARE + digits + 6;
    let one = ten(work);
    let pi = at(&atan(&Number::from(1), work + digits), work + digits) * 4u32;
    let pi = pi / ten(digits);
    // Half turns are taken off; each turns the sign.
    let y = at(x, work);
    let half = if y < BigInt::from(0) { -&pi / 2u32 } else { &pi / 2u32 };
    let turns: BigInt = (&y + half) / &pi;
    let y = y - &turns * &pi;
    let y = if turns % 2u32 == BigInt::from(0) { y } else { -y };
    let square = &y * &y / &one;
    let (mut sum, mut term, mut n) = (y.clone(), y, 1u32);
    loop {
        term = -(term * &square / &one) / ((n + 1) * (n + 2));
        if term == BigInt::from(0) {
            break;
        }
        sum += &term;
        n += 2;
    }
    cut(sum, work, scale)
}

/// `c(x)`.
pub(super) fn cos(x: &Number, scale: usize) -> Number {
    let work = scale + SPARE;
    let quarter = atan(&Number::from(1), work);
    let quarter = Number { units: quarter.units * 2u32, scale: quarter.scale };
    sin(&x.plus(&quarter), work).at_scale(scale)
}
