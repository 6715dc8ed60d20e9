//! Which model is asked, and how: the flags that `propose` and `rollout` share.

use super::session::Session;
use crate::{
    context::Context,
    model::{ChatModel, ClientConfig, OpenAiClient, Recorder, Replayer},
    prompt::Prompts,
};
use std::{path::PathBuf, sync::Arc};

/// Flags about the model.
#[derive(Debug, clap::Args)]
#[command(next_help_heading = "Model")]
pub(super) struct ModelArgs {
    /// Model to ask, as the endpoint calls it [default: `$PLAYPEN_MODEL`]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,

    /// Sampling temperature [default: the endpoint's]
    #[arg(long, value_name = "T")]
    pub(super) temperature: Option<f64>,

    /// Longest answer, in tokens [default: the endpoint's]
    #[arg(long, value_name = "N")]
    pub(super) max_tokens: Option<u32>,

    /// How often a request that failed is sent again
    #[arg(long, value_name = "N", default_value_t = 6)]
    max_retries: u32,

    /// Keep every exchange with the model in this folder
    #[arg(long, value_name = "DIR")]
    record: Option<PathBuf>,

    /// Answer from exchanges that `--record` kept; no endpoint is asked
    #[arg(long, value_name = "DIR", conflicts_with = "record")]
    replay: Option<PathBuf>,

    /// Take templates of prompts from this folder where it has them
    #[arg(long, value_name = "DIR")]
    prompts: Option<PathBuf>,
}

impl ModelArgs {
    /// Returns the model's name.
    ///
    /// # Errors
    ///
    /// Fails if neither a flag nor the environment names one.
    pub(super) fn name(&self, session: &Session) -> anyhow::Result<String> {
        Ok(session.env.model(self.model.as_deref())?)
    }

    /// Returns what the stages of a pipeline need. What can be wrong is found before an image is built.
    pub(super) async fn context(&self, session: &Session) -> anyhow::Result<Context> {
        let model = self.connect(session)?;
        let prompts = match &self.prompts {
            Some(folder) => Prompts::from_dir(folder)?,
            None => Prompts::embedded(),
        };
        let (engine, image) = session.image(None).await?;
        Ok(Context { engine, image, model, prompts })
    }

    fn connect(&self, session: &Session) -> anyhow::Result<Arc<dyn ChatModel>> {
        if let Some(folder) = &self.replay {
            return Ok(Arc::new(Replayer::new(folder)?));
        }
        let client = OpenAiClient::new(self.client_config(session)?)?;
        Ok(match &self.record {
            Some(folder) => Arc::new(Recorder::new(client, folder)?),
            None => Arc::new(client),
        })
    }

    /// A key is optional only where an endpoint was named: servers on one's own machine need none.
    fn client_config(&self, session: &Session) -> anyhow::Result<ClientConfig> {
        let env = &session.env;
        let key =
            if env.base_url.is_some() { env.api_key.clone() } else { Some(env.api_key()?.clone()) };
        let mut config = ClientConfig::new(env.base_url(), key);
        config.retry.max_retries = self.max_retries;
        config.retry.max_malformed_retries =
            config.retry.max_malformed_retries.min(self.max_retries);
        Ok(config)
    }
}
