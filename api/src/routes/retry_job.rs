//! `POST /jobs/{id}/retry`: another try for a job that ended without success.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::id::JobId;
use domain::job::JobStatus;
use serde::Serialize;
use store::jobs::Status;
use store::jobs::{self, Retry};
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::JobPath;
use crate::openapi;

/// The job, pending again.
#[derive(Debug, Serialize, ToSchema)]
pub struct Retried {
    #[schema(value_type = Uuid)]
    id: JobId,
    #[schema(value_type = Status)]
    status: JobStatus,
    retry_count: i32,
}

/// Why a job whose permit to submit was used is not tried again.
pub(super) const SENT: &str = "The form of this job may have been sent: an attempt was given the permit to submit, which a job gets once, \
    and a second attempt could not submit. Look whether the application arrived; if it did not, create a new job.";

/// Makes the job pending again.
#[utoipa::path(
    post,
    path = "/jobs/{id}/retry",
    tag = "jobs",
    params(
        ("id" = Uuid, Path, description = "The job"),
    ),
    responses(
        (status = 200, description = "The job is pending again", body = Retried),
        openapi::Guarded,
        openapi::OfOne,
        openapi::OfStatus,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn retry_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    JobPath(id): JobPath,
) -> ApiResult<Json<Retried>> {
    match jobs::retry(&app.db, caller.scope(), id).await? {
        Retry::Pending(retry_count) => {
            tracing::info!(job.id = %id, retry_count, "job to be tried again");
            Ok(Json(Retried { id, status: JobStatus::Pending, retry_count }))
        }
        Retry::Refused(status) => {
            let message = format!(
                "Job with status '{status}' cannot be retried. Only failed or cancelled jobs can be retried."
            );
            Err(ApiError::wrong_status("job_not_retryable", status, message))
        }
        Retry::Sent(status) => Err(ApiError::wrong_status("job_not_retryable", status, SENT.to_owned())),
        Retry::NotFound => Err(ApiError::not_found("Job not found")),
    }
}
