//! `GET /jobs`: a page of jobs.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::jobs::{self, Job, ListFilter};
use utoipa::ToSchema;

use super::get_job::shown_to;
use crate::app::App;
use crate::caller::Caller;
use crate::error::ApiResult;
use crate::openapi;
use crate::query::Query;

/// A page of jobs, and how many there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct JobList {
    jobs: Vec<Job>,
    total: i64,
    limit: i64,
    offset: i64,
}

/// Lists the jobs the caller may see.
#[utoipa::path(
    get,
    path = "/jobs",
    tag = "jobs",
    params(
        ("user_id" = Option<Uuid>, Query, description = "Of this user"),
        ("status" = Option<String>, Query, pattern = r"^(pending|queued|running|paused|completed|failed|cancelled|expired|needs_human|awaiting_review)(,(pending|queued|running|paused|completed|failed|cancelled|expired|needs_human|awaiting_review))*$", description = "In one of these statuses, separated by commas"),
        ("job_type" = Option<String>, Query, description = "Of this type"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "At most this many; 20"),
        ("offset" = Option<i64>, Query, minimum = 0, maximum = 1_000_000_000, description = "After this many"),
        ("sort" = Option<String>, Query, pattern = r"^(-?(created_at|updated_at|started_at|completed_at|scheduled_at|priority|status)|(created_at|updated_at|started_at|completed_at|scheduled_at|priority|status):(asc|desc))$", description = "`column:asc`, `column:desc` or `-column`; the columns are created_at, updated_at, started_at, completed_at, scheduled_at, priority and status", example = "created_at:desc"),
    ),
    responses(
        (status = 200, description = "A page, and how many there are", body = JobList),
        openapi::Guarded,
        openapi::WithQuery,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn list_jobs(
    State(app): State<Arc<App>>,
    caller: Caller,
    mut query: Query,
) -> ApiResult<Json<JobList>> {
    let filter = ListFilter {
        user_id: query.user("user_id"),
        statuses: query.statuses("status"),
        job_type: query.text("job_type"),
        limit: query.number("limit", 1, 100, 20),
        offset: query.number("offset", 0, 1_000_000_000, 0),
        sort: query.sort("sort"),
    };
    query.check()?;
    let page = jobs::list(&app.db, caller.scope(), &filter).await?;
    let jobs = page.jobs.into_iter().map(|job| shown_to(caller, job)).collect();
    Ok(Json(JobList { jobs, total: page.total, limit: filter.limit, offset: filter.offset }))
}
