//! `hexdump -e`: `COUNT/SIZE "FORMAT"`, one or more.

/// One unit of a format.
struct Unit {
    count: usize,
    size: usize,
    text: String,
}

/// Bytes in a format.
pub(super) fn with(text: &str, bytes: &[u8]) -> Result<String, String> {
    let units = parse(text)?;
    let row: usize = units.iter().map(|it| it.count * it.size).sum();
    let mut out = String::new();
    if row == 0 {
        return Ok(out);
    }
    for (i, chunk) in bytes.chunks(row).enumerate() {
        let mut at = 0;
        for unit in &units {
            if unit.size == 0 {
                out.push_str(&fill(&unit.text, 0, (i * row + at) as u64, true));
                continue;
            }
            for repeat in 0..unit.count {
                let Some(piece) = chunk.get(at..).filter(|it| !it.is_empty()) else {
                    // Past the end of input blanks stand for what would be there.
                    let shown = fill(&unit.text, 0, 0, false);
                    out.push_str(&" ".repeat(shown.trim_end_matches('\n').len()));
                    continue;
                };
                let piece = &piece[..unit.size.min(piece.len())];
                let value = piece.iter().rev().fold(0u64, |n, c| n << 8 | u64::from(*c));
                let shown = fill(&unit.text, value, (i * row + at) as u64, true);
                let is_last = unit.count > 1 && repeat + 1 == unit.count;
                out.push_str(if is_last { shown.trim_end_matches(' ') } else { &shown });
                at += unit.size;
            }
        }
    }
    Ok(out)
}

fn parse(text: &str) -> Result<Vec<Unit>, String> {
    let mut units = vec![];
    let mut rest = text.trim();
    while !rest.is_empty() {
        let open = rest.find('"').ok_or_else(|| format!("bad format {{{text}}}"))?;
        let close = open
            + 1
            + rest[open + 1..].find('"').ok_or_else(|| format!("bad format {{{text}}}"))?;
        let format = crate::own::unescape(&rest[open + 1..close]);
        let (count, size) =
            rest[..open].trim().split_once('/').unwrap_or((rest[..open].trim(), ""));
        let has_value =
            format.contains('%') && !format.contains("%_a") && !format.contains("%08_a");
        let size = size.trim().parse().unwrap_or(if has_value { 4 } else { 0 });
        let size = if has_value && (format.contains("%c") || format.contains("%_")) && size == 4 {
            1
        } else {
            size
        };
        units.push(Unit {
            count: count.trim().parse().unwrap_or(1),
            size: if has_value { size } else { 0 },
            text: format,
        });
        rest = rest[close + 1..].trim_start();
    }
    Ok(units)
}

fn fill(format: &str, value: u64, offset: u64, is_there: bool) -> String {
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = String::new();
        while let Some(c) = rest.next_if(|c| "-+ #0123456789.".contains(*c)) {
            spec.push(c);
        }
        let zero = spec.starts_with('0');
        let width: usize = spec
            .trim_start_matches(['-', '+', ' ', '#', '0'])
            .split('.')
            .next()
            .and_then(|it| it.parse().ok())
            .unwrap_or(0);
        let byte = u8::try_from(value & 0xff).unwrap_or(0);
        let text = match rest.next() {
            Some('x') => format!("{value:x}"),
            Some('X') => format!("{value:X}"),
            Some('o') => format!("{value:o}"),
            Some('d' | 'i' | 'u') => value.to_string(),
            Some('c' | 's') => char::from(byte).to_string(),
            Some('_') => match rest.next() {
                Some('p') if (b' '..=b'~').contains(&byte) => char::from(byte).to_string(),
                Some('p') => ".".into(),
                Some('c' | 'u') => super::character(byte).trim().to_owned(),
                Some('a' | 'A') => match rest.next() {
                    Some('d') => offset.to_string(),
                    Some('o') => format!("{offset:o}"),
                    _ => format!("{offset:x}"),
                },
                _ => String::new(),
            },
            Some('%') => "%".into(),
            _ => String::new(),
        };
        let text = if is_there { text } else { " ".into() };
        let fill = width.saturating_sub(text.len());
        if spec.starts_with('-') {
            out.push_str(&text);
            out.push_str(&" ".repeat(fill));
        } else {
            out.push_str(&if zero { "0" } else { " " }.repeat(fill));
            out.push_str(&text);
        }
    }
    out
}
