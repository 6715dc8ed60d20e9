//! What tests of agents need: a model that follows a script, and the real sandbox.

use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use playpen_runtime::{Engine, EngineConfig, Image, Mount, Sandbox, Tree};
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};

use super::{AgentBudget, AgentRole, AgentTask, WORKSPACE};
use crate::{
    config::Environment,
    context::Context,
    model::{
        ChatModel, ChatRequest, ChatResponse, FinishReason, Message, ModelError, Purpose, ToolCall,
        Usage,
    },
    prompt::Prompts,
};

/// What a scripted model answers.
pub(crate) type Script = dyn Fn(&Purpose) -> Result<ChatResponse, ModelError> + Send + Sync;

/// A model that answers by a function, and keeps what it was asked.
pub(crate) struct ScriptedModel {
    script: Box<Script>,
    requests: Mutex<Vec<(Purpose, ChatRequest)>>,
}

impl std::fmt::Debug for ScriptedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ScriptedModel").finish_non_exhaustive()
    }
}

impl ScriptedModel {
    /// Makes a model that answers by `script`.
    pub(crate) fn new(
        script: impl Fn(&Purpose) -> Result<ChatResponse, ModelError> + Send + Sync + 'static,
    ) -> ScriptedModel {
        ScriptedModel { script: Box::new(script), requests: Mutex::default() }
    }

    /// Makes a model that gives `answers` one after the other, and then the last one again.
    pub(crate) fn answers(answers: Vec<ChatResponse>) -> ScriptedModel {
        ScriptedModel::new(move |purpose| {
            let idx = purpose.turn as usize - 1;
            Ok(answers[idx.min(answers.len() - 1)].clone())
        })
    }

    /// Returns what it was asked, with whom by.
    pub(crate) fn requests(&self) -> Vec<(Purpose, ChatRequest)> {
        self.requests.lock().clone()
    }
}

impl ChatModel for ScriptedModel {
    fn chat<'a>(
        &'a self,
        purpose: &'a Purpose,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        self.requests.lock().push((purpose.clone(), request.clone()));
        let answer = (self.script)(purpose);
        Box::pin(async move { answer })
    }
}

/// Makes an answer that calls tools, each a name and its arguments as JSON.
pub(crate) fn calls(calls: &[(&str, Value)]) -> ChatResponse {
    let texts: Vec<(&str, String)> =
        calls.iter().map(|(name, arguments)| (*name, arguments.to_string())).collect();
    raw_calls(&texts.iter().map(|(name, text)| (*name, text.as_str())).collect::<Vec<_>>())
}

/// Makes an answer that calls tools, each a name and its arguments as text.
pub(crate) fn raw_calls(calls: &[(&str, &str)]) -> ChatResponse {
    let call = |(call_idx, (name, arguments)): (usize, &(&str, &str))| ToolCall {
        id: format!("id_{call_idx}"),
        name: (*name).to_owned(),
        arguments: (*arguments).to_owned(),
    };
    let tool_calls = calls.iter().enumerate().map(call).collect();
    response(Message::assistant_calls(Some("I call tools.".to_owned()), tool_calls))
}

/// Makes an answer that calls no tool.
pub(crate) fn says(text: &str) -> ChatResponse {
    response(Message::assistant(text))
}

/// Makes a call of `bash`.
pub(crate) fn bash(command: &str) -> ChatResponse {
    calls(&[("bash", json!({ "command": command }))])
}

/// Makes a call of `finish`.
pub(crate) fn finish() -> ChatResponse {
    calls(&[("finish", json!({ "message": "done" }))])
}

fn response(message: Message) -> ChatResponse {
    ChatResponse {
        message,
        reasoning: None,
        finish_reason: FinishReason::Stop,
        usage: Usage { prompt_tokens: 10, completion_tokens: 5, cached_tokens: 0 },
        model: "scripted".to_owned(),
    }
}

/// Returns a task for an agent.
pub(crate) fn task(role: AgentRole) -> AgentTask {
    AgentTask {
        role,
        stage: role.name().to_owned(),
        task: Some("1.1.1".to_owned()),
        attempt: 1,
        system_prompt: "You are tested.".to_owned(),
        user_prompt: "Do it.".to_owned(),
        model_name: "scripted".to_owned(),
        temperature: None,
        max_tokens: None,
        seed: None,
    }
}

/// Returns a budget that a test does not meet by accident.
pub(crate) fn budget() -> AgentBudget {
    AgentBudget {
        steps: 30,
        tokens: 1_000_000,
        wall: Duration::from_mins(5),
        tool_wall: Duration::from_mins(1),
        observation_chars: 4000,
    }
}

/// Returns a sandbox without programs, for what the loop does by itself.
pub(crate) fn empty_sandbox() -> Sandbox {
    Sandbox::with_modules(engine(), vec![])
        .mount(Mount::tree(WORKSPACE, Tree::new()))
        .build()
        .unwrap()
}

/// Returns the context with the default image, or says why there is none.
///
/// The image is not built here: it takes minutes, and one test of many would pay for it.
pub(crate) fn context(model: Arc<dyn ChatModel>) -> Option<Context> {
    static IMAGE: OnceLock<Option<Image>> = OnceLock::new();
    let image = IMAGE.get_or_init(|| {
        let folder = home().join("images").join("default");
        if !folder.exists() {
            eprintln!("SKIPPED: there is no image at `{}`", folder.display());
            return None;
        }
        Some(Image::open(engine(), &folder).unwrap())
    });
    let context = Context {
        engine: engine().clone(),
        image: image.clone()?,
        model,
        prompts: Prompts::embedded(),
    };
    Some(context)
}

fn home() -> PathBuf {
    Environment::read().home(None).unwrap()
}

/// Returns the engine: one for the process, as for the program.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let cache_dir = Some(home().join("compiled"));
        Engine::new(EngineConfig { cache_dir, ..EngineConfig::default() }).unwrap()
    })
}
