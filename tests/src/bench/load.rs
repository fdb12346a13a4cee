//! Many connections that send one request after the other: as little work as possible on our side, for it is the server's cores we use.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::figure::{Samples, ms};

/// What came of a load.
pub(super) struct Load {
    /// Requests a second.
    pub(super) rate: f64,
    /// How long each took, in milliseconds.
    pub(super) times: Samples,
}

/// Sends over `connections` for `time`; `request` makes a request's bytes from its number, which no two have. Every answer must
/// have the status `expected`.
pub(super) async fn run(
    port: u16,
    connections: u64,
    time: Duration,
    expected: &'static str,
    request: impl Fn(u64) -> Vec<u8> + Clone + Send + 'static,
) -> Result<Load> {
    let began = Instant::now();
    let mut senders = JoinSet::new();
    for number in 0..connections {
        senders.spawn(send(port, number << 32, began + time, expected, request.clone()));
    }
    let mut times = Vec::new();
    while let Some(sender) = senders.join_next().await {
        times.extend(sender??);
    }
    let took = began.elapsed().as_secs_f64();
    let rate = f64::from(u32::try_from(times.len())?) / took;
    Ok(Load { rate, times: Samples::new(times) })
}

/// Several loads of the same length as one.
pub(super) fn together(loads: Vec<Load>) -> Load {
    let count = f64::from(u32::try_from(loads.len()).unwrap_or(1));
    let rate = loads.iter().map(|load| load.rate).sum::<f64>() / count;
    Load { rate, times: Samples::together(loads.into_iter().map(|load| load.times)) }
}

async fn send(
    port: u16,
    first: u64,
    until: Instant,
    expected: &'static str,
    request: impl Fn(u64) -> Vec<u8>,
) -> Result<Vec<f64>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    stream.set_nodelay(true)?;
    let (mut times, mut number, mut answer) = (Vec::new(), first, Vec::with_capacity(16 * 1024));
    while Instant::now() < until {
        let bytes = request(number);
        number += 1;
        let began = Instant::now();
        stream.write_all(&bytes).await?;
        answer.clear();
        let whole = loop {
            ensure!(stream.read_buf(&mut answer).await? > 0, "the server hung up");
            if let Some(length) = length(&answer)? {
                break length;
            }
        };
        while answer.len() < whole {
            ensure!(stream.read_buf(&mut answer).await? > 0, "the server hung up");
        }
        times.push(ms(began.elapsed()));
        let status = answer.get(9..12).unwrap_or_default();
        ensure!(status == expected.as_bytes(), "{}", String::from_utf8_lossy(&answer));
    }
    Ok(times)
}

/// The length of the whole answer, once its headers are there.
fn length(answer: &[u8]) -> Result<Option<usize>> {
    let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&answer[..end]).context("headers are text")?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim())
    });
    let length: usize = length.context("an answer without a length")?.parse()?;
    Ok(Some(end + 4 + length))
}

#[cfg(test)]
mod tests {
    use super::length;

    #[test]
    fn an_answer_is_as_long_as_it_says() {
        let head = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\n";
        assert_eq!(length(head).ok().flatten(), Some(head.len() + 3));
        assert_eq!(length(b"HTTP/1.1 201 Created\r\nConte").ok().flatten(), None);
        assert!(length(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
