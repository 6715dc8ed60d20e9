//! Plays the script of a persona: a model that says the next step, in the loop of real agents.

use playpen::{
    agent::{AgentBudget, AgentRole, AgentRun, AgentTask, WORKSPACE, open_sandbox, run_agent},
    context::Context,
    model::{
        ChatModel, ChatRequest, ChatResponse, FinishReason, Message, ModelError, Purpose, ToolCall,
        Usage,
    },
    progress::{Progress, ProgressSink},
};
use playpen_runtime::Tree;
use serde_json::json;
use std::{
    collections::BTreeSet,
    pin::Pin,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use super::persona::{Persona, Stage, Step};

/// What an agent left.
#[derive(Debug)]
pub struct Played {
    /// All its files.
    pub tree: Tree,
    /// How it went.
    pub run: AgentRun,
    /// Calls of tools that did not do what was asked: in a script that is meant to, a mistake.
    pub failed: Vec<String>,
}

/// Notes the calls that fail.
#[derive(Debug, Default)]
struct Notes(Mutex<Vec<String>>);

impl ProgressSink for Notes {
    fn event(&self, event: &Progress) {
        if let Progress::ToolCalled { tool, summary, ok: false, .. } = event {
            let mut notes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            notes.push(format!("{tool}: {summary}"));
        }
    }
}

/// Lets the persona work on `tree`.
///
/// # Errors
///
/// Fails if the sandbox cannot be made.
pub async fn play(ctx: &Context, persona: &Persona, tree: &Tree) -> anyhow::Result<Played> {
    let role = role(persona.stage);
    let there: BTreeSet<String> = tests_in(tree);
    let mut policy = role.policy();
    if persona.stage == Stage::TestWriter {
        policy = policy.freeze(there.iter().map(String::as_str));
    }
    let sandbox = open_sandbox(ctx, tree.clone(), &policy, None)?;
    let model = Script { steps: persona.steps.clone(), has_end: has_end(persona) };
    let task = AgentTask {
        role,
        stage: role.name().to_owned(),
        task: None,
        attempt: 1,
        system_prompt: "You play a part.".to_owned(),
        user_prompt: persona.name.clone(),
        model_name: "script".to_owned(),
        temperature: None,
        max_tokens: None,
        seed: None,
    };
    let budget = AgentBudget {
        steps: u32::try_from(persona.steps.len()).unwrap_or(u32::MAX).saturating_add(1),
        tokens: u64::MAX,
        wall: Duration::from_mins(30),
        tool_wall: Duration::from_secs(persona.tool_s),
        observation_chars: 16_000,
    };
    let notes = Notes::default();
    let run = run_agent(&model, task, &sandbox, &budget, &notes).await;
    let tree = sandbox.tree(WORKSPACE).unwrap_or_else(|| tree.clone());
    let failed = notes.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    Ok(Played { tree, run, failed })
}

/// Returns the files below `tests/`, which a test writer may read and not write.
pub fn tests_in(tree: &Tree) -> BTreeSet<String> {
    let paths = tree.walk().into_iter().map(|entry| entry.path);
    paths.filter(|path| path.starts_with("tests/")).collect()
}

/// Returns the role of an agent at a stage.
pub fn role(stage: Stage) -> AgentRole {
    match stage {
        Stage::TestWriter => AgentRole::TestWriter,
        Stage::Implementer => AgentRole::Implementer,
        Stage::BugInjector => AgentRole::BugInjector,
        Stage::Solver => AgentRole::Solver,
        Stage::Reproducer => AgentRole::Reproducer,
        Stage::LibraryWriter => AgentRole::LibraryWriter,
    }
}

fn has_end(persona: &Persona) -> bool {
    persona.steps.iter().any(|step| matches!(step, Step::Finish(_)))
}

/// A model that says one step after the other.
#[derive(Debug)]
struct Script {
    steps: Vec<Step>,
    has_end: bool,
}

impl ChatModel for Script {
    fn chat<'a>(
        &'a self,
        purpose: &'a Purpose,
        _request: &'a ChatRequest,
    ) -> Pin<Box<dyn Future<Output = Result<ChatResponse, ModelError>> + Send + 'a>> {
        let step = self.steps.get(purpose.turn as usize - 1);
        let message = match step {
            Some(step) => Message::assistant_calls(None, vec![call(step, purpose.turn)]),
            None if self.has_end => Message::assistant("I am done."),
            None => Message::assistant("I do not know how to go on."),
        };
        let response = ChatResponse {
            message,
            reasoning: None,
            finish_reason: FinishReason::Stop,
            usage: Usage::default(),
            model: "script".to_owned(),
        };
        Box::pin(async move { Ok(response) })
    }
}

/// Returns a step as the call of a tool.
fn call(step: &Step, turn: u32) -> ToolCall {
    let (name, arguments) = match step {
        Step::Bash(command) => ("bash", json!({ "command": command })),
        Step::Write { path, text } => {
            ("edit", json!({ "command": "create", "path": path, "file_text": text }))
        }
        Step::Replace { path, old, new } => (
            "edit",
            json!({"command": "str_replace", "path": path, "old_str": old, "new_str": new}),
        ),
        Step::Delete(paths) => ("bash", json!({ "command": format!("rm -rf -- {paths}") })),
        Step::Tests(paths) => ("run_tests", json!({ "paths": paths })),
        Step::Finish(message) => ("finish", json!({ "message": message })),
    };
    ToolCall { id: format!("call_{turn}"), name: name.to_owned(), arguments: arguments.to_string() }
}
