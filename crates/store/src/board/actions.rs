//! What people change on the dashboard. Who did it stands in `gh_audit`, written by the same statement.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{Db, Result};

/// What is done to jobs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// End them.
    Cancel,
    /// Put those that ended badly back in line.
    Retry,
}

/// What came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Jobs that were changed.
    pub done: usize,
    /// Jobs whose status did not allow it, or that are not there.
    pub left: usize,
}

/// Does it to each of these jobs that allows it.
///
/// # Errors
/// When the database cannot be reached; then nothing was changed.
pub async fn act(db: &Db, actor: &str, action: Action, jobs: &[Uuid]) -> Result<Change> {
    // The same rules as of one job over REST (`crate::jobs`). The jobs are locked in one order, as everywhere.
    let statement = match action {
        Action::Cancel => {
            "with job as (
               select id, status from gh_automation_jobs where id = any($1) order by id for update
             ), done as (
               update gh_automation_jobs j set status = 'cancelled', status_message = 'Cancelled by operations', completed_at = now()
               from job where j.id = job.id and job.status in ('pending', 'queued', 'running', 'paused', 'needs_human', 'awaiting_review')
               returning j.id, job.status
             ), noted as (
               insert into gh_audit (actor, action, subject, detail)
               select $2, 'cancel', id::text, jsonb_build_object('from', status) from done
             )
             select done.id from done, lateral (select pg_notify('gh_job_cancel_' || done.id, 'cancelled')) told"
        }
        Action::Retry => {
            "with job as (
               select id, status from gh_automation_jobs where id = any($1) order by id for update
             ), done as (
               update gh_automation_jobs j set status = 'pending', retry_count = j.retry_count + 1, worker_id = null, status_message = null,
                 error_code = null, error_details = null, started_at = null, completed_at = null, last_heartbeat = null, scheduled_at = null,
                 interaction_type = null, interaction_data = null, paused_at = null, placement_failures = 0, crash_count = 0
               from job where j.id = job.id and job.status in ('failed', 'cancelled', 'needs_human') returning j.id, job.status
             ), noted as (
               insert into gh_audit (actor, action, subject, detail)
               select $2, 'retry', id::text, jsonb_build_object('from', status) from done
             )
             select id from done"
        }
    };
    let done: Vec<Uuid> = sqlx::query_scalar(statement).bind(jobs).bind(actor).fetch_all(&db.pool).await?;
    Ok(Change { done: done.len(), left: jobs.len().saturating_sub(done.len()) })
}

/// A change somebody made by hand.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Audit {
    /// When.
    pub at: DateTime<Utc>,
    /// Who.
    pub actor: String,
    /// What.
    pub action: String,
    /// To what.
    pub subject: Option<String>,
    /// How.
    pub detail: Value,
}

/// The last `most` changes, the latest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn audit(db: &Db, most: i64) -> Result<Vec<Audit>> {
    let changes =
        sqlx::query_as("select at, actor, action, subject, detail from gh_audit order by id desc limit $1")
            .bind(most)
            .fetch_all(&db.pool)
            .await?;
    Ok(changes)
}
