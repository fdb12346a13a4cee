//! Machines made ahead: an intent each, started once for one attempt, never used again.

use domain::tier::Tier;
use secrecy::SecretString;
use sqlx::types::Json;
use uuid::Uuid;

use crate::dispatch::{App, Lease};
use crate::machines::Intent;
use crate::seal::Sealer;
use crate::{Db, Result, token};

/// Writes the intent of a pool machine, if an app has a create token to spare: one is always left for a job.
///
/// # Errors
/// [`crate::Error::NotLeader`], or when the database cannot be reached.
pub async fn intend(
    db: &Db,
    lease: &Lease,
    name: &str,
    tier: &Tier,
    image: &str,
    apps: &[App],
    sealer: &Sealer,
) -> Result<Option<(Intent, SecretString)>> {
    let id = Uuid::now_v7();
    let minted = token::mint(sealer, id)?;
    let mut transaction = db.pool.begin().await?;
    sqlx::query("select gh_check_lead($1, $2)")
        .bind(&lease.holder)
        .bind(lease.term)
        .execute(&mut *transaction)
        .await?;
    for app in apps {
        let there: i32 =
            sqlx::query_scalar("select gh_rate_refill('create:' || $1, $2::numeric, $3::numeric)")
                .bind(&app.app)
                .bind(app.rate)
                .bind(app.burst)
                .fetch_one(&mut *transaction)
                .await?;
        if there < 2 {
            continue;
        }
        sqlx::query("update gh_rate set tokens = tokens - 1 where bucket = 'create:' || $1")
            .bind(&app.app)
            .execute(&mut *transaction)
            .await?;
        let intent = Intent {
            id,
            attempt: None,
            app: app.app.clone(),
            name: format!("gh-pool-{id}"),
            tier: name.to_owned(),
            guest: tier.guest.clone(),
            image: tier.image.as_deref().unwrap_or(image).to_owned(),
            regions: tier.regions.join(","),
            posts: 0,
        };
        sqlx::query(
            "insert into gh_machines (id, kind, app, name, tier, guest, image, regions, token_hash, token_sealed, posted_at, posts)
             values ($1, 'pool', $2, $3, $4, $5, $6, $7, $8, $9, now(), 1)",
        )
        .bind(id)
        .bind(&intent.app)
        .bind(&intent.name)
        .bind(&intent.tier)
        .bind(Json(&intent.guest))
        .bind(&intent.image)
        .bind(&intent.regions)
        .bind(&minted.hash)
        .bind(&minted.sealed)
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        return Ok(Some((intent, minted.token)));
    }
    Ok(None)
}

/// Takes a pool machine out of use; `false` when it was given an attempt meanwhile.
///
/// # Errors
/// When the database cannot be reached.
pub async fn retire(db: &Db, machine: Uuid) -> Result<bool> {
    let done = sqlx::query("update gh_machines set retired_at = now() where id = $1 and attempt_id is null and retired_at is null")
        .bind(machine)
        .execute(&db.pool)
        .await?;
    Ok(done.rows_affected() == 1)
}

/// Gives the attempt of a pool machine that did not start a machine of its own, and takes the pool machine out of use.
/// Its token is worth nothing from then on. `false` when the attempt is running or over.
///
/// # Errors
/// When the database cannot be reached.
pub async fn miss(db: &Db, machine: Uuid, boot_seconds: i32, sealer: &Sealer) -> Result<bool> {
    let row: Option<(Uuid, Vec<u8>)> = sqlx::query_as(
        "select a.id, a.token_sealed from gh_machines m join gh_job_attempts a on a.id = m.attempt_id where m.id = $1",
    )
    .bind(machine)
    .fetch_optional(&db.pool)
    .await?;
    let Some((attempt, sealed)) = row else { return Ok(false) };
    let hash = token::hash(&token::open(sealer, attempt, &sealed)?);
    let missed: Option<Uuid> = sqlx::query_scalar("select gh_pool_miss($1, $2, $3)")
        .bind(machine)
        .bind(hash)
        .bind(boot_seconds)
        .fetch_one(&db.pool)
        .await?;
    Ok(missed.is_some())
}
