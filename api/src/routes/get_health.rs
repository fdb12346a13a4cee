//! `GET /health`: this process answers. It asks nobody else, so that a slow database does not restart a healthy service.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::build::{SERVICE, VERSION, wall_clock};
use crate::openapi;

/// The liveness answer.
#[derive(Debug, Serialize, ToSchema)]
pub struct Health {
    status: &'static str,
    service: &'static str,
    version: &'static str,
    environment: String,
    commit_sha: String,
    api_healthy: bool,
    timestamp: DateTime<Utc>,
}

/// Says that the process is alive.
#[utoipa::path(
    get,
    path = "/health",
    tag = "monitoring",
    responses(
        (status = 200, description = "The process lives", body = Health),
        openapi::Open,
    ),
)]
pub async fn get_health(State(app): State<Arc<App>>) -> Json<Health> {
    Json(Health {
        status: "ok",
        service: SERVICE,
        version: VERSION,
        environment: app.build.environment.clone(),
        commit_sha: app.build.commit_sha.clone(),
        api_healthy: true,
        timestamp: wall_clock(),
    })
}
