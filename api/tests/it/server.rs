//! Limits of connections, and the way the service stops.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use api::server::Limits;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::harness::{Ask, KEY, Service, database, job};

fn quick() -> Limits {
    Limits { headers: Duration::from_millis(300), ..Limits::default() }
}

/// Connects to the service and sends `text`.
async fn dial(url: &str, text: &str) -> TcpStream {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).await.expect("it listens");
    stream.write_all(text.as_bytes()).await.expect("it reads");
    stream
}

/// Reads until the other side closes, for at most ten seconds.
async fn rest(stream: &mut TcpStream) -> String {
    let mut bytes = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut bytes)).await;
    read.expect("it closes").ok();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[tokio::test]
async fn a_client_that_sends_its_headers_slowly_is_dropped() {
    let service = Service::with(&[], quick()).await;
    let mut slow = dial(&service.url, "GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
    let start = Instant::now();
    rest(&mut slow).await;
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(service.request(Method::GET, "/health").answer().await.status, 200);
}

#[tokio::test]
async fn a_connection_over_the_cap_waits_for_a_place() {
    let service = Service::with(&[], Limits { connections: 1, ..quick() }).await;
    let _idle = dial(&service.url, "").await;
    // The second one is served as soon as the first, which says nothing, has run out of time.
    assert_eq!(service.request(Method::GET, "/health").answer().await.status, 200);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let service = Service::start().await;
    let answer = service.as_service(Method::POST, "/jobs").body(vec![b' '; 10 * 1024 * 1024]).send().await;
    // The service may close before the client has sent all; what it must not do is read it all.
    if let Ok(answer) = answer {
        assert_eq!(answer.status(), 413);
    }
    let just_over =
        service.as_service(Method::POST, "/jobs").body(vec![b' '; 2 * 1024 * 1024 + 1]).answer().await;
    assert_eq!((just_over.status.as_u16(), &just_over.body["error"]), (413, &"payload_too_large".into()));
}

#[tokio::test]
async fn a_body_is_not_read_from_a_stranger() {
    let service = Service::start().await;
    let head =
        "POST /api/v1/gh/jobs HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n";
    let mut stream = dial(&service.url, head).await;
    assert!(rest(&mut stream).await.starts_with("HTTP/1.1 401"));
}

#[tokio::test]
async fn headers_cannot_be_split() {
    let service = Service::start().await;
    let head =
        "GET /health HTTP/1.1\r\nHost: a\r\nX-Request-Id: a\rSet-Cookie: b\r\nConnection: close\r\n\r\n";
    let answer = rest(&mut dial(&service.url, head).await).await;
    assert!(!answer.to_lowercase().contains("\nset-cookie"), "{answer}");
}

/// A port nobody listens on now.
fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.local_addr().expect("bound").port()
}

/// The binary, listening on a free port.
fn spawn(port: u16, database: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_api"))
        .arg("serve")
        .env_clear()
        .envs([("DATABASE_URL", database), ("GH_SERVICE_SECRET", KEY), ("GH_API_HOST", "127.0.0.1")])
        .env("GH_API_PORT", port.to_string())
        .stderr(Stdio::null())
        .spawn()
        .expect("the binary was built")
}

async fn until_healthy(url: &str) {
    let until = Instant::now() + Duration::from_secs(20);
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().expect("a client");
    while client.get(format!("{url}/health")).send().await.is_err() {
        assert!(Instant::now() < until, "the service does not answer");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn sigterm_lets_an_open_request_end_and_exits_with_zero() {
    let database = tokio::task::spawn_blocking(database).await.expect("a database");
    let port = free_port();
    let url = format!("http://127.0.0.1:{port}");
    let mut child = spawn(port, &database);
    until_healthy(&url).await;

    let body = job(serde_json::json!({})).to_string();
    let (first, second) = body.split_at(20);
    let head = format!(
        "POST /api/v1/gh/jobs HTTP/1.1\r\nHost: a\r\nX-GH-Service-Key: {KEY}\r\nContent-Length: {}\r\n\r\n{first}",
        body.len()
    );
    let mut open = dial(&url, &head).await;
    // An answered request proves that the server's loop has taken the connection made before it.
    until_healthy(&url).await;
    Command::new("sh").args(["-c", &format!("kill -TERM {}", child.id())]).status().expect("a shell");
    let until = Instant::now() + Duration::from_secs(5);
    while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        assert!(Instant::now() < until, "it still takes connections");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    open.write_all(second.as_bytes()).await.expect("the connection is still open");
    assert!(rest(&mut open).await.starts_with("HTTP/1.1 201"));
    let code =
        tokio::task::spawn_blocking(move || child.wait()).await.expect("no panic").expect("it was ours");
    assert_eq!(code.code(), Some(0));
}

#[tokio::test]
async fn an_address_that_asks_too_often_is_told_to_wait_but_a_service_is_not() {
    let service = Service::start().await;
    let mut refused = None;
    for _ in 0..2000 {
        let answer = service.request(Method::GET, "/api/v1/gh/models").answer().await;
        if answer.status == 429 {
            refused = Some(answer);
            break;
        }
    }
    let refused = refused.expect("2000 requests are more than an address may make in the time they take");
    assert_eq!(refused.body["error"], "rate_limit_exceeded");
    assert_eq!(refused.headers["retry-after"], "1");
    for _ in 0..50 {
        assert_eq!(service.get("/models").await.status, 200);
    }
}
