//! A server with the pages of `tests/pages` that remembers every form it was sent.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::extract::{FromRequest, Multipart, Path as UrlPath, Query, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};

/// One form the server was sent.
#[derive(Clone, Debug, Default)]
pub struct Sent {
    pub form: String,
    pub pairs: Vec<(String, String)>,
}

impl Sent {
    /// The values of one field, in order.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.pairs.iter().filter(|(key, _)| key == name).map(|(_, value)| value.as_str()).collect()
    }

    /// The one value of a field.
    pub fn one(&self, name: &str) -> Option<&str> {
        let all = self.all(name);
        assert!(all.len() <= 1, "{name} was sent {} times", all.len());
        all.first().copied()
    }
}

type Inbox = Arc<Mutex<Vec<Sent>>>;

/// The server.
#[derive(Debug)]
pub struct Site {
    pub port: u16,
    inbox: Inbox,
}

impl Site {
    pub async fn start() -> Self {
        let inbox = Inbox::default();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let router = Router::new()
            .route("/submit/{form}", post(take))
            .route("/status/{code}", get(status))
            .route("/leave", get(leave))
            .route("/hang", get(std::future::pending::<()>))
            .fallback(get(page))
            .with_state((Arc::clone(&inbox), port));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { port, inbox }
    }

    pub fn url(&self, page: &str) -> String {
        format!("http://127.0.0.1:{}/{page}", self.port)
    }

    /// Every form that was sent, oldest first.
    pub fn sent(&self) -> Vec<Sent> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The only form that was sent.
    pub fn only(&self) -> Sent {
        let [sent] = <[Sent; 1]>::try_from(self.sent()).expect("exactly one form was sent");
        sent
    }
}

async fn page(State((_, port)): State<(Inbox, u16)>, request: Request) -> Response {
    let name = request.uri().path().trim_start_matches('/').to_owned();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/pages").join(&name);
    match std::fs::read_to_string(file) {
        // Frames come from another host name, so that they belong to another site.
        Ok(text) if name.ends_with(".js") => {
            ([(header::CONTENT_TYPE, "text/javascript")], text).into_response()
        }
        Ok(text) => {
            let page = Html(text.replace("FRAME_ORIGIN", &format!("http://localhost:{port}")));
            (apart(request.uri().query().unwrap_or_default()), page).into_response()
        }
        Err(_) => (StatusCode::NOT_FOUND, "no such page").into_response(),
    }
}

/// Headers by which a page asks to be kept apart from others.
fn apart(query: &str) -> axum::http::HeaderMap {
    let pairs: &[(&'static str, &'static str)] = match query {
        "kind=agent-cluster" => &[("origin-agent-cluster", "?1")],
        _ => &[],
    };
    let value = |text| axum::http::HeaderValue::from_static(text);
    pairs.iter().map(|(name, text)| (header::HeaderName::from_static(name), value(text))).collect()
}

async fn status(UrlPath(code): UrlPath<u16>) -> Response {
    let status = StatusCode::from_u16(code).expect("a status");
    (status, Html("<h1>Sorry</h1>")).into_response()
}

/// Sends the browser elsewhere.
async fn leave(Query(query): Query<HashMap<String, String>>) -> Redirect {
    Redirect::temporary(&query["to"])
}

async fn take(
    State((inbox, _)): State<(Inbox, u16)>,
    UrlPath(form): UrlPath<String>,
    request: Request,
) -> Html<String> {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let pairs =
        if kind.starts_with("multipart/") { multipart(request).await } else { encoded(request).await };
    inbox.lock().unwrap_or_else(PoisonError::into_inner).push(Sent { form: form.clone(), pairs });
    let text = if form == "wizard" { "Vielen Dank für Ihre Bewerbung" } else { "Thank you for applying" };
    // This form's server answers with words no list knows.
    let text = if form == "silent" { "ok" } else { text };
    Html(format!("<h1>{text}</h1>"))
}

async fn multipart(request: Request) -> Vec<(String, String)> {
    let mut parts = Multipart::from_request(request, &()).await.expect("multipart");
    let mut pairs = Vec::new();
    while let Some(part) = parts.next_field().await.expect("a part") {
        let (name, file) = (part.name().unwrap_or_default().to_owned(), part.file_name().map(str::to_owned));
        let bytes = part.bytes().await.expect("bytes");
        let text = String::from_utf8_lossy(&bytes).into_owned();
        pairs.push((name, file.map_or(text, |file| format!("{file}:{} bytes", bytes.len()))));
    }
    pairs
}

async fn encoded(request: Request) -> Vec<(String, String)> {
    let bytes = axum::body::to_bytes(request.into_body(), 1 << 20).await.expect("a body");
    url::form_urlencoded::parse(&bytes).into_owned().collect()
}
