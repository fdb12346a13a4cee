//! `GET /jobs/{id}/status`: how far the job is.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use store::jobs::{self, JobProgress};

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::JobPath;
use crate::openapi;

/// Answers with the status, the message and the progress of the job.
#[utoipa::path(
    get,
    path = "/jobs/{id}/status",
    tag = "jobs",
    params(
        ("id" = Uuid, Path, description = "The job"),
    ),
    responses(
        (status = 200, description = "Status, message and progress", body = JobProgress),
        openapi::Guarded,
        openapi::OfOne,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn get_job_status(
    State(app): State<Arc<App>>,
    caller: Caller,
    JobPath(id): JobPath,
) -> ApiResult<Json<JobProgress>> {
    let progress = jobs::status(&app.db, caller.scope(), id).await?;
    progress.map(Json).ok_or_else(|| ApiError::not_found("Job not found"))
}
