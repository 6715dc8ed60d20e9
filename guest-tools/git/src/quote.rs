//! Paths as git prints them: in quotes and with escapes if they hold odd bytes.

/// A path in C style quotes if it needs them; `high` quotes bytes above 127 too (`core.quotePath`).
pub(crate) fn path(path: &[u8], high: bool) -> Vec<u8> {
    if path.iter().any(|b| is_odd(*b, high)) { quoted(path, high) } else { path.to_vec() }
}

/// A path in quotes if it needs them or holds a blank, as short status has it.
pub(crate) fn path_or_blank(text: &[u8], high: bool) -> Vec<u8> {
    let quoted = path(text, high);
    if quoted.first() != Some(&b'"') && quoted.contains(&b' ') {
        return [b"\"", quoted.as_slice(), b"\""].concat();
    }
    quoted
}

/// Two parts quoted together, as in `"a/odd\tname"`.
pub(crate) fn two(prefix: &[u8], path: &[u8], high: bool) -> Vec<u8> {
    self::path(&[prefix, path].concat(), high)
}

fn is_odd(b: u8, high: bool) -> bool {
    b < 0x20 || b == b'"' || b == b'\\' || b == 0x7f || (b >= 0x80 && high)
}

fn quoted(path: &[u8], high: bool) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &b in path {
        let letter = match b {
            7 => b'a',
            8 => b'b',
            9 => b't',
            10 => b'n',
            11 => b'v',
            12 => b'f',
            13 => b'r',
            b'"' | b'\\' => b,
            _ if is_odd(b, high) => {
                out.extend_from_slice(format!("\\{b:03o}").as_bytes());
                continue;
            }
            _ => {
                out.push(b);
                continue;
            }
        };
        out.extend_from_slice(&[b'\\', letter]);
    }
    out.push(b'"');
    out
}

/// Reads a quoted name from the start of a text: the name, and how much of the text it took.
pub(crate) fn unquote(text: &[u8]) -> Option<(Vec<u8>, usize)> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut out = vec![];
    let mut at = 1;
    loop {
        match *text.get(at)? {
            b'"' => return Some((out, at + 1)),
            b'\\' => {
                let b = *text.get(at + 1)?;
                at += 2;
                out.push(match b {
                    b'a' => 7,
                    b'b' => 8,
                    b't' => 9,
                    b'n' => 10,
                    b'v' => 11,
                    b'f' => 12,
                    b'r' => 13,
                    b'0'..=b'3' => {
                        let digits = text.get(at - 1..at + 2)?;
                        at += 2;
                        u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok()?
                    }
                    other => other,
                });
            }
            b => {
                out.push(b);
                at += 1;
            }
        }
    }
}

/// A text as a lossy string, for messages.
pub(crate) fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}
