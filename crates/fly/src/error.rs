//! Failures of a call, sorted by what the caller does next.

use std::time::Duration;

/// A call that failed, with Fly's request id where it answered at all.
#[derive(Debug, thiserror::Error)]
#[error("{call}: {message} (status {}, fly-request-id {})",
    .status.map_or_else(|| "none".to_owned(), |status| status.to_string()), .request_id.as_deref().unwrap_or("none"))]
pub struct Error {
    /// What to do next.
    pub next: Next,
    /// The call, as `create machine`.
    pub call: &'static str,
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Fly's `fly-request-id`, which its support asks for.
    pub request_id: Option<String>,
    /// What Fly said, or what went wrong on the way.
    pub message: String,
    /// The cause, when it was the connection.
    #[source]
    pub source: Option<reqwest::Error>,
}

/// What to do after a call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Next {
    /// The name is taken by this machine: read it, check that it is ours, and carry on with it.
    Adopt(String),
    /// It may have been done: look the machine up by name before anything else; only then repeat, with the same name.
    UnknownOutcome,
    /// Nothing was made, and this region has no room: the same name in the next region.
    NextRegion(Shortage),
    /// Nothing was made, and this host has no room: the same call again, which tries another host.
    SameRegionAgain,
    /// Nothing was done: the same call later, after `retry_after` where Fly says so.
    BackOff {
        /// How long Fly wants us to wait.
        retry_after: Option<Duration>,
    },
    /// Nothing was done, and no other job will fare better until somebody has seen to the cause.
    Breaker(Cause),
    /// Nothing was done, and repeating it would not help.
    Definite,
}

/// Why a region has no room.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shortage {
    /// The region is full.
    Capacity,
    /// The organisation has used up its quota there: somebody should ask Fly for more.
    Quota,
}

/// What stops every job alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The token is wrong, or not for this app.
    Auth,
    /// The organisation may not have more machines at all.
    Quota,
    /// The image does not exist.
    BadImage,
    /// Fly refuses the machine's configuration, its size for example.
    BadConfig,
    /// The app does not exist, or the address is not the API's.
    NoApp,
}

impl Error {
    /// Whether the machine may exist although the call failed.
    pub fn may_have_been_done(&self) -> bool {
        matches!(self.next, Next::UnknownOutcome | Next::Adopt(_))
    }
}
