//! `POST /jobs/{id}/cancel`: stops a job, running or not.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::id::JobId;
use domain::job::JobStatus;
use serde::Serialize;
use store::jobs::Status;
use store::jobs::{self, Cancellation};
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::JobPath;
use crate::openapi;

/// The cancelled job; the time under both names that clients read.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
pub struct Cancelled {
    #[schema(value_type = Uuid)]
    id: JobId,
    #[schema(value_type = Status)]
    status: JobStatus,
    cancelled_at: DateTime<Utc>,
    completed_at: DateTime<Utc>,
}

/// Cancels the job. A job that has ended stays as it is.
#[utoipa::path(
    post,
    path = "/jobs/{id}/cancel",
    tag = "jobs",
    params(
        ("id" = Uuid, Path, description = "The job"),
    ),
    responses(
        (status = 200, description = "The job is cancelled", body = Cancelled),
        openapi::Guarded,
        openapi::OfOne,
        openapi::OfStatus,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn cancel_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    JobPath(id): JobPath,
) -> ApiResult<Json<Cancelled>> {
    match jobs::cancel(&app.db, caller.scope(), id).await? {
        Cancellation::Cancelled(at) => {
            tracing::info!(job.id = %id, "job cancelled");
            Ok(Json(Cancelled { id, status: JobStatus::Cancelled, cancelled_at: at, completed_at: at }))
        }
        Cancellation::Refused(status) => {
            let message = format!("job already in terminal state: {status}");
            Err(ApiError::wrong_status("job_not_cancellable", status, message))
        }
        Cancellation::NotFound => Err(ApiError::not_found("Job not found")),
    }
}
