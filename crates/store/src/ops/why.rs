//! Everything that can hold one job back, read at one moment.

use chrono::{DateTime, Utc};
use domain::attempt::AttemptState;
use domain::id::{AttemptId, JobId, UserId};
use domain::job::JobStatus;
use domain::money::MicroUsd;
use domain::tier::Tiers;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::{Db, Result};

/// What is known of a job and its surroundings.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The database's clock.
    pub now: DateTime<Utc>,
    /// Its row.
    pub job: Job,
    /// Its live attempt.
    pub live: Option<Live>,
    /// Others that count when it is its turn.
    pub line: Line,
    /// The other job of its application that keeps it from being started.
    pub application: Option<ApplicationHolder>,
    /// The budget that has no room for it, the emptiest of several.
    pub budget: Option<Spent>,
    /// Who leads, and until when.
    pub leader: Option<Leader>,
    /// Fly's limits, one per app.
    pub rates: Vec<Rate>,
}

/// The columns of a job that say why it waits.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names are the contract's columns")]
pub struct Job {
    pub id: JobId,
    pub status: JobStatus,
    pub tier: String,
    pub user_id: UserId,
    pub worker_id: Option<String>,
    pub scheduled_at: Option<DateTime<Utc>>,
    pub created_at: DateTime<Utc>,
    pub completed_at: Option<DateTime<Utc>>,
    pub paused_at: Option<DateTime<Utc>>,
    pub last_heartbeat: Option<DateTime<Utc>>,
    pub retry_count: i32,
    pub max_retries: i32,
    pub status_message: Option<String>,
    pub result_summary: Option<String>,
    pub error_code: Option<String>,
    pub error_details: Option<Value>,
    pub interaction_type: Option<String>,
    pub interaction_data: Option<Value>,
    pub target_worker_id: Option<String>,
    pub worker_affinity: Option<String>,
    /// When the worker it is bound to was last heard of.
    pub target_seen_at: Option<DateTime<Utc>>,
}

/// A live attempt and its machine.
#[derive(Clone, Debug, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names are the columns'")]
pub struct Live {
    pub id: AttemptId,
    pub no: i32,
    pub state: AttemptState,
    pub claimed_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub boot_deadline: DateTime<Utc>,
    pub hard_deadline: Option<DateTime<Utc>>,
    pub beat_at: Option<DateTime<Utc>>,
    pub machine: Option<String>,
    pub fly_id: Option<String>,
    pub region: Option<String>,
    pub regions: Option<String>,
    pub seen: Option<String>,
    pub host_status: Option<String>,
    pub outcome: Option<String>,
    pub posts: Option<i32>,
}

/// Others that count when it is the job's turn.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
pub struct Line {
    /// Live attempts of its user, over all tiers.
    pub user_live: i64,
    /// Due jobs of its user and tier that go first.
    pub user_ahead: i64,
    /// Due jobs of its tier that go first, without those that their user's cap holds back; counted up to 1,000.
    pub ahead: i64,
    /// Pool machines of its tier that are ready.
    pub ready: i64,
}

/// The job that goes first of an application, or that has sent it.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct ApplicationHolder {
    /// Which job.
    pub job_id: JobId,
    /// `live` or `earlier`: the job waits for it; `sent`: the job may not start any more.
    pub kind: String,
    /// Where that job is in its life.
    pub status: JobStatus,
}

/// A budget without room for one more attempt.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Spent {
    /// `user_month`, `tier_day` or `global_day`.
    pub scope: String,
    /// `defer` or `block`.
    pub action: String,
    /// The most that may be spent.
    pub limit: MicroUsd,
    /// What was.
    pub spent: MicroUsd,
    /// What live attempts may still spend.
    pub reserved: MicroUsd,
    /// What the job may spend.
    pub wanted: MicroUsd,
}

/// The lease.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Leader {
    /// Who has it, or had it last.
    pub holder: String,
    /// Grows with every change of hands.
    pub term: i64,
    /// Until when.
    pub expires_at: DateTime<Utc>,
    /// Whether it is still held.
    pub leads: bool,
}

/// How many machines may be made in one app now.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Rate {
    /// The app.
    pub app: String,
    /// Whole create tokens left.
    pub tokens: i64,
    /// Fly said that we are too fast: nothing is made until then.
    pub frozen_until: Option<DateTime<Utc>>,
}

