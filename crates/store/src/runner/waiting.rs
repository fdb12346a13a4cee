//! Waiting for a person, the machine with the job: contract section 10.4, with the clock and the answer in the database.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::{Attempt, shape};
use crate::seal::SealError;
use crate::{Error, Result, hitl};

/// The answer to the request to wait for a person.
#[derive(Debug, PartialEq, Eq)]
pub enum Pause {
    /// The job waits; nobody answers after `patience`, and then it fails by itself. Ask [`Attempt::resolution`] meanwhile.
    Waiting {
        /// How long from now.
        patience: Duration,
        /// How long the job may still work once it goes on: waiting does not count.
        remaining: Duration,
    },
    /// The attempt is over, for this reason: stop at once.
    Stop(String),
}

/// What a person answered, as far as it is known.
#[derive(Debug, PartialEq, Eq)]
pub enum Resolution {
    /// Nothing yet.
    Waiting,
    /// This: go on.
    Answered(Answer),
    /// The attempt is over, for this reason: stop at once.
    Stop(String),
}

/// A person's answer.
#[derive(Debug, PartialEq, Eq)]
pub struct Answer {
    /// `manual`, `code_entry`, `credentials` or `skip`.
    pub kind: String,
    /// The code, or the user name and password, as the person sent them: `{code}` or `{username, password}`. Never to be logged.
    pub data: Option<Secret>,
    /// How long the job may work from now on, where the database says so.
    pub remaining: Option<Duration>,
}

/// JSON that is not shown.
#[derive(PartialEq, Eq)]
pub struct Secret(pub Value);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[REDACTED]")
    }
}

#[derive(Deserialize)]
struct Reply {
    ok: bool,
    #[serde(default)]
    waiting: bool,
    reason: Option<String>,
    pause_seconds: Option<u64>,
    remaining_seconds: Option<u64>,
    id: Option<Uuid>,
    #[serde(rename = "type")]
    kind: Option<String>,
    sealed: Option<String>,
}

impl Attempt {
    /// Lets the job wait for a person; `interaction` is described at `gh_attempt_pause` in the migrations.
    ///
    /// Heartbeats go on meanwhile. Asking the same again is harmless.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn pause(&self, interaction: &Value) -> Result<Pause> {
        let query = sqlx::query_scalar("select gh_attempt_pause($1, $2, $3, $4)");
        let reply: Reply = shape(
            "gh_attempt_pause",
            self.guarded_with(query, |query| query.bind(interaction.clone())).await?,
        )?;
        let seconds = |seconds: Option<u64>| Duration::from_secs(seconds.unwrap_or_default());
        Ok(if reply.ok {
            Pause::Waiting {
                patience: seconds(reply.pause_seconds),
                remaining: seconds(reply.remaining_seconds),
            }
        } else {
            Pause::Stop(reply.reason.unwrap_or_default())
        })
    }

    /// What was answered to the last [`Attempt::pause`]; asking again is harmless.
    ///
    /// # Errors
    /// When the database cannot be reached, or the answer was not sealed for this attempt.
    pub async fn resolution(&self) -> Result<Resolution> {
        let query = sqlx::query_scalar("select gh_attempt_resolution($1, $2, $3)");
        let reply: Reply = shape("gh_attempt_resolution", self.guarded(query).await?)?;
        if !reply.ok {
            return Ok(Resolution::Stop(reply.reason.unwrap_or_default()));
        } else if reply.waiting {
            return Ok(Resolution::Waiting);
        }
        let data = match (&reply.sealed, reply.id) {
            (Some(sealed), Some(id)) => Some(self.open(sealed, id)?),
            _ => None,
        };
        Ok(Resolution::Answered(Answer {
            kind: reply.kind.unwrap_or_else(|| "manual".to_owned()),
            data,
            remaining: reply.remaining_seconds.map(Duration::from_secs),
        }))
    }

    /// Opens an answer with this attempt's token.
    fn open(&self, sealed: &str, id: Uuid) -> Result<Secret> {
        let bytes = STANDARD.decode(sealed).map_err(|_| SealError::Format)?;
        let opened = hitl::sealer_of(&self.token)?.open(&hitl::belongs_to(id), &bytes)?;
        let answer = serde_json::from_slice(&opened);
        Ok(Secret(answer.map_err(|source| Error::Shape { what: "a person's answer", source })?))
    }
}
