//! `playpen export`: records of runs as data sets.

use super::{Status, session::Session, table::table};
use crate::{
    agent::AgentRole,
    export::{self, ExportConfig, Exported, Format},
};
use clap::ValueEnum;
use std::{collections::BTreeMap, path::PathBuf};

/// Write records of runs as a data set for training or evaluation
///
/// Kept attempts become examples; with `preference`, each is set against the failed attempts at the same work. The
/// benchmarks take instances: of the variants of a run, or of a data set of `playpen variant procedural`. Beside the
/// examples lie a card (`README.md`) and `report.json`, which say what is in them and what is left out, and why.
///
/// Exits with 0 if at least one example was written, with 1 if none was.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// Folders of runs, folders above several, or data sets
    #[arg(value_name = "RUN", required = true)]
    sources: Vec<PathBuf>,

    /// Form of the data set
    #[arg(long, value_name = "FORMAT")]
    format: FormatArg,

    /// Folder for the data set; must be new or empty
    #[arg(long, value_name = "DIR")]
    output: PathBuf,

    /// Role whose attempts are wanted, such as `solver`; may be repeated [default: all]
    #[arg(long = "role", value_name = "ROLE", value_parser = role)]
    roles: Vec<String>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum FormatArg {
    /// Trajectories as they are kept: ATIF v1.7
    Atif,
    /// `ShareGPT` for LLaMA-Factory: calls as text and calls as functions, with training configurations
    Sharegpt,
    /// `OpenAI` messages with tools
    Openai,
    /// Kept attempts against failed ones, in the form of TRL
    Preference,
    /// Instances of SWE-bench, with repositories and predictions
    Swebench,
    /// Instances of SWT-Bench, with repositories and predictions
    Swtbench,
    /// Instances of Commit-0, with repositories
    Commit0,
}

impl From<FormatArg> for Format {
    fn from(format: FormatArg) -> Format {
        match format {
            FormatArg::Atif => Format::Atif,
            FormatArg::Sharegpt => Format::ShareGpt,
            FormatArg::Openai => Format::OpenAi,
            FormatArg::Preference => Format::Preference,
            FormatArg::Swebench => Format::SweBench,
            FormatArg::Swtbench => Format::SwtBench,
            FormatArg::Commit0 => Format::Commit0,
        }
    }
}

/// Reads the name of a role, as records have it.
fn role(name: &str) -> Result<String, String> {
    let names = AgentRole::ALL.map(AgentRole::name);
    if names.contains(&name) {
        return Ok(name.to_owned());
    }
    Err(format!("there is no such role; there are {}", names.join(", ")))
}

/// Writes the data set and says what is in it.
pub(super) fn run(session: &Session, args: &ExportArgs) -> anyhow::Result<Status> {
    let config = ExportConfig {
        sources: args.sources.clone(),
        format: args.format.into(),
        output: args.output.clone(),
        roles: args.roles.clone(),
    };
    let exported = export::export(&config)?;
    print(session, &config, &exported);
    Ok(if exported.n_examples() > 0 { Status::Done } else { Status::No })
}

fn print(session: &Session, config: &ExportConfig, exported: &Exported) {
    let printer = &session.printer;
    if printer.is_json() {
        printer.json_line(&serde_json::json!({ "event": "report", "report": exported }));
        return;
    }
    let mut files = table(["file", "examples"]);
    for (file, n) in &exported.files {
        files.add_row([file.clone(), n.to_string()]);
    }
    printer.result(files);
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for dropped in &exported.dropped {
        *reasons.entry(dropped.why.as_str()).or_default() += 1;
    }
    for (why, n) in reasons {
        printer.status(format_args!("left out {n}: {why}"));
    }
    printer.status(format_args!("data set: {}", config.output.display()));
}
