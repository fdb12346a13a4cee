//! Browser sessions kept for users, one per site. Only their outline is read here, never what is in them.

use chrono::{DateTime, Utc};
use domain::id::UserId;
use serde::Serialize;
use uuid::Uuid;

use crate::{Db, Result};

/// A session without its contents.
#[derive(Debug, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the names are the contract's columns")]
pub struct Session {
    pub id: Uuid,
    #[cfg_attr(feature = "openapi", schema(value_type = Uuid))]
    pub user_id: UserId,
    pub domain: String,
    pub last_used_at: DateTime<Utc>,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
}

/// The sessions of a user, the one used last first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: &Db, user: UserId) -> Result<Vec<Session>> {
    let sessions = sqlx::query_as(
        "select id, user_id, domain, last_used_at, created_at, updated_at, expires_at
        from gh_browser_sessions where user_id = $1 order by last_used_at desc, domain",
    )
    .bind(user)
    .fetch_all(&db.pool)
    .await?;
    Ok(sessions)
}

/// Deletes the session of a user with one site, and returns its id if there was one.
///
/// # Errors
/// When the database cannot be reached.
pub async fn delete(db: &Db, user: UserId, domain: &str) -> Result<Option<Uuid>> {
    let id = sqlx::query_scalar(
        "delete from gh_browser_sessions where user_id = $1 and domain = lower($2) returning id",
    )
    .bind(user)
    .bind(domain)
    .fetch_optional(&db.pool)
    .await?;
    Ok(id)
}

/// Deletes every session of a user, and returns how many there were.
///
/// # Errors
/// When the database cannot be reached.
pub async fn delete_all(db: &Db, user: UserId) -> Result<u64> {
    let done = sqlx::query("delete from gh_browser_sessions where user_id = $1")
        .bind(user)
        .execute(&db.pool)
        .await?;
    Ok(done.rows_affected())
}
