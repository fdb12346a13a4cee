//! Ports for servers that want to be told one.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};

use anyhow::{Result, bail};

/// Below the ports the kernel gives to outgoing connections, which could take one between our look and the server's start.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A port nobody listens on, and that this process did not give away before.
///
/// # Errors
/// When none is left.
pub fn free_port() -> Result<u16> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Processes start far apart, so that two stacks that start together do not meet.
    let ours = u16::try_from(u64::from(std::process::id()) * 7_919 % u64::from(COUNT))?;
    for _ in 0..COUNT {
        let port = FIRST + (ours + NEXT.fetch_add(1, Ordering::Relaxed) % COUNT) % COUNT;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no free port between {FIRST} and {}", FIRST + COUNT)
}
