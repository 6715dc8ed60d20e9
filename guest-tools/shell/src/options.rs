//! The command line: `sh [-+abc...] [-o NAME] [-c TEXT [NAME] | -s | SCRIPT] [ARG]...`.

/// Where commands come from.
pub(crate) enum Input {
    /// `-c`.
    Text(String),
    /// A file.
    Script(String),
    /// Standard input.
    Stdin,
}

/// A parsed command line.
pub(crate) struct Options {
    pub(crate) input: Input,
    /// `$0`.
    pub(crate) name: String,
    /// `$1` and so on.
    pub(crate) args: Vec<String>,
    /// `-i`: commands from standard input are asked for with a prompt, and a wrong one ends nothing.
    pub(crate) is_interactive: bool,
    /// Shell options to set and to clear, by their long names.
    pub(crate) enable: Vec<String>,
    pub(crate) disable: Vec<String>,
}

impl Options {
    /// Parses all of argv; an unknown flag is ignored, as are the long options of bash.
    pub(crate) fn parse(args: Vec<String>) -> Self {
        let mut args = args.into_iter();
        let mut name = args.next().unwrap_or_else(|| "sh".into());
        let mut args = args.peekable();
        let (mut command, mut stdin, mut is_interactive) = (false, false, false);
        let (mut enable, mut disable) = (vec![], vec![]);
        while let Some(word) = args.next_if(|a| a.len() > 1 && a.starts_with(['-', '+'])) {
            if word == "--" {
                break;
            }
            if word.starts_with("--") {
                continue; // --norc, --noprofile, --login, --posix
            }
            let list = if word.starts_with('-') { &mut enable } else { &mut disable };
            for letter in word.chars().skip(1) {
                match letter {
                    'c' => command = true,
                    's' => stdin = true,
                    'i' => is_interactive = true,
                    'o' => list.extend(args.next()),
                    _ => list.extend(long_name(letter).map(str::to_owned)),
                }
            }
        }
        let text = if command { args.next() } else { None };
        let input = match text {
            Some(text) => {
                name = args.next().unwrap_or(name);
                Input::Text(text)
            }
            None => match if stdin { None } else { args.next() } {
                Some(script) => {
                    name.clone_from(&script);
                    Input::Script(script)
                }
                None => Input::Stdin,
            },
        };
        Self { input, name, args: args.collect(), is_interactive, enable, disable }
    }
}

fn long_name(letter: char) -> Option<&'static str> {
    Some(match letter {
        'a' => "allexport",
        'e' => "errexit",
        'f' => "noglob",
        'n' => "noexec",
        'u' => "nounset",
        'v' => "verbose",
        'x' => "xtrace",
        'C' => "noclobber",
        _ => return None,
    })
}
