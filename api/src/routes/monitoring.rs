//! `GET /monitoring/…`. Health and metrics are open and name nobody; the rest needs the service key.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use chrono::{DateTime, Utc};
use serde::Serialize;
use store::registry::{self, Worker};
use utoipa::ToSchema;

use crate::app::App;
use crate::build::wall_clock;
use crate::caller::Caller;
use crate::error::ApiResult;
use crate::monitoring::{self, Alert, Condition, Health, Numbers};
use crate::openapi;

/// What someone should look at.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct AlertList {
    count: usize,
    alerts: Vec<Alert>,
    checked_at: DateTime<Utc>,
}

/// Every worker.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkerList {
    count: usize,
    workers: Vec<Worker>,
    timestamp: DateTime<Utc>,
}

/// All of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Dashboard {
    health: Health,
    metrics: Numbers,
    active_alerts: Vec<Alert>,
    timestamp: DateTime<Utc>,
}

/// Answers whether jobs can be done: 503 when they cannot.
#[utoipa::path(
    get,
    path = "/monitoring/health",
    tag = "monitoring",
    responses(
        (status = 200, description = "Jobs can be done", body = Health),
        (status = 503, description = "Jobs cannot be done", body = Health),
        openapi::Open,
    ),
)]
pub async fn get_monitoring_health(State(app): State<Arc<App>>) -> (StatusCode, Json<Health>) {
    let health = monitoring::health(&app).await;
    let is_down = health.status == Condition::Unhealthy;
    (if is_down { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK }, Json(health))
}

/// Answers with the numbers as Prometheus reads them.
#[utoipa::path(
    get,
    path = "/monitoring/metrics",
    tag = "monitoring",
    responses(
        (status = 200, description = "The numbers in Prometheus' text", body = String, content_type = "text/plain"),
        openapi::Open,
    ),
)]
pub async fn get_metrics(State(app): State<Arc<App>>) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], monitoring::exposition(&app).await)
}

/// Answers with the numbers as VALET reads them.
#[utoipa::path(
    get,
    path = "/monitoring/metrics/json",
    tag = "monitoring",
    responses(
        (status = 200, description = "The numbers", body = Numbers),
        openapi::Guarded,
        openapi::ForServices,
    ),
    security(("service_key" = [])),
)]
pub async fn get_metrics_json(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<Numbers>> {
    caller.require_service()?;
    Ok(Json(monitoring::numbers(&app).await))
}

/// Lists what someone should look at.
#[utoipa::path(
    get,
    path = "/monitoring/alerts",
    tag = "monitoring",
    responses(
        (status = 200, description = "What someone should look at", body = AlertList),
        openapi::Guarded,
        openapi::ForServices,
    ),
    security(("service_key" = [])),
)]
pub async fn list_alerts(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<AlertList>> {
    caller.require_service()?;
    let alerts = monitoring::alerts(&app).await?;
    Ok(Json(AlertList { count: alerts.len(), alerts, checked_at: wall_clock() }))
}

/// Lists the workers, the newest first.
#[utoipa::path(
    get,
    path = "/monitoring/workers",
    tag = "monitoring",
    responses(
        (status = 200, description = "The workers, the newest first", body = WorkerList),
        openapi::Guarded,
        openapi::ForServices,
    ),
    security(("service_key" = [])),
)]
pub async fn list_workers(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<WorkerList>> {
    caller.require_service()?;
    let workers = registry::list(&app.db).await?;
    Ok(Json(WorkerList { count: workers.len(), workers, timestamp: wall_clock() }))
}

/// Answers with health, numbers and alerts at once.
#[utoipa::path(
    get,
    path = "/monitoring/dashboard",
    tag = "monitoring",
    responses(
        (status = 200, description = "Health, numbers and alerts", body = Dashboard),
        openapi::Guarded,
        openapi::ForServices,
    ),
    security(("service_key" = [])),
)]
pub async fn get_dashboard(State(app): State<Arc<App>>, caller: Caller) -> ApiResult<Json<Dashboard>> {
    caller.require_service()?;
    Ok(Json(Dashboard {
        health: monitoring::health(&app).await,
        metrics: monitoring::numbers(&app).await,
        active_alerts: monitoring::alerts(&app).await?,
        timestamp: wall_clock(),
    }))
}
