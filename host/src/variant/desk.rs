//! What a variant works with: the model, agents, the verifier, and the records of a run.

use playpen_runtime::Tree;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeSet, path::PathBuf};

use super::{
    error::VariantError,
    instance::{CREATED_AT, Instance, Posed, RUN_VERSION, commit_of},
    prompts::{PromptFile, VariantPrompt},
    source::{Source, bare},
};
use crate::{
    agent::{AgentBudget, AgentRole, AgentRun, AgentStop, AgentTask, WritePolicy},
    attempt::{Attempted, Given, attempt},
    context::Context,
    model::{ChatRequest, Message, Purpose, Usage},
    progress::{Progress, ProgressSink},
    project::TaskNumber,
    record::{AttemptRecord, FORMAT_VERSION, StoredClaim, TreeStore, unified_diff},
    rollout::{git, prompts::ToolsPrompt},
    verify::{
        Verified, Verifier, VerifySettings,
        gate::{Gate, Reason, Verdict},
    },
};

/// How often an answer that cannot be read is asked for again.
const MAX_REPAIRS: u32 = 2;

/// How variants are worked on.
#[derive(Clone, Debug)]
pub struct VariantConfig {
    /// The model's name, as the endpoint knows it.
    pub model_name: String,
    /// The sampling temperature; the endpoint's default if absent.
    pub temperature: Option<f64>,
    /// The longest answer, in tokens; the endpoint's default if absent.
    pub max_tokens: Option<u32>,
    /// The seed of the sampling, for endpoints that honor one.
    pub seed: Option<u64>,
    /// What one attempt may spend.
    pub budget: AgentBudget,
    /// The tasks that are worked on; all if empty. A variant of the whole project is made all the same.
    pub tasks: BTreeSet<TaskNumber>,
    /// Bugs that are tried for one task.
    pub max_bugs: u32,
    /// Attempts at the solution of each.
    pub max_attempts: u32,
    /// How thoroughly claims are looked at.
    pub verify: VerifySettings,
}

/// What a variant works with.
#[derive(Debug)]
pub struct Desk<'a> {
    /// Engine, image, model and prompts.
    pub ctx: &'a Context,
    /// How to work.
    pub config: &'a VariantConfig,
    /// The run.
    pub source: &'a Source,
    /// Who looks on.
    pub events: &'a dyn ProgressSink,
    /// The variant's name.
    pub variant: &'static str,
}

/// What an agent is asked to do.
#[derive(Debug)]
pub struct Order<'a> {
    /// Who it is.
    pub role: AgentRole,
    /// What it works on: a task's number, or the name of the whole.
    pub item: &'a str,
    /// Which attempt this is, from 1.
    pub attempt: u32,
    /// What it is given.
    pub tree: &'a Tree,
    /// What it may write.
    pub policy: &'a WritePolicy,
    /// The template of its prompts.
    pub(crate) template: &'a str,
    /// What they are filled with.
    pub(crate) variables: VariantPrompt,
}

/// A task as a variant poses it.
#[derive(Clone, Copy, Debug)]
pub struct Statement<'a> {
    /// What it is made from: a task's number, or the name of the whole.
    pub item: &'a str,
    /// What an agent is given, committed.
    pub base: &'a Tree,
    /// The same with the solution.
    pub fixed: &'a Tree,
    /// The solution with all tests.
    pub good: &'a Tree,
    /// What an agent is told.
    pub problem: &'a str,
    /// Tests that fail with the base.
    pub fail_to_pass: &'a BTreeSet<String>,
    /// Tests that pass with the base.
    pub pass_to_pass: &'a BTreeSet<String>,
}

/// What an agent left, before it is judged.
#[derive(Debug)]
pub struct Left {
    /// All its files.
    pub result: Tree,
    run: AgentRun,
    record: AttemptRecord,
    item: String,
    role: AgentRole,
    attempt: u32,
}

impl Left {
    /// Returns whether the agent came to its end.
    pub fn is_finished(&self) -> bool {
        self.run.stop.is_finished()
    }
}

/// What `verdict.json` of an attempt at a variant holds.
#[derive(Debug, Serialize)]
struct AttemptVerdict<'a> {
    format_version: u32,
    variant: &'static str,
    task: &'a str,
    role: &'static str,
    attempt: u32,
    accepted: bool,
    stop: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    gates: Vec<Verdict>,
    /// Tests that pass now, and those that should: the score of the attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<Score>,
    usage: Usage,
    n_model_calls: u64,
    n_tool_calls: u64,
    n_denied: u64,
}

