//! A client for OpenAI-compatible endpoints.
//!
//! One request is up to `1 + max_retries` HTTP requests, each with a time limit of its own, all of
//! them within one deadline. What an endpoint sends is not trusted: a body is read up to a limit,
//! redirects are not followed (they would carry the key along), and an error's text is cut and cleared
//! of the key before anybody sees it.

use super::{
    ChatModel, ChatRequest, ChatResponse, ModelError, Purpose, RetryPolicy, Secret, retry,
    wire::{self, WireError},
};
use bytes::{Bytes, BytesMut};
use futures_util::{FutureExt as _, future::BoxFuture};
use jiff::Timestamp;
use reqwest::{
    Client, ClientBuilder, Response, StatusCode, Url,
    header::{self, HeaderMap, HeaderName, HeaderValue},
    redirect,
};
use serde_json::Value;
use std::{fmt, net::IpAddr, sync::Arc, time::Duration};
use thiserror::Error;
use tokio::time::Instant;

/// The most bytes of an answer that are read by default. An answer of a model is some kilobytes; one
/// that never ends must not fill the memory.
const DEFAULT_MAX_RESPONSE_BYTES: usize = 32 << 20;
/// The most characters of an endpoint's text that go into an error.
const EXCERPT_CHARS: usize = 300;
/// Where chat completions live below a base address.
const CHAT_PATH: [&str; 2] = ["chat", "completions"];

/// What a client needs to know.
#[derive(Clone)]
pub struct ClientConfig {
    /// The endpoint's base address, for example `https://api.openai.com/v1`.
    pub base_url: String,
    /// The key, sent as a bearer token. Local servers need none.
    pub api_key: Option<Secret>,
    /// How long one HTTP request may take, body included.
    pub timeout: Duration,
    /// How long all attempts and the waits between them may take.
    pub deadline: Duration,
    /// When and how often to try again.
    pub retry: RetryPolicy,
    /// The seed of the jitter in the waits.
    pub jitter_seed: u64,
    /// The most bytes of an answer that are read.
    pub max_response_bytes: usize,
    /// What the endpoint calls the token limit.
    pub token_limit_field: TokenLimitField,
    /// The clock that dates in `Retry-After` are compared with, where a response has no date.
    pub clock: fn() -> Timestamp,
}

impl ClientConfig {
    /// Creates a configuration with these defaults: 5 minutes an attempt and 30 minutes in all, 6
    /// retries (2 of them for malformed answers) with waits from 1 to 60 seconds, jitter from seed 0,
    /// answers up to 32 MiB, the field `max_tokens`, the system's clock.
    pub fn new(base_url: impl Into<String>, api_key: Option<Secret>) -> Self {
        Self {
            base_url: base_url.into(),
            api_key,
            timeout: Duration::from_mins(5),
            deadline: Duration::from_mins(30),
            retry: RetryPolicy {
                max_retries: 6,
                max_malformed_retries: 2,
                min_delay: Duration::from_secs(1),
                max_delay: Duration::from_mins(1),
            },
            jitter_seed: 0,
            max_response_bytes: DEFAULT_MAX_RESPONSE_BYTES,
            token_limit_field: TokenLimitField::MaxTokens,
            clock: Timestamp::now,
        }
    }
}

impl fmt::Debug for ClientConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let base_url = self.base_url.split('?').next().map(redact_user).unwrap_or_default();
        f.debug_struct("ClientConfig")
            .field("base_url", &base_url)
            .field("timeout", &self.timeout)
            .field("deadline", &self.deadline)
            .field("retry", &self.retry)
            .finish_non_exhaustive()
    }
}

/// What an endpoint calls the limit on an answer's tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenLimitField {
    /// `max_tokens`: what nearly every endpoint understands.
    MaxTokens,
    /// `max_completion_tokens`: what OpenAI's own reasoning models insist on.
    MaxCompletionTokens,
}

