//! The scaling rule's log, and moving capacity by hand.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;

use super::audit;
use crate::{Db, Result};

/// One decision, with what it was decided from.
#[derive(Clone, Debug, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = ScalingDecision))]
pub struct Decision {
    /// When.
    pub at: DateTime<Utc>,
    /// For which tier.
    pub tier: String,
    /// Due jobs nobody held.
    pub pending: i64,
    /// Live attempts.
    pub live: i64,
    /// The capacity before.
    pub capacity_from: i32,
    /// The capacity after.
    pub capacity_to: i32,
    /// How many pool machines there should be.
    pub pool_target: i32,
    /// Which part of the rule, or who.
    pub reason: String,
}

/// The last `most` decisions for a tier, or for all, newest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn decisions(db: &Db, tier: Option<&str>, most: i64) -> Result<Vec<Decision>> {
    let decisions = sqlx::query_as(
        "select at, tier, pending, live, capacity_from, capacity_to, pool_target, reason
         from gh_scale_log where $1::text is null or tier = $1 order by id desc limit $2",
    )
    .bind(tier)
    .bind(most)
    .fetch_all(&db.pool)
    .await?;
    Ok(decisions)
}

/// Sets a tier's capacity by hand and returns the one before; `None` when no dispatcher has seen the tier yet.
///
/// Its quiet time starts anew, so that the rule does not take it back at once.
///
/// # Errors
/// When the database cannot be reached.
pub async fn set(db: &Db, actor: &str, tier: &str, capacity: i32) -> Result<Option<i32>> {
    let mut transaction = db.pool.begin().await?;
    let before: Option<i32> =
        sqlx::query_scalar("select capacity from gh_capacity where tier = $1 for update")
            .bind(tier)
            .fetch_optional(&mut *transaction)
            .await?;
    let Some(before) = before else { return Ok(None) };
    sqlx::query(
        "with moved as (
           update gh_capacity set capacity = $2, zero_since = null, updated_at = now() where tier = $1 returning pool_target
         )
         insert into gh_scale_log (tier, pending, live, capacity_from, capacity_to, pool_target, reason)
         select $1, (select count(*) from (
                       select 1 from gh_automation_jobs j
                       where j.tier = $1 and j.status in ('pending', 'queued') and j.worker_id is null
                         and (j.scheduled_at is null or j.scheduled_at <= now()) limit 1000) due),
           (select count(*) from gh_job_attempts a where a.tier = $1 and a.state in ('claimed', 'launching', 'running')),
           $3, $2, m.pool_target, 'by hand: ' || $4 from moved m",
    )
    .bind(tier)
    .bind(capacity)
    .bind(before)
    .bind(actor)
    .execute(&mut *transaction)
    .await?;
    let detail = json!({ "from": before, "to": capacity });
    audit::write(&mut transaction, actor, "scale_set", tier, &detail).await?;
    transaction.commit().await?;
    Ok(Some(before))
}
