//! `GET /jobs/{id}/events/stream`: the job's state and its events as they come, as server-sent events.
//!
//! ```text
//! id: 41            where the stream begins
//! event: state      what GET /jobs/{id}/status answers; again whenever what a user reads of it has changed
//! data: {…}
//!
//! id: 42            what Last-Event-ID of the next connection must be, to miss nothing
//! event: event      what GET /jobs/{id}/events lists
//! data: {…}
//!
//! :                 a sign of life for what stands between
//! ```
//! It ends when the job has, with the final state last. A client that comes back after that, as browsers do, is answered
//! 204, which tells them to stay away.

mod watch;

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt as _, stream};

use crate::app::App;
use crate::caller::Caller;
use crate::error::{ApiError, ApiResult};
use crate::extract::JobPath;
use crate::fields::FieldError;
use crate::openapi;
use crate::places::{Full, PER_USER};
use crate::server::Stopping;
use watch::Watch;

/// Between two looks at the database.
const PAUSE: Duration = Duration::from_secs(1);

/// How long a stream may last: a token is checked when it begins.
const LONGEST: Duration = Duration::from_mins(30);

/// Streams a job's state and events.
#[utoipa::path(
    get,
    path = "/jobs/{id}/events/stream",
    tag = "jobs",
    params(
        ("id" = Uuid, Path, description = "The job"),
        ("Last-Event-ID" = Option<i64>, Header, minimum = 0, description = "Go on after this event; 0 is from the first. From now on when absent"),
    ),
    responses(
        (status = 200, description = "`state` with what /status answers, first of all and when it changes; `event` with each event, its \
            place as the id. Ends with the job, or after half an hour", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The job has ended and nothing happened since Last-Event-ID: there is nothing to come back for"),
        openapi::Guarded,
        openapi::OfOne,
        openapi::WithQuery,
    ),
    security(("service_key" = []), ("user_token" = [])),
)]
pub async fn stream_job(
    State(app): State<Arc<App>>,
    caller: Caller,
    JobPath(id): JobPath,
    stopping: Option<Extension<Stopping>>,
    headers: HeaderMap,
) -> ApiResult<Response> {
    let last = last_event(&headers)?;
    let place = app.places.take(caller).map_err(full)?;
    let watch = Watch::open(app.db.clone(), caller.scope(), id, last).await?;
    let Some(mut watch) = watch else { return Err(ApiError::not_found("Job not found")) };
    let first = watch.begin().await?;
    if last.is_some() && first.is_over && first.events.is_empty() {
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let stop = stopping.map(|Extension(Stopping(token))| token).unwrap_or_default();
    let end = tokio::time::Instant::now() + LONGEST;
    let looks = stream::unfold((Some(first), watch, place), move |(first, mut watch, place)| {
        let stop = stop.clone();
        async move {
            let look = match first {
                Some(first) => first,
                None if watch.is_over() => return None,
                None => {
                    tokio::select! {
                        () = tokio::time::sleep(watch.pause(PAUSE)) => {}
                        () = tokio::time::sleep_until(end) => return None,
                        () = stop.cancelled() => return None,
                    }
                    // The client comes back with the last id it has, and is told then.
                    watch
                        .look()
                        .await
                        .inspect_err(|error| tracing::warn!(%error, "a stream ends early"))
                        .ok()?
                }
            };
            Some((stream::iter(look.frames()), (None, watch, place)))
        }
    });
    let frames = looks.flatten().map(Ok::<Event, Infallible>);
    let alive = KeepAlive::new().interval(app.stream_heartbeat);
    let unbuffered = (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no"));
    Ok(([unbuffered], Sse::new(frames).keep_alive(alive)).into_response())
}

fn full(full: Full) -> ApiError {
    let refusal = match full {
        Full::All => ApiError::unavailable(),
        Full::User => {
            let message = format!("{PER_USER} streams of this user are open: close one");
            ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
        }
    };
    refusal.retry_after(5)
}

/// The place a client that comes back has reached.
fn last_event(headers: &HeaderMap) -> ApiResult<Option<i64>> {
    let Some(value) = headers.get("last-event-id").filter(|value| !value.is_empty()) else { return Ok(None) };
    let place = value.to_str().ok().and_then(|text| text.parse().ok()).filter(|place| *place >= 0);
    let fault =
        || FieldError::new("Last-Event-ID", "must be the id of an event of this stream", "invalid_type");
    place.map(Some).ok_or_else(|| ApiError::invalid(&[fault()]))
}