/// Why [`OpenAiClient::new`] refused a configuration.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ClientError {
    /// The base address is not an address.
    #[error("the base address `{base_url}` is not an `http` or `https` address")]
    BaseUrl {
        /// The address, without user name and password.
        base_url: String,
    },

    /// The key holds characters that no header may hold.
    #[error("the API key holds a line break or another character that cannot be sent")]
    ApiKey,

    /// TLS cannot be set up, most often because the system has no root certificates.
    #[error("failed to set up the HTTP client for `{base_url}`")]
    Http {
        /// The address, without user name and password.
        base_url: String,
        /// Why not.
        #[source]
        source: reqwest::Error,
    },
}

impl ClientError {
    /// Returns advice on what to do, one line each.
    pub fn hints(&self) -> Vec<&'static str> {
        match self {
            Self::BaseUrl { .. } => {
                vec!["set `OPENAI_BASE_URL`, for example to `https://api.openai.com/v1`"]
            }
            Self::ApiKey => vec!["check the key in `OPENAI_API_KEY`"],
            Self::Http { .. } => vec!["install the system's root certificates (`ca-certificates`)"],
        }
    }
}

/// A client for one OpenAI-compatible endpoint. Cloning shares its connections.
#[derive(Clone)]
pub struct OpenAiClient {
    http: Client,
    endpoint: Url,
    /// The endpoint as it may be shown.
    shown: String,
    config: Arc<ClientConfig>,
}

impl fmt::Debug for OpenAiClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenAiClient").field("endpoint", &self.shown).finish_non_exhaustive()
    }
}

impl OpenAiClient {
    /// Creates a client. Nothing is sent yet.
    ///
    /// Proxies of the environment (`HTTPS_PROXY` and others) are honored, except towards this
    /// machine itself.
    ///
    /// # Errors
    ///
    /// Returns a [`ClientError`] if the address or the key cannot be used.
    pub fn new(config: ClientConfig) -> Result<Self, ClientError> {
        let endpoint = chat_endpoint(&config.base_url)?;
        let shown = shown_url(&endpoint);
        let http = builder(&endpoint)
            .default_headers(default_headers(config.api_key.as_ref())?)
            .build()
            .map_err(|source| ClientError::Http { base_url: shown.clone(), source })?;
        Ok(Self { http, endpoint, shown, config: Arc::new(config) })
    }

    async fn chat_with_retries(
        &self,
        purpose: &Purpose,
        request: &ChatRequest,
    ) -> Result<ChatResponse, ModelError> {
        let body = Bytes::from(self.encode(request).to_string());
        let started = Instant::now();
        let mut schedule = self.config.retry.schedule(self.jitter_seed(purpose));
        for n_attempts in 1_u32.. {
            let time_left = self.config.deadline.saturating_sub(started.elapsed());
            let error = match self.attempt(purpose, body.clone(), time_left).await {
                Ok(response) => return Ok(response),
                Err(error) => error,
            };
            let time_left = self.config.deadline.saturating_sub(started.elapsed());
            let Some(delay) = schedule.next_delay(&error, time_left) else {
                return Err(self.final_error(error, n_attempts));
            };
            tracing::debug!(%error, n_attempts, ?delay, stage = purpose.stage, "asking again");
            tokio::time::sleep(delay).await;
        }
        unreachable!("the schedule ends before the counter does")
    }

    fn final_error(&self, error: ModelError, n_attempts: u32) -> ModelError {
        if n_attempts == 1 || !error.is_retryable() {
            return error;
        }
        ModelError::GaveUp { url: self.shown.clone(), n_attempts, last: Box::new(error) }
    }

    /// Sends one request and reads its answer, within one attempt's time.
    async fn attempt(
        &self,
        purpose: &Purpose,
        body: Bytes,
        time_left: Duration,
    ) -> Result<ChatResponse, ModelError> {
        let limit = self.config.timeout.min(time_left);
        match tokio::time::timeout(limit, self.exchange(purpose, body)).await {
            Ok(result) => result,
            Err(_elapsed) => Err(ModelError::Timeout { url: self.shown.clone(), after: limit }),
        }
    }

