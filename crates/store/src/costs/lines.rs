//! The lines of one job.

use chrono::{DateTime, Utc};
use domain::id::JobId;
use serde::Serialize;
use uuid::Uuid;

use super::Exact;
use crate::{Db, Result};

/// A line of the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = LedgerLine))]
pub struct Line {
    /// Its number.
    pub id: i64,
    /// When it was written.
    pub at: DateTime<Utc>,
    /// The attempt it belongs to.
    pub attempt_id: Option<Uuid>,
    /// That attempt's number.
    pub attempt: Option<i32>,
    /// `machine`, `llm` or `overhead`.
    pub kind: String,
    /// Who is paid.
    pub provider: String,
    /// For what.
    pub sku: String,
    /// Where.
    pub region: Option<String>,
    /// How much of it.
    pub quantity: Exact,
    /// `second`, `token` or `gb-second`.
    pub unit: String,
    /// The price of one, in dollars; `None`: not known yet.
    pub unit_price: Option<Exact>,
    /// Both multiplied.
    pub cost_usd: Option<Exact>,
    /// The time it was used in.
    pub period_start: Option<DateTime<Utc>>,
    /// Its end.
    pub period_end: Option<DateTime<Utc>>,
    /// Who wrote it.
    pub source: String,
    /// What a model was asked for.
    pub purpose: Option<String>,
    /// The name of overhead.
    pub overhead: Option<String>,
    /// The line this one corrects.
    pub corrects: Option<i64>,
    /// Whether it came to nothing.
    pub wasted: bool,
}

/// Every line of a job in the order of use; `None` when neither a job nor a line of one has this id.
///
/// # Errors
/// When the database cannot be reached.
pub async fn of_job(db: &Db, job: JobId) -> Result<Option<Vec<Line>>> {
    let lines: Vec<Line> = sqlx::query_as(
        "select id, at, attempt_id, attempt, kind, provider, sku, region, quantity, unit, unit_price, cost_usd,
           period_start, period_end, source, purpose, overhead, corrects, wasted
         from gh_cost_lines where job_id = $1 order by used_at, id",
    )
    .bind(job)
    .fetch_all(&db.pool)
    .await?;
    if lines.is_empty() {
        let known: bool =
            sqlx::query_scalar("select exists (select 1 from gh_automation_jobs where id = $1)")
                .bind(job)
                .fetch_one(&db.pool)
                .await?;
        return Ok(known.then(Vec::new));
    }
    Ok(Some(lines))
}
