//! `GET /health`: 200 while looks succeed, 503 when the last good one is too old or a step of them fails for as long; and `GET /metrics`.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Value, json};
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
    failing: Arc<Mutex<BTreeMap<&'static str, Failing>>>,
}

/// A step of the looks that has not worked since.
struct Failing {
    since: Instant,
    times: u32,
    error: String,
}

impl Default for Pulse {
    fn default() -> Self {
        let last_ms = Arc::new(AtomicU64::new(u64::MAX));
        Self { born: Instant::now(), last_ms, looks: Arc::default(), failing: Arc::default() }
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

    /// A step of a look failed; the others go on.
    pub fn fails(&self, step: &'static str, error: &str) {
        let mut failing = self.failing();
        let now = Failing { since: Instant::now(), times: 0, error: String::new() };
        let failing = failing.entry(step).or_insert(now);
        failing.times += 1;
        error.clone_into(&mut failing.error);
    }

    /// It works again.
    pub fn works(&self, step: &'static str) {
        self.failing().remove(step);
    }

    /// Whether nothing has failed for long, and what is said of it.
    fn report(&self) -> (bool, Value) {
        let failing = self.failing();
        let age = self.age();
        let well = age.is_some_and(|age| age < STALE)
            && failing.values().all(|failing| failing.since.elapsed() < STALE);
        let failing: Vec<_> = failing
            .iter()
            .map(|(step, failing)| {
                let for_ms = failing.since.elapsed().as_millis();
                json!({ "step": step, "for_ms": for_ms, "times": failing.times, "error": failing.error })
            })
            .collect();
        let last_look_ms = age.map(|age| age.as_millis());
        let status = if well { "ok" } else { "unhealthy" };
        (well, json!({ "status": status, "last_look_ms": last_look_ms, "failing": failing }))
    }

    fn failing(&self) -> MutexGuard<'_, BTreeMap<&'static str, Failing>> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
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
    let (status, body) = match request.uri().path() {
        "/health" => {
            let (well, report) = pulse.report();
            (if well { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, report.to_string())
        }
        "/metrics" => {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_that_fails_is_named_at_once_and_makes_unhealthy_what_it_fails_for_long() {
        let pulse = Pulse::default();
        assert!(!pulse.report().0, "no look yet");
        pulse.beat();
        assert!(pulse.report().0);
        pulse.fails("claim", "no");
        pulse.fails("claim", "still no");
        let (well, report) = pulse.report();
        assert!(well, "{report}");
        let step = &report["failing"][0];
        assert_eq!(
            (&step["step"], &step["times"], &step["error"]),
            (&json!("claim"), &json!(2), &json!("still no"))
        );
        if let Some(failing) = pulse.failing().get_mut("claim") {
            failing.since = failing.since.checked_sub(STALE).expect("the clock runs for longer");
        }
        assert!(!pulse.report().0, "looks succeed, but nothing is claimed");
        pulse.works("claim");
        assert!(pulse.report().0);
    }
}
