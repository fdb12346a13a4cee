//! Reading a request: its body, its query and the ids in its path. Everything that is wrong with it is said here.

use std::convert::Infallible;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use domain::id::{JobId, UserId};
use serde::de::{DeserializeOwned, IgnoredAny};

use crate::error::ApiError;
use crate::fields::FieldError;

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = bytes(request, state).await?;
        parse(&bytes).map(Self)
    }
}

/// A JSON body that may be left out, or null.
#[derive(Debug)]
pub struct OptionalBody<T>(pub T);

impl<T: DeserializeOwned + Default, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, state: &S) -> Result<Self, ApiError> {
        let bytes = bytes(request, state).await?;
        if matches!(bytes.trim_ascii(), b"" | b"null") {
            Ok(Self(T::default()))
        } else {
            parse(&bytes).map(Self)
        }
    }
}

async fn bytes<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, ApiError> {
    Bytes::from_request(request, state).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "payload_too_large", "The body is too large")
        } else {
            ApiError::bad_request("The body could not be read")
        }
    })
}

/// The trace the caller is in (W3C `traceparent`), to be carried on to the job's runner.
#[derive(Debug)]
pub struct TraceParent(pub Option<String>);

impl<S: Sync> FromRequestParts<S> for TraceParent {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let text = parts.headers.get("traceparent").and_then(|value| value.to_str().ok());
        Ok(Self(text.filter(|text| is_traceparent(text)).map(ToOwned::to_owned)))
    }
}

/// Version, trace, span and flags in lower-case hex: `00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01`.
fn is_traceparent(text: &str) -> bool {
    let is_hex = |part: &str| part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let parts: Vec<_> = text.split('-').collect();
    parts.iter().map(|part| part.len()).eq([2, 32, 16, 2]) && parts.iter().all(|part| is_hex(part))
}

/// Reads a body. Text that is no JSON is a bad request; JSON of another shape is a field that is not valid.
pub fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, ApiError> {
    serde_json::from_slice(json).or_else(|_| {
        // A field may be found wrong before the text turns out to be no JSON at all.
        if serde_json::from_slice::<IgnoredAny>(json).is_err() {
            return Err(ApiError::bad_request("Invalid JSON body"));
        }
        read(json, "").map_err(|fault| ApiError::invalid(&[fault]))
    })
}

/// Reads JSON that stands at `prefix` in the request, keeping track of where a fault is.
pub fn read<T: DeserializeOwned>(json: &[u8], prefix: &str) -> Result<T, FieldError> {
    let mut reader = serde_json::Deserializer::from_slice(json);
    serde_path_to_error::deserialize(&mut reader).map_err(|fault| {
        let path = fault.path().to_string().replace('[', ".").replace(']', "");
        FieldError::from_serde(prefix, &path, fault.inner())
    })
}

/// The job named in the path. What is no UUID names no job.
#[derive(Debug)]
pub struct JobPath(pub JobId);

impl<S: Send + Sync> FromRequestParts<S> for JobPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        id(parts, state).await.map(Self).ok_or_else(|| ApiError::not_found("Job not found"))
    }
}

/// The user named in the path. What is no UUID names no user.
#[derive(Debug)]
pub struct UserPath(pub UserId);

impl<S: Send + Sync> FromRequestParts<S> for UserPath {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        id(parts, state).await.map(Self).ok_or_else(|| ApiError::not_found("User not found"))
    }
}

async fn id<I: FromStr, S: Send + Sync>(parts: &mut Parts, state: &S) -> Option<I> {
    Path::<String>::from_request_parts(parts, state).await.ok()?.parse().ok()
}
