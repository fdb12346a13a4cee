//! A server that answers as a test says, and remembers everything it was sent.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

/// How one request is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    status: u16,
    body: String,
    after: Duration,
    to: Option<String>,
}

/// A page.
pub fn page(body: impl Into<String>) -> Answer {
    Answer { status: 200, body: body.into(), after: Duration::ZERO, to: None }
}

/// Sends the browser to another path, as after a form was taken.
pub fn see(path: &str) -> Answer {
    Answer { status: 303, to: Some(path.to_owned()), ..page("") }
}

impl Answer {
    /// The same with another status.
    pub fn status(self, status: u16) -> Self {
        Self { status, ..self }
    }

    /// The same, given only after a while.
    pub fn after(self, seconds: u64) -> Self {
        Self { after: Duration::from_secs(seconds), ..self }
    }
}

/// One request.
#[derive(Clone, Debug)]
pub struct Got {
    pub method: String,
    pub path: String,
    pub query: String,
    pub body: String,
}

#[derive(Clone, Debug, Default)]
struct Shared {
    answers: Arc<Mutex<HashMap<String, Vec<Answer>>>>,
    log: Arc<Mutex<Vec<Got>>>,
    port: u16,
}

/// The server. `HERE` and `OTHER` in a body are its addresses: of the site, and of another site.
#[derive(Debug)]
pub struct Stage(Shared);

impl Stage {
    /// Answers `METHOD /path`; of several answers to one request each is given once, the last for ever.
    pub async fn start(answers: &[(&str, Answer)]) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let shared = Shared { port, ..Shared::default() };
        for (request, answer) in answers {
            let mut known = shared.answers.lock().unwrap_or_else(PoisonError::into_inner);
            known.entry((*request).to_owned()).or_default().push(answer.clone());
        }
        let router = Router::new().fallback(take).with_state(shared.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self(shared)
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.0.port)
    }

    /// Every request, oldest first.
    pub fn log(&self) -> Vec<Got> {
        self.0.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Everything that writes, oldest first.
    pub fn writes(&self) -> Vec<Got> {
        let mut log = self.log();
        log.retain(|got| !["GET", "HEAD", "OPTIONS"].contains(&got.method.as_str()));
        log
    }

    /// Everything that writes to this path.
    pub fn posts(&self, path: &str) -> Vec<Got> {
        self.writes().into_iter().filter(|got| got.path == path).collect()
    }
}

async fn take(State(shared): State<Shared>, request: Request) -> Response {
    let (method, uri) = (request.method().to_string(), request.uri().clone());
    let body = axum::body::to_bytes(request.into_body(), 1 << 20).await.unwrap_or_default();
    shared.log.lock().unwrap_or_else(PoisonError::into_inner).push(Got {
        method: method.clone(),
        path: uri.path().to_owned(),
        query: uri.query().unwrap_or_default().to_owned(),
        body: String::from_utf8_lossy(&body).into_owned(),
    });
    let answer = {
        let mut answers = shared.answers.lock().unwrap_or_else(PoisonError::into_inner);
        match answers.get_mut(&format!("{method} {}", uri.path())) {
            Some(known) if known.len() > 1 => Some(known.remove(0)),
            Some(known) => known.first().cloned(),
            None => None,
        }
    };
    let Some(answer) = answer else { return (StatusCode::NOT_FOUND, "no such page").into_response() };
    tokio::time::sleep(answer.after).await;
    let status = StatusCode::from_u16(answer.status).expect("a status");
    if let Some(to) = answer.to {
        return (status, [(header::LOCATION, to)]).into_response();
    }
    let body = answer
        .body
        .replace("HERE", &format!("http://127.0.0.1:{}", shared.port))
        .replace("OTHER", &format!("http://localhost:{}", shared.port));
    let kind = if body.starts_with('{') { "application/json" } else { "text/html; charset=utf-8" };
    (status, [(header::CONTENT_TYPE, kind), (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*")], body).into_response()
}
