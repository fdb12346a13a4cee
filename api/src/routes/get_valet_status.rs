//! `GET /valet/status/{id}`: the job as VALET shows it, the union of what its old and new readers take.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use domain::id::JobId;
use domain::job::JobStatus;
use serde::Serialize;
use serde_json::{Map, Value};
use store::jobs::Status;
use store::jobs::{self, Document, Job};
use store::spending::{self, JobSpending};
use store::{events, hitl};
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::JobPath;
use crate::openapi;
use crate::usd::Usd;

/// The job in VALET's words.
#[derive(Debug, Serialize, ToSchema)]
pub struct ValetStatus {
    #[schema(value_type = Uuid)]
    job_id: JobId,
    valet_task_id: Option<String>,
    #[schema(value_type = Status)]
    status: JobStatus,
    status_message: Option<String>,
    worker_id: Option<String>,
    target_worker_id: Option<String>,
    progress: Option<Value>,
    result: Option<Outcome>,
    error: Option<Fault>,
    interaction: Option<Interaction>,
    execution_mode: Option<String>,
    browser_mode: Option<String>,
    final_mode: Option<String>,
    manual: Option<Manual>,
    cost: Option<Cost>,
    cost_breakdown: Option<CostBreakdown>,
    browser_session_available: bool,
    timestamps: Timestamps,
}

#[derive(Debug, Serialize, ToSchema)]
struct Outcome {
    #[schema(value_type = Option<Object>)]
    data: Option<Document>,
    summary: Option<String>,
    #[schema(value_type = Option<Object>)]
    screenshots: Option<Document>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Fault {
    code: Option<String>,
    message: Option<String>,
    #[schema(value_type = Option<Object>)]
    details: Option<Document>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Interaction {
    #[serde(rename = "type")]
    kind: Option<Value>,
    screenshot_url: Option<Value>,
    page_url: Option<Value>,
    description: Option<Value>,
    paused_at: Option<DateTime<Utc>>,
    timeout_seconds: Option<Value>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Manual {
    id: Option<Value>,
    status: Option<Value>,
    health_score: Option<Value>,
    fallback_reason: Option<Value>,
}

#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[schema(as = JobCost)]
struct Cost {
    #[schema(value_type = f64)]
    total_cost_usd: Usd,
    action_count: i32,
    total_tokens: i64,
}

#[derive(Debug, Serialize, ToSchema)]
struct CostBreakdown {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    parts: Map<String, Value>,
    #[serde(flatten)]
    total: Cost,
}

#[derive(Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
struct Timestamps {
    created_at: DateTime<Utc>,
    started_at: Option<DateTime<Utc>>,
    completed_at: Option<DateTime<Utc>>,
}

/// Answers with everything VALET shows of a job.
#[utoipa::path(
    get,
    path = "/valet/status/{id}",
    tag = "valet",
    params(
        ("id" = Uuid, Path, description = "The job"),
    ),
    responses(
        (status = 200, description = "The job in VALET's words", body = ValetStatus),
        openapi::Guarded,
        openapi::OfOne,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn get_valet_status(
    State(app): State<Arc<App>>,
    caller: Caller,
    JobPath(id): JobPath,
) -> ApiResult<Json<ValetStatus>> {
    let job =
        jobs::get(&app.db, caller.scope(), id).await?.ok_or_else(|| ApiError::not_found("Job not found"))?;
    let progress = events::last(&app.db, id, "progress_update").await?;
    let spending = spending::of_job(&app.db, id).await?;
    let asked = if is_waiting(job.status) { hitl::asked(&app.db, id).await? } else { None };
    Ok(Json(told(job, progress.as_ref(), spending, asked.as_ref())))
}

fn told(
    job: Job,
    progress: Option<&Document>,
    spending: Option<JobSpending>,
    asked: Option<&Document>,
) -> ValetStatus {
    let mut metadata = object(job.metadata.as_ref());
    let cost = cost(&job, spending);
    let parts = metadata.remove("cost_breakdown").and_then(into_object);
    ValetStatus {
        job_id: job.id,
        valet_task_id: job.valet_task_id,
        status: job.status,
        status_message: job.status_message,
        worker_id: job.worker_id,
        target_worker_id: job.target_worker_id,
        progress: metadata
            .remove("progress")
            .or_else(|| progress.map(|said| Value::Object(object(Some(said))))),
        result: (job.status == JobStatus::Completed).then_some(Outcome {
            data: job.result_data,
            summary: job.result_summary,
            screenshots: job.screenshot_urls,
        }),
        error: (job.status == JobStatus::Failed).then(|| Fault {
            code: job.error_code,
            message: object(job.error_details.as_ref())
                .remove("message")
                .and_then(|text| Some(text.as_str()?.to_owned())),
            details: job.error_details,
        }),
        interaction: asked.map(|asked| {
            let mut asked = object(Some(asked));
            Interaction {
                kind: asked.remove("type"),
                screenshot_url: asked.remove("screenshot_url"),
                page_url: asked.remove("page_url"),
                description: asked.remove("description"),
                paused_at: job.paused_at,
                timeout_seconds: asked.remove("timeout_seconds"),
            }
        }),
        execution_mode: job.execution_mode,
        browser_mode: job.browser_mode,
        final_mode: job.final_mode,
        manual: metadata.remove("engine").and_then(into_object).map(|mut engine| Manual {
            id: engine.remove("manual_id"),
            status: engine.remove("manual_status"),
            health_score: engine.remove("health_score"),
            fallback_reason: engine.remove("fallback_reason"),
        }),
        cost_breakdown: cost
            .map(|total| CostBreakdown { parts: breakdown(parts.unwrap_or_default()), total }),
        cost,
        browser_session_available: metadata.get("browser_session_available") == Some(&Value::Bool(true)),
        timestamps: Timestamps {
            created_at: job.created_at,
            started_at: job.started_at,
            completed_at: job.completed_at,
        },
    }
}

/// What models cost: the ledger's word, else the whole cents of the column; nothing before anything was spent or done.
fn cost(job: &Job, spending: Option<JobSpending>) -> Option<Cost> {
    let cents = job.llm_cost_cents.unwrap_or_default();
    let (action_count, total_tokens) =
        (job.action_count.unwrap_or_default(), job.total_tokens.unwrap_or_default());
    let is_untouched = spending.is_none() && cents == 0 && action_count == 0 && total_tokens == 0;
    let total_cost_usd =
        spending.filter(|spent| spent.llm.0 > 0).map_or(Usd::from_cents(cents), |spent| Usd(spent.llm));
    (!is_untouched).then_some(Cost { total_cost_usd, action_count, total_tokens })
}

/// The parts of a cost that the old engine told apart; zero where nothing did.
fn breakdown(mut said: Map<String, Value>) -> Map<String, Value> {
    let names = ["cookbook_steps", "magnitude_steps", "cookbook_cost_usd", "magnitude_cost_usd"];
    names.into_iter().map(|name| (name.to_owned(), said.remove(name).unwrap_or_else(|| 0.into()))).collect()
}

const fn is_waiting(status: JobStatus) -> bool {
    matches!(status, JobStatus::Paused | JobStatus::NeedsHuman | JobStatus::AwaitingReview)
}

/// The fields of a column, or none when it holds something else.
fn object(json: Option<&Document>) -> Map<String, Value> {
    json.and_then(|json| serde_json::from_str(json.get()).ok()).and_then(into_object).unwrap_or_default()
}

fn into_object(value: Value) -> Option<Map<String, Value>> {
    match value {
        Value::Object(fields) => Some(fields),
        _ => None,
    }
}
