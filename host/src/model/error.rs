//! Why a model gave no answer.
//!
//! A message names the endpoint and what was wrong; what to do about it is a hint, which the command
//! line prints on a line of its own. Sources are shared pointers so that an error can be kept in the
//! record of an attempt and reported as well.

use super::{CassetteError, RequestDigest};
use std::{error::Error as StdError, fmt, path::PathBuf, sync::Arc, time::Duration};
use thiserror::Error;

/// An error of the layer below, kept as a trait object so that HTTP types stay out of our interface.
type Source = Arc<dyn StdError + Send + Sync>;

/// Why [`ChatModel::chat`](super::ChatModel::chat) gave no answer.
#[derive(Clone, Debug, Error)]
#[non_exhaustive]
pub enum ModelError {
    /// The endpoint does not accept the key (401), or not for this model (403).
    #[error("`{url}` refused the key with status {status}: {message}")]
    Unauthorized {
        /// The endpoint.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the endpoint said.
        message: String,
    },

    /// The endpoint has no such path or model (404).
    #[error("`{url}` was not found: {message}")]
    NotFound {
        /// The endpoint.
        url: String,
        /// What the endpoint said.
        message: String,
    },

    /// The conversation is longer than the model can read.
    #[error("the conversation is too long for the model at `{url}`: {message}")]
    ContextLength {
        /// The endpoint.
        url: String,
        /// What the endpoint said.
        message: String,
    },

    /// The account has no money left; waiting does not help.
    #[error("the quota at `{url}` is used up: {message}")]
    QuotaExhausted {
        /// The endpoint.
        url: String,
        /// What the endpoint said.
        message: String,
    },

    /// The endpoint does not accept the request (another 4xx, or a redirect).
    #[error("`{url}` refused the request with status {status}: {message}")]
    Refused {
        /// The endpoint.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the endpoint said.
        message: String,
    },

    /// Too many requests (429).
    #[error("`{url}` limits the rate of requests: {message}")]
    RateLimited {
        /// The endpoint.
        url: String,
        /// What the endpoint said.
        message: String,
        /// How long the endpoint asks to wait.
        retry_after: Option<Duration>,
    },

    /// The endpoint failed (5xx, or 408).
    #[error("`{url}` failed with status {status}: {message}")]
    Server {
        /// The endpoint.
        url: String,
        /// The HTTP status.
        status: u16,
        /// What the endpoint said.
        message: String,
        /// How long the endpoint asks to wait.
        retry_after: Option<Duration>,
    },

    /// The endpoint took too long.
    #[error("`{url}` did not answer within {after:?}")]
    Timeout {
        /// The endpoint.
        url: String,
        /// How long one attempt may take.
        after: Duration,
    },

    /// No connection could be made.
    #[error("failed to connect to `{url}`")]
    Connect {
        /// The endpoint.
        url: String,
        /// Why not.
        #[source]
        source: Source,
    },

    /// The connection broke before the answer was complete.
    #[error("the answer of `{url}` was cut off")]
    CutStream {
        /// The endpoint.
        url: String,
        /// How it broke.
        #[source]
        source: Source,
    },

    /// The answer is not a chat completion.
    #[error("the answer of `{url}` is malformed: {reason}; it starts with `{excerpt}`")]
    Malformed {
        /// The endpoint.
        url: String,
        /// What is wrong, with the path in the JSON.
        reason: String,
        /// The first characters of the answer.
        excerpt: String,
    },

    /// The answer is longer than this program is willing to read.
    #[error("the answer of `{url}` is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The endpoint.
        url: String,
        /// The limit.
        limit_bytes: usize,
    },

    /// Every attempt failed.
    #[error("gave up on `{url}` after {n_attempts} attempts")]
    GaveUp {
        /// The endpoint.
        url: String,
        /// The number of requests sent.
        n_attempts: u32,
        /// The last attempt's error.
        #[source]
        last: Box<ModelError>,
    },

    /// The folder of recorded answers has none for this request.
    #[error("{0}")]
    ReplayMiss(Box<ReplayMiss>),

    /// No model is asked, and no recorded answer is left.
    #[error("no model is asked here, and no recorded answer is left")]
    NoAnswer,

    /// The folder of recorded answers cannot be read or written.
    #[error("failed to use the recorded answers")]
    Cassette(#[source] Arc<CassetteError>),
}

