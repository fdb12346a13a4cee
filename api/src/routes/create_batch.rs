//! `POST /jobs/batch`: up to fifty jobs, all of them or none.

use std::collections::HashMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use domain::id::{JobId, UserId};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::jobs::{self, Clash, Created, Creation, NewJob, SentBefore};
use utoipa::ToSchema;

use super::create_job::{allowed, already_sent, duplicate, holder, unstorable};
use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::{self, Body, TraceParent};
use crate::fields::FieldError;
use crate::job_input::{Defaults, JobInput};
use crate::limit;
use crate::openapi;

/// The most jobs one batch may hold.
const MAX_JOBS: usize = 50;

/// A batch. The items are read one by one, so that the faults of all of them are named.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BatchInput {
    #[schema(value_type = Vec<JobInput>, min_items = 1, max_items = 50)]
    jobs: Vec<Box<RawValue>>,
    defaults: Option<Defaults>,
    #[schema(value_type = Option<Uuid>)]
    user_id: Option<UserId>,
}

/// Both shapes that clients read: a count with ids, and the jobs themselves.
#[derive(Debug, Serialize, ToSchema)]
pub struct BatchCreated {
    created: usize,
    #[schema(value_type = Vec<Uuid>)]
    job_ids: Vec<JobId>,
    jobs: Vec<Created>,
    /// Always empty: a batch with a fault is refused as a whole.
    #[schema(value_type = Vec<Object>)]
    errors: [(); 0],
}

/// Writes all jobs of a batch, or says what is wrong with which and writes none.
#[utoipa::path(
    post,
    path = "/jobs/batch",
    tag = "jobs",
    request_body = BatchInput,
    responses(
        openapi::Written<BatchCreated>,
        openapi::Guarded,
        openapi::WithBody,
        openapi::Limited,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn create_batch(
    State(app): State<Arc<App>>,
    caller: Caller,
    TraceParent(traceparent): TraceParent,
    Body(input): Body<BatchInput>,
) -> ApiResult<(StatusCode, HeaderMap, Json<BatchCreated>)> {
    let mut new = read(&app, caller, input).map_err(|faults| ApiError::invalid(&faults))?;
    for job in &mut new {
        job.traceparent.clone_from(&traceparent);
    }
    match jobs::create(&app.db, &new).await? {
        Creation::Created(jobs, allowance) => {
            let job_ids: Vec<_> = jobs.iter().map(|job| job.id).collect();
            let body = BatchCreated { created: jobs.len(), job_ids, jobs, errors: [] };
            Ok((StatusCode::CREATED, allowed(allowance.as_ref()), Json(body)))
        }
        Creation::Duplicates(clashes) => Err(duplicates(&clashes, &new)),
        Creation::AlreadySent(sent) => Err(applications_already_sent(&sent, &new)),
        Creation::Limited(allowance) => Err(limit::refusal(&allowance)),
        Creation::Unstorable { job, field, reason } => {
            let field = match job.and_then(|job| new.iter().position(|new| new.id == job)) {
                Some(index) => format!("jobs.{index}.{field}"),
                None => field,
            };
            Err(unstorable(&field, &reason))
        }
    }
}

fn read(app: &App, caller: Caller, input: BatchInput) -> Result<Vec<NewJob>, Vec<FieldError>> {
    match input.jobs.len() {
        0 => return Err(vec![FieldError::new("jobs", "length is lower than 1", "too_small")]),
        count if count > MAX_JOBS => {
            return Err(vec![FieldError::new(
                "jobs",
                format!("length is greater than {MAX_JOBS}"),
                "too_big",
            )]);
        }
        _ => {}
    }
    let defaults = input.defaults.unwrap_or_default();
    let mut faults =
        defaults.validate().map_or_else(|report| FieldError::from_report("defaults", &report), |()| vec![]);
    let mut jobs = Vec::with_capacity(input.jobs.len());
    for (index, item) in input.jobs.iter().enumerate() {
        let at = format!("jobs.{index}");
        match extract::read::<JobInput>(item.get().as_bytes(), &at) {
            Ok(item) => match item.into_job(caller, input.user_id, &defaults, app.reach, &at) {
                Ok(job) => jobs.push(job),
                Err(found) => faults.extend(found),
            },
            Err(fault) => faults.push(fault),
        }
    }
    faults.extend(repeated_keys(&jobs));
    if faults.is_empty() { Ok(jobs) } else { Err(faults) }
}

/// Two items with one key: the second could never be written.
fn repeated_keys(jobs: &[NewJob]) -> Vec<FieldError> {
    let mut first = HashMap::new();
    let mut faults = Vec::new();
    for (index, job) in jobs.iter().enumerate() {
        let Some(key) = job.idempotency_key.as_deref() else { continue };
        if let Some(other) = first.insert(key, index) {
            let message = format!("is the key of jobs.{other} too");
            faults.push(FieldError::new(format!("jobs.{index}.idempotency_key"), message, "custom"));
        }
    }
    faults
}

/// The refusal when keys are taken: the first one's job at the top, as for a single job, and every one by its place.
fn duplicates(clashes: &[Clash], jobs: &[NewJob]) -> ApiError {
    let mut items = Vec::new();
    let mut first = None;
    for (index, job) in jobs.iter().enumerate() {
        let Some(clash) =
            clashes.iter().find(|clash| job.idempotency_key.as_ref() == Some(&clash.idempotency_key))
        else {
            continue;
        };
        first = first.or(Some((clash, job.user_id)));
        let mut item = json!({ "index": index, "error": "duplicate_idempotency_key" });
        if let (Value::Object(item), Value::Object(holder)) = (&mut item, holder(clash, job.user_id)) {
            item.extend(holder);
        }
        items.push(item);
    }
    let Some((clash, owner)) = first else {
        // The jobs that held the keys are gone already: the same request would be taken now.
        return ApiError::unavailable();
    };
    duplicate(clash, owner).and("errors", json!(items))
}

/// The refusal when applications were sent: the first one's job at the top, as for a single job, and every one by its place.
fn applications_already_sent(sent: &[SentBefore], jobs: &[NewJob]) -> ApiError {
    let mut found: Vec<(usize, &SentBefore)> = sent
        .iter()
        .filter_map(|sent| Some((jobs.iter().position(|job| job.id == sent.job)?, sent)))
        .collect();
    found.sort_by_key(|(index, _)| *index);
    let items: Vec<Value> = found
        .iter()
        .map(|(index, sent)| {
            json!({ "index": index, "error": "application_already_sent", "existing_job_id": sent.id,
                "existing_status": sent.status })
        })
        .collect();
    found
        .first()
        .map_or_else(ApiError::unavailable, |(_, first)| already_sent(first).and("errors", json!(items)))
}
