//! `POST /valet/apply`: an application, in VALET's words.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Utc};
use domain::id::JobId;
use domain::job::JobStatus;
use serde::Serialize;
use serde_json::json;
use serde_json::value::RawValue;
use store::jobs::Status;
use utoipa::ToSchema;

use super::create_job::{Earlier, already_sent, duplicate, write};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, TraceParent};
use crate::openapi;
use crate::valet_input::{self, ValetApplication, ValetJob};

/// The job, under both its names.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValetCreated {
    #[schema(value_type = Uuid)]
    job_id: JobId,
    valet_task_id: String,
    #[schema(value_type = Status)]
    status: JobStatus,
    created_at: DateTime<Utc>,
}

/// Writes an application.
#[utoipa::path(
    post,
    path = "/valet/apply",
    tag = "valet",
    request_body = ValetApplication,
    responses(
        openapi::Written<ValetCreated>,
        openapi::Guarded,
        openapi::WithBody,
        openapi::Limited,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn create_valet_application(
    State(app): State<Arc<App>>,
    caller: Caller,
    TraceParent(traceparent): TraceParent,
    Body(body): Body<Box<RawValue>>,
) -> ApiResult<Response> {
    let mut new =
        valet_input::application(&body, caller, app.reach).map_err(|faults| ApiError::invalid(&faults))?;
    new.job.traceparent = traceparent;
    answer(&app, new).await
}

/// Writes the job and answers as VALET's client reads it: a duplicate carries the first job's id, like a success.
pub(super) async fn answer(app: &App, new: ValetJob) -> ApiResult<Response> {
    let ValetJob { job, valet_task_id } = new;
    match write(app, &job).await? {
        Ok((created, headers)) => {
            let body = ValetCreated {
                job_id: created.id,
                valet_task_id,
                status: created.status,
                created_at: created.created_at,
            };
            Ok(reply(StatusCode::CREATED, headers, body))
        }
        Err(Earlier::SameKey(clash)) => {
            let refusal = duplicate(&clash, job.user_id);
            if clash.user_id != job.user_id {
                return Err(refusal);
            }
            let task = clash.valet_task_id.unwrap_or(valet_task_id);
            Err(carrying(refusal, clash.id, &task, clash.status))
        }
        Err(Earlier::Sent(sent)) => {
            let task = sent.valet_task_id.as_deref().unwrap_or(&valet_task_id);
            Err(carrying(already_sent(&sent), sent.id, task, sent.status))
        }
    }
}

/// A refusal that carries the earlier job, as VALET's client reads a success.
fn carrying(refusal: ApiError, job: JobId, task: &str, status: JobStatus) -> ApiError {
    refusal
        .and("job_id", json!(job))
        .and("valet_task_id", json!(task))
        .and("status", json!(status))
        .and("duplicate", json!(true))
}

fn reply(status: StatusCode, headers: HeaderMap, body: ValetCreated) -> Response {
    (status, headers, Json(body)).into_response()
}
