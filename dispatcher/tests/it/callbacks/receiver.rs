//! A receiver of callbacks: keeps what it was sent and answers as it is told.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{HeaderMap, LOCATION};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

const LIMIT: Duration = Duration::from_secs(30);

/// A request that arrived.
#[derive(Clone, Debug)]
pub struct Seen {
    pub headers: HeaderMap,
    pub path: String,
    pub text: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("text"))
    }

    pub fn id(&self) -> &str {
        self.header("webhook-id").expect("an id")
    }

    pub fn body(&self) -> Value {
        serde_json::from_str(&self.text).expect("json")
    }
}

#[derive(Default)]
struct State {
    seen: Mutex<Vec<Seen>>,
    answers: Mutex<VecDeque<u16>>,
    otherwise: Mutex<u16>,
    held: Mutex<bool>,
    release: Notify,
    location: Mutex<Option<String>>,
}

#[derive(Clone)]
pub struct Receiver {
    pub port: u16,
    state: Arc<State>,
}

impl Receiver {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State { otherwise: Mutex::new(200), ..State::default() });
        let shared = Arc::clone(&state);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let state = Arc::clone(&shared);
                let service = service_fn(move |request| answer(request, Arc::clone(&state)));
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service),
                );
            }
        });
        Self { port, state }
    }

    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}/hook?token=s3cret-in-the-query", self.port)
    }

    /// Answers with these statuses first, then with `otherwise`.
    pub fn answer(&self, first: &[u16], otherwise: u16) {
        *self.state.answers.lock().expect("ours") = first.iter().copied().collect();
        *self.state.otherwise.lock().expect("ours") = otherwise;
    }

    /// Redirects there.
    pub fn redirect(&self, to: &str) {
        *self.state.location.lock().expect("ours") = Some(to.to_owned());
        self.answer(&[], 307);
    }

    /// Takes requests and answers none until they are released.
    pub fn hold(&self) {
        *self.state.held.lock().expect("ours") = true;
    }

    pub fn release(&self) {
        *self.state.held.lock().expect("ours") = false;
        self.state.release.notify_waiters();
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.state.seen.lock().expect("ours").clone()
    }

    /// Waits until so many requests have come.
    pub async fn until(&self, count: usize) -> Vec<Seen> {
        let until = Instant::now() + LIMIT;
        while self.seen().len() < count {
            assert!(Instant::now() < until, "{} of {count} requests: {:#?}", self.seen().len(), self.seen());
            sleep(Duration::from_millis(5)).await;
        }
        self.seen()
    }
}

async fn answer(request: Request<Incoming>, state: Arc<State>) -> Result<Response<Full<Bytes>>, Infallible> {
    let (parts, body) = request.into_parts();
    let bytes = body.collect().await.expect("the whole body").to_bytes();
    let text = String::from_utf8(bytes.to_vec()).expect("text");
    let path = parts.uri.path_and_query().expect("a path").to_string();
    let released = state.release.notified();
    state.seen.lock().expect("ours").push(Seen { headers: parts.headers, path, text });
    if *state.held.lock().expect("ours") {
        released.await;
    }
    let status = state.answers.lock().expect("ours").pop_front();
    let status = status.unwrap_or(*state.otherwise.lock().expect("ours"));
    let mut response = Response::new(Full::new(Bytes::from("{\"received\":true}")));
    *response.status_mut() = status.try_into().expect("a status");
    if let Some(location) = state.location.lock().expect("ours").as_deref() {
        response.headers_mut().insert(LOCATION, location.parse().expect("a header"));
    }
    Ok(response)
}