    async fn exchange(&self, purpose: &Purpose, body: Bytes) -> Result<ChatResponse, ModelError> {
        let response = self
            .http
            .post(self.endpoint.clone())
            .headers(purpose_headers(purpose))
            .body(body)
            .send()
            .await
            .map_err(|error| self.transport_error(error))?;
        let status = response.status();
        let retry_after = retry::retry_after(response.headers(), (self.config.clock)());
        let body = self.read_body(response).await?;
        if !status.is_success() {
            return Err(self.status_error(status, &body, retry_after));
        }
        wire::decode_body(&body, purpose.turn).map_err(|error| self.malformed(error, &body))
    }

    async fn read_body(&self, mut response: Response) -> Result<Bytes, ModelError> {
        let limit_bytes = self.config.max_response_bytes;
        let mut body = BytesMut::new();
        while let Some(chunk) =
            response.chunk().await.map_err(|error| self.transport_error(error))?
        {
            if body.len() + chunk.len() > limit_bytes {
                return Err(ModelError::TooLarge { url: self.shown.clone(), limit_bytes });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body.freeze())
    }

    fn encode(&self, request: &ChatRequest) -> Value {
        let mut body = wire::encode_request(request);
        if self.config.token_limit_field == TokenLimitField::MaxCompletionTokens
            && let Some(fields) = body.as_object_mut()
            && let Some(limit) = fields.remove(wire::MAX_TOKENS)
        {
            fields.insert("max_completion_tokens".to_owned(), limit);
        }
        body
    }

    /// Derives the seed of a request's jitter from who asks.
    pub(super) fn jitter_seed(&self, purpose: &Purpose) -> u64 {
        let hash = blake3::hash(format!("{purpose:?}").as_bytes());
        let (first_bytes, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
        self.config.jitter_seed ^ u64::from_le_bytes(*first_bytes)
    }

    fn transport_error(&self, error: reqwest::Error) -> ModelError {
        let url = self.shown.clone();
        let error = error.without_url();
        if error.is_timeout() {
            ModelError::Timeout { url, after: self.config.timeout }
        } else if error.is_connect() {
            ModelError::Connect { url, source: Arc::new(error) }
        } else {
            ModelError::CutStream { url, source: Arc::new(error) }
        }
    }

    fn malformed(&self, error: WireError, body: &[u8]) -> ModelError {
        match error {
            WireError::Reported { status: Some(status @ 400..=599), message } => {
                let status = StatusCode::from_u16(status).expect("400 to 599 are statuses");
                self.classify(status, None, &message, None)
            }
            error => ModelError::Malformed {
                url: self.shown.clone(),
                reason: self.clean(&error.to_string()),
                excerpt: self.clean(&String::from_utf8_lossy(body)),
            },
        }
    }

    fn status_error(
        &self,
        status: StatusCode,
        body: &[u8],
        retry_after: Option<Duration>,
    ) -> ModelError {
        let json: Option<Value> = serde_json::from_slice(body).ok();
        let message = json
            .as_ref()
            .and_then(wire::error_message)
            .unwrap_or_else(|| String::from_utf8_lossy(body).into_owned());
        let code = json.as_ref().and_then(wire::error_code);
        self.classify(status, code, &message, retry_after)
    }

    fn classify(
        &self,
        status: StatusCode,
        code: Option<&str>,
        message: &str,
        retry_after: Option<Duration>,
    ) -> ModelError {
        let url = self.shown.clone();
        let message = match self.clean(message) {
            cleaned if cleaned.is_empty() => "it gave no reason".to_owned(),
            cleaned => cleaned,
        };
        match status.as_u16() {
            status @ (401 | 403) => ModelError::Unauthorized { url, status, message },
            404 => ModelError::NotFound { url, message },
            400 | 413 | 422 if is_context_length(code, &message) => {
                ModelError::ContextLength { url, message }
            }
            429 if code == Some("insufficient_quota") => {
                ModelError::QuotaExhausted { url, message }
            }
            429 => ModelError::RateLimited { url, message, retry_after },
            status @ (408 | 500..=599) => ModelError::Server { url, status, message, retry_after },
            status => ModelError::Refused { url, status, message },
        }
    }

    /// Cuts an endpoint's text and removes the key from it, and what would confuse a terminal.
    fn clean(&self, text: &str) -> String {
        let text = match &self.config.api_key {
            Some(key) => key.redact_in(text),
            None => text.to_owned(),
        };
        let printable = |c: char| if c.is_control() { ' ' } else { c };
        text.trim().chars().map(printable).take(EXCERPT_CHARS).collect()
    }
}

impl ChatModel for OpenAiClient {
    fn chat<'a>(
        &'a self,
        purpose: &'a Purpose,
        request: &'a ChatRequest,
    ) -> BoxFuture<'a, Result<ChatResponse, ModelError>> {
        self.chat_with_retries(purpose, request).boxed()
    }
}

