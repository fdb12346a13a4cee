//! Callbacks that wait, were given up, or arrived; and sending them again.

use chrono::{DateTime, Utc};
use domain::id::JobId;
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;

use super::audit;
use crate::{Db, Result};

/// A callback in a list. Its address is shown without its query, which may hold a secret.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[expect(missing_docs, reason = "the names are the columns'")]
pub struct Callback {
    pub id: Uuid,
    pub job_id: JobId,
    pub seq: i64,
    pub event: String,
    pub url: String,
    /// `parked`, `delivered` or `waiting`.
    pub state: String,
    pub tries: i32,
    pub created_at: DateTime<Utc>,
    pub next_at: Option<DateTime<Utc>>,
    pub delivered_at: Option<DateTime<Utc>>,
    pub parked_at: Option<DateTime<Utc>>,
    pub last_error: Option<String>,
    pub age_seconds: i64,
}

/// Which callbacks.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// In this state.
    pub state: Option<String>,
    /// Of this job.
    pub job: Option<JobId>,
    /// At most this many.
    pub limit: i64,
}

/// Callbacks, the newest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: &Db, filter: &Filter) -> Result<Vec<Callback>> {
    let callbacks = sqlx::query_as(
        "select * from (
           select id, job_id, seq, event, regexp_replace(split_part(split_part(url, '?', 1), '#', 1), '//[^/]*@', '//') as url,
             case when parked_at is not null then 'parked' when delivered_at is not null then 'delivered' else 'waiting' end as state,
             tries, created_at, case when delivered_at is null and parked_at is null then next_at end as next_at, delivered_at, parked_at,
             last_error, extract(epoch from now() - created_at)::bigint as age_seconds
           from gh_outbox
         ) o where ($1::text is null or state = $1) and ($2::uuid is null or job_id = $2) order by seq desc limit $3",
    )
    .bind(&filter.state)
    .bind(filter.job)
    .bind(filter.limit)
    .fetch_all(&db.pool)
    .await?;
    Ok(callbacks)
}

/// Which callbacks to send again.
#[derive(Clone, Debug)]
pub enum Again {
    /// These, also when they were delivered.
    These(Vec<Uuid>),
    /// Whatever of this job was given up.
    OfJob(JobId),
    /// Whatever was given up.
    Parked,
}

/// Makes callbacks due now, for another 24 hours, under their old ids; returns which.
///
/// # Errors
/// When the database cannot be reached.
pub async fn redrive(db: &Db, actor: &str, again: &Again) -> Result<Vec<Uuid>> {
    let (ids, job) = match again {
        Again::These(ids) => (Some(ids), None),
        Again::OfJob(job) => (None, Some(*job)),
        Again::Parked => (None, None),
    };
    let mut transaction = db.pool.begin().await?;
    let redriven: Vec<Uuid> = sqlx::query_scalar(
        "update gh_outbox set parked_at = null, delivered_at = null, tries = 0, since = now(), next_at = now(), last_error = null
         where ($1::uuid[] is not null and id = any($1)) or ($1 is null and parked_at is not null and ($2::uuid is null or job_id = $2))
         returning id",
    )
    .bind(ids)
    .bind(job)
    .fetch_all(&mut *transaction)
    .await?;
    if !redriven.is_empty() {
        let subject = job.map_or_else(|| "callbacks".to_owned(), |job| job.to_string());
        audit::write(&mut transaction, actor, "redrive", &subject, &json!({ "ids": redriven })).await?;
    }
    transaction.commit().await?;
    Ok(redriven)
}
