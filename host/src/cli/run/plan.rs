//! What a run is made of: flags and policy, put together once.

use super::{
    RunArgs,
    mounts::{Copied, Mode, MountSpec, WORKSPACE},
    recording::Recording,
    snapshots::Origin,
};
use crate::{
    audit::{EventFile, Redaction},
    cli::session::Session,
    policy::{MountMode, MountPolicy, Policy, absolute},
};
use playpen_runtime::{Engine, Image, Limits, Mount, Sandbox, SandboxBuilder};
use std::{path::Path, sync::Arc};

/// What a run is made of.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) specs: Vec<MountSpec>,
    pub(super) cwd: String,
    pub(super) limits: Limits,
    pub(super) policy: Policy,
    /// The policy as its file has it.
    pub(super) policy_text: Option<String>,
    mounts: Vec<Mount>,
    pub(super) copied: Vec<Copied>,
    /// The snapshot that the run starts from.
    pub(super) origin: Option<Origin>,
}

impl Plan {
    /// Puts flags and policy together; flags come first. Copies what is to be copied.
    pub(super) fn new(session: &Session, args: &RunArgs) -> anyhow::Result<Self> {
        let origin = Origin::load(session, args)?;
        let read = args.policy.as_deref().map(Policy::read).transpose()?;
        let (policy, policy_text) =
            read.map_or_else(Default::default, |(it, text)| (it, Some(text)));
        Self::of(args, origin, policy, policy_text)
    }

    fn of(
        args: &RunArgs,
        origin: Option<Origin>,
        policy: Policy,
        policy_text: Option<String>,
    ) -> anyhow::Result<Self> {
        let specs = match (args.mounts.is_empty(), policy.mounts.is_empty()) {
            (false, _) => args.mounts.clone(),
            (true, false) => policy.mounts.iter().map(spec).collect::<Result<_, _>>()?,
            (true, true) if origin.is_some() => vec![],
            (true, true) => vec![MountSpec::workspace()],
        };
        let first = || specs.first().map_or(WORKSPACE, |mount| &mount.guest).to_owned();
        let as_before = || origin.as_ref().and_then(|origin| origin.cwd.clone());
        let cwd = args.cwd.clone().or_else(as_before).unwrap_or_else(first);
        let limits = args.limits(&policy.limits(&Limits::default()));
        let log = args.earlier_log.as_deref().or(args.recording.audit.as_deref());
        let (mut mounts, mut copied) = super::open_all(&specs, &args.skip_names, log)?;
        if let Some(origin) = &origin {
            let (more_mounts, more_copied) = origin.mounts();
            mounts.extend(more_mounts);
            copied.extend(more_copied);
        }
        Ok(Self { specs, cwd, limits, policy, policy_text, mounts, copied, origin })
    }

    /// Returns what the record does not show.
    pub(super) fn redaction(&self) -> anyhow::Result<Redaction> {
        let audit = &self.policy.audit;
        let paths = absolute(&audit.redact, &self.points());
        Ok(Redaction::new(&paths, audit.redact_arguments)?)
    }

    pub(super) fn points(&self) -> Vec<String> {
        let copied = self.copied.iter().map(|copied| &copied.guest);
        let points = self.specs.iter().map(|spec| &spec.guest).chain(copied);
        points.collect::<std::collections::BTreeSet<_>>().into_iter().cloned().collect()
    }

    /// Makes the sandbox.
    pub(super) fn sandbox(
        &mut self,
        args: &RunArgs,
        engine: &Engine,
        image: &Image,
        recording: Option<&Recording>,
    ) -> anyhow::Result<Sandbox> {
        let mut builder = Sandbox::builder(engine, image);
        builder = self.describe(builder)?;
        for (name, value) in &args.variables {
            builder = builder.env(name, value);
        }
        if let Some(recording) = recording {
            builder = builder.audit(Arc::<EventFile>::clone(&recording.file));
        }
        if let Some(seed) = args.deterministic {
            builder = builder.deterministic(seed);
        }
        Ok(builder.build()?)
    }

    fn describe(&mut self, builder: SandboxBuilder) -> anyhow::Result<SandboxBuilder> {
        let mut builder =
            builder.cwd(&self.cwd).limits(self.limits.clone()).audit_level(self.policy.audit.level);
        builder = builder.network(self.policy.network.mode);
        for mount in self.mounts.drain(..) {
            builder = builder.mount(mount);
        }
        for rule in self.policy.rules(&self.points())? {
            builder = builder.rule(rule);
        }
        if let Some(tools) = &self.policy.tools {
            builder = builder.only_programs(tools.allow.iter().cloned());
        }
        Ok(builder)
    }
}

fn spec(mount: &MountPolicy) -> anyhow::Result<MountSpec> {
    let mode = match mount.mode {
        MountMode::Cow => Mode::CopyOnWrite,
        MountMode::Ro => Mode::ReadOnly,
        MountMode::Rw => Mode::ReadWrite,
    };
    let guest = super::mounts::guest_path(&mount.path).map_err(anyhow::Error::msg)?;
    Ok(MountSpec { guest, host: mount.from.clone(), mode })
}

/// Makes a sandbox in which a policy is in force and nothing runs; returns its first mount too.
pub(in crate::cli) async fn sandbox_for(
    session: &Session,
    policy: &Path,
) -> anyhow::Result<(Sandbox, String)> {
    let args = RunArgs { policy: Some(policy.to_owned()), ..RunArgs::default() };
    let mut plan = Plan::new(session, &args)?;
    let (engine, image) = session.image(None).await?;
    let sandbox = plan.sandbox(&args, &engine, &image, None)?;
    Ok((sandbox, plan.cwd))
}
