//! A server that gives prepared answers in order and remembers what it was asked.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::Response;
use serde_json::Value;

/// A prepared answer.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    body: Value,
    headers: Vec<(&'static str, &'static str)>,
}

impl Answer {
    pub fn ok(body: Value) -> Self {
        Self::status(200, body)
    }

    pub fn status(status: u16, body: Value) -> Self {
        Self { status, body, headers: Vec::new() }
    }

    pub fn header(mut self, name: &'static str, value: &'static str) -> Self {
        self.headers.push((name, value));
        self
    }
}

/// What the server was asked.
#[derive(Clone, Debug)]
pub struct Call {
    pub path: String,
    pub headers: HashMap<String, String>,
    pub body: Value,
}

#[derive(Debug, Default)]
struct Held {
    answers: VecDeque<Answer>,
    calls: Vec<Call>,
}

/// The server.
#[derive(Debug)]
pub struct Vendor {
    pub url: String,
    held: Arc<Mutex<Held>>,
}

impl Vendor {
    pub async fn start<const N: usize>(answers: [Answer; N]) -> Self {
        let held = Arc::new(Mutex::new(Held { answers: answers.into(), calls: Vec::new() }));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let router = Router::new().fallback(answer).with_state(Arc::clone(&held));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, held }
    }

    pub fn calls(&self) -> Vec<Call> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).calls.clone()
    }
}

async fn answer(State(held): State<Arc<Mutex<Held>>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let bytes = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let text = |value: &HeaderValue| value.to_str().unwrap_or_default().to_owned();
    let call = Call {
        path: parts.uri.path().to_owned(),
        headers: parts.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    };
    let mut held = held.lock().unwrap_or_else(PoisonError::into_inner);
    held.calls.push(call);
    let answer = held.answers.pop_front().unwrap_or_else(|| Answer::status(500, Value::Null));
    let mut response = Response::new(answer.body.to_string().into());
    *response.status_mut() = StatusCode::from_u16(answer.status).expect("a status");
    for (name, value) in answer.headers {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
