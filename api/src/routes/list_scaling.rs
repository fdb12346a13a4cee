//! `GET /monitoring/scaling`: what the scaling rule decided, and from what.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::tier;
use serde::Serialize;
use store::ops::scale::{self, Decision};
use utoipa::ToSchema;

use crate::app::App;
use crate::build::wall_clock;
use crate::caller::Caller;
use crate::error::ApiResult;
use crate::openapi;
use crate::query::Query;

/// The latest decisions.
#[derive(Debug, Serialize, ToSchema)]
pub struct ScalingLog {
    count: usize,
    decisions: Vec<Decision>,
    timestamp: DateTime<Utc>,
}

/// Lists the decisions of the scaling rule and of those who set a capacity by hand, each with what it was decided from.
#[utoipa::path(
    get,
    path = "/monitoring/scaling",
    tag = "monitoring",
    params(
        ("tier" = Option<String>, Query, description = "Of this tier", example = "starter"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "At most this many; 100"),
    ),
    responses(
        (status = 200, description = "The decisions of the last 30 days, the newest first", body = ScalingLog),
        openapi::Guarded,
        openapi::ForServices,
        openapi::WithQuery,
    ),
    security(("service_key" = [])),
)]
pub async fn list_scaling(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut query: Query,
) -> ApiResult<Json<ScalingLog>> {
    caller.require_service()?;
    let (named, limit) = (query.one_of("tier", &tier::NAMES), query.number("limit", 1, 1000, 100));
    query.check()?;
    let decisions = scale::decisions(&app.db, named.as_deref(), limit).await?;
    Ok(Json(ScalingLog { count: decisions.len(), decisions, timestamp: wall_clock() }))
}
