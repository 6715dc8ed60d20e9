//! The functions of the language.

use std::rc::Rc;

use posix_regex::Regex;

use super::time;
use super::{Expr, FS, Flow, Machine, Name, R, RLENGTH, RSTART, Value, fail};
use crate::own::text_encoding;

impl Machine {
    /// `strftime([format [, seconds [, utc]]])`.
    fn formatted_time(&mut self, arguments: &[Expr]) -> R<Value> {
        let format = match arguments {
            [] => time::USUAL.to_owned(),
            _ => self.argument(arguments, 0)?.to_string(),
        };
        let seconds = match arguments.get(1) {
            Some(it) => self.number(it)? as i64,
            None => std::time::SystemTime::now()
                .duration_since(std::time::UNIX_EPOCH)
                .map_or(0, |it| it.as_secs() as i64),
        };
        let is_utc = match arguments.get(2) {
            Some(it) => self.number(it)? != 0.,
            None => false,
        };
        Ok(Value::text(time::format(&format, seconds, is_utc)))
    }

    pub(super) fn builtin(&mut self, name: &str, arguments: &[Expr]) -> R<Value> {
        let number = Value::Number;
        let first = arguments.first();
        Ok(match name {
            "length" => match first {
                Some(Expr::Var(name)) if self.is_array(*name) => {
                    number(self.array(*name).borrow().len() as f64)
                }
                Some(it) => {
                    let text = self.text(it)?;
                    number(len(&text) as f64)
                }
                None => number(len(&self.whole()) as f64),
            },
            "substr" => self.substr(arguments)?,
            "index" => {
                let (text, part) = (self.argument(arguments, 0)?, self.argument(arguments, 1)?);
                number(text.find(&*part).map_or(0., |at| len(&text[..at]) as f64 + 1.))
            }
            "split" => self.split(arguments)?,
            "sub" => self.substitute(arguments, false)?,
            "gsub" => self.substitute(arguments, true)?,
            "gensub" => self.gensub(arguments)?,
            "match" => self.find(arguments)?,
            "sprintf" => {
                let format = self.argument(arguments, 0)?;
                let values =
                    arguments.iter().skip(1).map(|it| self.eval(it)).collect::<R<Vec<_>>>()?;
                Value::text(crate::own::awk::text::format(&format, &values))
            }
            "tolower" => Value::text(self.argument(arguments, 0)?.to_ascii_lowercase()),
            "toupper" => Value::text(self.argument(arguments, 0)?.to_ascii_uppercase()),
            "system" => {
                let command = self.argument(arguments, 0)?;
                number(self.system(&command)?)
            }
            "close" => {
                let name = self.argument(arguments, 0)?;
                number(self.close(&name))
            }
            "fflush" => {
                self.outputs.flush();
                number(0.)
            }
            "systime" => {
                let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
                number(since.map_or(0., |it| it.as_secs() as f64))
            }
            "strftime" => self.formatted_time(arguments)?,
            "mktime" => {
                let text = self.argument(arguments, 0)?;
                let is_utc =
                    arguments.get(1).is_some_and(|it| self.number(it).is_ok_and(|n| n != 0.));
                number(time::from_parts(&text, is_utc).map_or(-1., |seconds| seconds as f64))
            }
            "rand" => {
                // xorshift64*
                self.random ^= self.random >> 12;
                self.random ^= self.random << 25;
                self.random ^= self.random >> 27;
                let value = self.random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11;
                number(value as f64 / (1u64 << 53) as f64)
            }
            "srand" => {
                let seed = match first {
                    Some(it) => self.number(it)?,
                    None => std::time::SystemTime::now()
                        .duration_since(std::time::UNIX_EPOCH)
                        .map_or(0., |it| it.as_secs() as f64),
                };
                self.random = (seed.to_bits() ^ 0x9e37_79b9_7f4a_7c15) | 1;
                number(std::mem::replace(&mut self.seed, seed))
            }
            _ => {
                let Some(it) = first else { return fail(format!("{name}: not enough arguments")) };
                let value = self.number(it)?;
                number(match name {
                    "sin" => value.sin(),
                    "cos" => value.cos(),
                    "exp" => value.exp(),
                    "log" => value.ln(),
                    "sqrt" => value.sqrt(),
                    "int" => value.trunc(),
                    _ => {
                        let second = arguments.get(1).map_or(Ok(0.), |it| self.number(it))?;
                        value.atan2(second)
                    }
                })
            }
        })
    }

