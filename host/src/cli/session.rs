//! What every command is given: how to print, what the environment says, and where things are.

use crate::{config::Environment, printer::Printer};
use std::path::PathBuf;

/// The settings that all commands share.
#[derive(Clone, Debug)]
pub(super) struct Session {
    /// The only way to print.
    pub(super) printer: Printer,
    /// The variables of the environment.
    pub(super) env: Environment,
    home: Option<PathBuf>,
}

impl Session {
    pub(super) fn new(printer: Printer, env: Environment, home: Option<PathBuf>) -> Self {
        Self { printer, env, home }
    }

    /// Returns the folder for guests, images and compiled code.
    ///
    /// # Errors
    ///
    /// Fails where neither a flag nor the environment says where it is.
    pub(super) fn home(&self) -> anyhow::Result<PathBuf> {
        Ok(self.env.home(self.home.as_deref())?)
    }
}
