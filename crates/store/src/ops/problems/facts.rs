//! What the problems are found from, read in a few statements; none reads the whole table of jobs.

use chrono::{DateTime, Utc};
use domain::id::JobId;
use sqlx::types::Json;
use sqlx::{Connection, PgConnection};

use crate::costs::Exact;
use crate::notices::Breaker;
use crate::{Db, Result};

/// Everything the rules look at, at one moment.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// The lease; `None` before any dispatcher has led.
    pub lead: Option<Lead>,
    /// Live attempts.
    pub live: i64,
    /// The tiers, and what is due in them.
    pub queues: Vec<Queue>,
    /// Why machines cannot be made.
    pub breaker: Option<Breaker>,
    /// The budgets of the day that have no room for one more job, whatever is under way.
    pub spent: Vec<DayBudget>,
    /// Jobs that failed today because such a budget was spent.
    pub refused: i64,
    /// The rest, in numbers.
    pub numbers: Numbers,
    /// Why the last edit of the tiers file was refused.
    pub tiers_refused: Option<String>,
}

/// The lease.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Lead {
    /// Who has it, or had it last.
    pub holder: String,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// Whether it is still held.
    pub leads: bool,
    /// When the holder last told of itself, if that is more than a minute ago.
    pub silent_since: Option<DateTime<Utc>>,
}

/// What is due in a tier: jobs that a machine could be made for, if nothing but their turn held them back.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Queue {
    /// The tier.
    pub tier: String,
    /// How many jobs may have a machine; `None` for a tier that no dispatcher knows.
    pub capacity: Option<i32>,
    /// Whether somebody stopped it.
    pub paused: bool,
    /// Due jobs; counted up to 1,000.
    pub due: i64,
    /// For how long the first of those has been due.
    pub seconds: i64,
    /// The first of those.
    pub oldest: Option<JobId>,
}

/// A budget of the day without room.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct DayBudget {
    /// `*` for all tiers, else the tier.
    pub name: String,
    /// `warn`, `defer` or `block`.
    pub action: String,
    /// The most, in dollars.
    pub limit_usd: Exact,
    /// Spent.
    pub spent_usd: Exact,
}

/// What only has a number.
#[derive(Clone, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Numbers {
    /// Callbacks that were given up.
    pub parked: i64,
    /// Callbacks that should have been sent more than ten minutes ago.
    pub late: i64,
    /// Machines that are still there 15 minutes after their job.
    pub lingering: i64,
    /// Lines of the ledger without a price.
    pub unpriced: i64,
    /// How many tiers files the running dispatchers go by.
    pub tiers_files: i64,
    /// Machines in the runners' apps that are not ours.
    pub foreign: i64,
    /// Spent since midnight, UTC, in whole cents.
    pub today_cents: i64,
    /// On the middle one of the seven days before.
    pub usual_cents: i64,
}

/// Reads them, all at one moment and over one connection: the pages that show them are asked for every few seconds.
///
/// # Errors
/// When the database cannot be reached.
pub async fn read(db: &Db) -> Result<Facts> {
    let mut connection = db.pool.acquire().await?;
    let mut db = connection.begin_with("begin isolation level repeatable read read only").await?;
    let notices = notices(&mut db).await?;
    let facts = Facts {
        lead: lead(&mut db).await?,
        live: live(&mut db).await?,
        queues: queues(&mut db).await?,
        breaker: notices.breaker.0,
        spent: spent(&mut db).await?,
        refused: refused(&mut db).await?,
        numbers: numbers(&mut db).await?,
        tiers_refused: notices.tiers_refused,
    };
    db.commit().await?;
    Ok(facts)
}

#[derive(sqlx::FromRow)]
struct Notices {
    breaker: Json<Option<Breaker>>,
    tiers_refused: Option<String>,
}

async fn notices(db: &mut PgConnection) -> Result<Notices> {
    Ok(sqlx::query_as(
        "select coalesce((select value from gh_notices where key = 'breaker'), 'null') as breaker,
           (select coalesce(value ->> 'refused', 'no reason is given') from gh_notices
            where key = 'tiers' and value <> 'null') as tiers_refused",
    )
    .fetch_one(db)
    .await?)
}

async fn lead(db: &mut PgConnection) -> Result<Option<Lead>> {
    Ok(sqlx::query_as(
        "select l.holder, l.expires_at, l.expires_at > clock_timestamp() as leads,
           (select d.seen_at from gh_dispatchers d where d.holder = l.holder and d.seen_at < now() - interval '1 minute') as silent_since
         from gh_leader l where l.name = 'dispatcher'",
    )
    .fetch_optional(db)
    .await?)
}

async fn live(db: &mut PgConnection) -> Result<i64> {
    let live = "select count(*) from gh_job_attempts where state in ('claimed', 'launching', 'running')";
    Ok(sqlx::query_scalar(live).fetch_one(db).await?)
}

