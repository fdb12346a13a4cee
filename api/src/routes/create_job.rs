//! `POST /jobs`: one job.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::id::UserId;
use serde_json::{Value, json};
use store::jobs::{self, Allowance, Clash, Created, Creation, NewJob, SentBefore};

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, TraceParent};
use crate::fields::FieldError;
use crate::job_input::{Defaults, JobInput};
use crate::limit;
use crate::openapi;

/// Writes a job and answers with its id.
#[utoipa::path(
    post,
    path = "/jobs",
    tag = "jobs",
    request_body = JobInput,
    responses(
        openapi::Written<Created>,
        openapi::Guarded,
        openapi::WithBody,
        openapi::Limited,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn create_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    TraceParent(traceparent): TraceParent,
    Body(input): Body<JobInput>,
) -> ApiResult<(StatusCode, HeaderMap, Json<Created>)> {
    let mut job = input
        .into_job(caller, None, &Defaults::default(), app.reach, "")
        .map_err(|faults| ApiError::invalid(&faults))?;
    job.traceparent = traceparent;
    let (created, headers) = write(&app, &job).await?.map_err(|earlier| match earlier {
        Earlier::SameKey(clash) => duplicate(&clash, job.user_id),
        Earlier::Sent(sent) => already_sent(&sent),
    })?;
    Ok((StatusCode::CREATED, headers, Json(created)))
}

/// The earlier job that a new one would repeat.
pub(super) enum Earlier {
    /// It holds the idempotency key.
    SameKey(Clash),
    /// It has sent the application, or may have.
    Sent(SentBefore),
}

/// Writes one job and says what its user may still ask for; or names the job that it would repeat.
pub(super) async fn write(app: &App, job: &NewJob) -> ApiResult<Result<(Created, HeaderMap), Earlier>> {
    match jobs::create(&app.db, std::slice::from_ref(job)).await? {
        Creation::Created(mut created, allowance) => {
            let created = created.pop().ok_or_else(ApiError::internal)?;
            Ok(Ok((created, allowed(allowance.as_ref()))))
        }
        Creation::Duplicates(mut clashes) => {
            clashes.pop().map(|clash| Err(Earlier::SameKey(clash))).ok_or_else(ApiError::internal)
        }
        Creation::AlreadySent(mut sent) => {
            sent.pop().map(|sent| Err(Earlier::Sent(sent))).ok_or_else(ApiError::internal)
        }
        Creation::Limited(allowance) => Err(limit::refusal(&allowance)),
        Creation::Unstorable { field, reason, .. } => Err(unstorable(&field, &reason)),
    }
}

/// The headers of an answer to someone who may go on.
pub(super) fn allowed(allowance: Option<&Allowance>) -> HeaderMap {
    limit::headers(allowance).into_iter().flatten().collect()
}

/// The refusal of a taken key. Only whoever owns the job that holds it learns which job that is.
pub(super) fn duplicate(clash: &Clash, owner: UserId) -> ApiError {
    let message = "A job with this idempotency key already exists";
    ApiError::new(StatusCode::CONFLICT, "duplicate_idempotency_key", message).with(holder(clash, owner))
}

/// The refusal of a job whose application was sent, or may have been. The earlier job is the same user's.
pub(super) fn already_sent(sent: &SentBefore) -> ApiError {
    let message = format!("Job {} has sent this application, or may have: it is not sent again", sent.id);
    ApiError::new(StatusCode::CONFLICT, "application_already_sent", message)
        .with(json!({ "existing_job_id": sent.id, "existing_status": sent.status }))
}

/// The job that holds a key, as far as `owner` may know it.
pub(super) fn holder(clash: &Clash, owner: UserId) -> Value {
    if clash.user_id == owner {
        json!({ "existing_job_id": clash.id, "existing_status": clash.status })
    } else {
        json!({})
    }
}

/// The refusal of a value that is valid JSON but that the table cannot hold.
pub(super) fn unstorable(field: &str, reason: &str) -> ApiError {
    ApiError::invalid(&[FieldError::new(field, reason, "custom")])
}