    fn is_array(&mut self, name: Name) -> bool {
        matches!(self.cell(name), super::Cell::Array(_))
    }

    fn argument(&mut self, arguments: &[Expr], index: usize) -> R<Rc<str>> {
        match arguments.get(index) {
            Some(it) => self.text(it),
            None => fail("not enough arguments"),
        }
    }

    fn substr(&mut self, arguments: &[Expr]) -> R<Value> {
        let text = self.argument(arguments, 0)?;
        let start = arguments.get(1).map_or(Ok(1.), |it| self.number(it))?;
        let count = match arguments.get(2) {
            Some(it) => self.number(it)?,
            None => f64::INFINITY,
        };
        // As mawk 1.3.4: both lose their fractions, and what is before the text makes the piece longer.
        let (from, count) = (start.trunc(), count.trunc());
        let first = from.max(1.);
        let chars = if from < 1. && count > 0. { count - from } else { count };
        if chars.is_nan() || chars <= 0. {
            return Ok(Value::text(""));
        }
        let skip = first as usize - 1;
        let piece: String = if text.is_ascii() {
            let from = skip.min(text.len());
            let to = from + (chars.min((text.len() - from) as f64) as usize);
            text[from..to].to_owned()
        } else {
            text.chars().skip(skip).take(chars.min(1e15) as usize).collect()
        };
        Ok(Value::Text(piece.into()))
    }

    fn split(&mut self, arguments: &[Expr]) -> R<Value> {
        let text = self.argument(arguments, 0)?;
        let Some(Expr::Var(array)) = arguments.get(1) else {
            return fail("split: the second argument is no array");
        };
        let pieces = match arguments.get(2) {
            Some(Expr::Regex(regex)) => {
                let regex = Rc::clone(regex);
                if text.is_empty() { vec![] } else { cut(&text, &regex) }
            }
            Some(other) => {
                let separator = self.text(other)?;
                self.pieces(&text, &separator)?
            }
            None => {
                let separator = self.special(FS);
                self.pieces(&text, &separator)?
            }
        };
        let array = self.array(*array);
        let mut array = array.borrow_mut();
        array.clear();
        let count = pieces.len();
        for (i, piece) in pieces.into_iter().enumerate() {
            array.insert((i + 1).to_string().into(), Value::Input(piece.into()));
        }
        Ok(Value::Number(count as f64))
    }

    fn find(&mut self, arguments: &[Expr]) -> R<Value> {
        let text = self.argument(arguments, 0)?;
        let Some(pattern) = arguments.get(1) else { return fail("match: no pattern") };
        let regex = self.regex(pattern)?;
        let found = regex.find_at(text.as_bytes(), 0, &mut self.region);
        let at = found.then(|| self.region.pos(0)).flatten();
        let (start, length) = at.map_or((0., -1.), |(from, to)| {
            (len(&text[..from]) as f64 + 1., len(&text[from..to]) as f64)
        });
        if let (Some(Expr::Var(array)), Some(_)) = (arguments.get(2), at) {
            let groups: Vec<Option<(usize, usize)>> =
                (0..=regex.groups()).map(|i| self.region.pos(i)).collect();
            let array = self.array(*array);
            let mut array = array.borrow_mut();
            array.clear();
            for (i, group) in groups.into_iter().enumerate() {
                if let Some((from, to)) = group {
                    array.insert(i.to_string().into(), Value::Input(text[from..to].into()));
                }
            }
        }
        self.set_special(RSTART, Value::Number(start));
        self.set_special(RLENGTH, Value::Number(length));
        Ok(Value::Number(start))
    }

