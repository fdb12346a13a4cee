//! Connections for the statements that come most often.
//!
//! The pool asks each connection how it is when it comes back, on top of the statement itself: two round trips for one, and under
//! load they are what limits the service. What is in use all the time needs no such question.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::PgPool;
use sqlx::{PgConnection, Postgres};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout};

use crate::{Error, Result};

/// Unused for longer than this, a connection goes back to the pool, and with it the question whether it still works.
const UNUSED: Duration = Duration::from_secs(1);
/// However busy it is, it goes back after this long: the pool renews its connections.
const AT_A_STRETCH: Duration = Duration::from_mins(1);
/// As long as the pool lets somebody wait.
const WAIT: Duration = Duration::from_secs(5);

/// A few connections of the pool that stay out between two uses.
#[derive(Clone, Debug)]
pub(crate) struct Lane {
    pool: PgPool,
    room: Arc<Semaphore>,
    kept: Arc<Kept>,
}

#[derive(Debug, Default)]
struct Kept(Mutex<Vec<Held>>);

#[derive(Debug)]
struct Held {
    connection: PoolConnection<Postgres>,
    since: Instant,
    used: Instant,
}

impl Lane {
    pub(crate) fn new(pool: PgPool, connections: u32) -> Self {
        let room = usize::try_from(connections).unwrap_or(1);
        Self { pool, room: Arc::new(Semaphore::new(room)), kept: Arc::default() }
    }

    /// The connection that was used last, so that those too many fall out of use; else one of the pool.
    pub(crate) async fn take(&self) -> Result<Quick> {
        let room = timeout(WAIT, Arc::clone(&self.room).acquire_owned()).await;
        let Ok(Ok(room)) = room else { return Err(Error::Unavailable(sqlx::Error::PoolTimedOut)) };
        let (now, held) = (Instant::now(), self.kept.pop());
        let fresh = |held: &Held| now - held.used < UNUSED && now - held.since < AT_A_STRETCH;
        let held = match held.filter(fresh) {
            Some(held) => held,
            None => Held { connection: self.pool.acquire().await?, since: now, used: now },
        };
        Ok(Quick { held, kept: Arc::clone(&self.kept), _room: room })
    }

    /// Gives everything back to the pool.
    pub(crate) fn clear(&self) {
        self.kept.lock().clear();
    }
}

impl Kept {
    fn pop(&self) -> Option<Held> {
        self.lock().pop()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Held>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection for one statement outside a transaction. Dropped before [`Quick::keep`], because something failed or nobody waits
/// for the answer any more, it goes to the pool, which finds out whether it still works.
pub(crate) struct Quick {
    held: Held,
    kept: Arc<Kept>,
    _room: OwnedSemaphorePermit,
}

impl Quick {
    pub(crate) fn get(&mut self) -> &mut PgConnection {
        &mut self.held.connection
    }

    /// All went well: the next statement may use it as it is.
    pub(crate) fn keep(self) {
        let Self { held, kept, _room } = self;
        kept.lock().push(Held { used: Instant::now(), ..held });
    }
}
