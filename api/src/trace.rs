//! One span, one log line and one count for every request, and an end to those that take too long.

use std::sync::Arc;
use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::StatusCode;
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tracing::Instrument;

use crate::app::App;
use crate::error::ApiError;
use crate::headers::REQUEST_ID;

/// Runs the request inside its span, within its time.
pub async fn follow(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let route = request.extensions().get::<MatchedPath>().cloned();
    let route = route.as_ref().map_or("unmatched", MatchedPath::as_str).to_owned();
    let span = tracing::info_span!(
        "request",
        request.id = request.headers().get(&REQUEST_ID).and_then(|id| id.to_str().ok()),
        http.method = request.method().as_str(),
        http.route = route.as_str(),
    );
    async move {
        let answer = tokio::time::timeout(app.request_timeout, next.run(request)).await;
        let response = answer.unwrap_or_else(|_| {
            ApiError::new(StatusCode::REQUEST_TIMEOUT, "request_timeout", "The request took too long")
                .into_response()
        });
        let (status, took) = (response.status().as_u16(), start.elapsed());
        app.metrics.answered(&route, status, took);
        app.fleet.answered(took);
        let duration_ms = took.as_secs_f64() * 1000.0;
        if route.starts_with("/health") || route.starts_with("/monitoring") {
            tracing::debug!(status, duration_ms, "request answered");
        } else {
            tracing::info!(status, duration_ms, "request answered");
        }
        response
    }
    .instrument(span)
    .await
}
