//! Prices that came late.

use super::Exact;
use crate::{Db, Result};

/// What a backfill did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, sqlx::FromRow)]
pub struct Backfill {
    /// Lines that have a price now.
    pub filled: i64,
    /// What they cost together, in dollars.
    pub usd: Exact,
    /// Lines that still have none.
    pub missing: i64,
}

/// How many lines are corrected in one statement, so that none takes long.
const BATCH: i32 = 500;

/// Gives every line without a price the one that held when it was used, where it is known by now. Doing it again is harmless.
///
/// # Errors
/// When the database cannot be reached; what was corrected stays corrected.
pub async fn backfill(db: &Db) -> Result<Backfill> {
    let mut done = Backfill::default();
    loop {
        let batch: Backfill = sqlx::query_as("select filled, usd, missing from gh_backfill_prices($1)")
            .bind(BATCH)
            .fetch_one(&db.pool)
            .await?;
        done.filled += batch.filled;
        done.usd.0 += batch.usd.0;
        done.missing = batch.missing;
        if batch.filled == 0 || batch.missing == 0 {
            return Ok(done);
        }
    }
}