/// The tiers of the fleet and those that waiting jobs name, found by steps through the index. Who has no money waits for that.
async fn queues(db: &mut PgConnection) -> Result<Vec<Queue>> {
    Ok(sqlx::query_as(
        "with recursive named (tier) as (
           (select j.tier from gh_automation_jobs j where j.status in ('pending', 'queued') order by j.tier limit 1)
           union all
           select (select j.tier from gh_automation_jobs j where j.status in ('pending', 'queued') and j.tier > n.tier order by j.tier limit 1)
           from named n where n.tier is not null
         ), known as (
           select tier from named where tier is not null union select tier from gh_capacity
         )
         select t.tier, k.capacity, coalesce(k.paused, false) as paused, q.due, q.seconds, q.oldest
         from known t left join gh_capacity k on k.tier = t.tier
         cross join lateral (
           select count(*) as due, coalesce(extract(epoch from now() - min(d.since)), 0)::bigint as seconds,
             (array_agg(d.id order by d.since))[1] as oldest
           from (
             select j.id, greatest(j.created_at, j.scheduled_at) as since from gh_automation_jobs j
             where j.tier = t.tier and j.status in ('pending', 'queued') and j.worker_id is null
               and (j.scheduled_at is null or j.scheduled_at <= now())
               and (j.target_worker_id is null or j.worker_affinity is distinct from 'strict')
               and not exists (select 1 from gh_budget_holds h where h.tier = j.tier and h.user_id = j.user_id)
               and (select h.job_id from gh_applications m cross join lateral gh_application_holder(m.job_id) h where m.job_id = j.id and m.shared) is null
             order by j.priority, j.created_at limit 1000) d
         ) q
         order by t.tier",
    )
    .fetch_all(db)
    .await?)
}

/// What a job may spend is what the tiers in force say. What is only reserved may come back, and is waited for.
async fn spent(db: &mut PgConnection) -> Result<Vec<DayBudget>> {
    Ok(sqlx::query_as(
        "with tier (name, micros) as (
           select t.key, coalesce((t.value ->> 'budget_micros')::bigint, 0)
           from gh_notices n cross join lateral jsonb_each(case jsonb_typeof(n.value) when 'object' then n.value else '{}' end) t
           where n.key = 'tiers_in_force'
         )
         select d.name, d.action, d.limit_usd, d.spent_usd
         from gh_budgets b cross join lateral gh_day_budgets(b.name) d
         where b.scope <> 'user_month' and d.scope = b.scope and d.name = b.name
           and gh_room(d.limit_usd, d.spent_usd, 0,
             coalesce((select min(t.micros) from tier t where d.scope = 'global_day' or t.name = d.name), 0)) = 0
         order by d.scope, d.name",
    )
    .fetch_all(db)
    .await?)
}

async fn refused(db: &mut PgConnection) -> Result<i64> {
    Ok(sqlx::query_scalar(
        "select count(*) from gh_automation_jobs
         where status = 'failed' and completed_at >= date_trunc('day', now() at time zone 'utc') at time zone 'utc'
           and error_code = 'budget_exceeded' and error_details ->> 'scope' in ('global_day', 'tier_day')",
    )
    .fetch_one(db)
    .await?)
}

async fn numbers(db: &mut PgConnection) -> Result<Numbers> {
    Ok(sqlx::query_as(
        // By the sums of each day, not by the ledger as gh_cost_usual: the health page is open to everyone.
        "with day (ago, usd) as (
           select n, (select coalesce(sum(d.usd), 0) from gh_day_spending d where d.day = (now() at time zone 'utc')::date - n)
           from generate_series(0, 7) n
         )
         select
           (select count(*) from gh_outbox where parked_at is not null and delivered_at is null) as parked,
           (select count(*) from gh_outbox
            where delivered_at is null and parked_at is null and next_at < now() - interval '10 minutes') as late,
           (select count(*) from gh_machines m left join gh_job_attempts a on a.id = m.attempt_id
            where m.closed_at is null and not (m.kind = 'pool' and m.attempt_id is null and m.retired_at is null)
              and coalesce(a.ended_at, case when a.id is null then coalesce(m.retired_at, m.assigned_at, m.intent_at) end)
                < now() - interval '15 minutes') as lingering,
           (select count(*) from gh_cost_ledger l where l.unit_price is null and l.corrects is null
              and not exists (select 1 from gh_cost_ledger c where c.corrects = l.id)) as unpriced,
           (select count(distinct tiers_hash) from gh_dispatchers where seen_at > now() - interval '1 minute') as tiers_files,
           coalesce((select jsonb_array_length(case jsonb_typeof(value) when 'array' then value end)
                     from gh_notices where key = 'foreign_machines'), 0)::bigint as foreign,
           (select round(usd * 100)::bigint from day where ago = 0) as today_cents,
           (select round(percentile_disc(0.5) within group (order by usd) * 100)::bigint from day where ago > 0) as usual_cents",
    )
    .fetch_one(db)
    .await?)
}
