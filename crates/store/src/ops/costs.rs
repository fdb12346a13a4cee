//! What machines cost, at today's price and at another guest's.

use domain::money::MicroUsd;
use domain::tier::Guest;
use sqlx::types::Json;

use crate::{Db, Result};

/// A tier's machine time of the last 30 days, priced twice.
#[derive(Clone, Debug, PartialEq, Eq, sqlx::FromRow)]
pub struct Usage {
    /// Jobs that had a machine.
    pub jobs: i64,
    /// For how long, together.
    pub seconds: i64,
    /// What that time costs on the first guest; `None` when a region has no price.
    pub before: Option<MicroUsd>,
    /// What it costs on the second.
    pub after: Option<MicroUsd>,
}

/// What the tier's jobs of the last 30 days cost on two guests, in the regions they ran in, at the prices of today.
///
/// # Errors
/// When the database cannot be reached.
pub async fn compare(db: &Db, tier: &str, before: &Guest, after: &Guest) -> Result<Usage> {
    let usage = sqlx::query_as(
        "with used as materialized (
           select job_id, region, quantity from gh_cost_ledger
           where tier = $1 and kind = 'machine' and provider = 'fly' and unit = 'second' and at > now() - interval '30 days'
         ), priced as (
           select seconds, gh_guest_price($2, region, now()) as before, gh_guest_price($3, region, now()) as after
           from (select region, sum(quantity) as seconds from used group by region) r
         )
         select (select count(distinct job_id) from used) as jobs, coalesce(round(sum(seconds)), 0)::bigint as seconds,
           case when count(*) = count(before) then round(coalesce(sum(seconds * before), 0) * 1000000)::bigint end as before,
           case when count(*) = count(after) then round(coalesce(sum(seconds * after), 0) * 1000000)::bigint end as after
         from priced",
    )
    .bind(tier)
    .bind(Json(before))
    .bind(Json(after))
    .fetch_one(&db.pool)
    .await?;
    Ok(usage)
}
