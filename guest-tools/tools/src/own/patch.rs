//! `patch [-pN] [-R] [-d FOLDER] [-i FILE] [--dry-run] [FILE]`: unified diffs with exact context, over diffy.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;

use super::{Call, R};

#[derive(Default)]
struct Options<'a> {
    strip: Option<usize>,
    reverse: bool,
    dry: bool,
    input: Option<&'a str>,
    target: Option<&'a str>,
}

pub(crate) fn run(call: &Call<'_>) -> R {
    let options = Options::parse(&call.args)?;
    let text = match options.input {
        Some(file) if file != "-" => {
            fs::read_to_string(file).map_err(|e| format!("can't open {file}: {e}"))?
        }
        _ => read_stdin()?,
    };
    let parts = files_of(&text);
    if parts.is_empty() {
        return Err("**** Only garbage was found in the patch input.".into());
    }
    let mut code = 0;
    for part in parts {
        if !apply(&part, &options)? {
            code = 1;
        }
    }
    Ok(code)
}

impl<'a> Options<'a> {
    fn parse(args: &[&'a str]) -> Result<Self, Box<dyn std::error::Error>> {
        let mut options = Self::default();
        let mut words = args.iter();
        while let Some(word) = words.next() {
            match *word {
                "-R" | "--reverse" => options.reverse = true,
                "--dry-run" => options.dry = true,
                "-i" | "--input" => options.input = words.next().copied(),
                "-p" => options.strip = words.next().and_then(|n| n.parse().ok()),
                "-d" => std::env::set_current_dir(words.next().ok_or("-d needs a folder")?)?,
                word if word.starts_with("-p") => options.strip = word[2..].parse().ok(),
                word if word.starts_with('-') => {}
                word => options.target = Some(word),
            }
        }
        Ok(options)
    }

    /// The file that a `---` or `+++` line names, with as many folders stripped as asked for.
    fn name(&self, line: &str) -> String {
        let name =
            line.get(4..).unwrap_or_default().split('\t').next().unwrap_or_default().trim_end();
        let stripped = match self.strip {
            _ if name == "/dev/null" => name,
            Some(count) => name.splitn(count + 1, '/').nth(count).unwrap_or_default(),
            None => name.rsplit('/').next().unwrap_or_default(),
        };
        stripped.to_owned()
    }
}

fn read_stdin() -> io::Result<String> {
    let mut text = String::new();
    io::stdin().read_to_string(&mut text)?;
    Ok(text)
}

/// The patch split at each `---` that a `+++` follows, without git's own lines.
fn files_of(text: &str) -> Vec<String> {
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut parts: Vec<String> = vec![];
    for (i, line) in lines.iter().enumerate() {
        if line.starts_with("--- ") && lines.get(i + 1).is_some_and(|next| next.starts_with("+++ "))
        {
            parts.push(String::new());
        }
        let of_git = ["diff ", "index ", "new file", "deleted file"]
            .iter()
            .any(|word| line.starts_with(word));
        if let Some(part) = parts.last_mut().filter(|_| !of_git) {
            part.push_str(line);
        }
    }
    parts
}

/// Patches one file; false if a hunk does not fit.
fn apply(part: &str, options: &Options<'_>) -> Result<bool, Box<dyn std::error::Error>> {
    let mut lines = part.lines();
    let mut old = options.name(lines.next().unwrap_or_default());
    let mut new = options.name(lines.next().unwrap_or_default());
    if options.reverse {
        std::mem::swap(&mut old, &mut new);
    }
    let old_is_there = old != "/dev/null" && Path::new(&old).exists();
    let named = if new == "/dev/null" || old_is_there { &old } else { &new };
    let file = options.target.unwrap_or(named);
    println!("{} file {file}", if options.dry { "checking" } else { "patching" });
    let patch = diffy::Patch::from_str(part)?;
    let patch = if options.reverse { patch.reverse() } else { patch };
    let before = match old.as_str() {
        "/dev/null" => String::new(),
        _ => fs::read_to_string(file).map_err(|e| format!("{file}: {e}"))?,
    };
    match diffy::apply(&before, &patch) {
        Ok(_) if options.dry => {}
        Ok(after) if new == "/dev/null" && after.is_empty() => fs::remove_file(file)?,
        Ok(after) => {
            if let Some(parent) = Path::new(file).parent() {
                fs::create_dir_all(parent)?;
            }
            fs::write(file, after)?;
        }
        Err(e) => {
            println!("{file}: {e}");
            return Ok(false);
        }
    }
    Ok(true)
}
