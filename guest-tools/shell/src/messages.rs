//! Error messages in bash's words.

use brush_core::extensions::{ErrorFormatter, ShellExtensionsImpl};
use brush_core::{Error, Shell, ShellExtensions};

/// brush with our messages.
pub(crate) type Extensions = ShellExtensionsImpl<Messages>;

/// `sh: frobnicate: command not found`, where brush puts the name last.
#[derive(Clone, Default)]
pub(crate) struct Messages;

impl ErrorFormatter for Messages {
    fn format_error(&self, e: &Error, shell: &Shell<impl ShellExtensions>) -> String {
        let name = shell.current_shell_name().map_or_else(|| "sh".into(), |n| n.to_string());
        match e.to_string().strip_prefix("command not found: ") {
            Some(command) => format!("{name}: {command}: command not found\n"),
            None => format!("{name}: {e:#}\n"),
        }
    }
}
