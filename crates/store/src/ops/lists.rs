//! Jobs, attempts and machines as tables.

use chrono::{DateTime, Utc};
use domain::attempt::AttemptState;
use domain::id::{AttemptId, JobId, UserId};
use domain::job::JobStatus;
use domain::money::MicroUsd;
use serde::Serialize;

use crate::{Db, Result};

/// A job in a list.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names are the columns'")]
pub struct Job {
    pub id: JobId,
    pub status: JobStatus,
    pub tier: Option<String>,
    pub user_id: UserId,
    pub job_type: String,
    pub priority: i32,
    pub worker_id: Option<String>,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    /// Since it was asked for.
    pub age_seconds: i64,
    /// How many attempts it has had.
    pub attempts: i64,
    pub error_code: Option<String>,
    pub status_message: Option<String>,
}

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this status.
    pub status: Option<JobStatus>,
    /// Of this tier.
    pub tier: Option<String>,
    /// Of this user.
    pub user: Option<UserId>,
    /// At most this many.
    pub limit: i64,
}

/// Jobs, the newest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn jobs(db: &Db, filter: &Filter) -> Result<Vec<Job>> {
    let jobs = sqlx::query_as(
        "select j.id, j.status, j.tier, j.user_id, j.job_type, j.priority, j.worker_id, j.scheduled_at, j.created_at,
           extract(epoch from now() - j.created_at)::bigint as age_seconds,
           (select count(*) from gh_job_attempts a where a.job_id = j.id) as attempts, j.error_code, j.status_message
         from gh_automation_jobs j
         where ($1::varchar is null or j.status = $1) and ($2::text is null or j.tier = $2) and ($3::uuid is null or j.user_id = $3)
         order by j.created_at desc, j.id limit $4",
    )
    .bind(filter.status)
    .bind(&filter.tier)
    .bind(filter.user)
    .bind(filter.limit)
    .fetch_all(&db.pool)
    .await?;
    Ok(jobs)
}

/// An attempt of one job.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names are the columns'")]
pub struct Attempt {
    pub id: AttemptId,
    pub no: i32,
    pub state: AttemptState,
    pub end_class: Option<String>,
    pub error_code: Option<String>,
    pub error_message: Option<String>,
    pub tier: String,
    pub claimed_at: DateTime<Utc>,
    pub launched_at: Option<DateTime<Utc>>,
    pub started_at: Option<DateTime<Utc>>,
    pub ended_at: Option<DateTime<Utc>>,
    pub machine: Option<String>,
    pub fly_id: Option<String>,
    pub region: Option<String>,
    pub exit_code: Option<i32>,
    pub oom: Option<bool>,
    /// Whether it was given the permit to submit.
    pub permitted: bool,
    /// From claim to end, or to now.
    pub seconds: i64,
    /// What the ledger has of it, machine and models.
    pub cost_micros: MicroUsd,
}

/// The attempts of a job, the first first; `None` when there is no such job.
///
/// # Errors
/// When the database cannot be reached.
pub async fn attempts(db: &Db, job: JobId) -> Result<Option<Vec<Attempt>>> {
    let known: bool = sqlx::query_scalar("select exists (select 1 from gh_automation_jobs where id = $1)")
        .bind(job)
        .fetch_one(&db.pool)
        .await?;
    if !known {
        return Ok(None);
    }
    let attempts = sqlx::query_as(
        "select a.id, a.no, a.state, a.end_class, a.error_code, a.error_message, a.tier, a.claimed_at, a.launched_at,
           a.started_at, a.ended_at, m.name as machine, m.fly_id, m.region, m.exit_code, m.oom,
           exists (select 1 from gh_permits p where p.attempt_id = a.id and p.job_id = a.job_id) as permitted,
           extract(epoch from coalesce(a.ended_at, now()) - a.claimed_at)::bigint as seconds,
           (select round(coalesce(sum(l.cost_usd), 0) * 1000000)::bigint from gh_cost_ledger l
            where l.job_id = a.job_id and l.attempt_id = a.id) as cost_micros
         from gh_job_attempts a left join gh_machines m on m.attempt_id = a.id
         where a.job_id = $1 order by a.no",
    )
    .bind(job)
    .fetch_all(&db.pool)
    .await?;
    Ok(Some(attempts))
}

/// A machine that is still looked after.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names are the columns'")]
pub struct Machine {
    pub name: String,
    pub kind: String,
    pub tier: String,
    pub app: String,
    pub fly_id: Option<String>,
    pub region: Option<String>,
    pub regions: String,
    /// Fly's word for its state when it was last looked at.
    pub seen: Option<String>,
    pub seen_seconds: Option<i64>,
    pub outcome: Option<String>,
    pub posts: i32,
    pub attempt_id: Option<AttemptId>,
    pub attempt_state: Option<AttemptState>,
    pub job_id: Option<JobId>,
    /// Since its intent was written.
    pub age_seconds: i64,
    /// For how long it has been started.
    pub running_seconds: Option<i64>,
    /// What that costs; nothing is said while a price is missing.
    pub cost_micros: Option<MicroUsd>,
}

/// The machines that are not closed, the oldest first; only orphans, or all.
///
/// # Errors
/// When the database cannot be reached.
pub async fn machines(db: &Db, orphans: bool) -> Result<Vec<Machine>> {
    let machines = sqlx::query_as(
        "select m.name, m.kind, m.tier, m.app, m.fly_id, m.region, m.regions, m.seen,
           extract(epoch from now() - m.seen_at)::bigint as seen_seconds, m.outcome, m.posts,
           m.attempt_id, a.state as attempt_state, a.job_id, extract(epoch from now() - m.intent_at)::bigint as age_seconds,
           extract(epoch from coalesce(m.exited_at, now()) - m.started_at)::bigint as running_seconds,
           round(gh_guest_price(m.guest, m.region, m.started_at)
                 * extract(epoch from coalesce(m.exited_at, now()) - m.started_at) * 1000000)::bigint as cost_micros
         from gh_machines m left join gh_job_attempts a on a.id = m.attempt_id
         where m.closed_at is null and (not $1 or m.kind = 'orphan') order by m.intent_at",
    )
    .bind(orphans)
    .fetch_all(&db.pool)
    .await?;
    Ok(machines)
}
