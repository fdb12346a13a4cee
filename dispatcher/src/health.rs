//! `GET /health`: 200 while looks succeed, 503 when the last good one is too old; and `GET /metrics`.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::metrics::Metrics;

/// A look takes milliseconds and is made at least every five seconds.
const STALE: Duration = Duration::from_secs(30);

/// When the last look succeeded.
#[derive(Clone)]
pub struct Pulse {
    born: Instant,
    last_ms: Arc<AtomicU64>,
    looks: Arc<AtomicU64>,
}

impl Default for Pulse {
    fn default() -> Self {
        Self { born: Instant::now(), last_ms: Arc::new(AtomicU64::new(u64::MAX)), looks: Arc::default() }
    }
}

impl Pulse {
    /// A look succeeded, or this dispatcher stands by and saw that another one leads.
    pub fn beat(&self) {
        let elapsed = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX - 1);
        self.last_ms.store(elapsed, Ordering::Relaxed);
        self.looks.fetch_add(1, Ordering::Relaxed);
    }

    /// How many looks succeeded.
    pub fn looks(&self) -> u64 {
        self.looks.load(Ordering::Relaxed)
    }

    fn age(&self) -> Option<Duration> {
        let last = self.last_ms.load(Ordering::Relaxed);
        (last != u64::MAX).then(|| self.born.elapsed().saturating_sub(Duration::from_millis(last)))
    }
}

/// Serves until `stop`.
pub async fn serve(listener: TcpListener, pulse: Pulse, metrics: Metrics, stop: CancellationToken) {
    loop {
        let accepted =
            tokio::select! { accepted = listener.accept() => accepted, () = stop.cancelled() => return };
        let Ok((stream, _)) = accepted else { continue };
        let (pulse, metrics) = (pulse.clone(), metrics.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(request, pulse.clone(), metrics.clone()));
            let mut server = hyper::server::conn::http1::Builder::new();
            server.timer(TokioTimer::new()).header_read_timeout(Duration::from_secs(5)).keep_alive(false);
            if let Err(error) = server.serve_connection(TokioIo::new(stream), service).await {
                tracing::debug!(%error, "health connection");
            }
        });
    }
}

#[expect(clippy::unused_async, reason = "the service wants a future")]
async fn answer(
    request: Request<Incoming>,
    pulse: Pulse,
    metrics: Metrics,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut kind = "application/json";
    let (status, body) = match (request.uri().path(), pulse.age()) {
        ("/health", Some(age)) if age < STALE => {
            (StatusCode::OK, format!("{{\"status\":\"ok\",\"last_look_ms\":{}}}", age.as_millis()))
        }
        ("/health", age) => {
            let age = age.map_or("null".into(), |age| age.as_millis().to_string());
            (StatusCode::SERVICE_UNAVAILABLE, format!("{{\"status\":\"unhealthy\",\"last_look_ms\":{age}}}"))
        }
        ("/metrics", _) => {
            kind = "text/plain; version=0.0.4; charset=utf-8";
            (StatusCode::OK, metrics.text())
        }
        _ => (StatusCode::NOT_FOUND, "{\"error\":\"not_found\"}".into()),
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert("content-type", hyper::header::HeaderValue::from_static(kind));
    Ok(response)
}
