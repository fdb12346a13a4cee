//! Sums of a time by anything the ledger knows.

use std::str::FromStr;

use chrono::{DateTime, NaiveDate, Utc};
use serde::Serialize;

use super::Exact;
use crate::{Db, Result};

/// What money can be summed by. The closed list is what keeps a parameter out of the SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it; docs/COSTS.md explains each")]
pub enum By {
    Job,
    Attempt,
    User,
    Tier,
    JobType,
    Platform,
    Day,
    Month,
    Model,
    Provider,
    Sku,
    Region,
    Kind,
    Overhead,
    Outcome,
}

impl By {
    /// All of them, as they are documented.
    pub const ALL: [Self; 15] = [
        Self::Job,
        Self::Attempt,
        Self::User,
        Self::Tier,
        Self::JobType,
        Self::Platform,
        Self::Day,
        Self::Month,
        Self::Model,
        Self::Provider,
        Self::Sku,
        Self::Region,
        Self::Kind,
        Self::Overhead,
        Self::Outcome,
    ];

    /// Its name in a query and in a reply.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Job => "job",
            Self::Attempt => "attempt",
            Self::User => "user",
            Self::Tier => "tier",
            Self::JobType => "job_type",
            Self::Platform => "platform",
            Self::Day => "day",
            Self::Month => "month",
            Self::Model => "model",
            Self::Provider => "provider",
            Self::Sku => "sku",
            Self::Region => "region",
            Self::Kind => "kind",
            Self::Overhead => "overhead",
            Self::Outcome => "outcome",
        }
    }
}

/// A word that names nothing money can be summed by.
#[derive(Debug, thiserror::Error)]
#[error("must be one of {}", By::ALL.map(By::as_str).join(", "))]
pub struct UnknownBy;

impl FromStr for By {
    type Err = UnknownBy;

    fn from_str(word: &str) -> std::result::Result<Self, UnknownBy> {
        Self::ALL.into_iter().find(|by| by.as_str() == word).ok_or(UnknownBy)
    }
}

/// A time: from the first moment on, up to but without the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period {
    /// The first moment.
    pub from: DateTime<Utc>,
    /// The first moment after.
    pub to: DateTime<Utc>,
}

/// One group and its sums, in dollars.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = CostSums))]
pub struct Sums {
    /// What the group has in common, in the order asked for; `None` where there is none.
    #[serde(skip)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub keys: Vec<Option<String>>,
    /// Machines at work on jobs.
    pub machine_usd: Exact,
    /// Models.
    pub llm_usd: Exact,
    /// What no job is charged for.
    pub overhead_usd: Exact,
    /// All three.
    pub total_usd: Exact,
    /// Jobs that spent something.
    pub jobs: i64,
    /// Of those, the completed.
    pub completed: i64,
    /// Everything, waste and overhead too, over the completed.
    pub per_success_usd: Option<Exact>,
    /// Of attempts that failed, died or were fenced off.
    pub wasted_usd: Exact,
    /// What half of the jobs cost at most.
    pub p50_usd: Option<Exact>,
    /// What nineteen of twenty jobs cost at most.
    pub p95_usd: Option<Exact>,
    /// What the dearest job cost.
    pub max_usd: Option<Exact>,
    /// Lines of the ledger.
    pub lines: i64,
    /// Lines whose price is not known yet.
    pub unpriced: i64,
}

/// The sums of at most `most` groups: days in their order, else the dearest first.
///
/// # Errors
/// When the database cannot be reached.
pub async fn report(db: &Db, period: Period, by: &[By], most: i64) -> Result<Vec<Sums>> {
    let names: Vec<&str> = by.iter().map(|by| by.as_str()).collect();
    let sums = sqlx::query_as(
        "select * from gh_cost_report($1, $2, $3)
         order by case when $3[1] in ('day', 'month') then keys[1] end, total_usd desc, keys limit $4",
    )
    .bind(period.from)
    .bind(period.to)
    .bind(names)
    .bind(most)
    .fetch_all(&db.pool)
    .await?;
    Ok(sums)
}

/// The sums of everything in a time; `None` when nothing was spent.
///
/// # Errors
/// When the database cannot be reached.
pub async fn total(db: &Db, period: Period) -> Result<Option<Sums>> {
    Ok(report(db, period, &[], 1).await?.pop())
}

/// Where this month stands and where it goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[cfg_attr(feature = "openapi", schema(as = CostForecast))]
pub struct Forecast {
    /// Its first day.
    pub month: NaiveDate,
    /// Spent so far.
    pub spent_usd: Exact,
    /// Spent in the last seven days.
    pub last_seven_days_usd: Exact,
    /// At its end, if the days to come are like the last seven.
    pub forecast_usd: Exact,
}

/// Reads the forecast.
///
/// # Errors
/// When the database cannot be reached.
pub async fn forecast(db: &Db) -> Result<Forecast> {
    Ok(sqlx::query_as("select * from gh_cost_forecast").fetch_one(&db.pool).await?)
}
