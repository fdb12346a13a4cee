//! Answers: JSON bodies, and refusals in Fly's several shapes.

use axum::{
    body::Body,
    http::{HeaderValue, Response, header},
    response::IntoResponse,
};
use serde::Serialize;
use serde_json::{Value, json};

/// An answer.
pub type Reply = Response<Body>;

/// Marks an answer whose connection is to be reset instead.
#[derive(Clone, Copy)]
pub struct Cut;

/// Marks an answer with the name of the machine it is about, for the request log.
#[derive(Clone)]
pub struct Named(pub String);

/// A JSON answer.
pub fn json(status: u16, body: &impl Serialize) -> Reply {
    let text = serde_json::to_vec(body).unwrap_or_default();
    build(status, "application/json; charset=utf-8", text)
}

/// An answer without a body.
pub fn empty(status: u16) -> Reply {
    build(status, "application/json; charset=utf-8", Vec::new())
}

/// `{"ok": true}`.
pub fn ok() -> Reply {
    json(200, &json!({ "ok": true }))
}

/// A plain text answer.
pub fn text(status: u16, body: &str) -> Reply {
    build(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn build(status: u16, kind: &'static str, body: Vec<u8>) -> Reply {
    let mut reply = Reply::new(Body::from(body));
    *reply.status_mut() = status.try_into().unwrap_or_default();
    reply.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    reply
}

/// A refusal.
#[derive(Debug)]
pub enum Refusal {
    /// `{"error": text}`, with `status` where Fly gives one.
    Error { code: u16, text: String, status: Option<&'static str> },
    /// 429. The body of Fly's is not known.
    TooMany { retry_after: Option<u64> },
    /// What the fault script says.
    Scripted { code: u16, body: Value },
    /// A reset connection.
    Reset,
}

impl Refusal {
    /// `{"error": text}`.
    pub fn error(code: u16, text: String) -> Self {
        Self::Error { code, text, status: None }
    }

    /// The machine is not, or no longer, known.
    pub fn machine_not_found() -> Self {
        Self::error(404, "not_found: machine not found".to_owned())
    }

    /// The machine is not in a state for this.
    pub fn precondition(text: &str) -> Self {
        Self::error(412, format!("failed_precondition: {text}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Reply {
        match self {
            Self::Error { code, text, status: None } => json(code, &json!({ "error": text })),
            Self::Error { code, text, status } => json(code, &json!({ "error": text, "status": status })),
            Self::TooMany { retry_after } => {
                let mut reply = json(429, &json!({ "error": "rate limit exceeded" }));
                if let Some(seconds) = retry_after {
                    reply.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
                }
                reply
            }
            Self::Scripted { code, body: Value::String(body) } => text(code, &body),
            Self::Scripted { code, body } => json(code, &body),
            Self::Reset => {
                let mut reply = empty(500);
                reply.extensions_mut().insert(Cut);
                reply
            }
        }
    }
}
