//! What a runner may say to the database: the `gh_attempt_*` functions, nothing else.
//!
//! Safe behind a transaction-mode pooler: every call is one unnamed statement in its own transaction
//! (measured with PgBouncer 1.18: named or autocommitted statements fail there). The connection is closed
//! after a while without a call, so that a runner that waits for a page holds none.

mod manuals;
mod waiting;

use std::time::Duration;

use domain::id::AttemptId;
use domain::job::JobStatus;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::postgres::{PgArguments, PgConnectOptions};
use sqlx::query::QueryScalar;
use sqlx::{ConnectOptions, Connection, PgConnection, Postgres};
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::{Error, Result, db};

pub use waiting::{Answer, Pause, Resolution, Secret};

/// No call takes longer; a heartbeat that does is repeated.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);
/// A connection that was not used for this long is not used again.
const IDLE: Duration = Duration::from_secs(10);

/// The job as its runner sees it.
#[derive(Clone, Debug, Deserialize)]
#[expect(missing_docs, reason = "the names are the contract's columns")]
pub struct Job {
    pub id: Uuid,
    pub user_id: Uuid,
    pub job_type: String,
    pub target_url: String,
    pub task_description: String,
    pub input_data: Value,
    pub metadata: Value,
    pub resume_ref: Option<Value>,
    pub execution_mode: Option<String>,
    pub timeout_seconds: i32,
    pub traceparent: Option<String>,
}

/// What a started attempt works with.
#[derive(Clone, Debug, Deserialize)]
pub struct Assignment {
    /// Proves in every later call that this attempt still holds its job.
    pub fence: i64,
    /// Counts from 1.
    pub attempt_no: i32,
    /// How often to call [`Attempt::heartbeat`].
    pub heartbeat_seconds: u64,
    /// How long the job may still take.
    pub remaining_seconds: u64,
    /// The tier whose machine this is.
    pub tier: String,
    /// The model of the tier, by alias.
    pub model: Option<String>,
    /// What the job may spend on models.
    pub budget_micros: Option<i64>,
    /// The job.
    pub job: Job,
}

/// The answer to the first call.
#[derive(Debug)]
pub enum Start {
    /// The job is this runner's.
    Started(Box<Assignment>),
    /// It is not, for this reason; exit without doing anything.
    Refused(String),
}

/// The answer to a heartbeat.
#[derive(Debug, PartialEq, Eq)]
pub enum Beat {
    /// Go on; the job may take this much longer.
    Continue(Duration),
    /// The job is no longer this runner's, for this reason: stop at once.
    Stop(String),
}

/// The answer to the request for a permit.
#[derive(Debug, PartialEq, Eq)]
pub enum Permit {
    /// Do it, now and once.
    Granted,
    /// Do not do it, for this reason.
    Refused(String),
}

/// The answer to the last call.
#[derive(Debug, PartialEq, Eq)]
pub enum Finish {
    /// Recorded; the job is now in this status.
    Recorded(JobStatus),
    /// The attempt was over already, for this reason.
    TooLate(String),
}

/// Tokens of one model call. `cached` is not within `input`, `reasoning` not within `output`.
#[derive(Clone, Debug, Default, Serialize)]
#[expect(missing_docs, reason = "said above")]
pub struct Call {
    pub request_id: String,
    pub provider: String,
    pub model: String,
    pub purpose: String,
    pub input: u64,
    pub cached: u64,
    pub output: u64,
    pub reasoning: u64,
}

#[derive(Deserialize)]
struct Reply {
    #[serde(default)]
    ok: bool,
    #[serde(default)]
    granted: bool,
    #[serde(default)]
    returned: bool,
    reason: Option<String>,
    remaining_seconds: Option<u64>,
    status: Option<JobStatus>,
}

