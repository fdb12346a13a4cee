//! Machines: what was asked of Fly, what Fly answered, what was seen, what it cost.

use chrono::{DateTime, Utc};
use domain::attempt::{AttemptState, EndClass};
use domain::id::AttemptId;
use domain::tier::Guest;
use domain::world::{Machine, TierLoad, World};
use secrecy::SecretString;
use serde_json::json;
use sqlx::types::Json;
use uuid::Uuid;

use crate::dispatch::Lease;
use crate::seal::Sealer;
use crate::{Db, Error, Result, token};

/// One look at everything the dispatcher looks after.
///
/// # Errors
/// When the database cannot be reached.
pub async fn world(db: &Db) -> Result<World> {
    let mut connection = db.pool.acquire().await?;
    let (now, well_since) =
        sqlx::query_as("select now(), (select well_since from gh_leader where name = 'dispatcher')")
            .fetch_one(&mut *connection)
            .await?;
    let machines: Vec<Machine> = sqlx::query_as(
        "select m.id, m.kind, m.attempt_id, m.tier, m.guest, m.image, m.app, m.name, m.fly_id, m.regions, m.region, m.seen, m.host_status, m.seen_at, m.missing_since, m.absent_since,
                m.intent_at, m.posted_at, m.posts, m.outcome, m.assigned_at, m.retired_at, m.stop_sent_at, m.destroy_sent_at,
                m.exited_at, m.exit_code, m.oom, a.state, a.end_class, a.boot_deadline, a.hard_deadline, a.ended_at, h.beat_at
         from gh_machines m
         left join gh_job_attempts a on a.id = m.attempt_id
         left join gh_attempt_heartbeats h on h.attempt_id = a.id
         where m.closed_at is null
         order by m.intent_at",
    )
    .fetch_all(&mut *connection)
    .await?;
    let tiers: Vec<TierLoad> = sqlx::query_as(
        "select k.tier, k.capacity, k.pool_target, k.updated_at as moved_at, k.zero_since, k.paused, due.pending, due.waits_since,
                (select count(*) from gh_job_attempts a where a.tier = k.tier and a.state in ('claimed', 'launching', 'running')) as live
         from gh_capacity k cross join lateral (
           -- A job that was given back was due before, but waits only since then.
           select count(*) as pending, min(greatest(x.created_at, x.scheduled_at, x.updated_at)) as waits_since from (
             select j.created_at, j.scheduled_at, j.updated_at from gh_automation_jobs j
             where j.tier = k.tier and j.status in ('pending', 'queued') and j.worker_id is null
               and (j.scheduled_at is null or j.scheduled_at <= now())
               -- One that waits for another job of its application is not ready, and no capacity helps it.
               and (select h.job_id from gh_applications m cross join lateral gh_application_holder(m.job_id) h where m.job_id = j.id and m.shared) is null
             limit greatest(1000, 2 * k.capacity + 1)) x) due
         order by k.tier",
    )
    .fetch_all(&mut *connection)
    .await?;
    Ok(World { now, well_since, machines, tiers })
}

/// What a create call needs.
#[derive(Clone, Debug)]
pub struct Intent {
    /// The row.
    pub id: Uuid,
    /// The attempt the machine is for; none for the pool.
    pub attempt: Option<AttemptId>,
    /// The app to make it in.
    pub app: String,
    /// Its name.
    pub name: String,
    /// Its tier.
    pub tier: String,
    /// Its size.
    pub guest: Guest,
    /// What it runs.
    pub image: String,
    /// Where, best first, separated by commas.
    pub regions: String,
    /// How many create calls were sent before.
    pub posts: i32,
}

