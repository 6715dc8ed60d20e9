//! Options of our own tools, read as getopt_long reads them.

use super::Call;

/// What a tool takes.
pub(crate) struct Spec {
    /// Letters without a value.
    pub(crate) flags: &'static str,
    /// Letters with one.
    pub(crate) values: &'static str,
    /// Letters whose value, if any, stands in the same word.
    pub(crate) attached: &'static str,
    /// Long names, and the letter that each stands for; a letter that is in neither list above is
    /// the long option's own, with a value if the name ends in `=`, which may be left out if in `?`.
    pub(crate) longs: &'static [(&'static str, char)],
    /// Whether the first operand ends the options.
    pub(crate) stops: bool,
}

/// Options in their order, and operands.
#[derive(Debug, Default)]
pub(crate) struct Parsed {
    pub(crate) options: Vec<(char, String)>,
    pub(crate) operands: Vec<String>,
}

impl Parsed {
    pub(crate) fn has(&self, letter: char) -> bool {
        self.options.iter().any(|(it, _)| *it == letter)
    }

    /// The last value of an option.
    pub(crate) fn value(&self, letter: char) -> Option<&str> {
        self.all(letter).last()
    }

    pub(crate) fn all(&self, letter: char) -> impl Iterator<Item = &str> {
        self.options.iter().filter(move |(it, _)| *it == letter).map(|(_, value)| value.as_str())
    }

    /// The operands as they are passed on.
    pub(crate) fn words(&self) -> Vec<&str> {
        self.operands.iter().map(String::as_str).collect()
    }
}

/// Reads options.
pub(crate) fn parse(args: &[&str], spec: &Spec) -> Result<Parsed, String> {
    let mut found = Parsed::default();
    let mut words = args.iter();
    while let Some(word) = words.next() {
        if *word == "--" {
            found.operands.extend(words.by_ref().map(|it| (*it).to_owned()));
        } else if let Some(long) = word.strip_prefix("--") {
            let option = long_option(long, &mut words, spec)?;
            found.options.push(option);
        } else if word.len() > 1 && word.starts_with('-') {
            short_options(&word[1..], &mut words, spec, &mut found.options)?;
        } else {
            found.operands.push((*word).to_owned());
            if spec.stops {
                found.operands.extend(words.by_ref().map(|it| (*it).to_owned()));
            }
        }
    }
    Ok(found)
}

fn long_option<'a>(
    option: &str,
    words: &mut impl Iterator<Item = &'a &'a str>,
    spec: &Spec,
) -> Result<(char, String), String> {
    let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
    let bare = |it: &str| it.trim_end_matches(['=', '?']).to_owned();
    let exact = spec.longs.iter().find(|(it, _)| bare(it) == name);
    let mut similar = spec.longs.iter().filter(|(it, _)| it.starts_with(name));
    let (known, letter) = match (exact, similar.next(), similar.next()) {
        (Some(exact), ..) => exact,
        (None, Some(only), None) => only,
        (None, Some(_), Some(_)) => return Err(format!("option '--{name}' is ambiguous")),
        (None, None, _) => return Err(format!("unrecognized option '--{option}'")),
    };
    let is_optional = known.ends_with('?');
    let takes = known.ends_with('=') || spec.values.contains(*letter) && !is_optional;
    match (value, takes) {
        (Some(value), _) if takes || is_optional => Ok((*letter, value.to_owned())),
        (Some(_), _) => Err(format!("option '--{}' doesn't allow an argument", bare(known))),
        (None, true) => {
            let next =
                words.next().ok_or(format!("option '--{}' requires an argument", bare(known)))?;
            Ok((*letter, (*next).to_owned()))
        }
        (None, false) => Ok((*letter, String::new())),
    }
}

fn short_options<'a>(
    letters: &str,
    words: &mut impl Iterator<Item = &'a &'a str>,
    spec: &Spec,
    options: &mut Vec<(char, String)>,
) -> Result<(), String> {
    for (i, letter) in letters.char_indices() {
        if spec.flags.contains(letter) {
            options.push((letter, String::new()));
            continue;
        }
        if spec.attached.contains(letter) {
            options.push((letter, letters[i + letter.len_utf8()..].to_owned()));
            return Ok(());
        }
        if !spec.values.contains(letter) {
            return Err(format!("invalid option -- '{letter}'"));
        }
        let rest = &letters[i + letter.len_utf8()..];
        let value = match rest {
            "" => words
                .next()
                .ok_or(format!("option requires an argument -- '{letter}'"))
                .map(|it| (*it).to_owned())?,
            rest => rest.to_owned(),
        };
        options.push((letter, value));
        return Ok(());
    }
    Ok(())
}

/// Reads options and answers `--help`, `-h` or `-?` where a tool has it; none if they are wrong, which is said.
pub(crate) fn or_usage(call: &Call<'_>, spec: &Spec, help: &str) -> Option<Parsed> {
    match parse(&call.args, spec) {
        Ok(parsed) => {
            let letter = spec.longs.iter().find(|(name, _)| *name == "help").map(|(_, it)| *it);
            if letter.is_some_and(|letter| parsed.has(letter)) {
                println!("{}", help.trim_end());
            }
            Some(parsed)
        }
        Err(e) => {
            eprintln!("{}: {e}\nTry '{0} --help' for more information.", call.name);
            None
        }
    }
}

/// `10`, `4K`, `1M`, `2kB`: a number of bytes.
pub(crate) fn size(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().ok()?;
    let unit = &text[digits.len()..];
    let (letter, is_decimal) = match unit {
        "" | "c" => return Some(number),
        "b" => return Some(number * 512),
        "w" => return Some(number * 2),
        _ => (unit.chars().next()?, unit.ends_with('B') && !unit.ends_with("iB")),
    };
    let power = "KMGTP".find(letter.to_ascii_uppercase())? as u32 + 1;
    number.checked_mul(if is_decimal { 1000u64 } else { 1024 }.pow(power))
}

/// A number of bytes as `ls -h` shows it.
pub(crate) fn human(bytes: u64) -> String {
    let (mut value, mut unit) = (bytes as f64, 0);
    while value >= 1024. && unit < 5 {
        value /= 1024.;
        unit += 1;
    }
    let unit = ["", "K", "M", "G", "T", "P"][unit];
    match unit {
        "" => format!("{bytes}"),
        _ if value <= 9.9 => format!("{:.1}{unit}", (value * 10.).ceil() / 10.),
        _ => format!("{}{unit}", value.ceil()),
    }
}