/// Which attempt a machine of the pool was given; `None`: none, or the token is not its token.
///
/// # Errors
/// When `url` is no Postgres address, or the database cannot be reached.
pub async fn pool_attempt(
    url: &SecretString,
    machine: Uuid,
    token: &SecretString,
) -> Result<Option<AttemptId>> {
    let options = db::options(url, "ghosthands-runner")?.statement_cache_capacity(0);
    let work = async {
        let mut connection = options.connect().await?;
        let mut transaction = connection.begin().await?;
        let attempt: Option<AttemptId> = sqlx::query_scalar("select gh_pool_attempt($1, $2)")
            .bind(machine)
            .bind(token.expose_secret())
            .persistent(false)
            .fetch_one(&mut *transaction)
            .await?;
        transaction.commit().await?;
        connection.close().await?;
        Ok(attempt)
    };
    timeout(CALL_TIMEOUT, work).await.map_err(|_| timed_out())?
}

/// The attempt this process works for.
pub struct Attempt {
    id: AttemptId,
    token: SecretString,
    fence: i64,
    options: PgConnectOptions,
    connection: Mutex<Option<(PgConnection, Instant)>>,
}

impl Attempt {
    /// Prepares the calls; nothing is sent yet.
    ///
    /// # Errors
    /// When `url` is not a Postgres address.
    pub fn new(url: &SecretString, id: AttemptId, token: SecretString) -> Result<Self> {
        let options = db::options(url, "ghosthands-runner")?.statement_cache_capacity(0);
        Ok(Self { id, token, fence: 0, options, connection: Mutex::new(None) })
    }

    /// A second handle with a connection of its own, for the heartbeat's thread.
    #[must_use]
    pub fn twin(&self) -> Self {
        Self {
            id: self.id,
            token: self.token.clone(),
            fence: self.fence,
            options: self.options.clone(),
            connection: Mutex::new(None),
        }
    }

    /// The attempt's id.
    pub fn id(&self) -> AttemptId {
        self.id
    }

