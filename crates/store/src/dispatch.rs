//! The dispatcher's lease, claim and capacity.

use std::collections::HashMap;

use domain::id::{AttemptId, JobId};
use domain::tier::Tiers;
use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use crate::machines::Intent;
use crate::seal::Sealer;
use crate::{Db, Result, token};

/// A held lease: whoever starts something names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// This process.
    pub holder: String,
    /// Grows with every change of hands.
    pub term: i64,
}

/// One app that machines are made in, and how fast Fly lets us.
#[derive(Clone, Debug, Serialize, serde::Deserialize)]
pub struct App {
    /// Its name.
    pub app: String,
    /// Creates per second.
    pub rate: f64,
    /// Creates at once.
    pub burst: f64,
}

/// A job that now has an attempt and a machine intent, and all its create call needs.
#[derive(Clone, Debug)]
pub struct Claimed {
    /// The attempt.
    pub attempt_id: AttemptId,
    /// Its job.
    pub job_id: JobId,
    /// Its machine.
    pub intent: Intent,
    /// Fly's id, when it is a machine of the pool that is only to be started.
    pub ready: Option<String>,
    /// Its one-time token.
    pub token: SecretString,
}

/// Holds the lease for `seconds` more, or takes it when nobody does; `None` when another dispatcher has it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn lead(db: &Db, holder: &str, seconds: i32) -> Result<Option<Lease>> {
    let term: Option<i64> =
        sqlx::query_scalar("select gh_lead($1, $2)").bind(holder).bind(seconds).fetch_one(&db.pool).await?;
    Ok(term.map(|term| Lease { holder: holder.to_owned(), term }))
}

/// Lets go of the lease, so that a standby need not wait for its end.
///
/// # Errors
/// When the database cannot be reached.
pub async fn release(db: &Db, lease: &Lease) -> Result<()> {
    sqlx::query("update gh_leader set expires_at = clock_timestamp() where name = 'dispatcher' and holder = $1 and term = $2")
        .bind(&lease.holder)
        .bind(lease.term)
        .execute(&db.pool)
        .await?;
    Ok(())
}

/// Makes sure that every tier has a row, its capacity within its bounds, its patience as the file says. A capacity that is moved for it is
/// logged, as every move is.
///
/// # Errors
/// When the database cannot be reached.
pub async fn seed_capacity(db: &Db, tiers: &Tiers) -> Result<()> {
    for (name, tier) in tiers.iter() {
        sqlx::query(
            "with before as (
               select capacity from gh_capacity where tier = $1
             ), seeded as (
               insert into gh_capacity as c (tier, capacity, pause_seconds) values ($1, $2, $4)
               on conflict (tier) do update set capacity = least(greatest(c.capacity, $2), $3), pause_seconds = $4, updated_at = now()
               where c.capacity not between $2 and $3 or c.pause_seconds <> $4 returning tier, capacity, pool_target
             )
             insert into gh_scale_log (tier, pending, live, capacity_from, capacity_to, pool_target, reason)
             select s.tier,
               (select count(*) from gh_automation_jobs j where j.tier = s.tier and j.status in ('pending', 'queued') and j.worker_id is null
                  and (j.scheduled_at is null or j.scheduled_at <= now())),
               (select count(*) from gh_job_attempts a where a.tier = s.tier and a.state in ('claimed', 'launching', 'running')),
               b.capacity, s.capacity, s.pool_target, 'bounds'
             from seeded s cross join before b where s.capacity <> b.capacity",
        )
        .bind(name)
        .bind(tier.capacity.min)
        .bind(tier.capacity.max)
        .bind(tier.pause_seconds)
        .execute(&db.pool)
        .await?;
    }
    Ok(())
}

#[derive(Serialize)]
struct TierRow<'a> {
    tier: &'a str,
    per_user: i32,
    boot_seconds: i32,
    guest: &'a domain::tier::Guest,
    image: &'a str,
    regions: String,
    model: Option<&'a str>,
    budget_micros: i64,
}

/// Chooses up to `most` due jobs and writes their attempts and machine intents, all or nothing.
///
/// `image` is what a tier without an image of its own runs.
///
/// # Errors
/// [`crate::Error::NotLeader`], or when the database cannot be reached.
pub async fn claim(
    db: &Db,
    lease: &Lease,
    tiers: &Tiers,
    image: &str,
    apps: &[App],
    sealer: &Sealer,
    most: usize,
) -> Result<Vec<Claimed>> {
    let rows: Vec<TierRow> = tiers
        .iter()
        .map(|(name, tier)| TierRow {
            tier: name,
            per_user: tier.per_user,
            boot_seconds: tier.boot_seconds,
            guest: &tier.guest,
            image: tier.image.as_deref().unwrap_or(image),
            regions: tier.regions.join(","),
            model: tier.model.as_deref(),
            budget_micros: tier.budget_micros,
        })
        .collect();
    let (mut ids, mut hashes, mut sealed, mut tokens) = (Vec::new(), Vec::new(), Vec::new(), HashMap::new());
    for _ in 0..most {
        let id = AttemptId::new();
        let minted = token::mint(sealer, id.0)?;
        hashes.push(minted.hash);
        sealed.push(minted.sealed);
        ids.push(id.0);
        tokens.insert(id, minted.token);
    }
    let claimed: Vec<(AttemptId, JobId, String, String, Uuid, Option<String>)> = sqlx::query_as(
        "select attempt_id, job_id, tier, app, machine_id, fly_id from gh_claim($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(&lease.holder)
    .bind(lease.term)
    .bind(sqlx::types::Json(&rows))
    .bind(sqlx::types::Json(apps))
    .bind(ids)
    .bind(hashes)
    .bind(sealed)
    .fetch_all(&db.pool)
    .await?;
    let complete = claimed.into_iter().filter_map(|(attempt_id, job_id, tier, app, machine_id, ready)| {
        // Both are there: the function chooses among the rows and ids it was given.
        let (row, token) = (rows.iter().find(|row| row.tier == tier)?, tokens.remove(&attempt_id)?);
        let intent = Intent {
            id: machine_id,
            attempt: Some(attempt_id),
            app,
            name: attempt_id.machine_name(),
            guest: row.guest.clone(),
            image: row.image.to_owned(),
            regions: row.regions.clone(),
            tier,
            posts: 0,
        };
        Some(Claimed { attempt_id, job_id, intent, ready, token })
    });
    Ok(complete.collect())
}

/// The one-time token of an attempt.
///
/// # Errors
/// When it was sealed with a key that is no longer configured, or the database cannot be reached.
pub async fn token(db: &Db, attempt: AttemptId, sealer: &Sealer) -> Result<SecretString> {
    let sealed: Vec<u8> = sqlx::query_scalar("select token_sealed from gh_job_attempts where id = $1")
        .bind(attempt)
        .fetch_one(&db.pool)
        .await?;
    token::open(sealer, attempt.0, &sealed)
}
