//! What the dispatcher wants its readers to know, one row a subject.

use serde::{Deserialize, Serialize};
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

/// Why machines cannot be made, and of which tiers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Breaker {
    /// A word for it, such as `Auth`.
    pub cause: String,
    /// What Fly said.
    pub message: String,
    /// The tiers; all when there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tiers: Vec<String>,
}

impl Breaker {
    /// What Fly said, or the word for it.
    pub fn says(&self) -> &str {
        if self.message.is_empty() { &self.cause } else { &self.message }
    }

    /// Whether no machine of `tier` can be made.
    pub fn stops(&self, tier: &str) -> bool {
        self.tiers.is_empty() || self.tiers.iter().any(|stopped| stopped == tier)
    }
}

/// What the breaker is open for; `None` when machines can be made.
///
/// # Errors
/// When the database cannot be reached.
pub async fn breaker(db: &Db) -> Result<Option<Breaker>> {
    let value: Option<Json<Option<Breaker>>> =
        sqlx::query_scalar("select value from gh_notices where key = 'breaker'")
            .fetch_optional(&db.pool)
            .await?;
    Ok(value.and_then(|value| value.0))
}

/// Tells the readers of waiting jobs (of one tier, or of all) why nothing starts; at most a thousand rows, the first in line.
///
/// # Errors
/// When the database cannot be reached.
pub async fn tell_waiting_jobs(db: &Db, tier: Option<&str>, message: &str) -> Result<()> {
    sqlx::query(
        "update gh_automation_jobs set status_message = $1 where id in (
           select id from gh_automation_jobs
           where status in ('pending', 'queued') and worker_id is null and status_message is distinct from $1 and tier = coalesce($2, tier)
           order by priority, created_at limit 1000 for update skip locked)",
    )
    .bind(message)
    .bind(tier)
    .execute(&db.pool)
    .await?;
    Ok(())
}