    /// Takes the job, or is refused. Repeating it with the same `boot` is harmless.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn start(&mut self, boot: Uuid, machine: &str) -> Result<Start> {
        let query = sqlx::query_scalar("select gh_attempt_start($1, $2, $3, $4)")
            .bind(self.id)
            .bind(self.token.expose_secret())
            .bind(boot)
            .bind(machine);
        let reply = self.call(query).await?;
        if reply["ok"] != Value::Bool(true) {
            return Ok(Start::Refused(reply["reason"].as_str().unwrap_or("no reason given").to_owned()));
        }
        let assignment: Assignment = shape("gh_attempt_start", reply)?;
        self.fence = assignment.fence;
        Ok(Start::Started(Box::new(assignment)))
    }

    /// Says that this runner lives.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn heartbeat(&self) -> Result<Beat> {
        let query = sqlx::query_scalar("select gh_attempt_heartbeat($1, $2, $3)");
        let reply: Reply = shape("gh_attempt_heartbeat", self.guarded(query).await?)?;
        Ok(if reply.ok {
            Beat::Continue(Duration::from_secs(reply.remaining_seconds.unwrap_or_default()))
        } else {
            Beat::Stop(reply.reason.unwrap_or_default())
        })
    }

    /// Moves what the user sees; `false` when the attempt is over.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn progress(&self, progress: &Value) -> Result<bool> {
        let query = sqlx::query_scalar("select to_jsonb(gh_attempt_progress($1, $2, $3, $4))");
        Ok(self.guarded_with(query, |query| query.bind(progress.clone())).await? == Value::Bool(true))
    }

    /// Records what happened; `false` when the attempt is over.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn event(&self, kind: &str, message: Option<&str>, metadata: &Value) -> Result<bool> {
        let query = sqlx::query_scalar("select to_jsonb(gh_attempt_event($1, $2, $3, $4, $5, $6))");
        let reply = self
            .guarded_with(query, |query| {
                query.bind(kind.to_owned()).bind(message.map(ToOwned::to_owned)).bind(metadata.clone())
            })
            .await?;
        Ok(reply == Value::Bool(true))
    }

    /// Puts a model call in the ledger, once per request id; also after the attempt has ended.
    ///
    /// # Errors
    /// When the database cannot be reached.
    pub async fn usage(&self, call: &Call) -> Result<bool> {
        let query = sqlx::query_scalar("select to_jsonb(gh_attempt_usage($1, $2, $3, $4))");
        let call = sqlx::types::Json(call.clone());
        Ok(self.guarded_with(query, |query| query.bind(call.clone())).await? == Value::Bool(true))
    }

    /// Asks for the leave to do `effect`, the one thing that cannot be undone.
    ///
    /// # Errors
    /// When the database cannot be reached: then it is not granted.
    pub async fn permit(&self, effect: &str) -> Result<Permit> {
        let query = sqlx::query_scalar("select gh_attempt_permit($1, $2, $3, $4)");
        let reply: Reply = shape(
            "gh_attempt_permit",
            self.guarded_with(query, |query| query.bind(effect.to_owned())).await?,
        )?;
        Ok(if reply.granted { Permit::Granted } else { Permit::Refused(reply.reason.unwrap_or_default()) })
    }

    /// Gives a permit back; `evidence` holds the `reason` that proves that `effect` was not done. `false`: it stays given.
    ///
    /// # Errors
    /// When the database cannot be reached: then nobody knows whether it was taken back. Repeating the call is harmless.
    pub async fn return_permit(&self, effect: &str, evidence: &Value) -> Result<bool> {
        let query = sqlx::query_scalar("select gh_attempt_permit_return($1, $2, $3, $4, $5)");
        let call =
            self.guarded_with(query, |query| query.bind(effect.to_owned()).bind(evidence.clone())).await?;
        let reply: Reply = shape("gh_attempt_permit_return", call)?;
        Ok(reply.returned)
    }

    /// Ends the attempt; `result` is described at `gh_attempt_finish` in the migrations.
    ///
    /// # Errors
    /// When the database cannot be reached; repeating the call is harmless.
    pub async fn finish(&self, result: &Value) -> Result<Finish> {
        let query = sqlx::query_scalar("select gh_attempt_finish($1, $2, $3, $4)");
        let reply: Reply =
            shape("gh_attempt_finish", self.guarded_with(query, |query| query.bind(result.clone())).await?)?;
        Ok(match (reply.ok, reply.status) {
            (true, Some(status)) => Finish::Recorded(status),
            _ => Finish::TooLate(reply.reason.unwrap_or_default()),
        })
    }

    async fn guarded(&self, query: QueryScalar<'static, Postgres, Value, PgArguments>) -> Result<Value> {
        self.guarded_with(query, |query| query).await
    }

    /// Binds attempt, fence and token, then whatever `bind` adds.
    async fn guarded_with(
        &self,
        query: QueryScalar<'static, Postgres, Value, PgArguments>,
        bind: impl FnOnce(
            QueryScalar<'static, Postgres, Value, PgArguments>,
        ) -> QueryScalar<'static, Postgres, Value, PgArguments>,
    ) -> Result<Value> {
        let token = self.token.expose_secret().to_owned();
        self.call(bind(query.bind(self.id).bind(self.fence).bind(token))).await
    }

    async fn call(&self, query: QueryScalar<'_, Postgres, Value, PgArguments>) -> Result<Value> {
        let mut slot = self.connection.lock().await;
        let mut connection = match slot.take() {
            Some((connection, used)) if used.elapsed() < IDLE => connection,
            _ => timeout(CALL_TIMEOUT, self.options.connect()).await.map_err(|_| timed_out())??,
        };
        let work = async {
            let mut transaction = connection.begin().await?;
            let reply = query.persistent(false).fetch_one(&mut *transaction).await?;
            transaction.commit().await?;
            Ok::<_, Error>(reply)
        };
        // A connection on which something went wrong is dropped, not kept.
        let reply = timeout(CALL_TIMEOUT, work).await.map_err(|_| timed_out())??;
        *slot = Some((connection, Instant::now()));
        Ok(reply)
    }
}

fn timed_out() -> Error {
    Error::Unavailable(sqlx::Error::PoolTimedOut)
}

fn shape<T: serde::de::DeserializeOwned>(what: &'static str, value: Value) -> Result<T> {
    serde_json::from_value(value).map_err(|source| Error::Shape { what, source })
}
