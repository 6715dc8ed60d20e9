//! `iconv`: texts from one encoding to another. UTF-8, UTF-16, UTF-32, ASCII and ISO-8859-1 are ours; encoding_rs
//! has the rest.

mod encodings;
mod translit;

use std::fs;
use std::io::{self, Read as _, Write as _};

use super::options::{self, Parsed, Spec};
use super::{Call, R, reason};
use encodings::{Bad, Encoding};

const SPEC: Spec = Spec {
    flags: "clsV",
    values: "fto",
    attached: "",
    longs: &[
        ("from-code", 'f'),
        ("to-code", 't'),
        ("output", 'o'),
        ("list", 'l'),
        ("silent", 's'),
        ("verbose", 'W'),
        ("help", '?'),
        ("version", 'V'),
    ],
    stops: false,
};

const HELP: &str = "Usage: iconv [OPTION...] [FILE...]
Convert encoding of given files from one encoding to another.

  -f, --from-code=NAME  encoding of original text
  -t, --to-code=NAME    encoding for output; //TRANSLIT and //IGNORE behind it
                          say what becomes of characters that it lacks
  -c                    omit invalid characters from output
  -l, --list            list all known coded character sets
  -o, --output=FILE     output file
  -s, --silent          suppress warnings
      --help            give this help list
";

/// What becomes of a character that the target lacks.
#[derive(Clone, Copy, Debug, Default)]
struct Missing {
    is_like: bool,
    is_left_out: bool,
    /// Whether leaving out is an error all the same.
    is_told: bool,
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let Some(parsed) = options::or_usage(call, &SPEC, HELP) else { return Ok(64) };
    if parsed.has('?') {
        return Ok(0);
    }
    if parsed.has('V') {
        println!("iconv (playpen, as of glibc)");
        return Ok(0);
    }
    if parsed.has('l') {
        encodings::names().for_each(|name| println!("{name}//"));
        return Ok(0);
    }
    convert(&parsed).or_else(|message| {
        eprintln!("iconv: {message}");
        Ok(1)
    })
}

fn convert(parsed: &Parsed) -> Result<i32, String> {
    let (from, _) = named(parsed.value('f'))?;
    let (to, mut missing) = named(parsed.value('t'))?;
    missing.is_left_out |= parsed.has('c');
    missing.is_told &= !parsed.has('c');
    let mut out = to.mark().to_vec();
    let here = ["-".to_owned()];
    let files = if parsed.operands.is_empty() { &here[..] } else { &parsed.operands };
    let mut problem = None;
    for file in files {
        let bytes = match read(file) {
            Ok(bytes) => bytes,
            Err(e) => {
                eprintln!("iconv: cannot open input file `{file}': {}", reason(&e));
                problem = Some(None);
                continue;
            }
        };
        if let Some(message) = one(&bytes, &from, &to, missing, &mut out) {
            let is_end = !missing.is_left_out;
            problem = Some(Some(message));
            if is_end {
                break;
            }
        }
    }
    match parsed.value('o') {
        Some(file) => fs::write(file, &out)
            .map_err(|e| format!("unable to open output file: {}", reason(&e)))?,
        None => io::stdout().write_all(&out).map_err(|e| reason(&e))?,
    }
    let _ = io::stdout().flush();
    match problem {
        Some(Some(message)) => Err(message),
        Some(None) => Ok(1),
        None => Ok(0),
    }
}

/// An encoding, and what stands behind its name; without a name it is the locale's.
fn named(name: Option<&str>) -> Result<(Encoding, Missing), String> {
    let mut parts = name.unwrap_or("UTF-8").split("//");
    let name = parts.next().filter(|it| !it.is_empty()).unwrap_or("UTF-8");
    let mut missing = Missing::default();
    for part in parts.flat_map(|it| it.split(',')) {
        match part.to_ascii_uppercase().as_str() {
            "TRANSLIT" => missing.is_like = true,
            "IGNORE" => (missing.is_left_out, missing.is_told) = (true, true),
            _ => {}
        }
    }
    let encoding = Encoding::named(name);
    Ok((
        encoding.ok_or_else(|| format!("conversion from or to `{name}' is not supported"))?,
        missing,
    ))
}

fn read(file: &str) -> io::Result<Vec<u8>> {
    if file != "-" {
        return fs::read(file);
    }
    let mut bytes = vec![];
    io::stdin().read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Converts a text; says what was wrong with it, if anything.
fn one(
    bytes: &[u8],
    from: &Encoding,
    to: &Encoding,
    missing: Missing,
    out: &mut Vec<u8>,
) -> Option<String> {
    let mut was_left_out = false;
    let mut stop = None;
    from.decode(bytes, &mut |found| {
        let (at, is_written) = match found {
            Ok((at, c)) => (at, written(c, to, missing, out)),
            Err(Bad::Incomplete) if !missing.is_left_out => {
                stop = Some("incomplete character or shift sequence at end of buffer".to_owned());
                return false;
            }
            Err(Bad::Incomplete) => (bytes.len(), false),
            Err(Bad::At(at)) => (at, false),
        };
        was_left_out |= !is_written;
        if !is_written && !missing.is_left_out {
            stop = Some(format!("illegal input sequence at position {at}"));
        }
        is_written || missing.is_left_out
    });
    let told = was_left_out && missing.is_told;
    stop.or_else(|| told.then(|| format!("illegal input sequence at position {}", bytes.len())))
}

/// Writes a character, or what is like it; whether there is any.
fn written(c: char, to: &Encoding, missing: Missing, out: &mut Vec<u8>) -> bool {
    if to.encode(c, out) {
        return true;
    }
    if !missing.is_like {
        return false;
    }
    let start = out.len();
    for text in translit::candidates(c) {
        if text.chars().all(|c| to.encode(c, out)) {
            return true;
        }
        out.truncate(start);
    }
    to.encode('?', out)
}
