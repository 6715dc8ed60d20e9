//! Shell patterns as git matches them: `*`, `?`, `[...]`, and `**` between slashes.

/// Whether `*` and `?` stop at slashes, and whether case counts.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Rules {
    pub(crate) path: bool,
    pub(crate) fold: bool,
}

/// Whether a text fits a pattern as a whole.
pub(crate) fn fits(pattern: &[u8], text: &[u8], rules: Rules) -> bool {
    run(pattern, text, 0, rules)
}

/// Whether a pattern has characters with a meaning.
pub(crate) fn is_pattern(text: &[u8]) -> bool {
    literal_len(text) < text.len()
}

/// How many bytes come before the first character with a meaning.
pub(crate) fn literal_len(text: &[u8]) -> usize {
    text.iter().position(|b| b"*?[\\".contains(b)).unwrap_or(text.len())
}

fn run(pattern: &[u8], text: &[u8], mut t: usize, rules: Rules) -> bool {
    let mut p = 0;
    while p < pattern.len() {
        let c = pattern[p];
        match c {
            b'*' => return star(pattern, p, text, t, rules),
            b'?' => match text.get(t) {
                Some(b'/') if rules.path => return false,
                Some(_) => (),
                None => return false,
            },
            b'[' => {
                let Some(&b) = text.get(t) else { return false };
                match class(&pattern[p..], b, rules) {
                    Some((true, len)) if !(rules.path && b == b'/') => p += len - 1,
                    _ => return false,
                }
            }
            b'\\' if p + 1 < pattern.len() => {
                p += 1;
                if !text.get(t).is_some_and(|b| same(*b, pattern[p], rules)) {
                    return false;
                }
            }
            _ => {
                if !text.get(t).is_some_and(|b| same(*b, c, rules)) {
                    return false;
                }
            }
        }
        p += 1;
        t += 1;
    }
    t == text.len()
}

fn same(a: u8, b: u8, rules: Rules) -> bool {
    a == b || (rules.fold && a.eq_ignore_ascii_case(&b))
}

fn star(pattern: &[u8], p: usize, text: &[u8], t: usize, rules: Rules) -> bool {
    let end = p + pattern[p..].iter().take_while(|b| **b == b'*').count();
    let opens = p == 0 || pattern[p - 1] == b'/';
    let closes = end == pattern.len() || pattern[end] == b'/';
    let crosses = !rules.path || (end - p >= 2 && opens && closes);
    if crosses && rules.path && end < pattern.len() && run(&pattern[end + 1..], text, t, rules) {
        // `**/` is nothing at all too.
        return true;
    }
    let rest = &pattern[end..];
    if rest.is_empty() {
        return crosses || !text[t..].contains(&b'/');
    }
    for at in t..=text.len() {
        if run(rest, text, at, rules) {
            return true;
        }
        if at < text.len() && text[at] == b'/' && !crosses {
            return false;
        }
    }
    false
}

/// Whether a byte is in the class at the start of a pattern, and how long the class is.
fn class(pattern: &[u8], b: u8, rules: Rules) -> Option<(bool, usize)> {
    let mut at = 1;
    let negated = matches!(pattern.get(at)?, b'!' | b'^');
    at += usize::from(negated);
    let mut found = false;
    let start = at;
    loop {
        let mut low = *pattern.get(at)?;
        if low == b']' && at > start {
            return Some((found != negated, at + 1));
        }
        if low == b'[' && pattern.get(at + 1) == Some(&b':') {
            let len = pattern[at + 2..].windows(2).position(|w| w == b":]")?;
            found |= named(&pattern[at + 2..at + 2 + len], b, rules);
            at += len + 4;
            continue;
        }
        if low == b'\\' {
            at += 1;
            low = *pattern.get(at)?;
        }
        at += 1;
        let mut high = low;
        if pattern.get(at) == Some(&b'-') && pattern.get(at + 1).is_some_and(|b| *b != b']') {
            at += 1;
            if pattern[at] == b'\\' {
                at += 1;
            }
            high = *pattern.get(at)?;
            at += 1;
        }
        let range = low..=high;
        found |= range.contains(&b)
            || (rules.fold
                && (range.contains(&b.to_ascii_lowercase())
                    || range.contains(&b.to_ascii_uppercase())));
    }
}

fn named(name: &[u8], b: u8, rules: Rules) -> bool {
    match name {
        b"alnum" => b.is_ascii_alphanumeric(),
        b"alpha" => b.is_ascii_alphabetic(),
        b"blank" => b == b' ' || b == b'\t',
        b"cntrl" => b.is_ascii_control(),
        b"digit" => b.is_ascii_digit(),
        b"graph" => b.is_ascii_graphic(),
        b"lower" => b.is_ascii_lowercase() || (rules.fold && b.is_ascii_uppercase()),
        b"print" => b.is_ascii_graphic() || b == b' ',
        b"punct" => b.is_ascii_punctuation(),
        b"space" => b.is_ascii_whitespace() || b == 11,
        b"upper" => b.is_ascii_uppercase() || (rules.fold && b.is_ascii_lowercase()),
        b"xdigit" => b.is_ascii_hexdigit(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_stop_at_slashes_as_they_should() {
        let path = Rules { path: true, fold: false };
        let table: &[(&str, &str, bool, bool)] = &[
            ("*.py", "a/b.py", false, true),
            ("**/b.py", "b.py", true, false),
            ("a/**", "a/b/c", true, true),
            ("a/**/c", "a/c", true, false),
            ("a/**/c", "a/x/y/c", true, true),
            ("[a-c]?", "b1", true, true),
            ("[!a]", "a", false, false),
            ("\\*", "*", true, true),
            ("x[[:digit:]]", "x7", true, true),
        ];
        for (pattern, text, with, without) in table {
            assert_eq!(fits(pattern.as_bytes(), text.as_bytes(), path), *with, "{pattern} {text}");
            let plain = Rules::default();
            assert_eq!(
                fits(pattern.as_bytes(), text.as_bytes(), plain),
                *without,
                "{pattern} {text}"
            );
        }
    }
}