/// How much of what is wanted an attempt brought about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Score {
    /// Tests that pass.
    pub n_passed: usize,
    /// Tests that should.
    pub n_wanted: usize,
}

impl Desk<'_> {
    /// Returns the verifier.
    pub fn verifier(&self) -> Verifier {
        Verifier::new(self.ctx, self.config.verify)
    }

    /// Returns where the trees of verifications are kept.
    pub fn trees(&self) -> TreeStore {
        TreeStore::new(&self.source.folder)
    }

    /// Returns the folder of an item: `RUN/variants/VARIANT/ITEM`.
    pub fn folder(&self, item: &str) -> PathBuf {
        self.source.folder.join("variants").join(self.variant).join(item)
    }

    /// Returns the variables that every prompt has, with those of a task.
    pub(crate) fn variables(
        &self,
        task: Option<TaskNumber>,
    ) -> Result<VariantPrompt, VariantError> {
        let project = &self.source.project;
        let tools = ToolsPrompt::new(&self.config.budget);
        let mut variables = VariantPrompt {
            project_description: project.document.project_description.clone(),
            constraints: project.constraints.clone(),
            tools: self.ctx.prompts.render("agent/tools", &tools)?,
            ..VariantPrompt::default()
        };
        if let Some(number) = task {
            let task = self.source.task(number);
            variables.number = number.to_string();
            variables.title.clone_from(&task.title);
            variables.description.clone_from(&task.description);
            let ids = self.source.solved.iter().find(|(solved, _)| *solved == number);
            let paths: BTreeSet<&str> = ids
                .iter()
                .flat_map(|(_, ids)| ids.iter().filter_map(|id| id.split("::").next()))
                .collect();
            for path in paths {
                let data = project.tree.read(path)?;
                let text = String::from_utf8_lossy(&data).trim_end().to_owned();
                variables.test_files.push(PromptFile { path: path.to_owned(), text });
            }
        }
        Ok(variables)
    }

    /// Asks the model one question until `read` takes the answer; `None` if it never does.
    pub(crate) async fn ask<T>(
        &self,
        item: &str,
        attempt: u32,
        template: &str,
        variables: &VariantPrompt,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Result<T, String>, VariantError> {
        let prompts = &self.ctx.prompts;
        let mut messages = vec![
            Message::system(prompts.render(&format!("{template}.system"), variables)?),
            Message::user(prompts.render(&format!("{template}.user"), variables)?),
        ];
        let mut problem = String::new();
        for n_repairs in 0..=MAX_REPAIRS {
            let purpose = Purpose {
                stage: format!("{}.issue", self.variant),
                task: Some(item.to_owned()),
                turn: n_repairs + 1,
                attempt,
            };
            let request = ChatRequest {
                model: self.config.model_name.clone(),
                messages: messages.clone(),
                tools: vec![],
                temperature: self.config.temperature,
                max_tokens: self.config.max_tokens,
                seed: self.config.seed,
            };
            let response = self.ctx.model.chat(&purpose, &request).await?;
            let answer = response.message.content.unwrap_or_default();
            match read(&answer) {
                Ok(value) => return Ok(Ok(value)),
                Err(wrong) => problem = wrong,
            }
            let text = format!(
                "Your answer cannot be used: {problem}. Answer in the format that was asked for."
            );
            messages.extend([Message::assistant(answer), Message::user(text)]);
        }
        Ok(Err(problem))
    }

    /// Makes a tree a repository with one commit, so that no history leads to a solution.
    ///
    /// # Errors
    ///
    /// Fails if the host does.
    pub async fn committed(&self, tree: &Tree) -> Result<Tree, VariantError> {
        let message = format!("Import {}", self.source.project.name);
        Ok(git::commit(self.ctx, &bare(tree), &message, 0).await?)
    }

    /// Describes a task in the shape of SWE-bench.
    ///
    /// # Errors
    ///
    /// Fails if the base is no repository.
    pub fn posed(&self, said: &Statement<'_>) -> Result<Posed, VariantError> {
        let name = &self.source.project.name;
        let commit = commit_of(said.base)?;
        let list = |ids: &BTreeSet<String>| serde_json::to_string(ids).expect("texts are JSON");
        let (fixed, good) = (bare(said.fixed), bare(said.good));
        let instance = Instance {
            instance_id: format!("playpen__{name}-{}-{}", self.variant, said.item),
            repo: format!("playpen/{name}"),
            base_commit: commit.clone(),
            patch: unified_diff(&bare(said.base), &fixed),
            test_patch: unified_diff(&fixed, &good),
            problem_statement: said.problem.to_owned(),
            hints_text: String::new(),
            created_at: CREATED_AT.to_owned(),
            version: RUN_VERSION.to_owned(),
            fail_to_pass: list(said.fail_to_pass),
            pass_to_pass: list(said.pass_to_pass),
            environment_setup_commit: commit,
        };
        Ok(Posed { instance, base: said.base.clone(), reference: None })
    }

    /// Lets an agent work.
    ///
    /// # Errors
    ///
    /// Fails if the host does, or if a record cannot be written.
    pub async fn attempt(&self, order: Order<'_>) -> Result<Left, VariantError> {
        let stage = format!("{}.{}", self.variant, order.role.name());
        let folder =
            self.folder(order.item).join(format!("{}-{}", order.role.name(), order.attempt));
        let record = AttemptRecord::create(folder)?;
        self.events.event(&Progress::AttemptStarted {
            stage: stage.clone(),
            task: Some(order.item.to_owned()),
            attempt: order.attempt,
        });
        let prompts = &self.ctx.prompts;
        let task = AgentTask {
            role: order.role,
            stage,
            task: Some(order.item.to_owned()),
            attempt: order.attempt,
            system_prompt: prompts
                .render(&format!("{}.system", order.template), &order.variables)?,
            user_prompt: prompts.render(&format!("{}.user", order.template), &order.variables)?,
            model_name: self.config.model_name.clone(),
            temperature: self.config.temperature,
            max_tokens: self.config.max_tokens,
            seed: self.config.seed,
        };
        let given =
            Given { task, tree: order.tree, policy: order.policy, budget: &self.config.budget };
        let trees = self.trees();
        let Attempted { run, result, .. } =
            attempt(self.ctx, given, &record, &trees, self.events).await?;
        let item = order.item.to_owned();
        Ok(Left { result, run, record, item, role: order.role, attempt: order.attempt })
    }

    /// Writes the verdict on an attempt and returns why it is refused; empty if it is accepted.
    ///
    /// # Errors
    ///
    /// Fails if a record cannot be written, if the model could not be asked, or if the sandbox failed.
    pub fn close(
        &self,
        left: Left,
        judged: Option<(&StoredClaim, &Verified)>,
        score: Option<Score>,
    ) -> Result<Vec<Reason>, VariantError> {
        let Left { run, record, item, role, attempt, .. } = left;
        let stop = run.stop.name();
        let mut gates = vec![Verdict::new(
            Gate::Finished,
            if run.stop.is_finished() {
                vec![]
            } else {
                vec![Reason::NotFinished { stop: stop.to_owned() }]
            },
        )];
        if let Some((claim, verified)) = judged {
            gates.extend(verified.record.gates.iter().cloned());
            record.write_verification(claim, self.config.verify, verified)?;
        }
        let accepted =
            judged.is_some_and(|(_, verified)| verified.accepted()) && run.stop.is_finished();
        let reasons: Vec<Reason> =
            gates.iter().flat_map(|gate| gate.reasons.iter().cloned()).collect();
        let message = match &run.stop {
            AgentStop::Finished { message } => Some(message.as_str()),
            _ => None,
        };
        record.write_verdict(&AttemptVerdict {
            format_version: FORMAT_VERSION,
            variant: self.variant,
            task: &item,
            role: role.name(),
            attempt,
            accepted,
            stop,
            message,
            gates,
            score,
            usage: run.usage,
            n_model_calls: run.n_model_calls,
            n_tool_calls: run.n_tool_calls,
            n_denied: run.n_denied,
        })?;
        self.events.event(&Progress::AttemptFinished {
            stage: format!("{}.{}", self.variant, role.name()),
            task: Some(item),
            attempt,
            ok: accepted,
            summary: reasons.first().map(ToString::to_string).unwrap_or_default(),
        });
        match run.stop {
            AgentStop::ModelFailed(source) => Err(VariantError::Model(source)),
            AgentStop::SandboxFailed(source) => Err(VariantError::Run(source)),
            _ => Ok(reasons),
        }
    }
}
