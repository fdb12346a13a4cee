//! The one shape of every refusal: `{error, message, details}`, plus the fields a client of that refusal reads.

use std::borrow::Cow;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::job::JobStatus;
use serde_json::{Map, Value, json};

use crate::fields::FieldError;

/// A refusal, ready to be sent. In a box, because the way without one should not pay for it.
#[derive(Debug)]
pub struct ApiError(Box<Refusal>);

#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    error: &'static str,
    message: Cow<'static, str>,
    details: Value,
    extra: Map<String, Value>,
    headers: HeaderMap,
}

/// How many wrong fields a sentence names; `details` has them all.
const NAMED: usize = 5;

/// What a handler returns.
pub type ApiResult<T> = Result<T, ApiError>;

impl ApiError {
    /// A refusal with nothing but its code and sentence.
    pub fn new(status: StatusCode, error: &'static str, message: impl Into<Cow<'static, str>>) -> Self {
        Self(Box::new(Refusal {
            status,
            error,
            message: message.into(),
            details: Value::Null,
            extra: Map::new(),
            headers: HeaderMap::new(),
        }))
    }

    /// The body is not JSON at all.
    pub fn bad_request(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", message)
    }

    /// Nobody we know.
    pub fn unauthorized(message: &'static str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
    }

    /// There is none, or it is another user's.
    pub fn not_found(message: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", message)
    }

    /// Some fields are not what they must be.
    pub fn invalid(fields: &[FieldError]) -> Self {
        let message = match fields {
            [one] if one.field.is_empty() || one.message.starts_with(&one.field) => one.message.clone(),
            [one] => format!("{}: {}", one.field, one.message),
            many => {
                let named: Vec<&str> = many.iter().map(|fault| fault.field.as_str()).take(NAMED).collect();
                let more = if many.len() > NAMED { ", …" } else { "" };
                format!("{} fields are not valid: {}{more}", many.len(), named.join(", "))
            }
        };
        let mut error = Self::new(StatusCode::UNPROCESSABLE_ENTITY, "validation_error", message);
        error.0.details = json!(fields);
        error
    }

    /// The job's status does not allow it. `reason` repeats the sentence for clients that read it there.
    pub fn wrong_status(error: &'static str, current: JobStatus, message: String) -> Self {
        let extra = json!({ "current_status": current, "reason": message });
        Self::new(StatusCode::CONFLICT, error, message).with(extra)
    }

    /// Adds fields a client reads, at the top level and again in `details`.
    pub fn with(mut self, extra: Value) -> Self {
        if let Value::Object(fields) = extra {
            self.0.details = Value::Object(fields.clone());
            self.0.extra = fields;
        }
        self
    }

    /// Adds one more such field.
    pub fn and(mut self, name: &str, value: Value) -> Self {
        if let Value::Object(details) = &mut self.0.details {
            details.insert(name.to_owned(), value.clone());
        }
        self.0.extra.insert(name.to_owned(), value);
        self
    }

    /// Something broke here; the log has it, under the request's id.
    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal_error", "An unexpected error occurred")
    }

    /// Not now; worth another try.
    pub fn unavailable() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Temporarily unavailable, try again")
            .retry_after(1)
    }

    /// Says when another try is worth it, in seconds.
    pub fn retry_after(self, seconds: u64) -> Self {
        self.with_headers([(header::RETRY_AFTER, HeaderValue::from(seconds))])
    }

    /// Adds headers.
    pub fn with_headers(mut self, headers: impl IntoIterator<Item = (HeaderName, HeaderValue)>) -> Self {
        self.0.headers.extend(headers);
        self
    }
}

impl From<store::Error> for ApiError {
    /// Logged here, once: nothing of it reaches the caller.
    fn from(error: store::Error) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        if error.is_transient() {
            tracing::warn!(%error, cause, "the database did not answer");
            Self::unavailable()
        } else {
            tracing::error!(%error, cause, "the database refused");
            Self::internal()
        }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let Refusal { status, error, message, details, extra: mut body, headers } = *self.0;
        body.insert("error".into(), error.into());
        body.insert("message".into(), message.into());
        body.insert("details".into(), details);
        (status, headers, Json(body)).into_response()
    }
}
