//! `sed`, as GNU's: options here, the script in [`parse`], its commands in [`run`].
//!
//! Ours, because the published one differs from GNU's where agents edit source: `c` on a range, text
//! that ends in a backslash, `\U`, alternatives that match less than they could, exit codes.

mod command;
mod parse;
mod run;

use super::text_encoding;
use parse::Script;
use run::{Editor, Settings};

const HELP: &str = "Usage: sed [OPTION]... {script-only-if-no-other-script} [input-file]...

  -n, --quiet, --silent
                 suppress automatic printing of pattern space
      --debug
                 annotate program execution
  -e script, --expression=script
                 add the script to the commands to be executed
  -f script-file, --file=script-file
                 add the contents of script-file to the commands to be executed
  --follow-symlinks
                 follow symlinks when processing in place
  -i[SUFFIX], --in-place[=SUFFIX]
                 edit files in place (makes backup if SUFFIX supplied)
  -l N, --line-length=N
                 specify the desired line-wrap length for the `l' command
  --posix
                 disable all GNU extensions.
  -E, -r, --regexp-extended
                 use extended regular expressions in the script
                 (for portability use POSIX -E).
  -s, --separate
                 consider files as separate rather than as a single,
                 continuous long stream.
      --sandbox
                 operate in sandbox mode (disable e/r/w commands).
  -u, --unbuffered
                 load minimal amounts of data from the input files and flush
                 the output buffers more often
  -z, --null-data
                 separate lines by NUL characters
      --help     display this help and exit
      --version  output version information and exit

If no -e, --expression, -f, or --file option is given, then the first
non-option argument is taken as the sed script to interpret.  All
remaining arguments are names of input files; if no input files are
specified, then the standard input is read.
";

/// The exit status of `sed` with these arguments, its name first.
pub(crate) fn main(args: &[String]) -> i32 {
    match Invocation::parse(args.get(1..).unwrap_or_default()) {
        Ok(Some(invocation)) => invocation.run(),
        Ok(None) => 0,
        Err(message) if message.is_empty() => {
            eprint!("{HELP}");
            1
        }
        Err(message) => {
            eprintln!("sed: {message}");
            1
        }
    }
}

#[derive(Default)]
struct Invocation {
    script: Option<String>,
    files: Vec<String>,
    extended: bool,
    settings: Settings,
}

impl Invocation {
    /// `None`: it was about help or the version.
    fn parse(args: &[String]) -> Result<Option<Self>, String> {
        let mut found = Self { settings: Settings::default(), ..Self::default() };
        let mut words = args.iter();
        let mut positional: Vec<String> = vec![];
        while let Some(word) = words.next() {
            match word.as_str() {
                "--" => {
                    positional.extend(words.by_ref().cloned());
                }
                "--help" => {
                    print!("{HELP}");
                    return Ok(None);
                }
                "--version" => {
                    println!("sed (GNU sed) 4.9");
                    return Ok(None);
                }
                long if long.starts_with("--") => found.long(&long[2..], &mut words)?,
                short if short.starts_with('-') && short.len() > 1 => {
                    found.short(&short[1..], &mut words)?;
                }
                _ => positional.push(word.clone()),
            }
        }
        if found.script.is_none() {
            if positional.is_empty() {
                return Err(String::new());
            }
            found.script = Some(positional.remove(0));
        }
        found.files = positional;
        Ok(Some(found))
    }

    fn long<'a>(
        &mut self,
        option: &str,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        let (name, value) = option.split_once('=').map_or((option, None), |(n, v)| (n, Some(v)));
        let mut needed = || {
            value.map(str::to_owned).or_else(|| words.next().cloned()).ok_or_else(|| usage(option))
        };
        match name {
            "quiet" | "silent" => self.settings.quiet = true,
            "debug" | "follow-symlinks" | "posix" | "sandbox" | "unbuffered" | "binary" => {}
            "expression" => {
                let text = needed()?;
                self.add(&text);
            }
            "file" => {
                let file = needed()?;
                self.add_file(&file)?;
            }
            "in-place" => self.in_place(value.unwrap_or_default()),
            "line-length" => self.settings.width = needed()?.parse().map_err(|_| usage(option))?,
            "regexp-extended" => self.extended = true,
            "separate" => self.settings.separate = true,
            "null-data" | "zero-terminated" => self.settings.separator = 0,
            _ => return Err(usage(&format!("unrecognized option '--{option}'"))),
        }
        Ok(())
    }

    fn short<'a>(
        &mut self,
        letters: &str,
        words: &mut impl Iterator<Item = &'a String>,
    ) -> Result<(), String> {
        for (i, letter) in letters.char_indices() {
            let rest = &letters[i + letter.len_utf8()..];
            let mut value = || match rest {
                "" => words
                    .next()
                    .cloned()
                    .ok_or_else(|| usage(&format!("option requires an argument -- '{letter}'"))),
                rest => Ok(rest.to_owned()),
            };
            match letter {
                'n' => self.settings.quiet = true,
                'E' | 'r' => self.extended = true,
                's' => self.settings.separate = true,
                'u' | 'b' => {}
                'z' => self.settings.separator = 0,
                'i' => {
                    self.in_place(rest);
                    return Ok(());
                }
                'e' => {
                    let text = value()?;
                    self.add(&text);
                    return Ok(());
                }
                'f' => {
                    let file = value()?;
                    return self.add_file(&file);
                }
                'l' => {
                    self.settings.width = value()?.parse().map_err(|_| usage("invalid length"))?;
                    return Ok(());
                }
                other => return Err(usage(&format!("invalid option -- '{other}'"))),
            }
        }
        Ok(())
    }

    fn in_place(&mut self, suffix: &str) {
        self.settings.in_place = Some(suffix.to_owned());
        self.settings.separate = true;
    }

    fn add(&mut self, text: &str) {
        match &mut self.script {
            Some(script) => {
                script.push('\n');
                script.push_str(text);
            }
            None => self.script = Some(text.to_owned()),
        }
    }

    fn add_file(&mut self, file: &str) -> Result<(), String> {
        let text = match file {
            "-" => std::io::read_to_string(std::io::stdin()),
            _ => std::fs::read_to_string(file),
        };
        let text = text.map_err(|e| format!("couldn't open file {file}: {}", super::reason(&e)))?;
        self.add(text.strip_suffix('\n').unwrap_or(&text));
        Ok(())
    }

    fn run(mut self) -> i32 {
        let text = self.script.take().unwrap_or_default();
        if text.starts_with("#n\n") || text == "#n" {
            self.settings.quiet = true;
        }
        let script = match Script::parse(&text, self.extended, text_encoding()) {
            Ok(script) => script,
            Err(error) => {
                eprintln!("sed: -e expression #1, char {}: {}", error.at, error.message);
                return 1;
            }
        };
        if self.files.is_empty() {
            self.files.push("-".into());
        }
        Editor::new(script, self.settings, self.files).run()
    }
}

/// Substitutions that names go through, as `tar --transform` has them.
pub(crate) struct Renaming(Editor);

impl Renaming {
    /// `expression` is one `s` command or several; its flag `x` asks for extended patterns, and those that say which
    /// kinds of names it is for are not looked at.
    pub(crate) fn parse(expression: &str) -> Result<Self, String> {
        let delimiter = expression.chars().nth(1).unwrap_or('/');
        let end = expression.rfind(delimiter).map_or(0, |at| at + delimiter.len_utf8());
        let (body, flags) = expression.split_at(end);
        let kept: String = flags.chars().filter(|it| !"xrRsShH".contains(*it)).collect();
        let script = Script::parse(&format!("{body}{kept}"), flags.contains('x'), true)
            .map_err(|_| "Invalid transform expression".to_owned())?;
        Ok(Self(Editor::new(script, Settings::default(), vec![])))
    }

    /// What becomes of a name.
    pub(crate) fn apply(&mut self, name: &str) -> String {
        self.0.renamed(name)
    }
}

fn usage(message: &str) -> String {
    format!("{message}\n{}", HELP.trim_end())
}
