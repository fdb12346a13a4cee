//! Tells the outside what became of jobs: takes what the database says is due, sends it, and notes what came of it.
//!
//! Every dispatcher does this, whether it leads or not; a lease on each row keeps two from sending the same at once. What was
//! sent and not noted, because a process died in between, is sent again under the same id.

mod guard;
mod hosts;
mod schedule;
mod send;
mod sign;

use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use store::outbox::{self, Delivery};
use store::{Db, Result};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

pub use domain::net::Reach;
pub use guard::Names;
pub use schedule::{GIVE_UP, wait_after};
pub use send::SetupError;

use crate::hung::{self, Hung, Starved};
use crate::traces;
use crate::wake::Bell;
use hosts::Hosts;
use send::{Outcome, Sender};
use sign::Signer;

/// After so long a refused callback that is not final waits no more before one that is.
const OVERTAKEN: Duration = Duration::from_mins(10);
/// How often what an earlier release parked for a refusal is looked for, while one may still run.
const RECOVER: Duration = Duration::from_mins(10);
/// How many are under way at once.
const MOST: usize = 32;
/// A lease outlives the longest POST and the note of it.
const LEASE: Duration = Duration::from_secs(30);
/// Between two looks while something is due, and while nothing is.
const BUSY: Duration = Duration::from_secs(1);
const IDLE: Duration = Duration::from_secs(5);
/// However often the bell rings.
const SPACING: Duration = Duration::from_millis(50);
/// Nothing here takes as long: a POST ends after ten seconds, a statement after five.
const HUNG: Duration = Duration::from_mins(1);
/// How long a stop waits for what is under way: the longest POST and the note of it.
const DRAIN: Duration = Duration::from_secs(12);

/// How callbacks are signed, and where they may go.
#[derive(Clone, Debug, Default)]
pub struct Settings {
    signer: Option<Signer>,
    key: Option<SecretString>,
    key_hosts: Vec<String>,
    reach: Reach,
    names: Names,
}

impl Settings {
    /// Signs with `webhook_secret`, else with the service's key. The key itself is shown to `key_hosts` only: names separated by
    /// commas, each with or without a port.
    pub fn new(
        webhook_secret: Option<&SecretString>,
        service_key: Option<&SecretString>,
        key_hosts: &str,
        reach: Reach,
    ) -> Self {
        let hosts = key_hosts.split(',').map(|host| host.trim().to_ascii_lowercase());
        Self {
            signer: webhook_secret.or(service_key).map(Signer::new),
            key: service_key.cloned(),
            key_hosts: hosts.filter(|host| !host.is_empty()).collect(),
            reach,
            names: Names::default(),
        }
    }

    /// The same where names mean something else.
    #[must_use]
    pub fn with_names(self, names: Names) -> Self {
        Self { names, ..self }
    }
}

/// Delivers callbacks.
#[derive(Debug)]
pub struct Courier {
    db: Db,
    sender: Sender,
    hosts: Hosts,
}

impl Courier {
    /// A courier that has not sent anything yet.
    ///
    /// # Errors
    /// When TLS cannot be set up, or the service's key cannot be sent in a header.
    pub fn new(db: Db, settings: Settings) -> std::result::Result<Self, SetupError> {
        if settings.signer.is_none() {
            tracing::warn!(
                "neither GH_WEBHOOK_SECRET nor GH_SERVICE_SECRET is set: callbacks are not signed"
            );
        }
        Ok(Self { db, sender: Sender::new(settings)?, hosts: Hosts::default() })
    }

