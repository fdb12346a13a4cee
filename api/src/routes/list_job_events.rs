//! `GET /jobs/{id}/events`: what happened, oldest first.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use store::events::{self, Event, EventFilter};
use utoipa::ToSchema;

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::JobPath;
use crate::openapi;
use crate::query::Query;

/// A page of events, and how many there are.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventList {
    events: Vec<Event>,
    total: i64,
    limit: i64,
    offset: i64,
}

/// Lists the events of a job.
#[utoipa::path(
    get,
    path = "/jobs/{id}/events",
    tag = "jobs",
    params(
        ("id" = Uuid, Path, description = "The job"),
        ("event_type" = Option<String>, Query, description = "Of this type"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 200, description = "At most this many; 50"),
        ("offset" = Option<i64>, Query, minimum = 0, maximum = 1_000_000_000, description = "After this many"),
    ),
    responses(
        (status = 200, description = "A page, oldest first, and how many there are", body = EventList),
        openapi::Guarded,
        openapi::OfOne,
        openapi::WithQuery,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn list_job_events(
    State(app): State<Arc<App>>,
    caller: Caller,
    JobPath(id): JobPath,
    mut query: Query,
) -> ApiResult<Json<EventList>> {
    let filter = EventFilter {
        event_type: query.text("event_type"),
        limit: query.number("limit", 1, 200, 50),
        offset: query.number("offset", 0, 1_000_000_000, 0),
    };
    query.check()?;
    let page = events::list(&app.db, caller.scope(), id, &filter).await?;
    let page = page.ok_or_else(|| ApiError::not_found("Job not found"))?;
    Ok(Json(EventList { events: page.events, total: page.total, limit: filter.limit, offset: filter.offset }))
}
