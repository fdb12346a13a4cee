//! What is done by the clock: jobs that missed their time, rows that are kept for a time only.

use domain::tier::Tiers;

use crate::{Db, Result};

/// How many rows one statement of [`prune`] forgets, as its text says.
const PIECE: u64 = 1000;
/// And how often it is repeated; the rest waits for the next hour.
const PIECES: u32 = 100;

/// Sets aside the jobs whose time passed before they could start; returns how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn expire(db: &Db) -> Result<i32> {
    Ok(sqlx::query_scalar("select gh_expire_jobs()").fetch_one(&db.pool).await?)
}

/// Ends the waiting jobs whose application another job has sent meanwhile, or may have; returns how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn end_duplicates(db: &Db) -> Result<i32> {
    Ok(sqlx::query_scalar("select gh_end_duplicates()").fetch_one(&db.pool).await?)
}

/// Ends the jobs that waited too long for a person; returns how many.
///
/// # Errors
/// When the database cannot be reached.
pub async fn expire_pauses(db: &Db) -> Result<i32> {
    Ok(sqlx::query_scalar("select gh_expire_pauses()").fetch_one(&db.pool).await?)
}

/// Fails the due jobs whose budget is spent and blocks, and lets go of users who have money again; returns how many it failed.
///
/// # Errors
/// When the database cannot be reached.
pub async fn refuse(db: &Db, tiers: &Tiers) -> Result<i32> {
    let mut refused = 0;
    for (name, tier) in tiers.iter() {
        refused += sqlx::query_scalar::<_, i32>("select gh_budget_refuse($1, $2)")
            .bind(name)
            .bind(tier.budget_micros)
            .fetch_one(&db.pool)
            .await?;
    }
    Ok(refused)
}

/// Forgets, in small pieces: heartbeats of ended attempts after a day, scaling decisions after 30 days,
/// delivered callbacks after 30 days, closed machines after 90, dispatchers that died after a day. Jobs, attempts and the ledger are kept.
///
/// # Errors
/// When the database cannot be reached.
pub async fn prune(db: &Db) -> Result<()> {
    let mut failed = Ok(()); // one table that cannot be pruned keeps no other from it
    for statement in [
        "delete from gh_attempt_heartbeats where attempt_id in (
           select h.attempt_id from gh_attempt_heartbeats h join gh_job_attempts a on a.id = h.attempt_id
           where a.ended_at < now() - interval '1 day' limit 1000)",
        "delete from gh_scale_log where id in (select id from gh_scale_log where at < now() - interval '30 days' limit 1000)",
        "delete from gh_outbox where id in (select id from gh_outbox where delivered_at < now() - interval '30 days' limit 1000)",
        "delete from gh_dispatchers where seen_at < now() - interval '1 day'",
        "delete from gh_machines where id in (select id from gh_machines where closed_at < now() - interval '90 days' limit 1000)",
    ] {
        let forgotten = forget(db, statement).await;
        failed = failed.and(forgotten);
    }
    failed
}

async fn forget(db: &Db, statement: &'static str) -> Result<()> {
    for _ in 0..PIECES {
        if sqlx::query(statement).execute(&db.pool).await?.rows_affected() < PIECE {
            break;
        }
    }
    Ok(())
}