    /// Delivers until `stop`; then finishes what is under way.
    ///
    /// # Errors
    /// [`Hung`]: the process is to be started anew.
    pub async fn run(self, bell: Bell, stop: CancellationToken) -> std::result::Result<(), Hung> {
        let courier = Arc::new(self);
        let (mut under_way, mut starved) = (JoinSet::new(), Starved::default());
        let mut recovered: Option<Instant> = None;
        loop {
            let began = Instant::now();
            if recovered.is_none_or(|at| at.elapsed() >= RECOVER) {
                let recovering = hung::within("the parked callbacks", HUNG, courier.recover());
                tokio::select! { done = recovering => done?, () = stop.cancelled() => break }
                recovered = Some(began);
            }
            let due = tokio::select! {
                due = hung::within("the callbacks", HUNG, courier.start_due(&mut under_way)) => due?,
                () = stop.cancelled() => break,
            };
            starved.note(due.as_ref().is_err_and(store::Error::is_starved), &courier.db).await?;
            let wait = due.unwrap_or_else(|error| {
                tracing::warn!(error = %boot::chain(&error), "callbacks could not be read");
                IDLE
            });
            tokio::select! {
                () = stop.cancelled() => break,
                () = bell.heard_by_callbacks() => {}
                Some(Ok(done)) = under_way.join_next() => done?,
                () = sleep_until(began + wait) => {}
            }
            tokio::select! { () = stop.cancelled() => break, () = sleep_until(began + SPACING) => {} }
            while let Some(done) = under_way.try_join_next() {
                done.unwrap_or(Ok(()))?;
            }
        }
        let drained = timeout(DRAIN, async { while under_way.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("leaving with callbacks under way; they are delivered again");
        }
        let _ = timeout(DRAIN, courier.db.close()).await; // it may wait for a connection that is dead
        Ok(())
    }

    /// Lets go on what was parked at its first refusal, as earlier releases did.
    async fn recover(&self) {
        match outbox::recover(&self.db, GIVE_UP).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "callbacks that were parked when they were refused go on"),
            Err(error) => {
                tracing::warn!(error = %boot::chain(&error), "parked callbacks could not be read");
            }
        }
    }

    /// Begins what is due, as far as there is room; returns when to look again.
    async fn start_due(
        self: &Arc<Self>,
        under_way: &mut JoinSet<std::result::Result<(), Hung>>,
    ) -> Result<Duration> {
        let Some(next) = outbox::next_due(&self.db).await? else { return Ok(IDLE) };
        let room = MOST.saturating_sub(under_way.len());
        if !next.is_zero() || room == 0 {
            return Ok(next.clamp(SPACING, IDLE));
        }
        for delivery in outbox::take(&self.db, i64::try_from(room).unwrap_or(1), LEASE).await? {
            let courier = Arc::clone(self);
            under_way.spawn(async move {
                let delivered = hung::within("a callback", HUNG, courier.deliver(&delivery)).await?;
                if let Err(error) = delivered {
                    let error = boot::chain(&error);
                    tracing::warn!(callback.id = %delivery.id, %error, "what came of a callback is not noted; it is delivered again");
                }
                Ok(())
            });
        }
        Ok(BUSY)
    }

    /// Sends one, and notes what came of it.
    async fn deliver(&self, delivery: &Delivery) -> Result<()> {
        let target = match self.sender.target(delivery) {
            Ok(target) => target,
            Err(reason) => return self.park(delivery, "-", &reason).await,
        };
        let host = target.host.clone();
        if let Err(wait) = self.hosts.enter(&host, Instant::now()) {
            if delivery.age() >= GIVE_UP {
                return self.park(delivery, &host, "its host did not answer for 24 hours").await;
            }
            return outbox::put_off(&self.db, delivery, "its host does not answer now", wait).await;
        }
        let span = traces::callback(&self.db, delivery).await;
        let outcome = self.sender.send(target, delivery).await;
        if let Some(span) = span {
            traces::called(span, outcome == Outcome::Delivered);
        }
        self.hosts.leave(&host, outcome.is_alive(), Instant::now());
        match outcome {
            Outcome::Delivered => {
                tracing::info!(callback.id = %delivery.id, job.id = %delivery.job_id, event = delivery.event, host, tries = delivery.tries, "callback delivered");
                outbox::delivered(&self.db, delivery).await
            }
            Outcome::Refused(reason) => self.park(delivery, &host, &reason).await,
            Outcome::Failed { reason, ask_after, alive } => {
                // What is final goes before what is not: one that its receiver does not want may not keep the end of the job from it.
                if alive && delivery.age() >= OVERTAKEN && outbox::is_overtaken(&self.db, delivery).await? {
                    let reason = format!("overtaken by what came after it: {reason}");
                    return self.park(delivery, &host, &reason).await;
                }
                let tries = u32::try_from(delivery.tries).unwrap_or(1);
                let Some(wait) = wait_after(tries, delivery.age(), schedule::chance()) else {
                    return self.park(delivery, &host, &format!("given up after 24 hours: {reason}")).await;
                };
                let wait = wait.max(ask_after.unwrap_or_default());
                tracing::debug!(callback.id = %delivery.id, host, reason, wait_ms = wait.as_millis(), "callback comes again");
                outbox::failed(&self.db, delivery, &reason, wait).await
            }
        }
    }

    async fn park(&self, delivery: &Delivery, host: &str, reason: &str) -> Result<()> {
        tracing::warn!(callback.id = %delivery.id, job.id = %delivery.job_id, event = delivery.event, host, reason, "callback parked");
        outbox::park(&self.db, delivery, reason).await
    }
}
