//! `POST /valet/workers/deregister`: VALET has taken a worker's computer away.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::id::JobId;
use garde::Validate;
use serde::{Deserialize, Serialize};
use store::registry;
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::Body;
use crate::fields::FieldError;
use crate::openapi;

/// Which workers, and what becomes of their jobs.
#[derive(Debug, Deserialize, Validate, ToSchema)]
pub struct DeregisterInput {
    #[garde(required, length(chars, min = 1, max = 255))]
    #[schema(min_length = 1, max_length = 255, required = true, nullable = false)]
    target_worker_id: Option<String>,
    #[garde(inner(length(chars, max = 500)))]
    #[schema(max_length = 500)]
    reason: Option<String>,
    #[garde(skip)]
    cancel_active_jobs: Option<bool>,
    #[garde(inner(range(min = 0, max = 300)))]
    #[schema(minimum = 0, maximum = 300)]
    drain_timeout_seconds: Option<i32>,
}

/// What was done, under GhostHands' names and VALET's.
#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
pub struct Deregistered {
    deregistered_workers: Vec<String>,
    #[schema(value_type = Vec<Uuid>)]
    cancelled_job_ids: Vec<JobId>,
    deregistered: Vec<String>,
    #[schema(value_type = Vec<Uuid>)]
    cancelled_jobs: Vec<JobId>,
    reason: Option<String>,
}

/// Takes the workers of a target out of service.
#[utoipa::path(
    post,
    path = "/valet/workers/deregister",
    tag = "valet",
    request_body = DeregisterInput,
    responses(
        (status = 200, description = "The workers are out of service", body = Deregistered),
        openapi::Guarded,
        openapi::WithBody,
        openapi::OfOne,
        openapi::ForServices,
    ),
    security(("service_key" = [])),
)]
pub async fn deregister_workers(
    State(app): State<Arc<App>>,
    caller: Caller,
    Body(input): Body<DeregisterInput>,
) -> ApiResult<Json<Deregistered>> {
    caller.require_service()?;
    input.validate().map_err(|report| ApiError::invalid(&FieldError::from_report("", &report)))?;
    let target = input.target_worker_id.unwrap_or_default();
    let reason = input.reason.as_deref().unwrap_or("Worker sandbox terminated by VALET");
    let cancel = input.cancel_active_jobs.unwrap_or(false);
    let done = registry::deregister(&app.db, &target, cancel, reason).await?;
    if done.workers.is_empty() {
        return Err(ApiError::not_found(format!("No workers found with target_worker_id: {target}")));
    }
    Ok(Json(Deregistered {
        deregistered_workers: done.workers.clone(),
        cancelled_job_ids: done.jobs.clone(),
        deregistered: done.workers,
        cancelled_jobs: done.jobs,
        reason: input.reason,
    }))
}
