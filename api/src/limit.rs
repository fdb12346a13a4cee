//! What a caller is told of their limits: headers on every answer, and the refusal.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use serde_json::json;
use store::jobs::Allowance;

use crate::build::wall_clock;
use crate::error::ApiError;

/// The headers that name the tightest limit; none when nothing limits the user.
pub fn headers(allowance: Option<&Allowance>) -> [Option<(HeaderName, HeaderValue)>; 3] {
    let Some(allowance) = allowance else { return [None, None, None] };
    [
        ("x-ratelimit-limit", i64::from(allowance.limit)),
        ("x-ratelimit-remaining", i64::from(allowance.remaining.max(0))),
        ("x-ratelimit-reset", allowance.reset_at.timestamp()),
    ]
    .map(|(name, value)| Some((HeaderName::from_static(name), HeaderValue::from(value))))
}

/// The refusal of a user who asked for too many jobs.
pub fn refusal(allowance: &Allowance) -> ApiError {
    let message = match &allowance.platform {
        Some(platform) => {
            format!("Rate limit exceeded for {platform}. Try again later to avoid platform detection.")
        }
        None => {
            format!("Job limit exceeded for {} tier. Upgrade your plan for higher limits.", allowance.tier)
        }
    };
    let wait = (allowance.reset_at - wall_clock()).num_seconds().max(0);
    let body =
        json!({ "limit": allowance.limit, "reset_at": allowance.reset_at, "source": allowance.source });
    ApiError::new(StatusCode::TOO_MANY_REQUESTS, "rate_limit_exceeded", message)
        .with(body)
        .with_headers(headers(Some(allowance)).into_iter().flatten())
        .retry_after(wait.unsigned_abs() + 1)
}
