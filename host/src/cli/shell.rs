//! `playpen shell`: a sandbox to work in by hand.

use super::{
    Status,
    run::{self, RunArgs},
    session::Session,
};
use std::time::Duration;

/// How long a session may last, unless a flag says otherwise.
const WALL: Duration = Duration::from_hours(12);

/// What is started, unless something else is given.
const SHELL: [&str; 2] = ["sh", "-i"];

/// The variable of the prompt, and the prompt.
const PROMPT: (&str, &str) = ("PS1", r"playpen:\w\$ ");

/// Work in a sandbox by hand
///
/// Starts a shell in a sandbox as `run` does, and passes the terminal's lines on to it. What changes in a
/// copy-on-write mount is shown as a diff at the end and thrown away, unless `--apply` is given. An interrupt
/// (Ctrl-C) ends the program that the shell waits for; the end of input (Ctrl-D) or `exit` ends the session.
/// There is no terminal inside: programs that draw on one (`less`, `vi`) do not work.
///
/// The session may last 12 hours unless `--wall` says otherwise. Exits as `run` does.
#[derive(Debug, clap::Args)]
#[command(mut_arg("command", |arg| {
    arg.required(false).help("Another program to work with, such as `python -i` [default: `sh -i`]")
}))]
#[command(mut_arg("wall", |arg| arg.help("End the session after this time [default: 12h]")))]
pub(super) struct ShellArgs {
    #[command(flatten)]
    run: RunArgs,
}

impl ShellArgs {
    /// Returns a flag of ours that does not exist, as [`RunArgs::unknown_flag`] does.
    pub(super) fn unknown_flag(&self) -> Option<&str> {
        self.run.unknown_flag()
    }
}

/// Starts the shell, and shows at its end what has changed.
pub(super) async fn run(session: &Session, args: ShellArgs) -> anyhow::Result<Status> {
    run::run(session, &args.run.into_session(WALL, &SHELL, PROMPT)).await
}
