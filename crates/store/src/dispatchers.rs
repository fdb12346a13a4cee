//! Which dispatchers run, and what each of them goes by.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Db, Result};

/// A dispatcher that runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
pub struct Running {
    /// Its name among others.
    pub holder: String,
    /// Since when.
    pub started_at: DateTime<Utc>,
    /// When it last told of itself.
    pub seen_at: DateTime<Utc>,
    /// Its version.
    pub version: String,
    /// What its machines run whose tier names no image.
    pub image: String,
    /// The tiers file it reads; none for the one it was built with.
    pub tiers_file: Option<String>,
    /// The sha256 of the tiers file in force, in hexadecimal.
    pub tiers_hash: String,
}

/// What a dispatcher tells of itself.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names are those of Running")]
pub struct Own<'a> {
    pub holder: &'a str,
    pub version: &'a str,
    pub image: &'a str,
    pub tiers_file: Option<&'a str>,
    pub tiers_hash: &'a str,
}

/// Notes that a dispatcher runs now.
///
/// # Errors
/// When the database cannot be reached.
pub async fn seen(db: &Db, own: &Own<'_>) -> Result<()> {
    sqlx::query(
        "insert into gh_dispatchers (holder, version, image, tiers_file, tiers_hash) values ($1, $2, $3, $4, $5)
         on conflict (holder) do update set seen_at = now(), tiers_file = $4, tiers_hash = $5",
    )
    .bind(own.holder)
    .bind(own.version)
    .bind(own.image)
    .bind(own.tiers_file)
    .bind(own.tiers_hash)
    .execute(&db.pool)
    .await?;
    Ok(())
}

/// Notes that a dispatcher ended in order.
///
/// # Errors
/// When the database cannot be reached.
pub async fn gone(db: &Db, holder: &str) -> Result<()> {
    sqlx::query("delete from gh_dispatchers where holder = $1").bind(holder).execute(&db.pool).await?;
    Ok(())
}

/// The dispatchers that told of themselves within the last minute, the oldest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn running(db: &Db) -> Result<Vec<Running>> {
    Ok(sqlx::query_as(
        "select holder, started_at, seen_at, version, image, tiers_file, tiers_hash
         from gh_dispatchers where seen_at > now() - interval '1 minute' order by started_at",
    )
    .fetch_all(&db.pool)
    .await?)
}
