//! What happened to a job, oldest first: rows of `gh_job_events`.

use chrono::{DateTime, Utc};
use domain::id::JobId;
use serde::Serialize;
use uuid::Uuid;

use crate::jobs::{Document, Scope};
use crate::{Db, Result};

/// One thing that happened.
#[derive(Debug, Serialize, sqlx::FromRow)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[expect(missing_docs, reason = "the names are the contract's columns")]
pub struct Event {
    pub id: Uuid,
    #[cfg_attr(feature = "openapi", schema(value_type = Uuid))]
    pub job_id: JobId,
    pub event_type: String,
    pub from_status: Option<String>,
    pub to_status: Option<String>,
    pub message: Option<String>,
    #[cfg_attr(feature = "openapi", schema(value_type = Option<Object>))]
    pub metadata: Option<Document>,
    pub actor: String,
    pub created_at: DateTime<Utc>,
}

/// Which events to list.
#[derive(Clone, Debug)]
pub struct EventFilter {
    /// Of this type.
    pub event_type: Option<String>,
    /// At most this many.
    pub limit: i64,
    /// After this many.
    pub offset: i64,
}

/// One page of a job's events.
#[derive(Debug)]
pub struct EventPage {
    /// The page.
    pub events: Vec<Event>,
    /// How many there are on all pages.
    pub total: i64,
}

/// One page of the job's events, or `None` when there is no such job in this scope.
///
/// # Errors
/// When the database cannot be reached.
pub async fn list(db: &Db, scope: Scope, job: JobId, filter: &EventFilter) -> Result<Option<EventPage>> {
    let total: Option<i64> = sqlx::query_scalar(
        "select (
            select count(*) from gh_job_events e
            where e.job_id = j.id and ($3::text is null or e.event_type = $3)
        ) from gh_automation_jobs j where j.id = $1 and ($2::uuid is null or j.user_id = $2)",
    )
    .bind(job)
    .bind(scope.user())
    .bind(&filter.event_type)
    .fetch_optional(&db.pool)
    .await?;
    let Some(total) = total else { return Ok(None) };
    let events = sqlx::query_as(
        "select id, job_id, event_type, from_status, to_status, message, metadata, actor, created_at
        from gh_job_events
        where job_id = $1 and ($2::text is null or event_type = $2)
        order by created_at, seq limit $3 offset $4",
    )
    .bind(job)
    .bind(&filter.event_type)
    .bind(filter.limit)
    .bind(filter.offset)
    .fetch_all(&db.pool)
    .await?;
    Ok(Some(EventPage { events, total }))
}

/// What the last event of a type said about the job, or `None` when there is none. The caller has checked whose job it is.
///
/// # Errors
/// When the database cannot be reached.
pub async fn last(db: &Db, job: JobId, event_type: &str) -> Result<Option<Document>> {
    let metadata: Option<Option<Document>> = sqlx::query_scalar(
        "select metadata from gh_job_events where job_id = $1 and event_type = $2
        order by created_at desc, seq desc limit 1",
    )
    .bind(job)
    .bind(event_type)
    .fetch_optional(&db.pool)
    .await?;
    Ok(metadata.flatten())
}

/// An event and its place among all events. Places are given when an event is written and become visible when its
/// transaction ends, so for a moment a lower place may still be missing.
#[derive(Debug, sqlx::FromRow)]
pub struct Placed {
    /// The place.
    pub seq: i64,
    /// The event.
    #[sqlx(flatten)]
    pub event: Event,
}

/// The first `limit` events of the job after a place, without those at the places `seen`. The caller has checked whose job
/// it is.
///
/// # Errors
/// When the database cannot be reached.
pub async fn after(db: &Db, job: JobId, place: i64, seen: &[i64], limit: i64) -> Result<Vec<Placed>> {
    let events = sqlx::query_as(
        "select seq, id, job_id, event_type, from_status, to_status, message, metadata, actor, created_at
        from gh_job_events
        where job_id = $1 and seq > $2 and seq <> all($3)
        order by seq limit $4",
    )
    .bind(job)
    .bind(place)
    .bind(seen)
    .bind(limit)
    .fetch_all(&db.pool)
    .await?;
    Ok(events)
}

/// The place of the job's newest event; 0 when it has none.
///
/// # Errors
/// When the database cannot be reached.
pub async fn newest(db: &Db, job: JobId) -> Result<i64> {
    let newest: Option<i64> = sqlx::query_scalar("select max(seq) from gh_job_events where job_id = $1")
        .bind(job)
        .fetch_one(&db.pool)
        .await?;
    Ok(newest.unwrap_or(0))
}
