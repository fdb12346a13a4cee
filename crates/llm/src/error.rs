//! Why a call gave no answer, sorted by what the caller can do; and what it cost all the same.

use std::time::Duration;

use crate::Usage;

/// What a call without a usable answer cost.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Billed {
    /// The tokens.
    pub usage: Usage,
    /// The vendor's id of the call.
    pub request_id: Option<String>,
}

/// Why a call gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The name is in no catalogue.
    #[error("no model is called `{0}`")]
    UnknownModel(String),
    /// The key is not set.
    #[error("{0} is not set")]
    NoKey(String),
    /// The key is wrong or may not use this model.
    #[error("the provider refused the key (HTTP {0})")]
    Auth(u16),
    /// Too many requests, even after waiting; the provider said for how long.
    #[error("the provider is rate-limiting")]
    RateLimited(Option<Duration>),
    /// The provider fails, even after waiting.
    #[error("the provider failed (HTTP {0})")]
    Provider(u16),
    /// The provider says the request is wrong; another try would fail too.
    #[error("the provider rejected the request (HTTP {status}): {message}")]
    Rejected {
        /// The HTTP status.
        status: u16,
        /// The provider's words, shortened.
        message: String,
    },
    /// No answer in time.
    #[error("the provider did not answer in time")]
    Timeout,
    /// The provider cannot be reached.
    #[error("the provider could not be reached")]
    Network(#[source] reqwest::Error),
    /// The model would not answer.
    #[error("the model declined to answer")]
    Declined(Billed),
    /// The answer was longer than allowed.
    #[error("the answer was cut off")]
    Truncated(Billed),
    /// The answer is not JSON.
    #[error("the answer was not JSON")]
    Malformed(Billed),
}

impl Error {
    /// What has to be paid for although there is no answer.
    pub const fn billed(&self) -> Option<&Billed> {
        match self {
            Self::Declined(billed) | Self::Truncated(billed) | Self::Malformed(billed) => Some(billed),
            _ => None,
        }
    }
}