impl ModelError {
    /// Whether the same request may succeed later, without a change by anybody.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::RateLimited { .. }
            | Self::Server { .. }
            | Self::Timeout { .. }
            | Self::Connect { .. }
            | Self::CutStream { .. }
            | Self::Malformed { .. } => true,
            Self::GaveUp { last, .. } => last.is_retryable(),
            _ => false,
        }
    }

    /// Returns how long the endpoint asks to wait before the next request.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RateLimited { retry_after, .. } | Self::Server { retry_after, .. } => {
                *retry_after
            }
            Self::GaveUp { last, .. } => last.retry_after(),
            _ => None,
        }
    }

    /// Returns advice on what to do, one line each.
    pub fn hints(&self) -> Vec<&'static str> {
        match self {
            Self::Unauthorized { .. } => vec!["check the key in `OPENAI_API_KEY`"],
            Self::NotFound { .. } => vec![
                "check the address in `OPENAI_BASE_URL`: it usually ends in `/v1`",
                "check the name given with `--model`",
            ],
            Self::ContextLength { .. } => {
                vec!["use a model with a longer context, or lower the step or output budget"]
            }
            Self::QuotaExhausted { .. } => vec!["top up the account that `OPENAI_API_KEY` is for"],
            Self::Refused { message, .. } if message.contains("max_completion_tokens") => {
                vec!["this model wants `max_completion_tokens`: set it as the token limit field"]
            }
            Self::Refused { status: 300..=399, .. } => {
                vec!["the address has moved: set the new one in `OPENAI_BASE_URL`"]
            }
            Self::Refused { .. } => vec!["check the name given with `--model`"],
            Self::RateLimited { .. } => vec!["lower `--jobs`, or wait and resume the run"],
            Self::Server { .. } => vec!["the endpoint is in trouble: wait and resume the run"],
            Self::Timeout { .. } => vec!["raise the model's time limit, or use a faster model"],
            Self::Connect { .. } | Self::CutStream { .. } => {
                vec!["check the address in `OPENAI_BASE_URL` and the network"]
            }
            Self::Malformed { .. } => {
                vec!["check that `OPENAI_BASE_URL` is an OpenAI-compatible endpoint"]
            }
            Self::TooLarge { .. } => vec!["lower the token limit of the request"],
            Self::GaveUp { last, .. } => last.hints(),
            Self::ReplayMiss(_) => {
                vec!["record again with `--record` if prompts, tools or model changed on purpose"]
            }
            Self::NoAnswer => vec![],
            Self::Cassette(error) => error.hints(),
        }
    }
}

impl From<CassetteError> for ModelError {
    fn from(error: CassetteError) -> Self {
        Self::Cassette(Arc::new(error))
    }
}

/// A request that was never recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplayMiss {
    /// The digest of the request.
    pub digest: RequestDigest,
    /// The folder that was searched.
    pub folder: PathBuf,
    /// How many requests are recorded in it.
    pub n_records: usize,
    /// The nearest of them, if there is any.
    pub first_difference: Option<FirstDifference>,
}

/// Where the nearest recorded request first differs from the one that was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FirstDifference {
    /// The digest of the recorded request.
    pub nearest: RequestDigest,
    /// The place in the request's JSON, for example `messages[2].content`.
    pub path: String,
    /// What was recorded there.
    pub recorded: String,
    /// What the request has there.
    pub requested: String,
}

impl fmt::Display for ReplayMiss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { digest, folder, n_records, first_difference } = self;
        write!(f, "no recorded answer for request `{digest}` in `{}`", folder.display())?;
        match first_difference {
            None => f.write_str(", which holds no records"),
            Some(FirstDifference { nearest, path, recorded, requested }) => write!(
                f,
                "; the nearest of {n_records} records is `{nearest}`, and the first difference is at \
                 `{path}`:\n  recorded:  {recorded}\n  requested: {requested}"
            ),
        }
    }
}
