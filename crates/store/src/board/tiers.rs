//! Tiers as they are, what their machines cost, and machines that are gone.

use chrono::{DateTime, Utc};
use domain::id::JobId;
use domain::tier::Guest;
use sqlx::types::Json;

use crate::costs::Exact;
use crate::{Db, Result};

/// A tier now.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Load {
    /// Its name.
    pub tier: String,
    /// How many jobs may have a machine.
    pub capacity: i32,
    /// How many have one.
    pub live: i64,
    /// How many machines are kept ready.
    pub pool_target: i32,
    /// Whether nothing new starts.
    pub paused: bool,
}

/// Every tier a dispatcher has seen.
///
/// # Errors
/// When the database cannot be reached.
pub async fn loads(db: &Db) -> Result<Vec<Load>> {
    let loads = sqlx::query_as(
        "select k.tier, k.capacity, k.pool_target, k.paused,
           (select count(*) from gh_job_attempts a where a.tier = k.tier and a.state in ('claimed', 'launching', 'running')) as live
         from gh_capacity k order by k.tier",
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(loads)
}

/// Dollars for an hour of a guest in a region at today's prices; `None` while one is missing.
///
/// # Errors
/// When the database cannot be reached.
pub async fn price_per_hour(db: &Db, guest: &Guest, region: &str) -> Result<Option<Exact>> {
    let price = sqlx::query_scalar("select round(gh_guest_price($1, $2, now()) * 3600, 6)")
        .bind(Json(guest))
        .bind(region)
        .fetch_one(&db.pool)
        .await?;
    Ok(price)
}

/// A tier's last 30 days.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct LastMonth {
    /// Its name.
    pub tier: String,
    /// Jobs with machine time.
    pub jobs: i64,
    /// Of those, the completed.
    pub completed: i64,
    /// Hours of machines, to the hundredth.
    pub hours: Exact,
    /// What the machines cost.
    pub machine_usd: Exact,
    /// What models cost.
    pub llm_usd: Exact,
    /// The most memory a runner and its browser took, of attempts that said so.
    pub peak_rss_mb: Option<i32>,
    /// Attempts that ran out of memory or died.
    pub crashes: i64,
}

/// The last 30 days of every tier.
///
/// # Errors
/// When the database cannot be reached.
pub async fn last_month(db: &Db) -> Result<Vec<LastMonth>> {
    let months = sqlx::query_as(
        "with part as (
           select l.tier, l.job_id, l.job_id is not null and count(*) filter (where l.kind <> 'overhead') > 0 as is_own,
             sum(l.quantity) filter (where l.kind = 'machine') as seconds,
             sum(l.cost_usd) filter (where l.kind = 'machine') as machine, sum(l.cost_usd) filter (where l.kind = 'llm') as llm
           from gh_cost_ledger l where l.used_at > now() - interval '30 days' and l.tier is not null group by 1, 2
         ), spent as (
           select p.tier, count(*) filter (where p.is_own) as jobs, count(j.id) filter (where p.is_own) as completed,
             round(coalesce(sum(p.seconds), 0) / 3600, 2) as hours,
             coalesce(sum(p.machine), 0) as machine_usd, coalesce(sum(p.llm), 0) as llm_usd
           from part p left join gh_automation_jobs j on j.id = p.job_id and j.status = 'completed' group by 1
         ), ran as (
           select tier, max(peak_rss_mb) as peak_rss_mb, count(*) filter (where end_class = 'crash') as crashes
           from gh_job_attempts where claimed_at > now() - interval '30 days' group by 1
         )
         select tier, coalesce(s.jobs, 0) as jobs, coalesce(s.completed, 0) as completed, coalesce(s.hours, 0) as hours,
           coalesce(s.machine_usd, 0) as machine_usd, coalesce(s.llm_usd, 0) as llm_usd, r.peak_rss_mb, coalesce(r.crashes, 0) as crashes
         from spent s full join ran r using (tier)",
    )
    .fetch_all(&db.pool)
    .await?;
    Ok(months)
}

/// A machine that is gone.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names are the columns'")]
pub struct ClosedMachine {
    pub name: String,
    pub kind: String,
    pub tier: String,
    pub fly_id: Option<String>,
    pub region: Option<String>,
    pub job_id: Option<JobId>,
    pub started_at: Option<DateTime<Utc>>,
    pub exited_at: Option<DateTime<Utc>>,
    pub exit_code: Option<i32>,
    pub oom: Option<bool>,
    pub closed_at: DateTime<Utc>,
}

/// The last `most` machines that are gone, the latest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn closed_machines(db: &Db, most: i64) -> Result<Vec<ClosedMachine>> {
    let machines = sqlx::query_as(
        "select m.name, m.kind, m.tier, m.fly_id, m.region, a.job_id, m.started_at, m.exited_at, m.exit_code, m.oom, m.closed_at
         from gh_machines m left join gh_job_attempts a on a.id = m.attempt_id
         where m.closed_at is not null order by m.closed_at desc limit $1",
    )
    .bind(most)
    .fetch_all(&db.pool)
    .await?;
    Ok(machines)
}