    fn substitute(&mut self, arguments: &[Expr], is_global: bool) -> R<Value> {
        let Some(pattern) = arguments.first() else { return fail("sub: no pattern") };
        let regex = self.regex(pattern)?;
        let replacement = self.argument(arguments, 1)?;
        let whole = Expr::Field(Box::new(Expr::Number(0.)));
        let place = arguments.get(2).unwrap_or(&whole);
        let text = self.text(place)?;
        let which = if is_global { 0 } else { 1 };
        let (result, count) = self.replaced(&text, &regex, which, |region, out| {
            insert(&replacement, &text, region, out, false);
        });
        if count > 0 {
            if !place.is_place() {
                return Err(Flow::Error("sub: the third argument is no variable".into()));
            }
            self.store(place, Value::Text(result.into()))?;
        }
        Ok(Value::Number(count as f64))
    }

    fn gensub(&mut self, arguments: &[Expr]) -> R<Value> {
        let Some(pattern) = arguments.first() else { return fail("gensub: no pattern") };
        let regex = self.regex(pattern)?;
        let replacement = self.argument(arguments, 1)?;
        let which = self.argument(arguments, 2)?;
        let text = match arguments.get(3) {
            Some(it) => self.text(it)?,
            None => self.whole(),
        };
        let which = if which.starts_with(['g', 'G']) {
            0
        } else {
            which.parse::<f64>().map_or(1, |n| n.max(1.) as usize)
        };
        let (result, _) = self.replaced(&text, &regex, which, |region, out| {
            insert(&replacement, &text, region, out, true);
        });
        Ok(Value::Text(result.into()))
    }

    /// The text with its matches (all, or one by its number) replaced, and how many were.
    fn replaced(
        &mut self,
        text: &str,
        regex: &Regex,
        which: usize,
        insert: impl Fn(&onig::Region, &mut String),
    ) -> (String, usize) {
        let (mut out, mut start, mut count, mut seen) = (String::new(), 0, 0, 0);
        let mut last_end = None;
        while start <= text.len() && regex.find_at(text.as_bytes(), start, &mut self.region) {
            let Some((from, to)) = self.region.pos(0) else { break };
            let (Some(before), Some(matched)) = (text.get(start..from), text.get(from..to)) else {
                break;
            };
            out.push_str(before);
            let is_adjacent = from == to && last_end == Some(from);
            seen += usize::from(!is_adjacent);
            if is_adjacent || which != 0 && seen != which {
                out.push_str(matched);
            } else {
                insert(&self.region, &mut out);
                count += 1;
            }
            last_end = Some(to);
            start = to;
            if which != 0 && seen >= which {
                break;
            }
            if from == to {
                let step = text[to..].chars().next().map_or(1, char::len_utf8);
                out.push_str(text.get(to..to + step).unwrap_or_default());
                start = to + step;
            }
        }
        out.push_str(text.get(start..).unwrap_or_default());
        (out, count)
    }
}

/// Adds a replacement: `&` is the match, `\&` is itself, and of `gensub` `\1` a group.
fn insert(replacement: &str, text: &str, region: &onig::Region, out: &mut String, groups: bool) {
    let mut rest = replacement.chars().peekable();
    let group = |n: usize| region.pos(n).and_then(|(a, b)| text.get(a..b)).unwrap_or_default();
    while let Some(c) = rest.next() {
        match (c, rest.peek().copied()) {
            ('&', _) => out.push_str(group(0)),
            ('\\', Some('&')) => {
                out.push('&');
                rest.next();
            }
            ('\\', Some('\\')) => {
                out.push('\\');
                rest.next();
            }
            ('\\', Some(digit)) if groups && digit.is_ascii_digit() => {
                out.push_str(group(digit.to_digit(10).unwrap_or(0) as usize));
                rest.next();
            }
            (c, _) => out.push(c),
        }
    }
}

fn cut(text: &str, regex: &Regex) -> Vec<String> {
    let mut region = onig::Region::new();
    let (mut pieces, mut start, mut from) = (vec![], 0, 0);
    while from <= text.len() && regex.find_at(text.as_bytes(), from, &mut region) {
        let Some((a, b)) = region.pos(0) else { break };
        if a == b {
            from = b + 1;
            continue;
        }
        pieces.push(text.get(start..a).unwrap_or_default().to_owned());
        start = b;
        from = b;
    }
    pieces.push(text.get(start..).unwrap_or_default().to_owned());
    pieces
}

/// In characters where the locale has them.
fn len(text: &str) -> usize {
    if text_encoding() { text.chars().count() } else { text.len() }
}
