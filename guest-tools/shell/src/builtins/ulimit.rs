//! `ulimit`: the limits of a sandbox are its own, and no shell changes them.

use std::io::Write as _;

use brush_core::builtins::{ContentOptions, ContentType, SimpleCommand};
use brush_core::{Error, ExecutionContext, ExecutionResult, ShellExtensions};

pub(super) struct Ulimit;

impl SimpleCommand for Ulimit {
    fn get_content(name: &str, _: ContentType, _: &ContentOptions) -> Result<String, Error> {
        Ok(format!("{name}: builtin of the playpen shell\n"))
    }

    /// Shows a limit; one that is set is accepted, and has no effect.
    fn execute<SE: ShellExtensions, I: Iterator<Item = S>, S: AsRef<str>>(
        context: ExecutionContext<'_, SE>,
        args: I,
    ) -> Result<ExecutionResult, Error> {
        let args: Vec<String> = args.skip(1).map(|a| a.as_ref().to_owned()).collect();
        let is_set = args.iter().any(|a| !a.starts_with('-'));
        if !is_set {
            let limit = match args.iter().find_map(|a| a.chars().last()) {
                Some('n') => "1024",
                Some('s') => "8192",
                Some('c') => "0",
                _ => "unlimited",
            };
            writeln!(context.stdout(), "{limit}")?;
        }
        Ok(ExecutionResult::success())
    }
}
