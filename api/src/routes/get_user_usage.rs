//! `GET /users/{user}/usage`: what a user spent this month, and what is left.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use chrono::{DateTime, Utc};
use domain::id::UserId;
use domain::money::MicroUsd;
use serde::Serialize;
use store::spending;
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::UserPath;
use crate::openapi;
use crate::usd::Usd;

/// What each tier may spend on models in a month (contract section 8.1); an unknown tier is free.
const BUDGETS: [(&str, MicroUsd); 5] = [
    ("free", MicroUsd(500_000)),
    ("starter", MicroUsd(2_000_000)),
    ("pro", MicroUsd(10_000_000)),
    ("premium", MicroUsd(25_000_000)),
    ("enterprise", MicroUsd(100_000_000)),
];

/// One month of one user.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    #[schema(value_type = Uuid)]
    user_id: UserId,
    tier: String,
    #[schema(value_type = f64)]
    monthly_budget_usd: Usd,
    #[schema(value_type = f64)]
    current_month_cost_usd: Usd,
    #[schema(value_type = f64)]
    remaining_budget_usd: Usd,
    job_count: i64,
    period_start: DateTime<Utc>,
    period_end: DateTime<Utc>,
}

/// Answers with the month that is under way.
#[utoipa::path(
    get,
    path = "/users/{user}/usage",
    tag = "account",
    params(
        ("user" = Uuid, Path, description = "The user"),
    ),
    responses(
        (status = 200, description = "The month that is under way", body = Usage),
        openapi::Guarded,
        openapi::OfOne,
        openapi::ForServices,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn get_user_usage(
    State(app): State<Arc<App>>,
    caller: Caller,
    UserPath(user): UserPath,
) -> ApiResult<Json<Usage>> {
    if caller.require_user(user).is_err() {
        // The contract says 403 here, where a job would be 404: whether a user exists is not told either way.
        return Err(ApiError::new(StatusCode::FORBIDDEN, "forbidden", "Cannot view another user's usage"));
    }
    let month = spending::of_user(&app.db, user).await?;
    let budget = BUDGETS.iter().find(|(tier, _)| *tier == month.tier).unwrap_or(&BUDGETS[0]).1;
    Ok(Json(Usage {
        user_id: user,
        tier: month.tier,
        monthly_budget_usd: Usd(budget),
        current_month_cost_usd: Usd(month.cost),
        remaining_budget_usd: Usd(MicroUsd((budget.0 - month.cost.0).max(0))),
        job_count: month.job_count,
        period_start: month.period_start,
        period_end: month.period_end,
    }))
}
