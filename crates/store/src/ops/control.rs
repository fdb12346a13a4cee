//! The emergency stop, and its undoing.

use domain::id::{AttemptId, JobId};
use serde::Serialize;
use serde_json::json;

use super::audit;
use crate::{Db, Result};

/// A tier to be paused; `capacity` is what it gets if no dispatcher has seen it yet.
#[derive(Clone, Debug)]
pub struct Pausing {
    /// Its name.
    pub tier: String,
    /// Its least capacity.
    pub capacity: i32,
}

/// Lets nothing new of these tiers start, from now on; returns those that were not paused before.
///
/// Once this returns, no claim that saw the tier unpaused is still under way.
///
/// # Errors
/// When the database cannot be reached.
pub async fn pause(db: &Db, actor: &str, tiers: &[Pausing]) -> Result<Vec<String>> {
    let mut transaction = db.pool.begin().await?;
    // A claim holds this row from before it counts until it commits.
    sqlx::query("select 1 from gh_leader where name = 'dispatcher' for update")
        .execute(&mut *transaction)
        .await?;
    let mut paused = Vec::new();
    for Pausing { tier, capacity } in tiers {
        let changed: Option<String> = sqlx::query_scalar(
            "insert into gh_capacity as c (tier, capacity, paused) values ($1, $2, true)
             on conflict (tier) do update set paused = true, updated_at = now() where not c.paused returning tier",
        )
        .bind(tier)
        .bind(capacity)
        .fetch_optional(&mut *transaction)
        .await?;
        if let Some(tier) = changed {
            audit::write(&mut transaction, actor, "pause", &tier, &json!({})).await?;
            paused.push(tier);
        }
    }
    transaction.commit().await?;
    Ok(paused)
}

/// Lets these tiers start jobs again; returns those that were paused.
///
/// # Errors
/// When the database cannot be reached.
pub async fn resume(db: &Db, actor: &str, tiers: &[&str]) -> Result<Vec<String>> {
    let mut transaction = db.pool.begin().await?;
    let resumed: Vec<String> = sqlx::query_scalar(
        "update gh_capacity set paused = false, resumed_at = now(), updated_at = now() where tier = any($1) and paused returning tier",
    )
    .bind(tiers)
    .fetch_all(&mut *transaction)
    .await?;
    for tier in &resumed {
        audit::write(&mut transaction, actor, "resume", tier, &json!({})).await?;
    }
    transaction.commit().await?;
    Ok(resumed)
}

/// A job with a live attempt.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Live {
    /// The job.
    pub job_id: JobId,
    /// Its attempt.
    pub attempt_id: AttemptId,
    /// Its number among the job's attempts.
    pub attempt: i32,
    /// Where the attempt is.
    pub state: String,
    /// Its tier.
    pub tier: String,
    /// Whether it may submit, or may have submitted.
    pub permitted: bool,
}

/// The live attempts of these tiers, oldest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn live(db: &Db, tiers: &[&str]) -> Result<Vec<Live>> {
    let live = sqlx::query_as(
        "select a.job_id, a.id as attempt_id, a.no as attempt, a.state, a.tier,
           exists (select 1 from gh_permits p where p.job_id = a.job_id) as permitted
         from gh_job_attempts a where a.state in ('claimed', 'launching', 'running') and a.tier = any($1) order by a.id",
    )
    .bind(tiers)
    .fetch_all(&db.pool)
    .await?;
    Ok(live)
}

/// Gives the jobs of these tiers that have a machine, or are about to, back to the queue, and returns them.
///
/// A job whose permit to submit is out is left to its machine: taken from it, nobody would know whether the form was sent.
///
/// # Errors
/// When the database cannot be reached; then nothing was changed.
pub async fn give_back(db: &Db, actor: &str, tiers: &[&str]) -> Result<Vec<Live>> {
    let mut transaction = db.pool.begin().await?;
    // Locked before permits are looked for: who grants one holds the job, too.
    let jobs: Vec<JobId> = sqlx::query_scalar(
        "select j.id from gh_automation_jobs j
         where j.id in (select a.job_id from gh_job_attempts a
                        where a.state in ('claimed', 'launching', 'running') and a.tier = any($1))
         order by j.id for update",
    )
    .bind(tiers)
    .fetch_all(&mut *transaction)
    .await?;
    // The guard on the job row ends the attempts.
    let given: Vec<Live> = sqlx::query_as(
        "with live as materialized (
           select a.job_id, a.id as attempt_id, a.no as attempt, a.state, a.tier, false as permitted from gh_job_attempts a
           where a.job_id = any($1) and a.state in ('claimed', 'launching', 'running') and a.tier = any($2)
             and not exists (select 1 from gh_permits p where p.job_id = a.job_id)
         ), back as (
           update gh_automation_jobs j set status = 'pending', worker_id = null, last_heartbeat = null, paused_at = null,
             interaction_type = null, interaction_data = null, status_message = 'Stopped by operations; waiting to be started again'
           from live l where j.id = l.job_id returning j.id
         ), told as (
           insert into gh_job_events (job_id, event_type, message, metadata, actor)
           select l.job_id, 'job_released', 'Stopped by operations; waiting to be started again',
             jsonb_build_object('attempt_id', l.attempt_id, 'attempt', l.attempt), left($3, 100)
           from live l join back b on b.id = l.job_id
         ), noted as (
           insert into gh_audit (actor, action, subject, detail)
           select $3, 'stop_running', l.job_id::text, jsonb_build_object('attempt_id', l.attempt_id, 'tier', l.tier)
           from live l join back b on b.id = l.job_id
         )
         select l.* from live l join back b on b.id = l.job_id order by l.attempt_id",
    )
    .bind(jobs)
    .bind(tiers)
    .bind(actor)
    .fetch_all(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(given)
}