/// Notes that the create call is repeated now, and returns what it needs.
///
/// # Errors
/// When there is no such row, or the database cannot be reached.
pub async fn posting(db: &Db, machine: Uuid, sealer: &Sealer) -> Result<(Intent, SecretString)> {
    #[derive(sqlx::FromRow)]
    struct Row {
        attempt_id: Option<AttemptId>,
        app: String,
        name: String,
        tier: String,
        #[sqlx(json)]
        guest: Guest,
        image: String,
        regions: String,
        posts: i32,
        sealed: Vec<u8>,
    }
    let row: Row = sqlx::query_as(
        "update gh_machines m set posted_at = now(), posts = posts + 1, outcome = null where id = $1
         returning attempt_id, app, name, tier, guest, image, regions, posts,
           coalesce(m.token_sealed, (select a.token_sealed from gh_job_attempts a where a.id = m.attempt_id)) as sealed",
    )
    .bind(machine)
    .fetch_one(&db.pool)
    .await?;
    // A machine's row has the id of its attempt, or is the owner of its token itself.
    let token = token::open(sealer, machine, &row.sealed)?;
    let Row { attempt_id, app, name, tier, guest, image, regions, posts, .. } = row;
    Ok((
        Intent { id: machine, attempt: attempt_id, app, name, tier, guest, image, regions, posts: posts - 1 },
        token,
    ))
}

