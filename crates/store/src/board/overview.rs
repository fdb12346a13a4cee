//! The state of everything in a few small queries; none reads the whole table of jobs.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::costs::Exact;
use crate::{Db, Result};

/// How many jobs of a tier are in a status.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Count {
    /// The tier.
    pub tier: String,
    /// The status.
    pub status: String,
    /// How many.
    pub jobs: i64,
    /// Since when the oldest is in line; only of those nobody holds.
    pub oldest: Option<DateTime<Utc>>,
}

/// The jobs that are not over, and those that ended in the last 24 hours.
///
/// # Errors
/// When the database cannot be reached.
pub async fn counts(db: &Db) -> Result<Vec<Count>> {
    let counts = sqlx::query_as(
        "select coalesce(tier, 'free') as tier, status, count(*) as jobs,
           min(coalesce(scheduled_at, created_at)) filter (where worker_id is null and coalesce(scheduled_at, created_at) <= now()) as oldest
         from gh_automation_jobs where status in ('pending', 'queued') group by 1, 2
         union all
         select coalesce(tier, 'free'), status, count(*), null from gh_automation_jobs where status = 'running' group by 1, 2
         union all
         select coalesce(tier, 'free'), status, count(*), null from gh_automation_jobs
         where status in ('paused', 'needs_human', 'awaiting_review') group by 1, 2
         union all
         select coalesce(tier, 'free'), status, count(*), null from gh_automation_jobs
         where status in ('completed', 'failed') and completed_at > now() - interval '24 hours' group by 1, 2",
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(counts)
}

/// Capacity, pending and live jobs of all tiers at one time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Moment {
    /// When.
    pub at: DateTime<Utc>,
    /// How many jobs may have a machine.
    pub capacity: i64,
    /// How many had one.
    pub live: i64,
    /// How many waited for one.
    pub pending: i64,
}

/// The last 24 hours in steps of ten minutes, from what really was: when jobs came, started and ended, and the scaling log.
///
/// # Errors
/// When the database cannot be reached.
pub async fn moments(db: &Db) -> Result<Vec<Moment>> {
    let moments = sqlx::query_as(
        "with step as (
           select generate_series(now() - interval '24 hours', now(), interval '10 minutes') as at
         ), tier as (
           select k.tier, k.capacity from gh_capacity k
         ), attempt as (
           select claimed_at, coalesce(ended_at, 'infinity') as ended_at, job_id from gh_job_attempts
           where ended_at > now() - interval '24 hours' or ended_at is null
         ), wait as (
           select greatest(j.created_at, j.scheduled_at) as since, coalesce(a.claimed_at, j.completed_at, 'infinity') as until
           from gh_automation_jobs j
           left join (select x.job_id, min(x.claimed_at) as claimed_at from gh_job_attempts x
                      where x.claimed_at > now() - interval '48 hours' group by 1) a on a.job_id = j.id
           where j.created_at > now() - interval '48 hours'
         ), edge as (
           select since as at, 1 as waits, 0 as lives from wait union all select until, -1, 0 from wait where until < 'infinity'
           union all select claimed_at, 0, 1 from attempt union all select ended_at, 0, -1 from attempt where ended_at < 'infinity'
         ), change as (
           select date_bin('10 minutes', at, now()) + interval '10 minutes' as at, sum(waits) as waits, sum(lives) as lives from edge group by 1
         )
         select s.at,
           (select coalesce(sum(coalesce((select l.capacity_to from gh_scale_log l where l.tier = t.tier and l.at <= s.at order by l.at desc limit 1),
                                         (select l.capacity_from from gh_scale_log l where l.tier = t.tier and l.at > s.at order by l.at limit 1),
                                         t.capacity)), 0)::bigint from tier t) as capacity,
           (select coalesce(sum(c.lives), 0)::bigint from change c where c.at <= s.at) as live,
           (select coalesce(sum(c.waits), 0)::bigint from change c where c.at <= s.at) as pending
         from step s order by s.at",
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(moments)
}

/// What was spent.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Spent {
    /// Since midnight, UTC.
    pub today_usd: Exact,
    /// In the day before.
    pub yesterday_usd: Exact,
    /// On the middle one of the seven days before today.
    pub usual_usd: Exact,
    /// Lines of the ledger without a price.
    pub unpriced: i64,
}

/// Reads what was spent today and yesterday.
///
/// # Errors
/// When the database cannot be reached.
pub async fn spent(db: &Db) -> Result<Spent> {
    let spent = sqlx::query_as(
        "with today as (select date_trunc('day', now() at time zone 'utc') at time zone 'utc' as start)
         select coalesce(sum(l.cost_usd) filter (where l.used_at >= t.start), 0) as today_usd,
           coalesce(sum(l.cost_usd) filter (where l.used_at < t.start), 0) as yesterday_usd,
           (select u.usual_usd from gh_cost_usual u) as usual_usd,
           (select count(*) from gh_cost_ledger n where n.unit_price is null and n.corrects is null
              and not exists (select 1 from gh_cost_ledger c where c.corrects = n.id)) as unpriced
         from today t left join gh_cost_ledger l on l.used_at >= t.start - interval '1 day'",
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(spent)
}

/// A budget and how full it is.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Budget {
    /// `user_month`, `tier_day` or `global_day`.
    pub scope: String,
    /// Whose.
    pub name: String,
    /// The user it is counted for.
    pub user_id: Option<Uuid>,
    /// `warn`, `defer` or `block`.
    pub action: String,
    /// The most, in dollars.
    pub limit_usd: Exact,
    /// Spent.
    pub spent_usd: Exact,
    /// Promised to attempts that are under way.
    pub reserved_usd: Exact,
    /// 0, 50, 80 or 100: the last of the marks that was passed.
    pub level: i32,
}

/// The budgets that have passed a mark, the fullest first; at most a hundred.
///
/// # Errors
/// When the database cannot be reached.
pub async fn budgets(db: &Db) -> Result<Vec<Budget>> {
    let budgets = sqlx::query_as(
        "select scope, name, user_id, action, limit_usd, spent_usd, reserved_usd, level from gh_cost_budgets
         where level > 0 order by used_ratio desc nulls first limit 100",
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(budgets)
}
