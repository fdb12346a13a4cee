//! A server on port 0 that says what a test tells it to, once per connection, and remembers what it was asked.

use fly::{Client, Config};
use std::{
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// What it says.
#[derive(Clone)]
pub enum Say {
    /// A whole answer: status, extra header lines, body.
    Http(u16, &'static str, String),
    /// The head and a part of the body, then the end.
    HalfBody,
    /// Nothing: the connection is reset once the request has been read.
    Reset,
    /// Nothing, for ever.
    Silence,
}

/// The server.
pub struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Says `say` to everybody.
    pub async fn saying(say: Say) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let log = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(converse(stream, say.clone(), Arc::clone(&log)));
            }
        });
        Self { url, asked }
    }

    /// Says this status and body to everybody.
    pub async fn answering(status: u16, body: &str) -> Self {
        Self::saying(Say::Http(status, "fly-request-id: 01REQ-iad\r\n", body.to_owned())).await
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A client of it.
    pub fn client(&self) -> Client {
        client(&self.url, Duration::from_secs(5))
    }

    /// The requests it has read, whole.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// A client of `url`.
pub fn client(url: &str, timeout: Duration) -> Client {
    Client::new(Config { base_url: url.parse().unwrap(), token: "fm2_test".into(), timeout }).unwrap()
}

async fn converse(mut stream: TcpStream, say: Say, log: Arc<Mutex<Vec<String>>>) {
    let Some(request) = read_request(&mut stream).await else { return };
    log.lock().unwrap().push(request);
    match say {
        Say::Http(status, headers, body) => {
            let head = format!(
                "HTTP/1.1 {status} X\r\n{headers}connection: close\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            let _ = stream.write_all(format!("{head}{body}").as_bytes()).await;
        }
        Say::HalfBody => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{\"id\":").await;
        }
        Say::Reset => stream.set_zero_linger().unwrap(),
        Say::Silence => std::future::pending().await,
    }
}

async fn read_request(stream: &mut TcpStream) -> Option<String> {
    let mut read = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&read).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .to_ascii_lowercase()
                .split_once("content-length: ")
                .map_or(0, |(_, rest)| rest.lines().next().unwrap().trim().parse::<usize>().unwrap());
            if body.len() >= length {
                return Some(text);
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}