/// Reads the facts; `None` when there is no such job. `limit` is Fly's for creates per app: so many a second, so many at once.
///
/// # Errors
/// When the database cannot be reached.
pub async fn facts(db: &Db, job: JobId, tiers: &Tiers, limit: (f64, f64)) -> Result<Option<Facts>> {
    let mut connection = db.pool.acquire().await?;
    let mut transaction = connection.begin_with("begin isolation level repeatable read read only").await?;
    let Some(job) = row(&mut transaction, job).await? else { return Ok(None) };
    let now = sqlx::query_scalar("select now()").fetch_one(&mut *transaction).await?;
    let live = live(&mut transaction, job.id).await?;
    let per_user = tiers.get(&job.tier).map_or(i32::MAX, |tier| tier.per_user);
    let line = line(&mut transaction, &job, per_user).await?;
    let wanted = tiers.get(&job.tier).map_or(0, |tier| tier.budget_micros);
    let budget = sqlx::query_as(
        "select scope, action, round(limit_usd * 1000000)::bigint as limit, round(spent_usd * 1000000)::bigint as spent,
           round(reserved_usd * 1000000)::bigint as reserved, $3::bigint as wanted
         from gh_budget_use($1, $2) where action <> 'warn' and gh_room(limit_usd, spent_usd, reserved_usd, $3) = 0
         order by limit_usd - spent_usd - reserved_usd limit 1",
    )
    .bind(job.user_id)
    .bind(&job.tier)
    .bind(wanted)
    .fetch_optional(&mut *transaction)
    .await?;
    let application = sqlx::query_as("select job_id, kind, status::varchar from gh_application_holder($1)")
        .bind(job.id)
        .fetch_optional(&mut *transaction)
        .await?;
    let leader = leader(&mut transaction).await?;
    let rates = sqlx::query_as(
        "select substr(bucket, 8) as app, case when frozen_until > clock_timestamp() then frozen_until end as frozen_until,
           floor(least($2::numeric, tokens + $1::numeric * extract(epoch from clock_timestamp() - refilled_at)))::bigint as tokens
         from gh_rate where bucket like 'create:%' order by bucket",
    )
    .bind(limit.0)
    .bind(limit.1)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(Some(Facts { now, job, live, line, application, budget, leader, rates }))
}

/// The lease, held or not; `None` before any dispatcher has led.
pub(super) async fn leader(connection: &mut PgConnection) -> Result<Option<Leader>> {
    let leader = sqlx::query_as(
        "select holder, term, expires_at, expires_at > clock_timestamp() as leads from gh_leader where name = 'dispatcher'",
    )
    .fetch_optional(connection)
    .await?;
    Ok(leader)
}

async fn row(connection: &mut PgConnection, job: JobId) -> Result<Option<Job>> {
    let job = sqlx::query_as(
        "select j.id, j.status, coalesce(j.tier, 'free') as tier, j.user_id, j.worker_id, j.scheduled_at, j.created_at,
           j.completed_at, j.paused_at, j.last_heartbeat, j.retry_count, j.max_retries, j.status_message, j.result_summary,
           j.error_code, j.error_details, j.interaction_type, j.interaction_data, j.target_worker_id, j.worker_affinity,
           (select max(w.last_heartbeat) from gh_worker_registry w
            where j.target_worker_id in (w.worker_id, w.target_worker_id)) as target_seen_at
         from gh_automation_jobs j where j.id = $1",
    )
    .bind(job)
    .fetch_optional(connection)
    .await?;
    Ok(job)
}

async fn live(connection: &mut PgConnection, job: JobId) -> Result<Option<Live>> {
    let live = sqlx::query_as(
        "select a.id, a.no, a.state, a.claimed_at, a.started_at, a.boot_deadline, a.hard_deadline, h.beat_at,
           m.name as machine, m.fly_id, m.region, m.regions, m.seen, m.host_status, m.outcome, m.posts
         from gh_job_attempts a left join gh_machines m on m.attempt_id = a.id
         left join gh_attempt_heartbeats h on h.attempt_id = a.id
         where a.job_id = $1 and a.state in ('claimed', 'launching', 'running') limit 1",
    )
    .bind(job)
    .fetch_optional(connection)
    .await?;
    Ok(live)
}

/// Counts in the order of `gh_claim`: priority, then each user's first job before anybody's second, then age.
async fn line(connection: &mut PgConnection, job: &Job, per_user: i32) -> Result<Line> {
    let line = sqlx::query_as(
        "with live as materialized (
           select l.user_id, count(*) as n from gh_job_attempts l where l.state in ('claimed', 'launching', 'running') group by 1
         ), due as (
           select j.id, j.user_id, j.priority, j.created_at from gh_automation_jobs j
           where j.tier = $2 and j.status in ('pending', 'queued') and j.worker_id is null
             and (j.scheduled_at is null or j.scheduled_at <= now())
             and (j.target_worker_id is null or j.worker_affinity is distinct from 'strict')
             and (j.id = $1 or j.user_id not in (select l.user_id from live l where l.n >= $3))
             and (j.id = $1 or (select h.job_id from gh_applications m cross join lateral gh_application_holder(m.job_id) h
                                where m.job_id = j.id and m.shared) is null)
           order by j.priority, j.created_at limit 1000
         ), line as materialized (
           select d.*, row_number() over (partition by d.user_id order by d.priority, d.created_at) as turn from due d
         ), me as (select * from line where id = $1)
         select
           coalesce((select l.n from live l where l.user_id = $4), 0) as user_live,
           coalesce((select turn - 1 from me), 0) as user_ahead,
           case when exists (select 1 from me) then
             (select count(*) from me, line o left join live l on l.user_id = o.user_id
              where o.turn + coalesce(l.n, 0) <= $3 and (o.priority, o.turn, o.created_at) < (me.priority, me.turn, me.created_at))
           else 1000 end as ahead,
           (select count(*) from gh_machines m
            where m.kind = 'pool' and m.tier = $2 and m.closed_at is null and m.attempt_id is null
              and m.retired_at is null and m.seen = 'stopped') as ready",
    )
    .bind(job.id)
    .bind(&job.tier)
    .bind(per_user)
    .bind(job.user_id)
    .fetch_one(connection)
    .await?;
    Ok(line)
}
