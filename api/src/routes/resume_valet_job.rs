//! `POST /valet/resume/{id}`: a person has done what the job waited for.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use domain::id::JobId;
use domain::job::JobStatus;
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use store::hitl::{self, Answer, Resumed};
use store::jobs::Status;
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{JobPath, OptionalBody};
use crate::fields::FieldError;
use crate::openapi;
use crate::words::{resolution, resolver};

/// The largest answer handed to a runner.
const MAX_DATA: usize = 16 * 1024;

/// The answer. The note has two names: GhostHands' and VALET's.
#[derive(Debug, Default, Deserialize, Validate, ToSchema)]
pub struct ResumeInput {
    #[garde(custom(resolver::rule()))]
    #[schema(schema_with = resolver::described)]
    resolved_by: Option<String>,
    /// As long as a body may be; the job's message shows its beginning.
    #[garde(skip)]
    resolution_notes: Option<String>,
    /// The same; `resolution_notes` counts before it.
    #[garde(skip)]
    notes: Option<String>,
    #[garde(custom(resolution::rule()))]
    #[schema(schema_with = resolution::described)]
    resolution_type: Option<String>,
    #[garde(skip)]
    #[schema(value_type = Option<Object>)]
    resolution_data: Option<Box<RawValue>>,
}

/// The job, going on.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResumeReply {
    #[schema(value_type = Uuid)]
    job_id: JobId,
    #[schema(value_type = Status)]
    status: JobStatus,
    resolved_by: String,
    resolution_type: String,
}

/// Lets a waiting job go on. Sending the same answer twice is harmless; a job that has ended stays as it is.
#[utoipa::path(
    post,
    path = "/valet/resume/{id}",
    tag = "valet",
    params(
        ("id" = Uuid, Path, description = "The job"),
    ),
    request_body = Option<ResumeInput>,
    responses(
        (status = 200, description = "The job goes on", body = ResumeReply),
        openapi::Guarded,
        openapi::WithBody,
        openapi::OfOne,
        openapi::OfStatus,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn resume_valet_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    JobPath(id): JobPath,
    OptionalBody(input): OptionalBody<ResumeInput>,
) -> ApiResult<Json<ResumeReply>> {
    let mut faults =
        input.validate().map_or_else(|report| FieldError::from_report("", &report), |()| Vec::new());
    let data = input.resolution_data.as_ref().map(|data| data.get());
    if data.is_some_and(|data| !data.starts_with('{') || data.len() > MAX_DATA) {
        faults.push(FieldError::new("resolution_data", "must be an object of at most 16 kB", "invalid_type"));
    }
    if !faults.is_empty() {
        return Err(ApiError::invalid(&faults));
    }
    let resolved_by = input.resolved_by.unwrap_or_else(|| "human".into());
    let resolution_type = input.resolution_type.unwrap_or_else(|| "manual".into());
    let answer = Answer {
        resolution_type: &resolution_type,
        resolved_by: &resolved_by,
        notes: [&input.resolution_notes, &input.notes]
            .into_iter()
            .filter_map(Option::as_deref)
            .find(|note| !note.is_empty())
            .unwrap_or_default(),
        data,
    };
    match hitl::resume(&app.db, caller.scope(), id, &answer, app.sealer.as_ref()).await? {
        Resumed::Going(status) => {
            tracing::info!(job.id = %id, %status, "job resumed");
            Ok(Json(ResumeReply { job_id: id, status, resolved_by, resolution_type }))
        }
        Resumed::Refused(status) => Err(ApiError::wrong_status(
            "invalid_state",
            status,
            format!("Job is not paused (current status: {status})"),
        )),
        Resumed::Sent(status) => {
            Err(ApiError::wrong_status("invalid_state", status, super::retry_job::SENT.to_owned()))
        }
        Resumed::Changed => Err(ApiError::unavailable()),
        Resumed::NoKey => {
            tracing::error!(job.id = %id, "GH_ENCRYPTION_KEY is not set: no code or password can be handed to a runner");
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            Err(ApiError::new(status, "server_config_error", "Encryption key not configured"))
        }
        Resumed::NotFound => Err(ApiError::not_found("Job not found")),
    }
}
