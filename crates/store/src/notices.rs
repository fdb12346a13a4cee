//! What the dispatcher wants its readers to know, one row a subject.

use serde_json::Value;
use sqlx::types::Json;

use crate::{Db, Result};

/// Writes a notice; `null` means that all is well.
///
/// # Errors
/// When the database cannot be reached.
pub async fn set(db: &Db, key: &str, value: &Value) -> Result<()> {
    sqlx::query(
        "insert into gh_notices as n (key, value) values ($1, $2) on conflict (key) do update set value = excluded.value, at = now()
         where n.value is distinct from excluded.value",
    )
    .bind(key)
    .bind(Json(value))
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Reads a notice; `null` when there is none.
///
/// # Errors
/// When the database cannot be reached.
pub async fn get(db: &Db, key: &str) -> Result<Value> {
    let value: Option<Json<Value>> = sqlx::query_scalar("select value from gh_notices where key = $1")
        .bind(key)
        .fetch_optional(&db.pool)
        .await?;
    Ok(value.map_or(Value::Null, |value| value.0))
}

/// Tells the readers of waiting jobs why nothing starts; at most a thousand rows, the first in line.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tell_waiting_jobs(db: &Db, message: &str) -> Result<()> {
    sqlx::query(
        "update gh_automation_jobs set status_message = $1 where id in (
           select id from gh_automation_jobs
           where status in ('pending', 'queued') and worker_id is null and status_message is distinct from $1
           order by priority, created_at limit 1000 for update skip locked)",
    )
    .bind(message)
    .execute(&db.pool)
    .await?;
    Ok(())
}
