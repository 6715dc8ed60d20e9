//! `umask [-S] [OCTAL]`.

use std::io::Write as _;

use brush_core::builtins::{ContentOptions, ContentType, SimpleCommand};
use brush_core::{Error, ExecutionContext, ExecutionResult, ShellExtensions};

pub(super) struct Umask;

impl SimpleCommand for Umask {
    fn get_content(name: &str, _: ContentType, _: &ContentOptions) -> Result<String, Error> {
        Ok(format!("{name}: builtin of the playpen shell\n"))
    }

    fn execute<SE: ShellExtensions, I: Iterator<Item = S>, S: AsRef<str>>(
        context: ExecutionContext<'_, SE>,
        args: I,
    ) -> Result<ExecutionResult, Error> {
        let args: Vec<String> = args.skip(1).map(|a| a.as_ref().to_owned()).collect();
        let symbolic = args.iter().any(|a| a == "-S");
        if let Some(text) = args.iter().find(|a| !a.starts_with('-')) {
            let Some(mask) = u32::from_str_radix(text, 8).ok().filter(|mask| *mask <= 0o777) else {
                let prefix = context.shell.message_prefix();
                writeln!(context.stderr(), "{prefix}umask: {text}: octal number out of range")?;
                return Ok(ExecutionResult::new(1));
            };
            playpen_sys::umask(mask)?;
            return Ok(ExecutionResult::success());
        }
        // There is no call that only reads it.
        let mask = playpen_sys::umask(0)?;
        playpen_sys::umask(mask)?;
        if symbolic {
            let letters = |shift: u32| -> String {
                let of = |(bit, letter): (u32, char)| (!mask >> shift & bit != 0).then_some(letter);
                [(4, 'r'), (2, 'w'), (1, 'x')].into_iter().filter_map(of).collect()
            };
            writeln!(context.stdout(), "u={},g={},o={}", letters(6), letters(3), letters(0))?;
        } else {
            writeln!(context.stdout(), "{mask:04o}")?;
        }
        Ok(ExecutionResult::success())
    }
}
