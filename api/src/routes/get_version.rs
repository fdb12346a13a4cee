//! `GET /health/version`: which build answers.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use crate::app::App;
use crate::build::{Build, SERVICE};
use crate::openapi;

/// The build, and for how long it has been up.
#[derive(Debug, Serialize, ToSchema)]
pub struct Version {
    service: &'static str,
    #[serde(flatten)]
    build: Build,
    uptime_ms: u64,
}

/// Says which build this is.
#[utoipa::path(
    get,
    path = "/health/version",
    tag = "monitoring",
    responses(
        (status = 200, description = "Which build this is", body = Version),
        openapi::Open,
    ),
)]
pub async fn get_version(State(app): State<Arc<App>>) -> Json<Version> {
    Json(Version { service: SERVICE, build: app.build.clone(), uptime_ms: app.build.uptime_ms() })
}
