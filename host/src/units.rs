//! Sizes, durations and other small values as they are written on a command line.

use std::time::Duration;

/// Reads a duration: a whole number with `ms`, `s`, `m` or `h`; a bare number is in seconds.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = split(text);
    let number: u64 = digits.parse().map_err(|_| wrong_duration(text))?;
    let millis = match unit {
        "ms" => Some(number),
        "" | "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        _ => return Err(wrong_duration(text)),
    };
    match millis {
        Some(millis @ 1..) => Ok(Duration::from_millis(millis)),
        Some(0) => Err("a limit of no time ends everything before it starts".to_owned()),
        None => Err(format!("`{text}` is too long")),
    }
}

/// Reads a size: a whole number with `K`, `M` or `G` (powers of 1024); a bare number is in bytes.
pub(crate) fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = split(text);
    let number: u64 = digits.parse().map_err(|_| wrong_size(text))?;
    let factor: u64 = match unit.to_ascii_uppercase().as_str() {
        "" | "B" => 1,
        "K" | "KB" | "KIB" => 1 << 10,
        "M" | "MB" | "MIB" => 1 << 20,
        "G" | "GB" | "GIB" => 1 << 30,
        _ => return Err(wrong_size(text)),
    };
    number.checked_mul(factor).ok_or_else(|| format!("`{text}` is too big"))
}

/// Reads a variable: `NAME=VALUE`.
pub(crate) fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not of the form NAME=VALUE")),
    }
}

/// Reads the name of files or folders: no path, and no pattern, which would match nothing.
pub(crate) fn file_name(text: &str) -> Result<String, String> {
    let name = text.strip_suffix('/').unwrap_or(text);
    if name.is_empty() || name.contains(['/', '*', '?']) {
        return Err(format!(
            "`{text}` is not a name; paths and patterns go into a `.playpenignore`"
        ));
    }
    Ok(name.to_owned())
}

/// Shows a number with its digits in groups of three.
pub(crate) fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    text.split_at(end)
}

fn wrong_duration(text: &str) -> String {
    format!("`{text}` is not a duration: write `500ms`, `60s`, `5m` or `1h`")
}

fn wrong_size(text: &str) -> String {
    format!("`{text}` is not a size: write `65536`, `64K`, `512M` or `2G`")
}

#[cfg(test)]
mod tests {
    use super::{bytes, duration, variable};
    use std::time::Duration;

    #[test]
    fn durations() {
        assert_eq!(duration("500ms").unwrap(), Duration::from_millis(500));
        assert_eq!(duration("60").unwrap(), Duration::from_mins(1));
        assert_eq!(duration("2m").unwrap(), Duration::from_mins(2));
        assert_eq!(duration("1h").unwrap(), Duration::from_hours(1));
        for wrong in ["", "s", "-1s", "1.5s", "1 s", "10d", "0", "0ms", "99999999999999999h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes() {
        assert_eq!(bytes("7").unwrap(), 7);
        assert_eq!(bytes("64k").unwrap(), 65_536);
        assert_eq!(bytes("512M").unwrap(), 512 << 20);
        assert_eq!(bytes("2GiB").unwrap(), 2 << 30);
        for wrong in ["", "M", "1.5G", "12T", "-3", "99999999999999G"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn variables() {
        assert_eq!(variable("A=b=c").unwrap(), ("A".to_owned(), "b=c".to_owned()));
        assert_eq!(variable("A=").unwrap(), ("A".to_owned(), String::new()));
        assert!(variable("=b").is_err());
        assert!(variable("A").is_err());
    }
}
