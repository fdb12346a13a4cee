//! Where a job's trace begins, for those who tell of its way.

use chrono::{DateTime, Utc};
use domain::id::{AttemptId, JobId};

use crate::{Db, Result};

/// What an attempt's part of the trace hangs on.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Origin {
    /// The attempt's job.
    pub job_id: JobId,
    /// The trace its caller was in.
    pub traceparent: Option<String>,
    /// Which try it is, from 1.
    pub no: i32,
    /// Its tier.
    pub tier: String,
    /// When the job was asked for.
    pub created_at: DateTime<Utc>,
    /// When this attempt was made.
    pub claimed_at: DateTime<Utc>,
}

/// Where an attempt comes from; `None` when there is no such attempt.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_attempt(db: &Db, attempt: AttemptId) -> Result<Option<Origin>> {
    let origin = sqlx::query_as(
        "select a.job_id, j.traceparent, a.no, a.tier, j.created_at, a.claimed_at
         from gh_job_attempts a join gh_automation_jobs j on j.id = a.job_id where a.id = $1",
    )
    .bind(attempt)
    .fetch_optional(&db.pool)
    .await?;
    Ok(origin)
}

/// The trace a job's caller was in; `None` when there is none, or no such job.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_job(db: &Db, job: JobId) -> Result<Option<String>> {
    let traceparent: Option<Option<String>> =
        sqlx::query_scalar("select traceparent from gh_automation_jobs where id = $1")
            .bind(job)
            .fetch_optional(&db.pool)
            .await?;
    Ok(traceparent.flatten())
}
