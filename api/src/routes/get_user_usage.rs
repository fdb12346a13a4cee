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

/// One month of one user.
#[derive(Debug, Serialize, ToSchema)]
pub struct Usage {
    #[schema(value_type = Uuid)]
    user_id: UserId,
    tier: String,
    /// Null when neither the user nor the tier has a budget.
    #[schema(value_type = Option<f64>)]
    monthly_budget_usd: Option<Usd>,
    #[schema(value_type = f64)]
    current_month_cost_usd: Usd,
    #[schema(value_type = Option<f64>)]
    remaining_budget_usd: Option<Usd>,
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
    Ok(Json(Usage {
        user_id: user,
        tier: month.tier,
        monthly_budget_usd: month.budget.map(Usd),
        current_month_cost_usd: Usd(month.cost),
        remaining_budget_usd: month.budget.map(|budget| Usd(MicroUsd((budget.0 - month.cost.0).max(0)))),
        job_count: month.job_count,
        period_start: month.period_start,
        period_end: month.period_end,
    }))
}
