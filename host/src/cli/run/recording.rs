//! `--audit`: the record of a run, from its header to its end.

use super::{
    RunArgs,
    mounts::{Copied, Mode, MountSpec},
    plan::Plan,
    snapshots::Origin,
};
use crate::audit::{EventFile, Key};
use anyhow::Context as _;
use jiff::Timestamp;
use playpen_runtime::{
    Image, Outcome, Sandbox,
    audit::{End, Header, LogOptions, MountInfo},
};
use ring::rand::{SecureRandom as _, SystemRandom};
use std::{path::PathBuf, sync::Arc};

/// The version of the format that is written.
const VERSION: u32 = 1;

/// When the virtual clock of a deterministic run starts.
const VIRTUAL_START_US: u64 = 1_767_225_600_000_000;

/// What is recorded, and where.
#[derive(Debug, Default, clap::Args)]
pub(super) struct RecordingArgs {
    /// Write every access, allowed or denied, to this file, one JSON object a line
    ///
    /// `playpen audit` answers questions about it. Each line holds the hash of the one before.
    #[arg(long, value_name = "FILE")]
    pub(super) audit: Option<PathBuf>,

    /// Put equal looks at metadata that follow each other into one line with a count
    #[arg(long, requires = "audit")]
    audit_coalesce: bool,

    /// Write no more events once the file has this size; the rest is counted
    #[arg(long, requires = "audit", value_name = "SIZE", value_parser = super::units::bytes)]
    audit_limit: Option<u64>,

    /// Sign the record with this Ed25519 key, a PEM file
    #[arg(long, requires = "audit", value_name = "FILE")]
    audit_key: Option<PathBuf>,
}

/// A record that is being written.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) file: Arc<EventFile>,
    key: Option<Key>,
}

impl Recording {
    /// Starts the record of a run, if there is to be one.
    pub(super) fn start(
        args: &RunArgs,
        plan: &Plan,
        image: &Image,
        stdin: Option<&[u8]>,
    ) -> anyhow::Result<Option<Self>> {
        let RecordingArgs { audit: Some(path), audit_coalesce, audit_limit, audit_key } =
            &args.recording
        else {
            return Ok(None);
        };
        let key = audit_key.as_deref().map(Key::read).transpose()?;
        let options = LogOptions { coalesce: *audit_coalesce, max_bytes: *audit_limit };
        let header = Header {
            image: Some(image.digest().to_owned()),
            stdin: stdin.map(|stdin| String::from_utf8_lossy(stdin).into_owned()),
            ..header(args, plan)?
        };
        let redaction = plan.redaction()?;
        let file = Arc::new(EventFile::create(path, &header, options, redaction)?);
        Ok(Some(Self { file, key }))
    }

    /// Writes the end of the record.
    pub(super) fn finish(
        &self,
        sandbox: &Sandbox,
        copied: &[Copied],
        outcome: Option<&Outcome>,
    ) -> anyhow::Result<()> {
        let digest = |copied: &Copied| {
            let tree = sandbox.tree(&copied.guest)?;
            Some((copied.guest.clone(), tree.digest().to_hex().to_string()))
        };
        let end = End {
            host: Some(sandbox.host_counts()),
            trees: copied.iter().filter_map(digest).collect(),
            exit: outcome.map(|outcome| outcome.exit.to_string()),
            ..End::default()
        };
        Ok(self.file.finish(end, self.key.as_ref())?)
    }
}

fn header(args: &RunArgs, plan: &Plan) -> anyhow::Result<Header> {
    let mut run = [0; 8];
    let started_us = if let Some(seed) = args.deterministic {
        run = seed.to_le_bytes();
        VIRTUAL_START_US
    } else {
        SystemRandom::new().fill(&mut run).ok().context("the host has no random bytes")?;
        u64::try_from(Timestamp::now().as_microsecond()).unwrap_or(0)
    };
    let mounts = plan.specs.iter().map(|spec| mount(spec, &plan.copied, &args.skip_names));
    Ok(Header {
        version: VERSION,
        run: format!("{:016x}", u64::from_le_bytes(run)),
        level: plan.policy.audit.level,
        started_us,
        seed: args.deterministic,
        cwd: Some(plan.cwd.clone()),
        from: plan.origin.as_ref().map(Origin::id),
        limits: args.given_limits(),
        policy: plan.policy_text.clone(),
        command: args.command.clone(),
        env: args.variables.iter().cloned().collect(),
        mounts: mounts.collect(),
        ..Header::default()
    })
}

fn mount(spec: &MountSpec, copied: &[Copied], skip_names: &[String]) -> MountInfo {
    // What was copied, not what a link leads to later.
    let host = fs_err::canonicalize(&spec.host).unwrap_or_else(|_| spec.host.clone());
    let copied = copied.iter().find(|copied| copied.guest == spec.guest);
    MountInfo {
        guest: spec.guest.clone(),
        host: host.display().to_string(),
        mode: match spec.mode {
            Mode::ReadOnly => "ro",
            Mode::ReadWrite => "rw",
            Mode::CopyOnWrite => "cow",
        }
        .to_owned(),
        skip: skip_names.to_vec(),
        log: copied.and_then(|copied| copied.log.clone()),
        digest: copied.map(|copied| copied.base.digest().to_hex().to_string()),
    }
}