/// Returns the address of chat completions below `base_url`, which may name it already.
fn chat_endpoint(base_url: &str) -> Result<Url, ClientError> {
    let bad = || ClientError::BaseUrl { base_url: redact_user(base_url) };
    let mut url = Url::parse(base_url.trim()).map_err(|_| bad())?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(bad());
    }
    url.set_fragment(None);
    if !url.path().trim_end_matches('/').ends_with("/chat/completions") {
        url.path_segments_mut().map_err(|()| bad())?.pop_if_empty().extend(CHAT_PATH);
    }
    Ok(url)
}

/// Returns `url` without what may be secret in it.
fn shown_url(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    // Addresses with a host, and there are no others here, can always be changed so.
    url.set_username("").and_then(|()| url.set_password(None)).ok();
    url.to_string()
}

/// Removes what stands before an `@` in something that may not even be an address.
fn redact_user(base_url: &str) -> String {
    match base_url.rsplit_once('@') {
        Some((_, rest)) => format!("[redacted]@{rest}"),
        None => base_url.to_owned(),
    }
}

fn builder(endpoint: &Url) -> ClientBuilder {
    // A second call finds the provider in place, which is as good.
    rustls::crypto::ring::default_provider().install_default().ok();
    let mut builder = Client::builder()
        .redirect(redirect::Policy::none())
        .connect_timeout(Duration::from_secs(30))
        .user_agent(concat!("playpen/", env!("CARGO_PKG_VERSION")));
    if is_loopback(endpoint) {
        builder = builder.no_proxy();
    }
    if endpoint.scheme() == "http" {
        // No TLS can happen, so a system without root certificates is no obstacle.
        builder = builder.tls_certs_only([]);
    }
    builder
}

fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    host == "localhost"
        || host
            .trim_matches(['[', ']'])
            .parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn default_headers(api_key: Option<&Secret>) -> Result<HeaderMap, ClientError> {
    let mut headers = HeaderMap::new();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
    if let Some(key) = api_key.filter(|key| !key.expose().is_empty()) {
        let mut value = HeaderValue::from_str(&format!("Bearer {}", key.expose()))
            .map_err(|_| ClientError::ApiKey)?;
        value.set_sensitive(true);
        headers.insert(header::AUTHORIZATION, value);
    }
    Ok(headers)
}

/// Returns the headers that say who asks. A value that no header can hold is left out.
fn purpose_headers(purpose: &Purpose) -> HeaderMap {
    let fields = [
        ("x-playpen-stage", Some(purpose.stage.clone())),
        ("x-playpen-task", purpose.task.clone()),
        ("x-playpen-turn", Some(purpose.turn.to_string())),
        ("x-playpen-attempt", Some(purpose.attempt.to_string())),
    ];
    fields
        .into_iter()
        .filter_map(|(name, value)| {
            Some((HeaderName::from_static(name), HeaderValue::from_str(&value?).ok()?))
        })
        .collect()
}

/// Whether an endpoint's refusal says that the conversation is too long. Servers agree on neither
/// status nor code, so the text counts too.
fn is_context_length(code: Option<&str>, message: &str) -> bool {
    let message = message.to_lowercase();
    code == Some("context_length_exceeded")
        || ["context length", "context window", "prompt is too long", "too many tokens"]
            .iter()
            .any(|phrase| message.contains(phrase))
}
