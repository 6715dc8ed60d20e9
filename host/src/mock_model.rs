//! A scripted model: an OpenAI-compatible HTTP server that plays answers from a file.
//!
//! It stands in for a model in tests and in `playpen demo`. The HTTP is real, so the client, its
//! retries and its error messages are exercised as they are with a paid endpoint; only the answers are
//! written down beforehand. `mock_model/FORMAT.md` documents the script for those who write one.
//!
//! ```text
//!   request ──► select: first entry that matches ──► a fault is due? ──yes──► 429, hang, cut ...
//!                        │none                            │no
//!                        ▼                                ▼
//!                       404, names the nearest           the reply of this turn
//! ```
//!
//! # Invariants
//!
//! * **The reply depends on the request alone**, and not on what was asked before: the turn is
//!   counted in the conversation itself. So concurrent runs, retries and resumed runs get the same
//!   answers. The exceptions count requests, as they must: `at_most`, and `times` of a fault.
//! * **Nothing outside the script's folder is read.**
//! * Bodies, headers and the time for headers are bounded.

use std::{fmt::Write as _, net::SocketAddr};
use thiserror::Error;

mod answer;
mod files;
mod raw;
mod script;
mod select;
mod server;
#[cfg(test)]
mod tests;

pub use files::{FolderFiles, NoFiles, ScriptFiles};
pub use script::{Script, ScriptError};
pub use server::{ScriptServer, ServerHandle};

/// Why the server could not be started.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address cannot be listened on.
    #[error("failed to listen on `{address}`")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: std::io::Error,
    },
}

/// How often the entries of a script were asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// One count for each entry, in the order of the script.
    pub entries: Vec<EntryTally>,
    /// Requests that no entry matched.
    pub n_unmatched: u64,
}

/// How often one entry was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EntryTally {
    /// The entry's name.
    pub name: String,
    /// Requests that it matched, the faulty ones included.
    pub n_requests: u64,
    /// Requests that got a reply, whole or truncated.
    pub n_replies: u64,
    /// Requests that met a fault.
    pub n_faults: u64,
}

impl Tally {
    /// Returns the number of all requests for completions.
    pub fn n_requests(&self) -> u64 {
        self.n_unmatched + self.entries.iter().map(|entry| entry.n_requests).sum::<u64>()
    }

    /// Returns a table for people: one line an entry, and the unmatched requests if there are any.
    pub fn to_table(&self) -> String {
        let mut table = String::new();
        for EntryTally { name, n_requests, n_replies, n_faults } in &self.entries {
            // Writing to a string cannot fail.
            writeln!(
                table,
                "{n_requests:>6} requests {n_replies:>6} replies {n_faults:>6} faults  {name}"
            )
            .ok();
        }
        if self.n_unmatched > 0 {
            writeln!(table, "{:>6} requests that no entry matched", self.n_unmatched).ok();
        }
        table
    }
}

/// Plays `script` on `address` until `stop` is ready, and returns what was asked.
///
/// `on_ready` gets the base address, such as `http://127.0.0.1:41234/v1`, once connections are
/// accepted. On stop, answers under way are finished; hanging ones are cut.
///
/// # Errors
///
/// Returns a [`ServeError`] if the address cannot be listened on.
pub async fn serve(
    script: Script,
    address: SocketAddr,
    on_ready: impl FnOnce(&str),
    stop: impl Future<Output = ()>,
) -> Result<Tally, ServeError> {
    let (url, handle) = ScriptServer::start(script, address).await?;
    on_ready(&url);
    stop.await;
    Ok(handle.stop().await)
}
