//! How a command ended, in words.

use playpen_runtime::Exit;

/// Returns whether the command came to an end of its own.
pub(crate) fn is_regular(exit: Exit) -> bool {
    matches!(exit, Exit::Code(_))
}

/// Says why a command was ended from outside, if it was.
pub(crate) fn describe(exit: Exit) -> Option<String> {
    match exit {
        Exit::Code(_) => None,
        Exit::Signal(signal) => Some(format!("ended by signal {signal}")),
        Exit::Trap(trap) => Some(format!("crashed: {trap}")),
        Exit::Limit(limit) => Some(format!("stopped: the limit on {limit} was met")),
    }
}
