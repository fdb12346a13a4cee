//! `POST /valet/task`: any other work, in VALET's words.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use serde_json::value::RawValue;

use super::create_valet_application::{ValetCreated, answer};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{Body, TraceParent};
use crate::openapi;
use crate::valet_input::{self, ValetTask};

/// Writes a task.
#[utoipa::path(
    post,
    path = "/valet/task",
    tag = "valet",
    request_body = ValetTask,
    responses(
        openapi::Written<ValetCreated>,
        openapi::Guarded,
        openapi::WithBody,
        openapi::Limited,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn create_valet_task(
    State(app): State<Arc<App>>,
    caller: Caller,
    TraceParent(traceparent): TraceParent,
    Body(body): Body<Box<RawValue>>,
) -> ApiResult<Response> {
    let mut new = valet_input::task(&body, caller, app.reach).map_err(|faults| ApiError::invalid(&faults))?;
    new.job.traceparent = traceparent;
    answer(&app, new).await
}
