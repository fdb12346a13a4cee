//! What can be done to a connection: headers that are split, bodies that do not fit, clients that are slow on purpose.

use std::time::{Duration, Instant};

use api::server::Limits;
use reqwest::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::operations;
use crate::harness::{Ask, KEY, Service, token, user};

async fn dial(service: &Service, bytes: &[u8]) -> TcpStream {
    let mut stream = TcpStream::connect(service.url.trim_start_matches("http://")).await.expect("it listens");
    stream.write_all(bytes).await.expect("it reads");
    stream
}

/// Reads until the other side closes; `None` when it does not within `limit`.
async fn rest(stream: &mut TcpStream, limit: Duration) -> Option<String> {
    let mut bytes = Vec::new();
    tokio::time::timeout(limit, stream.read_to_end(&mut bytes)).await.ok()?.ok();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

#[tokio::test]
async fn no_header_value_becomes_a_header_of_the_answer() {
    let service = Service::start().await;
    let id = service.job(serde_json::json!({})).await;
    let endings = ["\r", "\n", "\r\n ", "\n\t", "\0", "%0d%0a", "\u{2028}", "\u{560a}"];
    for name in [
        "X-Request-Id",
        "Origin",
        "traceparent",
        "Authorization",
        "X-GH-Service-Key",
        "Last-Event-ID",
        "Fly-Client-IP",
        "Accept",
    ] {
        for ending in endings {
            let head = format!(
                "GET /api/v1/gh/jobs/{id} HTTP/1.1\r\nHost: a\r\n{name}: a{ending}X-Injected: yes\r\nConnection: close\r\n\r\n"
            );
            let mut stream = dial(&service, head.as_bytes()).await;
            let answer = rest(&mut stream, Duration::from_secs(10)).await.expect("it closes");
            let answered = answer.split("\r\n\r\n").next().unwrap_or_default().to_lowercase();
            assert!(
                !answered.lines().any(|line| line.starts_with("x-injected")),
                "{name} {ending:?}: {answer}"
            );
        }
    }
    // Nor does text in a path, a query or a body that an answer repeats.
    for path in [
        "/jobs/%0d%0aX-Injected:%20yes",
        "/jobs?status=%0d%0aX-Injected:%20yes",
        "/sessions?user_id=%0d%0aX-Injected:%20yes",
    ] {
        let answer = service.get(path).await;
        assert!(
            answer.status.is_client_error() && !answer.headers.contains_key("x-injected"),
            "{path}: {answer:?}"
        );
    }
    let body = serde_json::json!({ "valet_task_id": "a\r\nX-Injected: yes", "valet_user_id": user(), "job_type": "custom",
        "target_url": "https://a.example/\r\nX-Injected:yes", "task_description": "x", "idempotency_key": "k\r\nX-Injected: yes" });
    for status in [201, 409] {
        let answer = service.post("/valet/task", &body).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(!answer.headers.contains_key("x-injected"));
    }
}

#[tokio::test]
async fn a_body_of_ten_megabytes_is_read_by_no_route() {
    let service = Service::start().await;
    let mut refused = 0;
    for operation in
        operations().into_iter().filter(|operation| operation.described["requestBody"].is_object())
    {
        let path = operation.path.replace("{id}", "00000000-0000-0000-0000-000000000000");
        // Said beforehand, and in pieces of which nobody says how many come.
        let size = 10 * 1024 * 1024;
        let key = format!("X-GH-Service-Key: {KEY}\r\nContent-Type: application/json\r\nConnection: close");
        let said = format!(
            "{} {path} HTTP/1.1\r\nHost: a\r\n{key}\r\nContent-Length: {size}\r\n\r\n",
            operation.method
        );
        let pieces = format!(
            "{} {path} HTTP/1.1\r\nHost: a\r\n{key}\r\nTransfer-Encoding: chunked\r\n\r\n",
            operation.method
        );
        for (head, framed) in [(said, false), (pieces, true)] {
            let stream = dial(&service, head.as_bytes()).await;
            let (mut reader, mut writer) = stream.into_split();
            let writing = tokio::spawn(async move {
                let piece = format!("10000\r\n{}\r\n", " ".repeat(65536)).into_bytes();
                let piece = if framed { &piece[..] } else { &piece[7..7 + 65536] };
                let mut written = 0;
                while written < size && writer.write_all(piece).await.is_ok() {
                    written += 65536;
                }
                (written, writer)
            });
            let mut bytes = vec![0; 4096];
            let read = tokio::time::timeout(Duration::from_secs(20), reader.read(&mut bytes))
                .await
                .expect("an answer");
            // A client that goes on sending may lose the answer with the connection; what was read stays far below.
            if let Ok(count) = read
                && count > 0
            {
                let answer = String::from_utf8_lossy(&bytes[..count]).into_owned();
                assert!(answer.starts_with("HTTP/1.1 413"), "{} {path}: {answer}", operation.method);
                refused += 1;
            }
            writing.abort();
        }
    }
    assert!(refused > 0, "no answer was seen at all");
    assert_eq!(service.request(Method::GET, "/health").answer().await.status, 200);
}

#[tokio::test]
async fn clients_that_send_their_headers_slowly_are_dropped_and_shut_nobody_out() {
    let limits = Limits { connections: 40, headers: Duration::from_millis(500), ..Limits::default() };
    let service = Service::with(&[], limits).await;
    // More of them than there are places, each a byte at a time.
    let mut slow = Vec::new();
    for _ in 0..60 {
        let mut stream = dial(&service, b"GET /health HTTP/1.1\r\nHost: a\r\nX-Slow: ").await;
        slow.push(tokio::spawn(async move {
            let (begun, mut byte) = (Instant::now(), [0; 1]);
            loop {
                if stream.write_all(b"x").await.is_err() {
                    return begun.elapsed();
                }
                // Nothing is ever answered: what can be read is the end.
                if tokio::time::timeout(Duration::from_millis(50), stream.read(&mut byte)).await.is_ok() {
                    return begun.elapsed();
                }
                assert!(begun.elapsed() < Duration::from_secs(20), "a slow client is still connected");
            }
        }));
    }
    let begun = Instant::now();
    assert_eq!(service.request(Method::GET, "/health").answer().await.status, 200);
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    for client in slow {
        client.await.expect("it was dropped");
    }
}

#[tokio::test]
async fn a_body_that_comes_drop_by_drop_is_answered_when_its_time_is_over() {
    let service = Service::start().await;
    let head = format!(
        "POST /api/v1/gh/jobs HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer {}\r\nContent-Length: 100000\r\n\r\n",
        token(user())
    );
    let (mut reader, mut writer) = dial(&service, head.as_bytes()).await.into_split();
    let dripping = tokio::spawn(async move {
        while writer.write_all(b" ").await.is_ok() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    });
    let mut bytes = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(45), reader.read(&mut bytes)).await;
    let count = read.expect("it does not wait for ever").expect("an answer");
    assert!(
        String::from_utf8_lossy(&bytes[..count]).starts_with("HTTP/1.1 408"),
        "{}",
        String::from_utf8_lossy(&bytes[..count])
    );
    dripping.abort();
}

#[tokio::test]
async fn headers_that_do_not_fit_are_refused() {
    let service = Service::start().await;
    let head = format!("GET /health HTTP/1.1\r\nHost: a\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    let mut stream = TcpStream::connect(service.url.trim_start_matches("http://")).await.expect("it listens");
    stream.write_all(head.as_bytes()).await.ok();
    let answer = rest(&mut stream, Duration::from_secs(10)).await.expect("it closes");
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 431"), "{answer}");
}
