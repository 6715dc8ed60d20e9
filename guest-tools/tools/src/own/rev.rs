//! `rev [FILE]...`: the characters of each line in the other order.

use std::io::{Read as _, Write as _};

use super::{Call, R};

pub(crate) fn run(call: &Call<'_>) -> R {
    let mut text = vec![];
    if call.args.is_empty() {
        std::io::stdin().read_to_end(&mut text)?;
    }
    for file in &call.args {
        text.extend(std::fs::read(file).map_err(|e| format!("cannot open {file}: {e}"))?);
    }
    let mut out = std::io::stdout().lock();
    for line in String::from_utf8_lossy(&text).split_inclusive('\n') {
        let (line, end) = line.strip_suffix('\n').map_or((line, ""), |line| (line, "\n"));
        write!(out, "{}{end}", line.chars().rev().collect::<String>())?;
    }
    Ok(0)
}
