//! People answering a job that waits for one (human in the loop).

use domain::id::{AttemptId, JobId};
use domain::job::JobStatus;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::jobs::{Document, Scope};
use crate::seal::Sealer;
use crate::{Db, Result, token};

/// What a person answered.
#[derive(Debug)]
pub struct Answer<'a> {
    /// `manual`, `code_entry`, `credentials` or `skip`.
    pub resolution_type: &'a str,
    /// `human` or `system`.
    pub resolved_by: &'a str,
    /// What the job's user reads.
    pub notes: &'a str,
    /// JSON with a code or a password, for the waiting runner's eyes only.
    pub data: Option<&'a str>,
}

/// What became of an answer.
#[derive(Debug, PartialEq, Eq)]
pub enum Resumed {
    /// The job goes on, in this status; also when it already did.
    Going(JobStatus),
    /// It does not wait, it is in this status.
    Refused(JobStatus),
    /// Its machine is gone and its form may have been sent, so that no other can do it; it is in this status.
    Sent(JobStatus),
    /// Another machine waits now than when the answer was sealed: try again.
    Changed,
    /// The answer has data, and no key is configured to hand it over.
    NoKey,
    /// There is no such job in this scope.
    NotFound,
}

/// The keys by which a resolution is sealed for one attempt: only who has the attempt's token can open it.
///
/// # Errors
/// Never in practice: the digest is a key.
pub fn sealer_of(token: &SecretString) -> Result<Sealer> {
    let mut digest = Sha256::new();
    digest.update(b"gh-resolution:");
    digest.update(token.expose_secret().as_bytes());
    let hex = digest.finalize().iter().fold(String::with_capacity(64), |mut hex, byte| {
        hex.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
        hex.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
        hex
    });
    Ok(Sealer::new(0, &SecretString::from(hex))?)
}

/// What a sealed resolution is bound to.
pub fn belongs_to(resolution: Uuid) -> Vec<u8> {
    format!("gh_job_resolutions:{resolution}").into_bytes()
}

/// Lets a waiting job go on: on its machine if that still waits, else by another try.
///
/// Sending the same answer again is harmless, and a job that has ended stays as it is.
///
/// # Errors
/// When the database cannot be reached, or the attempt's token was sealed with a key that is not here.
pub async fn resume(
    db: &Db,
    scope: Scope,
    job: JobId,
    answer: &Answer<'_>,
    keys: Option<&Sealer>,
) -> Result<Resumed> {
    let id = Uuid::now_v7();
    let (attempt, sealed) = match (answer.data, waiting(db, scope, job).await?) {
        (Some(data), Some(attempt)) => {
            let Some(keys) = keys else { return Ok(Resumed::NoKey) };
            let token = runners_token(db, attempt, keys).await?;
            let sealed = sealer_of(&token)?.seal(&belongs_to(id), data.as_bytes())?;
            (Some(attempt), Some(sealed))
        }
        (_, attempt) => (attempt, None),
    };
    let reply: Option<sqlx::types::Json<Reply>> =
        sqlx::query_scalar("select gh_resume_job($1, $2, $3, $4, $5, $6, $7, $8)")
            .bind(job)
            .bind(scope.user())
            .bind(id)
            .bind(attempt)
            .bind(answer.resolution_type)
            .bind(answer.resolved_by)
            .bind(answer.notes)
            .bind(sealed)
            .fetch_one(&db.pool)
            .await?;
    Ok(match reply.map(|reply| reply.0) {
        None => Resumed::NotFound,
        Some(Reply { status: Some(status), .. }) => Resumed::Going(status),
        Some(Reply { refused: Some(status), sent: true, .. }) => Resumed::Sent(status),
        Some(Reply { refused: Some(status), .. }) => Resumed::Refused(status),
        Some(_) => Resumed::Changed,
    })
}

#[derive(Deserialize)]
struct Reply {
    status: Option<JobStatus>,
    refused: Option<JobStatus>,
    #[serde(default)]
    sent: bool,
}

/// The attempt whose machine waits with the job, if one does.
async fn waiting(db: &Db, scope: Scope, job: JobId) -> Result<Option<AttemptId>> {
    let attempt = sqlx::query_scalar(
        "select a.id from gh_job_attempts a join gh_automation_jobs j on j.id = a.job_id
        where j.id = $1 and ($2::uuid is null or j.user_id = $2)
            and j.status in ('paused', 'awaiting_review') and a.state in ('claimed', 'launching', 'running')",
    )
    .bind(job)
    .bind(scope.user())
    .fetch_optional(&db.pool)
    .await?;
    Ok(attempt)
}

/// The token the attempt's runner holds: its own, or that of the pool machine it was given to.
async fn runners_token(db: &Db, attempt: AttemptId, keys: &Sealer) -> Result<SecretString> {
    let (owner, sealed): (Uuid, Vec<u8>) = sqlx::query_as(
        "select coalesce(m.id, a.id), coalesce(m.token_sealed, a.token_sealed)
        from gh_job_attempts a
        left join gh_machines m on m.attempt_id = a.id and m.kind = 'pool' and m.token_hash = a.token_hash
        where a.id = $1",
    )
    .bind(attempt)
    .fetch_one(&db.pool)
    .await?;
    token::open(keys, owner, &sealed)
}

/// What a waiting job asks of a person, as a callback tells it; `None` when there is no such job.
///
/// # Errors
/// When the database cannot be reached.
pub async fn asked(db: &Db, job: JobId) -> Result<Option<Document>> {
    let asked =
        sqlx::query_scalar("select gh_callback_interaction(j) from gh_automation_jobs j where j.id = $1")
            .bind(job)
            .fetch_optional(&db.pool)
            .await?;
    Ok(asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_waiting_attempt_s_token_opens_an_answer() {
        let (id, token) = (Uuid::now_v7(), SecretString::from("token-of-the-attempt"));
        let sealed = sealer_of(&token).expect("a key").seal(&belongs_to(id), b"123456").expect("sealed");
        let open =
            |token: &SecretString, id| sealer_of(token).expect("a key").open(&belongs_to(id), &sealed).ok();
        assert_eq!(open(&token, id).as_deref(), Some(b"123456".as_slice()));
        assert_eq!(open(&SecretString::from("another"), id), None);
        assert_eq!(open(&token, Uuid::now_v7()), None);
    }
}
