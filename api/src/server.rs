//! The accept loop: who may connect, for how long, and how the service stops.
//!
//! axum only routes; hyper serves. A client that sends its headers slowly is dropped, a connection over the cap waits in the
//! kernel's queue, and on a stop signal open requests get [`Limits::drain`] to end.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::Service;

/// What one connection, and all of them, may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at once.
    pub connections: usize,
    /// The time from a connection's opening, or from its last answer, to the end of the next request's headers.
    pub headers: Duration,
    /// The time open requests get after a stop signal.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { connections: 1024, headers: Duration::from_secs(15), drain: Duration::from_secs(5) }
    }
}

/// The address a request came from, as the connection shows it.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// Tells a handler that goes on answering when it has to end.
#[derive(Clone, Debug)]
pub struct Stopping(pub CancellationToken);

/// Listens on the first address that can be had.
///
/// # Errors
/// When none can; the error is the last one's.
pub async fn bind(addresses: &[SocketAddr]) -> std::io::Result<TcpListener> {
    TcpListener::bind(addresses).await
}

/// Serves until `stop`, then drains and returns.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, stop: CancellationToken) {
    let (tasks, graceful) = (TaskTracker::new(), GracefulShutdown::new());
    let room = Arc::new(Semaphore::new(limits.connections));
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.headers).max_buf_size(64 * 1024);
    let mut stopped = pin!(stop.cancelled());
    loop {
        let place = room.clone().acquire_owned();
        let place = tokio::select! {
            Ok(place) = place => place,
            () = &mut stopped => break,
        };
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of file descriptors, or a client that left at once: neither ends the service.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    continue;
                }
            },
            () = &mut stopped => break,
        };
        let connection = http.serve_connection(
            TokioIo::new(prepare(stream)),
            handler(router.clone(), peer, Stopping(stop.clone())),
        );
        let watched = graceful.watch(connection);
        tasks.spawn(async move {
            if let Err(error) = watched.await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop(place);
        });
    }
    drop(listener);
    tasks.close();
    if tokio::time::timeout(limits.drain, graceful.shutdown()).await.is_err() {
        tracing::warn!(requests = tasks.len(), "stopped with requests open");
    }
}

/// Answers are small: waiting to fill a packet would only delay them.
fn prepare(stream: TcpStream) -> TcpStream {
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "the connection keeps its delay");
    }
    stream
}

/// The router as hyper wants it, with the peer's address and the end on each request.
fn handler(
    router: Router,
    peer: SocketAddr,
    stopping: Stopping,
) -> impl hyper::service::Service<
    Request<Incoming>,
    Response = axum::response::Response,
    Error = std::convert::Infallible,
    Future = impl Future<Output = Result<axum::response::Response, std::convert::Infallible>> + Send,
> {
    service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Peer(peer));
        request.extensions_mut().insert(stopping.clone());
        router.clone().call(request)
    })
}
