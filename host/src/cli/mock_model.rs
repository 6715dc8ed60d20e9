//! `playpen mock-model`: a scripted model for tests and trials.

use super::{Status, session::Session};
use crate::mock_model::{self, Script};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::PathBuf,
};

/// Serve a scripted model on an OpenAI-compatible endpoint
///
/// Prints the address to set `OPENAI_BASE_URL` to, and answers until it is interrupted; then prints
/// how often each entry of the script was asked. The format of scripts is documented in
/// `host/src/mock_model/FORMAT.md`.
#[derive(Debug, clap::Args)]
pub(super) struct MockModelArgs {
    /// Script with the answers
    #[arg(long, value_name = "FILE")]
    script: PathBuf,

    /// Port to listen on; 0 takes a free one
    #[arg(long, value_name = "N", default_value_t = 0)]
    port: u16,
}

/// Serves until interrupted.
pub(super) async fn run(session: &Session, args: &MockModelArgs) -> anyhow::Result<Status> {
    let script = Script::from_path(&args.script)?;
    let address = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), args.port);
    let printer = &session.printer;
    let on_ready = |url: &str| printer.result(url);
    let tally = mock_model::serve(script, address, on_ready, super::interrupted()).await?;
    printer.status(format_args!("{}", tally.to_table().trim_end()));
    Ok(Status::Done)
}
