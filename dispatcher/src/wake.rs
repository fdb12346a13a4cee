//! Everything that makes the dispatcher look again: notices, cron, finished actions. None of them carries a task.

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use store::Db;
use store::listen::Listener;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use crate::run::Signals;

/// The channels of the migrations, and our own.
const CHANNELS: [&str; 3] = ["gh_job_created", "gh_attempt_ended", PING];
const PING: &str = "gh_dispatcher_ping";
/// How often a notice is sent to ourselves.
const PING_EVERY: Duration = Duration::from_secs(30);
/// Without any notice for this long the connection is dead, whatever TCP says: two pings and a half.
pub const SILENCE: Duration = Duration::from_secs(75);
/// Between two tries to connect.
const RETRY: Duration = Duration::from_secs(1);

/// Rings whenever there may be something to do: to look again, or to tell somebody of it.
#[derive(Clone, Default)]
pub struct Bell {
    look: Arc<Notify>,
    tell: Arc<Notify>,
}

impl Bell {
    /// Rings; ringing twice before it is heard counts once.
    pub fn ring(&self) {
        self.look.notify_one();
        self.tell.notify_one();
    }

    /// Waits for a ring, to look again.
    pub async fn heard(&self) {
        self.look.notified().await;
    }

    /// Waits for a ring, to see what is to be told; each ring is heard by both.
    pub async fn heard_by_callbacks(&self) {
        self.tell.notified().await;
    }
}

/// Listens until `stop`, on a connection of its own that is rebuilt after every error and after `silence`.
///
/// After each (re)connection the bell rings: what was said meanwhile was not heard.
pub async fn listen(url: SecretString, signals: Signals, silence: Duration, stop: CancellationToken) {
    while !stop.is_cancelled() {
        let lost = tokio::select! {
            lost = hear(&url, &signals, silence) => lost,
            () = stop.cancelled() => return,
        };
        signals.metrics.listens(false);
        if let Err(error) = lost {
            tracing::warn!(error = %boot::chain(&error), "listening failed; the poll goes on");
        }
        tokio::select! { () = tokio::time::sleep(RETRY) => {}, () = stop.cancelled() => {} }
    }
}

async fn hear(url: &SecretString, signals: &Signals, silence: Duration) -> store::Result<()> {
    let mut listener = Listener::open(url, "ghosthands-dispatcher-listen", &CHANNELS).await?;
    tracing::debug!("listening");
    signals.metrics.listens(true);
    signals.bell.ring();
    loop {
        match timeout(silence, listener.next()).await {
            Ok(Ok(Some(notice))) if notice.channel == PING => {}
            Ok(Ok(Some(_))) => signals.bell.ring(),
            Ok(Ok(None)) => return Ok(()),
            Ok(Err(error)) => return Err(error),
            Err(_) => {
                tracing::warn!(
                    seconds = silence.as_secs(),
                    "no ping of ours came back: listening again on a new connection"
                );
                return Ok(());
            }
        }
    }
}

/// Sends a notice to ourselves now and then, so that silence means something.
pub async fn ping(db: Db, stop: CancellationToken) {
    let mut next = Instant::now();
    loop {
        tokio::select! { () = tokio::time::sleep_until(next) => {}, () = stop.cancelled() => return }
        next = Instant::now() + PING_EVERY;
        if let Err(error) = store::listen::notify(&db, PING).await {
            tracing::debug!(error = %boot::chain(&error), "ping not sent");
        }
    }
}
