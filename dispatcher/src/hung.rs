//! A connection that is dead and does not say so: the network dropped it, and no end of it was told.
//!
//! The driver cannot see that: a call waits for as long as the kernel repeats what it sent (a quarter of an hour), or for ever, and
//! keeps its place in the pool; where it is the pool's own ping that waits, nothing shows but that no connection becomes free. The
//! rows say where everything stands, so the way out is the one that is proven by `kill -9`: end, and begin anew.

use std::time::Duration;

use store::Db;
use tokio::time::{Instant, timeout};

/// A pool is stuck whose connections did not become free so many times in a row, while the database answered on a new one each time:
/// while it is away, ending would change nothing.
const STARVED: u32 = 3;
/// Those of so long are one time: what is begun together runs into its limit together.
const APART: Duration = Duration::from_secs(5);

/// Something that takes seconds has had no answer for much longer.
#[derive(Debug, thiserror::Error)]
#[error("{what} had no answer in {} s: a connection to the database is dead and nobody says so. This process ends, to begin anew", .limit.as_secs())]
pub struct Hung {
    what: &'static str,
    limit: Duration,
}

impl Hung {
    fn new(what: &'static str, limit: Duration) -> Self {
        Self { what, limit }
    }
}

/// How many times in a row calls got no connection of a pool.
#[derive(Debug, Default)]
pub(crate) struct Starved {
    times: u32,
    last: Option<Instant>,
}

impl Starved {
    /// Notes what came of a call of `db`; an error when its connections are dead.
    pub(crate) async fn note(&mut self, starved: bool, db: &Db) -> Result<(), Hung> {
        if !starved {
            self.times = 0;
            return Ok(());
        }
        if self.last.is_some_and(|last| last.elapsed() < APART) {
            return Ok(());
        }
        self.last = Some(Instant::now());
        self.times = if db.answers_anew().await { self.times + 1 } else { 0 };
        if self.times < STARVED {
            return Ok(());
        }
        Err(Hung::new("a pool of connections", APART * self.times))
    }
}

/// `work`, or that it hung.
pub(crate) async fn within<T>(
    what: &'static str,
    limit: Duration,
    work: impl Future<Output = T>,
) -> Result<T, Hung> {
    timeout(limit, work).await.map_err(|_| Hung::new(what, limit))
}
