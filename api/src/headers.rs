//! What every response carries: a request id, CORS, and the headers that keep browsers careful.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use uuid::Uuid;

use crate::app::App;

/// Names a request in our logs and in the caller's.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The same on every response.
const FIXED: [(&str, &str); 6] = [
    (
        "content-security-policy",
        "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; \
         connect-src 'self'; frame-src 'none'; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("x-frame-options", "DENY"),
    ("x-xss-protection", "0"),
    ("referrer-policy", "strict-origin-when-cross-origin"),
    ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
];

/// What a browser is told about a request from another origin.
const PREFLIGHT: [(&str, &str); 3] = [
    ("access-control-allow-methods", "GET, POST, PUT, DELETE, OPTIONS"),
    ("access-control-allow-headers", "Content-Type, Authorization, X-GH-Service-Key"),
    ("access-control-max-age", "86400"),
];

/// Which origins a browser may call us from: `CORS_ORIGIN`, one or several separated by commas; none means any.
#[derive(Clone, Debug)]
pub struct Origins(Vec<HeaderValue>);

impl Origins {
    /// Reads the setting; what cannot be a header value is left out.
    pub fn new(setting: Option<&str>) -> Self {
        let parts = setting.unwrap_or("*").split(',').map(str::trim).filter(|part| !part.is_empty());
        Self(parts.filter_map(|part| part.parse().ok()).collect())
    }

    /// What to answer to a request from `origin`: itself when it is on the list, else the first of the list.
    fn answer(&self, origin: Option<&HeaderValue>) -> HeaderValue {
        let known = origin.and_then(|origin| self.0.iter().find(|known| *known == origin));
        known.or(self.0.first()).cloned().unwrap_or(HeaderValue::from_static("null"))
    }
}

/// Gives the request an id, answers a preflight itself, and adds the headers.
pub async fn dress(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    let id = request.headers().get(&REQUEST_ID).filter(|id| is_usable(id)).cloned().unwrap_or_else(new_id);
    let origin = app.origins.answer(request.headers().get(header::ORIGIN));
    let is_preflight = request.method() == Method::OPTIONS;
    request.headers_mut().insert(REQUEST_ID, id.clone());

    let mut response =
        if is_preflight { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    headers.insert(REQUEST_ID, id);
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    let exposed = "X-Request-Id, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset, Retry-After";
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, HeaderValue::from_static(exposed));
    for (name, value) in FIXED.iter().chain(PREFLIGHT.iter().filter(|_| is_preflight)) {
        headers.entry(HeaderName::from_static(name)).or_insert(HeaderValue::from_static(value));
    }
    response
}

/// An id of the caller's that may be repeated in a header and a log line.
fn is_usable(id: &HeaderValue) -> bool {
    (1..=128).contains(&id.len()) && id.as_bytes().iter().all(u8::is_ascii_graphic)
}

fn new_id() -> HeaderValue {
    HeaderValue::from_str(&Uuid::now_v7().to_string()).expect("a UUID is a header value")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_on_the_list_is_answered_with_itself_and_no_other() {
        let origins = Origins::new(Some("https://a.example, https://b.example"));
        let (a, b, c) = ("https://a.example", "https://b.example", "https://c.example");
        for (asked, answered) in [(a, a), (b, b), (c, a)] {
            assert_eq!(origins.answer(Some(&HeaderValue::from_static(asked))), answered);
        }
        assert_eq!(Origins::new(None).answer(None), "*");
    }

    #[test]
    fn an_id_that_could_break_a_log_line_is_replaced() {
        assert!(is_usable(&HeaderValue::from_static("req-1")));
        for id in ["", "a b", &"x".repeat(129)] {
            assert!(!is_usable(&HeaderValue::from_str(id).expect("a header value")), "{id}");
        }
    }
}