/// Notes what became of a create call that made no machine we know of; `regions` replaces what is left to try.
///
/// # Errors
/// When the database cannot be reached.
pub async fn not_created(db: &Db, machine: Uuid, outcome: &str, regions: Option<&str>) -> Result<()> {
    sqlx::query("update gh_machines set outcome = $2, regions = coalesce($3, regions) where id = $1")
        .bind(machine)
        .bind(outcome)
        .bind(regions)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Notes the machine that a create call made or met, and moves its attempt to `launching`.
///
/// When the row has a machine already (an earlier call made one, whose runner has called meanwhile), that one stays and
/// the new one is taken in as an orphan: it is destroyed and paid for.
///
/// # Errors
/// When the database cannot be reached.
pub async fn created(
    db: &Db,
    machine: Uuid,
    fly_id: &str,
    region: Option<&str>,
    outcome: &str,
) -> Result<()> {
    sqlx::query(
        "with m as (
           update gh_machines set fly_id = coalesce(fly_id, $2), outcome = $4,
             region = case when coalesce(fly_id, $2) = $2 then coalesce($3, region) else region end
           where id = $1 returning *
         ), orphan as (
           insert into gh_machines (id, kind, app, name, fly_id, tier, guest, image, regions, region, posted_at, retired_at)
           select $5, 'orphan', app, name, $2, tier, guest, image, regions, $3, now(), now() from m where fly_id <> $2
           on conflict do nothing
         )
         update gh_job_attempts a set state = 'launching', launched_at = now() from m where a.id = m.attempt_id and a.state = 'claimed'",
    )
    .bind(machine)
    .bind(fly_id)
    .bind(region)
    .bind(outcome)
    .bind(Uuid::now_v7())
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// What Fly says of a machine.
#[derive(Clone, Debug, Default)]
pub struct Sighting {
    /// Fly's word for its state.
    pub state: String,
    /// `ok`, `unknown` or `unreachable`.
    pub host_status: Option<String>,
    /// Where it is.
    pub region: Option<String>,
    /// When it started, from its events.
    pub started_at: Option<DateTime<Utc>>,
    /// When it ended, from its events.
    pub exited_at: Option<DateTime<Utc>>,
    /// With which code.
    pub exit_code: Option<i32>,
    /// Whether the guest ran out of memory.
    pub oom: Option<bool>,
}

/// Notes what was seen; what an earlier look knew and this one does not stays.
///
/// # Errors
/// When the database cannot be reached.
pub async fn seen(db: &Db, machine: Uuid, sighting: &Sighting) -> Result<()> {
    sqlx::query(
        "update gh_machines set seen = $2, seen_at = now(), missing_since = null, host_status = $3, region = coalesce($4, region),
           started_at = coalesce($5, started_at), exited_at = coalesce($6, exited_at), exit_code = coalesce($7, exit_code), oom = coalesce($8, oom)
         where id = $1",
    )
    .bind(machine)
    .bind(&sighting.state)
    .bind(&sighting.host_status)
    .bind(&sighting.region)
    .bind(sighting.started_at)
    .bind(sighting.exited_at)
    .bind(sighting.exit_code)
    .bind(sighting.oom)
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Notes that Fly says there is no such machine. Once proves nothing: it may have been made a moment ago.
///
/// # Errors
/// When the database cannot be reached.
pub async fn missing(db: &Db, machine: Uuid) -> Result<()> {
    sqlx::query("update gh_machines set missing_since = coalesce(missing_since, now()), seen_at = now() where id = $1")
        .bind(machine)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Notes that it was looked for by name and found (`fly_id`) or not.
///
/// # Errors
/// When the database cannot be reached.
pub async fn looked_up(db: &Db, machine: Uuid, fly_id: Option<&str>) -> Result<()> {
    sqlx::query(
        "update gh_machines set fly_id = coalesce(fly_id, $2), seen = case when $2 is null then 'absent' end, seen_at = now(),
           absent_since = case when $2 is null then coalesce(absent_since, now()) end
         where id = $1",
    )
    .bind(machine)
    .bind(fly_id)
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Notes that a stop was sent.
///
/// # Errors
/// When the database cannot be reached.
pub async fn stop_sent(db: &Db, machine: Uuid) -> Result<()> {
    sqlx::query("update gh_machines set stop_sent_at = now() where id = $1")
        .bind(machine)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Notes that a destroy was sent.
///
/// # Errors
/// When the database cannot be reached.
pub async fn destroy_sent(db: &Db, machine: Uuid) -> Result<()> {
    sqlx::query("update gh_machines set destroy_sent_at = now() where id = $1")
        .bind(machine)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// What the reader of a job is told about an attempt that the dispatcher ended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Why<'a> {
    /// The error code, where the class alone does not say it.
    pub code: Option<&'a str>,
    /// One sentence.
    pub message: &'a str,
    /// The tier of the next try, when it is another one.
    pub next_tier: Option<&'a str>,
}

/// What an attempt was like when it was judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its state.
    pub state: AttemptState,
    /// Its last heartbeat.
    pub beat_at: Option<DateTime<Utc>>,
}

/// Takes a job from its attempt and applies the rules of retry; returns the job's new status, or `None` when the attempt
/// was over already, or has moved on since it was `seen`.
///
/// # Errors
/// [`Error::NotLeader`], or when the database cannot be reached.
pub async fn close_attempt(
    db: &Db,
    lease: &Lease,
    attempt: AttemptId,
    seen: Seen,
    class: EndClass,
    why: &Why<'_>,
) -> Result<Option<String>> {
    let reply: serde_json::Value = sqlx::query_scalar("select gh_judge_attempt($1, $2, $3, $4, $5, $6, $7)")
        .bind(&lease.holder)
        .bind(lease.term)
        .bind(attempt)
        .bind(seen.state)
        .bind(seen.beat_at)
        .bind(class.as_str())
        .bind(Json(
            json!({ "error_code": why.code, "error_message": why.message, "next_tier": why.next_tier }),
        ))
        .fetch_one(&db.pool)
        .await?;
    Ok(reply["status"].as_str().map(ToOwned::to_owned))
}

/// Puts a gone machine's interval in the ledger and closes its row; repeating it is harmless.
///
/// # Errors
/// When the database cannot be reached.
pub async fn bill(db: &Db, machine: Uuid) -> Result<()> {
    sqlx::query("select gh_bill_machine($1)").bind(machine).execute(&db.pool).await?;
    Ok(())
}

/// Moves a tier's limits and logs why, unless somebody else moved the capacity since `from` was read.
///
/// # Errors
/// When the database cannot be reached.
pub async fn scale(db: &Db, scaling: &Scaling<'_>) -> Result<bool> {
    let done = sqlx::query(
        "with moved as (
           update gh_capacity set capacity = $3, pool_target = $4, updated_at = now() where tier = $1 and capacity = $2 returning tier)
         insert into gh_scale_log (tier, pending, live, capacity_from, capacity_to, pool_target, reason)
         select tier, $5, $6, $2, $3, $4, $7 from moved",
    )
    .bind(scaling.tier)
    .bind(scaling.from)
    .bind(scaling.to)
    .bind(scaling.pool_target)
    .bind(scaling.pending)
    .bind(scaling.live)
    .bind(scaling.reason)
    .execute(&db.pool)
    .await?;
    Ok(done.rows_affected() == 1)
}

/// A decision of the scaling rule, with what it was decided from.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the log's columns")]
pub struct Scaling<'a> {
    pub tier: &'a str,
    pub pending: i64,
    pub live: i64,
    pub from: i32,
    pub to: i32,
    pub pool_target: i32,
    pub reason: &'a str,
}

/// Remembers since when a tier has had no due job and no live attempt; `None` forgets it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn quiet(db: &Db, tier: &str, since: Option<DateTime<Utc>>) -> Result<()> {
    sqlx::query("update gh_capacity set zero_since = $2 where tier = $1")
        .bind(tier)
        .bind(since)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Lets nothing be created in an app for a while: Fly said that we are too fast.
///
/// # Errors
/// When the database cannot be reached.
pub async fn freeze(db: &Db, app: &str, seconds: i32) -> Result<()> {
    sqlx::query("update gh_rate set frozen_until = clock_timestamp() + make_interval(secs => $2), tokens = 0 where bucket = 'create:' || $1")
        .bind(app)
        .bind(seconds)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Takes one token of an app for a call that Fly limits by app; `false` when there is none now. Each `kind` has a bucket of its own.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take_token(db: &Db, kind: &str, app: &crate::dispatch::App) -> Result<bool> {
    let got: i32 = sqlx::query_scalar("select gh_rate_take($1, 1, $2::numeric, $3::numeric)")
        .bind(format!("{kind}:{}", app.app))
        .bind(app.rate)
        .bind(app.burst)
        .fetch_one(&db.pool)
        .await
        .map_err(Error::from)?;
    Ok(got == 1)
}

/// Notes that a machine was looked at, and nothing new came of it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn looked_at(db: &Db, machine: Uuid) -> Result<()> {
    sqlx::query("update gh_machines set seen_at = now() where id = $1")
        .bind(machine)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Which of these machines, each a name and Fly's id, the database looks after; their ids. A closed row knows no machine: one that Fly
/// lists as living is living, whatever was seen when the row was closed.
///
/// # Errors
/// When the database cannot be reached.
pub async fn known(db: &Db, machines: &[(&str, &str)]) -> Result<Vec<String>> {
    let (names, ids): (Vec<&str>, Vec<&str>) = machines.iter().copied().unzip();
    Ok(sqlx::query_scalar(
        "select x.fly_id from unnest($1::text[], $2::text[]) as x (name, fly_id)
         where exists (select 1 from gh_machines m where m.fly_id = x.fly_id and m.closed_at is null)
            or exists (select 1 from gh_machines m where m.name = x.name and m.kind <> 'orphan' and m.closed_at is null)",
    )
    .bind(names)
    .bind(ids)
    .fetch_all(&db.pool)
    .await?)
}

/// A machine that is ours by its metadata and that no row knows.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are the table's columns")]
pub struct Orphan<'a> {
    pub app: &'a str,
    pub name: &'a str,
    pub fly_id: &'a str,
    pub region: &'a str,
    pub tier: &'a str,
    pub guest: &'a Guest,
    pub image: &'a str,
}

/// Opens the row of a machine again that was taken for gone and lives: it is destroyed, and its bill corrected by its real end. `false`:
/// no closed row has this id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn reopen(db: &Db, fly_id: &str) -> Result<bool> {
    let reopened = sqlx::query(
        "update gh_machines set closed_at = null, seen = null, missing_since = null, exited_at = null, exit_code = null,
           stop_sent_at = null, destroy_sent_at = null, retired_at = coalesce(retired_at, now())
         where fly_id = $1 and closed_at is not null",
    )
    .bind(fly_id)
    .execute(&db.pool)
    .await?;
    Ok(reopened.rows_affected() > 0)
}

/// Takes an orphan in, so that it is destroyed and billed like any other machine.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take_in(db: &Db, orphan: &Orphan<'_>) -> Result<()> {
    sqlx::query(
        "insert into gh_machines (id, kind, app, name, fly_id, tier, guest, image, regions, region, posted_at, retired_at)
         values ($1, 'orphan', $2, $3, $4, $5, $6, $7, $8, $8, now(), now()) on conflict do nothing",
    )
    .bind(Uuid::now_v7())
    .bind(orphan.app)
    .bind(orphan.name)
    .bind(orphan.fly_id)
    .bind(orphan.tier)
    .bind(Json(orphan.guest))
    .bind(orphan.image)
    .bind(orphan.region)
    .execute(&db.pool)
    .await?;
    Ok(())
}
