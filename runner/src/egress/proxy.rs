//! The proxy itself: `CONNECT` tunnels, and plain requests in absolute form.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1 as client;
use hyper::header::{self, HeaderMap, HeaderName, HeaderValue};
use hyper::server::conn::http1 as server;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::copy_bidirectional;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::Gate;
use crate::net::Refused;

/// How long Chromium may take to send a request's head.
const HEAD: Duration = Duration::from_secs(30);
/// Headers that concern one connection only.
const HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    header::PROXY_AUTHORIZATION,
    header::PROXY_AUTHENTICATE,
    header::UPGRADE,
];

type Body = BoxBody<Bytes, hyper::Error>;
type Answer = Response<Body>;

/// A running proxy of one browser; ends with every connection through it when dropped.
#[derive(Debug)]
pub struct Egress {
    port: u16,
    gate: Arc<Gate>,
    stop: CancellationToken,
}

impl Egress {
    /// Opens the proxy on a free port of this computer.
    ///
    /// # Errors
    /// When no port can be had.
    pub async fn open(gate: Gate) -> std::io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (port, gate, stop) = (listener.local_addr()?.port(), Arc::new(gate), CancellationToken::new());
        tokio::spawn(listen(listener, Arc::clone(&gate), stop.clone()));
        Ok(Self { port, gate, stop })
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What decides.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }
}

impl Drop for Egress {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn listen(listener: TcpListener, gate: Arc<Gate>, stop: CancellationToken) {
    let mut connections = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return, // the set ends its tasks when dropped
            accepted = listener.accept() => accepted,
            Some(_) = connections.join_next() => continue,
        };
        let Ok((stream, _)) = accepted else { continue };
        let (gate, stop) = (Arc::clone(&gate), stop.clone());
        connections.spawn(async move {
            let service = service_fn(move |request| answer(request, Arc::clone(&gate), stop.clone()));
            let serve = server::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .preserve_header_case(true)
                .serve_connection(TokioIo::new(stream), service)
                .with_upgrades();
            if let Err(error) = serve.await {
                tracing::debug!(%error, "a connection of the browser ended");
            }
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    gate: Arc<Gate>,
    stop: CancellationToken,
) -> Result<Answer, Infallible> {
    let done = if request.method() == Method::CONNECT {
        tunnel(request, &gate, stop).await
    } else {
        forward(request, &gate).await
    };
    Ok(done.unwrap_or_else(|refused| plain(status(&refused), format!("not opened: {refused}\n"))))
}

fn status(refused: &Refused) -> StatusCode {
    match refused {
        Refused::NoHost | Refused::Unreachable => StatusCode::BAD_GATEWAY,
        _ => StatusCode::FORBIDDEN,
    }
}

async fn tunnel(request: Request<Incoming>, gate: &Gate, stop: CancellationToken) -> Result<Answer, Refused> {
    let authority = request.uri().authority().ok_or(Refused::NoHost)?;
    let port = authority.port_u16().ok_or(Refused::NoHost)?;
    let mut there = gate.open(authority.host(), port).await?;
    tokio::spawn(async move {
        let Ok(upgraded) = hyper::upgrade::on(request).await else { return };
        let mut here = TokioIo::new(upgraded);
        tokio::select! {
            () = stop.cancelled() => {}
            _ = copy_bidirectional(&mut here, &mut there) => {}
        }
    });
    Ok(Response::new(Empty::new().map_err(|never| match never {}).boxed()))
}

/// One plain request: a connection of its own, so that nothing sent later can ride on this decision.
async fn forward(mut request: Request<Incoming>, gate: &Gate) -> Result<Answer, Refused> {
    let uri = request.uri().clone();
    if uri.scheme_str() != Some("http") {
        return Err(Refused::Scheme(uri.scheme_str().unwrap_or_default().to_owned()));
    }
    let authority = uri.authority().ok_or(Refused::NoHost)?;
    let stream = gate.open(authority.host(), authority.port_u16().unwrap_or(80)).await?;
    let (mut sender, connection) = client::Builder::new()
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await
        .map_err(|_| Refused::Unreachable)?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", |it| it.as_str());
    *request.uri_mut() = path.parse::<Uri>().map_err(|_| Refused::NoHost)?;
    strip(request.headers_mut());
    // The host that was checked is the host that is asked, whatever the header said.
    let host = authority.as_str().rsplit('@').next().unwrap_or_default();
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(host).map_err(|_| Refused::NoHost)?);
    let mut answer = sender.send_request(request).await.map_err(|_| Refused::Unreachable)?;
    strip(answer.headers_mut());
    Ok(answer.map(BodyExt::boxed))
}

fn strip(headers: &mut HeaderMap) {
    for name in HOP {
        headers.remove(name);
    }
}

fn plain(status: StatusCode, text: String) -> Answer {
    let body = Full::new(Bytes::from(text)).map_err(|never| match never {}).boxed();
    let mut answer = Response::new(body);
    *answer.status_mut() = status;
    answer
}
