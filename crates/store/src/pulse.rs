//! How the system does as a whole, in numbers that name nobody.

use chrono::{DateTime, Utc};
use domain::money::MicroUsd;

use crate::{Db, Result};

/// How many jobs are under way and how many ended, and of each how many should not look like that.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Pulse {
    /// Jobs in status `running`.
    pub running: i64,
    /// Of those, the ones whose last heartbeat is older than two minutes, which is when the reaper acts.
    pub stale: i64,
    /// Jobs that ended in the last hour, cancelled ones left out.
    pub ended: i64,
    /// Of those, the ones that failed because no model answered.
    pub without_model: i64,
}

/// Reads the pulse.
///
/// # Errors
/// When the database cannot be reached.
pub async fn read(db: &Db) -> Result<Pulse> {
    let pulse = sqlx::query_as(
        "select count(*) as running,
            count(*) filter (
                where coalesce(last_heartbeat, started_at, updated_at) < now() - interval '120 seconds'
            ) as stale,
            (select count(*) from gh_automation_jobs
             where status in ('completed', 'failed') and completed_at > now() - interval '1 hour') as ended,
            (select count(*) from gh_automation_jobs
             where status in ('completed', 'failed') and completed_at > now() - interval '1 hour'
                and error_code = 'model_unavailable') as without_model
        from gh_automation_jobs where status = 'running'",
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(pulse)
}

/// Everything ever done, and what waits now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Totals {
    /// Jobs asked for.
    pub created: i64,
    /// Jobs done.
    pub completed: i64,
    /// Jobs that failed for good.
    pub failed: i64,
    /// Tries beyond the first.
    pub retried: i64,
    /// How long the done ones took together.
    pub duration_ms: i64,
    /// Jobs under way.
    pub running: i64,
    /// Jobs nobody holds.
    pub waiting: i64,
    /// Since when the oldest of those that are due waits.
    pub waiting_since: Option<DateTime<Utc>>,
    /// How many jobs may have a machine at once.
    pub capacity: i64,
    /// Calls of models.
    pub llm_calls: i64,
    /// Tokens read by models.
    pub llm_input_tokens: i64,
    /// Tokens written by models.
    pub llm_output_tokens: i64,
    /// What models cost.
    pub llm_cost: MicroUsd,
    /// Of that, in the last hour.
    pub llm_cost_last_hour: MicroUsd,
}

/// Counts everything. Reads whole tables: callers keep the answer for a while.
///
/// # Errors
/// When the database cannot be reached, or the tables are too large to be counted in the time of a statement.
pub async fn totals(db: &Db) -> Result<Totals> {
    let totals = sqlx::query_as(
        "select jobs.*, llm.*,
            (select coalesce(sum(capacity), 0)::bigint from gh_capacity where not paused) as capacity
        from (
            select count(*) as created,
                count(*) filter (where status = 'completed') as completed,
                count(*) filter (where status = 'failed') as failed,
                coalesce(sum(retry_count), 0)::bigint as retried,
                coalesce(sum(extract(epoch from completed_at - started_at) * 1000)
                    filter (where status = 'completed'), 0)::bigint as duration_ms,
                count(*) filter (where status = 'running') as running,
                count(*) filter (where status in ('pending', 'queued') and worker_id is null) as waiting,
                min(coalesce(scheduled_at, created_at)) filter (
                    where status in ('pending', 'queued') and worker_id is null
                        and coalesce(scheduled_at, created_at) <= now()) as waiting_since
            from gh_automation_jobs
        ) jobs, (
            select count(*) filter (where sku like '%:input' and corrects is null) as llm_calls,
                coalesce(sum(quantity) filter (where sku like '%:input' or sku like '%:cached'), 0)::bigint
                    as llm_input_tokens,
                coalesce(sum(quantity) filter (where sku like '%:output' or sku like '%:reasoning'), 0)::bigint
                    as llm_output_tokens,
                coalesce(round(sum(cost_usd) * 1000000), 0)::bigint as llm_cost,
                coalesce(round(sum(cost_usd) filter (where at > now() - interval '1 hour') * 1000000), 0)::bigint
                    as llm_cost_last_hour
            from gh_cost_ledger where kind = 'llm'
        ) llm",
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(totals)
}

/// The last hour in the numbers that alerts are made of.
#[derive(Clone, Debug, Default, PartialEq, sqlx::FromRow)]
pub struct LastHour {
    /// Jobs that ended well.
    pub completed: i64,
    /// Jobs that ended otherwise, cancelled ones left out.
    pub failed: i64,
    /// How long 95 of 100 jobs took at most, in seconds.
    pub p95_seconds: Option<f64>,
    /// Jobs that spent more than half a dollar on models.
    pub costly: i64,
    /// The most frequent error.
    pub top_error: Option<String>,
    /// How often it came.
    pub top_error_count: i64,
    /// Running jobs without a sign of life for five minutes.
    pub stuck: i64,
    /// Jobs nobody holds, now.
    pub waiting: i64,
    /// Since when the oldest of those that are due waits.
    pub waiting_since: Option<DateTime<Utc>>,
    /// What models cost.
    pub llm_cost: MicroUsd,
}

/// Reads the last hour.
///
/// # Errors
/// When the database cannot be reached.
pub async fn last_hour(db: &Db) -> Result<LastHour> {
    let hour = sqlx::query_as(
        "with ended as materialized (
            select status, error_code, llm_cost_cents, extract(epoch from completed_at - started_at)::float8 as seconds
            from gh_automation_jobs
            where status in ('completed', 'failed') and completed_at > now() - interval '1 hour'
        ), top as (
            select error_code, count(*) as n from ended
            where status = 'failed' and error_code is not null group by 1 order by 2 desc, 1 limit 1
        ), line as materialized (
            select count(*) as waiting, min(coalesce(scheduled_at, created_at)) filter (
                where coalesce(scheduled_at, created_at) <= now()) as waiting_since
            from gh_automation_jobs where status in ('pending', 'queued') and worker_id is null
        )
        select
            (select count(*) from ended where status = 'completed') as completed,
            (select count(*) from ended where status = 'failed') as failed,
            (select percentile_cont(0.95) within group (order by seconds) from ended) as p95_seconds,
            (select count(*) from ended where llm_cost_cents > 50) as costly,
            (select error_code from top) as top_error,
            coalesce((select n from top), 0) as top_error_count,
            (select count(*) from gh_automation_jobs where status = 'running'
                and coalesce(last_heartbeat, started_at, updated_at) < now() - interval '5 minutes') as stuck,
            (select coalesce(round(sum(cost_usd) * 1000000), 0)::bigint from gh_cost_ledger
             where kind = 'llm' and at > now() - interval '1 hour') as llm_cost,
            line.waiting, line.waiting_since
        from line",
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(hour)
}
