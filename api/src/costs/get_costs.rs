//! `GET /costs`: what was spent in a time, by up to three things.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use serde::Serialize;
use store::costs::{self, Export, Forecast, Sums};
use utoipa::ToSchema;

use super::parameters::{self, Format};
use super::stream;
use crate::app::App;
use crate::caller::Accountant;
use crate::error::ApiResult;
use crate::openapi;
use crate::query::Query;

/// What was spent in a time.
#[derive(Debug, Serialize, ToSchema)]
pub struct Costs {
    /// The first moment.
    from: DateTime<Utc>,
    /// The first moment after.
    to: DateTime<Utc>,
    /// What the rows have in common.
    group_by: Vec<&'static str>,
    /// The groups: days and months in their order, else the dearest first.
    rows: Vec<CostGroup>,
    /// Whether there are more groups than `limit`; `total` has them all, and so has the CSV.
    truncated: bool,
    /// Everything in that time; null when nothing was spent.
    total: Option<Sums>,
    /// The month that is under way, whatever was asked for.
    forecast: Forecast,
}

/// One group: what it has in common, under the names asked for, and its sums in dollars.
#[derive(Debug, Serialize, ToSchema)]
pub struct CostGroup {
    #[serde(flatten)]
    keys: BTreeMap<&'static str, Option<String>>,
    #[serde(flatten)]
    sums: Sums,
}

/// Sums what was spent.
#[utoipa::path(
    get,
    path = "/costs",
    tag = "account",
    params(
        ("from" = Option<String>, Query, description = "A day or a moment; the first of this month when absent"),
        ("to" = Option<String>, Query, description = "The first day or moment after; tomorrow when absent"),
        ("group_by" = Option<String>, Query, description = "Up to three of job, attempt, user, tier, job_type, platform, \
            day, month, model, provider, sku, region, kind, overhead, outcome, separated by commas; day when absent"),
        ("format" = Option<String>, Query, description = "json, csv, or focus (every line in FOCUS 1.2); else Accept decides"),
        ("limit" = Option<i64>, Query, description = "The most groups in JSON, 1 to 10,000; 1,000 when absent"),
    ),
    responses(
        (status = 200, description = "The sums; as text/csv every group", body = Costs),
        openapi::Guarded,
        openapi::WithQuery,
        openapi::ForServices,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn get_costs(
    State(app): State<Arc<App>>,
    _: Accountant,
    headers: HeaderMap,
    mut query: Query,
) -> ApiResult<Response> {
    let period = parameters::period(&mut query)?;
    let by = parameters::groups(&mut query)?;
    let format = parameters::format(&mut query, &headers)?;
    let limit = query.number("limit", 1, 10_000, 1_000);
    query.check()?;
    match format {
        Format::Csv => return stream::download(&app.db, Export::Report(by), period).await,
        Format::Focus => return stream::download(&app.db, Export::Focus, period).await,
        Format::Json => {}
    }
    let mut groups = costs::report(&app.db, period, &by, limit + 1).await?;
    let truncated = groups.len() > usize::try_from(limit).unwrap_or(usize::MAX);
    if truncated {
        groups.pop();
    }
    let group_by: Vec<_> = by.iter().map(|by| by.as_str()).collect();
    let rows = groups.into_iter().map(|mut sums| CostGroup {
        keys: group_by.iter().copied().zip(std::mem::take(&mut sums.keys)).collect(),
        sums,
    });
    Ok(Json(Costs {
        from: period.from,
        to: period.to,
        rows: rows.collect(),
        group_by,
        truncated,
        total: costs::total(&app.db, period).await?,
        forecast: costs::forecast(&app.db).await?,
    })
    .into_response())
}
