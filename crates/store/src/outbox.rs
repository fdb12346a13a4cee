//! What is still to be told to the outside: rows that a trigger wrote in the transaction of the state they tell of.
//!
//! A row that is taken is leased: it comes up again by itself when whoever took it is not heard of. So a delivery may happen
//! twice, with the same id, and is never forgotten. Of one job nothing is taken before what came earlier is delivered or parked.

use std::time::Duration;

use domain::id::JobId;
use secrecy::SecretString;
use uuid::Uuid;

use crate::{Db, Result};

/// One callback to be delivered now.
#[derive(Debug, sqlx::FromRow)]
pub struct Delivery {
    /// The same however often it is delivered.
    pub id: Uuid,
    /// Whose it is.
    pub job_id: JobId,
    /// Larger than that of everything told before of the same job.
    pub seq: i64,
    /// What happened, in the contract's word.
    pub event: String,
    /// Where to; its query may hold a secret.
    #[sqlx(try_from = "String")]
    pub url: SecretString,
    /// What to send, byte for byte the same each time.
    pub body: String,
    /// How often it was tried, this time included.
    pub tries: i32,
    /// For how many seconds it has been trying.
    pub age_seconds: i64,
}

impl Delivery {
    /// How long it has been trying.
    pub fn age(&self) -> Duration {
        Duration::from_secs(self.age_seconds.try_into().unwrap_or_default())
    }
}

/// Takes up to `most` due callbacks for the time of `lease`.
///
/// # Errors
/// When the database cannot be reached.
pub async fn take(db: &Db, most: i64, lease: Duration) -> Result<Vec<Delivery>> {
    let deliveries = sqlx::query_as(
        "with due as (
           select o.id from gh_outbox o
           where o.delivered_at is null and o.parked_at is null and o.next_at <= now()
             and not exists (select 1 from gh_outbox e where e.job_id = o.job_id and e.seq < o.seq
                               and e.delivered_at is null and e.parked_at is null)
           order by o.next_at, o.seq limit $1 for update of o skip locked
         )
         update gh_outbox o set tries = o.tries + 1, next_at = now() + make_interval(secs => $2)
         from due where o.id = due.id
         returning o.id, o.job_id, o.seq, o.event, o.url, o.body::text as body, o.tries,
           floor(extract(epoch from now() - o.since))::bigint as age_seconds",
    )
    .bind(most)
    .bind(lease.as_secs_f64())
    .fetch_all(&db.pool)
    .await?;
    Ok(deliveries)
}

/// How long until the next callback is due; zero when one is now, `None` when there is nothing to deliver.
///
/// # Errors
/// When the database cannot be reached.
pub async fn next_due(db: &Db) -> Result<Option<Duration>> {
    let seconds: Option<f64> = sqlx::query_scalar(
        "select extract(epoch from min(next_at) - now())::float8 from gh_outbox where delivered_at is null and parked_at is null",
    )
    .fetch_one(&db.pool)
    .await?;
    Ok(seconds.map(|seconds| Duration::try_from_secs_f64(seconds).unwrap_or_default()))
}

/// It arrived; what comes next of its job is due.
///
/// # Errors
/// When the database cannot be reached: then it is delivered again.
pub async fn delivered(db: &Db, delivery: &Delivery) -> Result<()> {
    sqlx::query(
        "with done as (
           update gh_outbox set delivered_at = now(), last_error = null where id = $1 and delivered_at is null returning job_id, seq
         ), following as (
           select o.id from gh_outbox o, done d
           where o.job_id = d.job_id and o.seq > d.seq and o.delivered_at is null and o.parked_at is null order by o.seq limit 1
         )
         update gh_outbox o set next_at = now() from following f where o.id = f.id and o.tries = 0",
    )
    .bind(delivery.id)
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// It did not arrive, for this reason; it is tried again after `wait`, and so is what comes after it.
///
/// # Errors
/// When the database cannot be reached: then the lease runs out.
pub async fn failed(db: &Db, delivery: &Delivery, reason: &str, wait: Duration) -> Result<()> {
    postpone(db, delivery, delivery.tries, reason, wait).await
}

/// It was not tried after all; it is taken again after `wait`.
///
/// # Errors
/// When the database cannot be reached: then the lease runs out.
pub async fn put_off(db: &Db, delivery: &Delivery, reason: &str, wait: Duration) -> Result<()> {
    postpone(db, delivery, delivery.tries - 1, reason, wait).await
}

async fn postpone(db: &Db, delivery: &Delivery, tries: i32, reason: &str, wait: Duration) -> Result<()> {
    sqlx::query(
        "with later as (
           update gh_outbox set tries = $3, last_error = $4, next_at = now() + make_interval(secs => $5)
           where id = $1 and tries = $2 and delivered_at is null and parked_at is null returning job_id, seq, next_at
         )
         update gh_outbox o set next_at = l.next_at from later l
         where o.job_id = l.job_id and o.seq > l.seq and o.delivered_at is null and o.parked_at is null and o.next_at < l.next_at",
    )
    .bind(delivery.id)
    .bind(delivery.tries)
    .bind(tries)
    .bind(reason)
    .bind(wait.as_secs_f64())
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Whether it is not final and something final of its job waits behind it.
///
/// # Errors
/// When the database cannot be reached.
pub async fn is_overtaken(db: &Db, delivery: &Delivery) -> Result<bool> {
    let overtaken = sqlx::query_scalar(
        "select $3 not in ('completed', 'failed', 'cancelled') and exists (
           select 1 from gh_outbox o where o.job_id = $1 and o.seq > $2 and o.delivered_at is null and o.parked_at is null
             and o.event in ('completed', 'failed', 'cancelled'))",
    )
    .bind(delivery.job_id.0)
    .bind(delivery.seq)
    .bind(&delivery.event)
    .fetch_one(&db.pool)
    .await?;
    Ok(overtaken)
}

/// Makes due what was parked because it was refused once, as earlier releases did, and is not older than `day`; returns how many.
/// Not what is gone (410), nor what would tell of a job less than it has told since.
///
/// # Errors
/// When the database cannot be reached.
pub async fn recover(db: &Db, day: Duration) -> Result<u64> {
    let recovered = sqlx::query(
        "update gh_outbox o set parked_at = null, next_at = now()
         where o.parked_at is not null and o.delivered_at is null and o.since > now() - make_interval(secs => $1)
           and o.last_error like 'answered 4__ %' and o.last_error not like 'answered 410 %'
           and not exists (select 1 from gh_outbox l where l.job_id = o.job_id and l.seq > o.seq and l.delivered_at is not null)",
    )
    .bind(day.as_secs_f64())
    .execute(&db.pool)
    .await?;
    Ok(recovered.rows_affected())
}

/// It is given up, for this reason, until somebody redrives it; what comes next of its job is due, and its day begins.
///
/// # Errors
/// When the database cannot be reached: then the lease runs out.
pub async fn park(db: &Db, delivery: &Delivery, reason: &str) -> Result<()> {
    sqlx::query(
        "with done as (
           update gh_outbox set parked_at = now(), last_error = $3
           where id = $1 and tries = $2 and delivered_at is null and parked_at is null returning job_id, seq
         ), following as (
           select o.id from gh_outbox o, done d
           where o.job_id = d.job_id and o.seq > d.seq and o.delivered_at is null and o.parked_at is null order by o.seq limit 1
         )
         update gh_outbox o set next_at = now(), since = now() from following f where o.id = f.id and o.tries = 0",
    )
    .bind(delivery.id)
    .bind(delivery.tries)
    .bind(reason)
    .execute(&db.pool)
    .await?;
    Ok(())
}
