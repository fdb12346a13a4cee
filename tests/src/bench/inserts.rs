//! Jobs as VALET's backend inserts them.

use anyhow::Result;
use sqlx::{Connection as _, PgConnection};
use uuid::Uuid;

/// One job of a new user, with the columns VALET names; a prepared statement on a warm connection.
pub(super) async fn one(connection: &mut PgConnection, target_url: &str) -> Result<Uuid> {
    let id = Uuid::new_v4();
    sqlx::query(
        "insert into gh_automation_jobs (id, user_id, created_by, job_type, target_url, input_data, priority, max_retries, metadata, status)
         values ($1, $2, 'valet', 'apply', $3, $4, 5, 1, $5, 'queued')",
    )
    .bind(id)
    .bind(Uuid::new_v4())
    .bind(target_url)
    .bind(serde_json::json!({ "tier": "starter", "platform": "other" }))
    .bind(serde_json::json!({ "source": "bench" }))
    .execute(connection)
    .await?;
    Ok(id)
}

/// `count` jobs of as many users, visible at once.
pub(super) async fn many(connection: &mut PgConnection, count: i32) -> Result<()> {
    let mut transaction = connection.begin().await?;
    sqlx::query(
        "insert into gh_automation_jobs (user_id, created_by, job_type, target_url, input_data, status)
         select gen_random_uuid(), 'valet', 'apply', 'https://example.com/apply', '{\"tier\": \"starter\"}', 'queued'
         from generate_series(1, $1)",
    )
    .bind(count)
    .execute(&mut *transaction)
    .await?;
    transaction.commit().await?;
    Ok(())
}
