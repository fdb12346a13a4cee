//! Stopping a job and starting it again, as its user asks.
//!
//! One statement each: it locks the row, changes it only from a status that allows it, and says which status it found.

use chrono::{DateTime, Utc};
use domain::id::JobId;
use domain::job::JobStatus;

use super::Scope;
use crate::{Db, Result};

/// What became of a cancel.
#[derive(Debug, PartialEq, Eq)]
pub enum Cancellation {
    /// Cancelled, at this time.
    Cancelled(DateTime<Utc>),
    /// Its status does not allow it.
    Refused(JobStatus),
    /// There is no such job in this scope.
    NotFound,
}

/// What became of a retry.
#[derive(Debug, PartialEq, Eq)]
pub enum Retry {
    /// Pending again; the number of retries so far.
    Pending(i32),
    /// Its status does not allow it.
    Refused(JobStatus),
    /// Its form may have been sent, by itself or by another job of its application: the permit to submit is given once.
    Sent(JobStatus),
    /// There is no such job in this scope.
    NotFound,
}

/// Cancels a job that is not final, and tells whoever listens on `gh_job_cancel_<id>`.
///
/// A trigger of the table retires the live attempt, so its runner can write nothing any more.
///
/// # Errors
/// When the database cannot be reached.
pub async fn cancel(db: &Db, scope: Scope, id: JobId) -> Result<Cancellation> {
    let found: Option<(JobStatus, Option<DateTime<Utc>>, Option<String>)> = sqlx::query_as(
        "with job as (
            select id, status from gh_automation_jobs
            where id = $1 and ($2::uuid is null or user_id = $2)
            for update
        ), done as (
            update gh_automation_jobs j
            set status = 'cancelled', status_message = 'Cancelled by user', completed_at = now()
            from job
            where j.id = job.id
                and job.status in ('pending', 'queued', 'running', 'paused', 'needs_human', 'awaiting_review')
            returning j.completed_at
        )
        select job.status, done.completed_at,
            case when done.completed_at is not null
                then pg_notify('gh_job_cancel_' || job.id, 'cancelled')::text end as told
        from job left join done on true",
    )
    .bind(id)
    .bind(scope.user())
    .fetch_optional(&db.pool)
    .await?;
    Ok(match found {
        Some((_, Some(at), _)) => Cancellation::Cancelled(at),
        Some((status, None, _)) => Cancellation::Refused(status),
        None => Cancellation::NotFound,
    })
}

/// Makes a failed, cancelled or waiting job pending again, as if it had never been tried, but for the count.
///
/// # Errors
/// When the database cannot be reached.
pub async fn retry(db: &Db, scope: Scope, id: JobId) -> Result<Retry> {
    let found: Option<(JobStatus, bool, Option<i32>)> = sqlx::query_as(
        "with job as (
            select id, status, exists (select 1 from gh_permits p where p.job_id = gh_automation_jobs.id)
                or gh_application_sent(id) is not null as sent
            from gh_automation_jobs
            where id = $1 and ($2::uuid is null or user_id = $2)
            for update
        ), done as (
            update gh_automation_jobs j
            set status = 'pending', retry_count = j.retry_count + 1, worker_id = null, status_message = null,
                error_code = null, error_details = null, started_at = null, completed_at = null,
                last_heartbeat = null, scheduled_at = null, interaction_type = null, interaction_data = null,
                paused_at = null, placement_failures = 0, crash_count = 0
            from job
            where j.id = job.id and job.status in ('failed', 'cancelled', 'needs_human') and not job.sent
            returning j.retry_count
        )
        select job.status, job.sent, done.retry_count from job left join done on true",
    )
    .bind(id)
    .bind(scope.user())
    .fetch_optional(&db.pool)
    .await?;
    Ok(match found {
        Some((_, _, Some(count))) => Retry::Pending(count),
        Some((status @ (JobStatus::Failed | JobStatus::Cancelled | JobStatus::NeedsHuman), true, None)) => {
            Retry::Sent(status)
        }
        Some((status, _, None)) => Retry::Refused(status),
        None => Retry::NotFound,
    })
}
