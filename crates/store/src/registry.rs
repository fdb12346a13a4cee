//! Workers as VALET reads them: the registry of long-lived ones, which the old system fills, and our machines at work.

use chrono::{DateTime, Utc};
use domain::id::JobId;
use serde::Serialize;

use crate::{Db, Result};

/// A worker as its readers know it.
#[derive(Debug, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the names are the contract's columns")]
pub struct Worker {
    pub worker_id: String,
    pub status: String,
    pub target_worker_id: Option<String>,
    pub ec2_instance_id: Option<String>,
    pub ec2_ip: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<uuid::Uuid>))]
    pub current_job_id: Option<JobId>,
    pub registered_at: DateTime<Utc>,
    pub last_heartbeat: DateTime<Utc>,
    pub jobs_completed: Option<i32>,
    pub jobs_failed: Option<i32>,
    /// For how long it has been registered.
    pub uptime_seconds: i64,
}

/// What a deregistration did.
#[derive(Debug, PartialEq, Eq)]
pub struct Deregistered {
    /// The workers that are offline now.
    pub workers: Vec<String>,
    /// The jobs that failed with them.
    pub jobs: Vec<JobId>,
}

/// Every worker, the newest first; a machine of ours is one for as long as it has a job.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: &Db) -> Result<Vec<Worker>> {
    let workers = sqlx::query_as(
        "select *, greatest(extract(epoch from now() - registered_at), 0)::bigint as uptime_seconds from (
            select worker_id, status, target_worker_id, ec2_instance_id, ec2_ip, current_job_id, registered_at,
                last_heartbeat, jobs_completed, jobs_failed
            from gh_worker_registry
            union all
            select 'gh-' || a.id, 'active', null, null, null, a.job_id, a.claimed_at,
                coalesce(h.beat_at, a.started_at, a.claimed_at), 0, 0
            from gh_job_attempts a left join gh_attempt_heartbeats h on h.attempt_id = a.id
            where a.state in ('claimed', 'launching', 'running')
        ) workers
        order by registered_at desc, worker_id limit 1000",
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(workers)
}

/// Takes the workers of a target out of service; with `cancel_jobs`, what they work on fails with `reason`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn deregister(db: &Db, target: &str, cancel_jobs: bool, reason: &str) -> Result<Deregistered> {
    let mut transaction = db.pool.begin().await?;
    let workers: Vec<String> = sqlx::query_scalar(
        "update gh_worker_registry set status = 'offline', current_job_id = null, updated_at = now()
        where target_worker_id = $1 returning worker_id",
    )
    .bind(target)
    .fetch_all(&mut *transaction)
    .await?;
    let jobs = if cancel_jobs && !workers.is_empty() {
        sqlx::query_scalar(
            "update gh_automation_jobs
            set status = 'failed', completed_at = now(), error_code = 'worker_deregistered',
                error_details = jsonb_build_object('message', $3::text), status_message = left($3, 500)
            where status in ('queued', 'running', 'paused') and (target_worker_id = $1 or worker_id = any($2))
            returning id",
        )
        .bind(target)
        .bind(&workers)
        .bind(reason)
        .fetch_all(&mut *transaction)
        .await?
    } else {
        Vec::new()
    };
    transaction.commit().await?;
    Ok(Deregistered { workers, jobs })
}
