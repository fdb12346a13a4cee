//! The loop: look, plan, act; and what keeps it going.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use domain::tier::{NAMES, Tiers};
use domain::world::Machine;
use serde_json::json;
use store::Db;
use store::dispatch::{self, Lease};
use store::dispatchers;
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::act::{Case, Engine};
use crate::actions::{self, Actions};
use crate::cron::Due;
use crate::health::Pulse;
use crate::hung::{self, Hung, Starved};
use crate::metrics::Metrics;
use crate::plan::{self, Action, Own};
use crate::steps::Steps;
use crate::tiers::{Reload, Source};
use crate::wake::Bell;

/// How long a lease lasts without renewal, and how often it is renewed.
const LEASE_SECONDS: i32 = 15;
const RENEW: Duration = Duration::from_secs(5);
/// How often a dispatcher that waits asks whether the lease is free: 17 s after a death at the latest it leads.
const STANDBY: Duration = Duration::from_secs(2);
/// A lease that was not renewed for this long is not relied on: a second before the database lets another one have it.
const TRUST: Duration = Duration::from_secs(14);
/// Between two looks, however often the bell rings: a storm of notices is one look.
const SPACING: Duration = Duration::from_millis(10);
/// A look at a thousand machines takes a hundred times as long as one at ten; this many times as long passes until the next.
const REST: u32 = 3;
/// The database ends every statement after five seconds, and a look with it; one that takes longer than this waits on a connection that is dead and does not
/// say so.
const LOOK: Duration = Duration::from_mins(1);
/// How long a stop waits for a look under way, and for its last words to the database.
const LAST: Duration = Duration::from_secs(5);
/// When jobs are due but no create token is left: Fly's buckets fill at one a second.
const TOKENS: Duration = Duration::from_millis(250);
/// After so many claims in a row that took nothing it is not for want of tokens: what waits then (for its user's turn, for money) rings when it is due.
const IN_VAIN: u32 = 12;
/// How many jobs one claim takes at most: a few, and many after one that took all it could. Each needs a token of its own that is
/// made and sealed beforehand, and the first job of a quiet day should not wait for fifty of them.
const BATCH: (usize, usize) = (5, 50);
/// How long a stop waits for create calls in flight.
const DRAIN: Duration = Duration::from_secs(15);
/// How often a dispatcher tells that it runs, and by which tiers.
const TELL: Duration = Duration::from_secs(10);
/// The step that takes jobs.
const CLAIM: &str = "claim";
/// Back-off while the database is away.
const BACKOFF: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(10));

/// What makes a dispatcher look, and who it tells that it did.
#[derive(Clone, Default)]
pub struct Signals {
    /// Rung by notices and by the clock.
    pub bell: Bell,
    /// What the clock says is due.
    pub due: Due,
    /// For `/health`.
    pub pulse: Pulse,
    /// For `/metrics`.
    pub metrics: Metrics,
}

/// The dispatcher at work.
pub struct Dispatcher {
    engine: Arc<Engine>,
    db: Db,
    tiers: Source,
    holder: String,
    signals: Signals,
    seeded: bool,
    /// Whether what the leader before knew of the breaker is taken over.
    inherited: bool,
    /// Whether the last look left a slot for another job.
    room: bool,
    /// How many jobs the next claim takes at most.
    batch: usize,
    lease: Option<Held>,
    actions: Actions,
    /// How many claims in a row took nothing.
    in_vain: u32,
    told: Option<Told>,
    steps: Steps,
    /// How long the last look at everything took.
    look_took: Duration,
}

/// What was last told of this dispatcher.
struct Told {
    at: Instant,
    tiers_hash: String,
    leads: bool,
    refused: Option<String>,
    breaker: Option<store::notices::Breaker>,
}

struct Held {
    lease: Lease,
    since: DateTime<Utc>,
    renewed: Instant,
}

impl Dispatcher {
    /// A dispatcher that has not looked yet; `db` is the loop's own, so that it never waits for its actions, and `holder`
    /// names this process among others.
    pub fn new(engine: Engine, db: Db, tiers: Source, holder: String, signals: Signals) -> Self {
        let engine = Arc::new(engine);
        let actions = Actions::new(Arc::clone(&engine));
        let steps = Steps::new(db.clone(), signals.pulse.clone(), signals.metrics.clone());
        Self {
            engine,
            db,
            tiers,
            holder,
            signals,
            seeded: false,
            inherited: false,
            room: true,
            batch: BATCH.0,
            lease: None,
            actions,
            in_vain: 0,
            told: None,
            steps,
            look_took: Duration::ZERO,
        }
    }

    /// Looks, plans and acts until `stop`; then finishes what is under way and lets go of the lease.
    ///
    /// # Errors
    /// [`Hung`]: the process is to be started anew.
    pub async fn run(mut self, stop: CancellationToken) -> Result<(), Hung> {
        let (mut failures, mut starved) = (0_u32, Starved::default());
        loop {
            if stop.is_cancelled() {
                return self.finish().await;
            }
            let began = Instant::now();
            let looked = tokio::select! {
                looked = hung::within("a look", LOOK, self.look()) => looked?,
                () = cancelled_for(&stop, LAST) => return self.finish().await,
            };
            let no_connection = looked.as_ref().is_err_and(store::Error::is_starved);
            starved.note(no_connection, &self.db).await?;
            self.signals.metrics.looked(began.elapsed(), looked.is_ok(), unix_seconds());
            let look_again = match looked {
                Ok(look_again) => {
                    failures = 0;
                    self.signals.pulse.beat();
                    look_again
                }
                Err(error) => {
                    failures += 1;
                    let wait = (BACKOFF.0 * 2_u32.saturating_pow(failures.min(8))).min(BACKOFF.1);
                    tracing::warn!(
                        error = %boot::chain(&error),
                        wait_ms = wait.as_millis(),
                        "a look failed"
                    );
                    if matches!(error, store::Error::NotLeader) {
                        self.lease = None;
                    }
                    wait
                }
            };
            let until = began + look_again;
            loop {
                tokio::select! {
                    () = stop.cancelled() => return self.finish().await,
                    Some(done) = self.actions.next_done() => {
                        self.actions.note(done).await?;
                        self.signals.bell.ring();
                    }
                    () = self.signals.bell.heard(), if failures == 0 => break,
                    () = sleep_until(until) => break,
                }
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = sleep_until(began + SPACING.max(self.look_took * REST)) => {}
            }
        }
    }

    /// One look and what follows from it; returns when to look again. Only the lease and the look itself are needed for the rest: what
    /// else fails is noted, and machines are reaped, paid for and swept all the same.
    async fn look(&mut self) -> store::Result<Duration> {
        self.refresh_tiers();
        let Some((lease, leads_since)) = self.hold_lease().await? else {
            self.inherited = false;
            let told = self.tell(false).await;
            self.steps.note("tell", told)?;
            return Ok(STANDBY);
        };
        self.prepare().await?;
        // A job that has just come in should not wait for the look at everything else. Where the queue is empty this is one look
        // into an index; where every slot was taken it would find none, and is made after the look.
        let stopped = plan::stopped(|tier| self.engine.breaker.stops(tier));
        let tiers = match stopped.len() {
            0 => Arc::clone(self.tiers.tiers()),
            _ => Arc::new(self.tiers.tiers().without(&stopped)),
        };
        let open = stopped.len() < NAMES.len();
        let mut full = if open && self.room { self.claim(&lease, &tiers).await? } else { None };
        let began = Instant::now();
        let resting = self.actions.resting();
        let world = store::machines::world(&self.db).await?;
        let own = Own {
            leads_since,
            busy: self.actions.busy().union(&resting).copied().collect(),
            stopped,
            image: self.engine.image.clone(),
            due: self.signals.due.take(),
        };
        let mut plan = plan::plan(&world, self.tiers.tiers(), &own);
        self.actions.order(&mut plan.actions);
        self.look_took = began.elapsed();
        self.room = world.tiers.iter().any(|tier| !tier.paused && tier.live < i64::from(tier.capacity));
        let machines: HashMap<Uuid, &Machine> =
            world.machines.iter().map(|machine| (machine.id, machine)).collect();
        let mut more = false;
        for action in plan.actions {
            match action.subject() {
                None => more = true,
                Some(_) if self.actions.is_full(action.calls_fly()) => {
                    if let Action::Upkeep(upkeep) = action {
                        self.signals.due.note(upkeep); // it is due until it is begun
                    }
                }
                Some(subject) => {
                    let machine = machines.get(&subject).map(|machine| (*machine).clone());
                    let case = Case { machine, tiers: Arc::clone(self.tiers.tiers()), lease: lease.clone() };
                    self.actions.start(subject, action, case);
                }
            }
        }
        if !more {
            self.in_vain = 0;
        }
        if more && full.is_none() {
            full = self.claim(&lease, &tiers).await?;
        }
        self.signals.metrics.holds(world.machines.len(), self.actions.busy().len());
        let told = self.tell(true).await;
        self.steps.note("tell", told)?;
        let look_again =
            if resting.is_empty() { plan.look_again } else { plan.look_again.min(actions::AGAIN) };
        Ok(match full {
            Some(true) => Duration::ZERO,
            _ if more && self.in_vain < IN_VAIN && !self.steps.rests(CLAIM) => look_again.min(TOKENS),
            _ => look_again,
        })
    }

    /// What a leader does before its first look, and after an edit of the tiers.
    async fn prepare(&mut self) -> store::Result<()> {
        if !self.inherited {
            let known = store::notices::breaker(&self.db).await;
            if let Some(known) = self.steps.note("breaker", known)? {
                self.engine.breaker.inherit(known.as_ref());
                self.inherited = true;
            }
            self.seeded = false; // whoever led before may have gone by another file
        }
        if !self.seeded && !self.steps.rests("seed") {
            let seeded = dispatch::seed_capacity(&self.db, self.tiers.tiers()).await;
            self.seeded = self.steps.note("seed", seeded)?.is_some();
        }
        Ok(())
    }

    /// Takes due jobs and starts their machines; returns whether there may be more, `None` when it failed or rests.
    async fn claim(&mut self, lease: &Lease, tiers: &Tiers) -> store::Result<Option<bool>> {
        if self.steps.rests(CLAIM) {
            return Ok(None);
        }
        let engine = &self.engine;
        let claimed =
            dispatch::claim(&self.db, lease, tiers, &engine.image, &engine.apps, &engine.sealer, self.batch)
                .await;
        let Some(claimed) = self.steps.note(CLAIM, claimed)? else { return Ok(None) };
        let full = claimed.len() == self.batch;
        self.batch = if full { BATCH.1 } else { BATCH.0 };
        self.in_vain = if claimed.is_empty() { self.in_vain.saturating_add(1) } else { 0 };
        for claimed in claimed {
            self.actions.launch(claimed, lease.clone());
        }
        Ok(Some(full))
    }

    /// Takes an edit of the tiers file, or says why not.
    fn refresh_tiers(&mut self) {
        match self.tiers.reload() {
            Reload::Refused(why) => {
                tracing::error!(why, "the tiers file is wrong; the last good one stays in force");
            }
            Reload::Taken => {
                tracing::info!("the tiers file changed and is in force");
                self.seeded = false;
            }
            Reload::Same => {}
        }
    }

    /// Tells which tiers are in force: each dispatcher its own, and the one that leads those of the fleet, why an edit of them was refused, and
    /// what the breaker is open for. Nobody else writes these notices.
    async fn tell(&mut self, leads: bool) -> store::Result<()> {
        let (db, hash) = (&self.db, self.tiers.hash());
        let (refused, breaker) = (self.tiers.refused(), self.engine.breaker.told());
        let new = self.told.as_ref().is_none_or(|told| {
            told.tiers_hash != hash
                || told.leads != leads
                || told.refused.as_deref() != refused
                || told.breaker != breaker
        });
        if !new && self.told.as_ref().is_some_and(|told| told.at.elapsed() < TELL) {
            return Ok(());
        }
        let file = self.tiers.path().map(|path| path.display().to_string());
        let own = dispatchers::Own {
            holder: &self.holder,
            version: env!("CARGO_PKG_VERSION"),
            image: &self.engine.image,
            tiers_file: file.as_deref(),
            tiers_hash: hash,
        };
        dispatchers::seen(db, &own).await?;
        if new && leads {
            let tiers: BTreeMap<_, _> = self.tiers.tiers().iter().collect();
            store::notices::set(db, "tiers_in_force", &json!(tiers)).await?;
            let refusal = refused.map(|why| json!({ "refused": why }));
            store::notices::set(db, "tiers", &json!(refusal)).await?;
            store::notices::set(db, "breaker", &json!(breaker)).await?;
        }
        self.signals.metrics.leads(leads);
        self.signals.metrics.tiers(hash);
        let refused = refused.map(ToOwned::to_owned);
        self.told = Some(Told { at: Instant::now(), tiers_hash: hash.to_owned(), leads, refused, breaker });
        Ok(())
    }

    /// Renews or takes the lease; `None` while another dispatcher leads.
    async fn hold_lease(&mut self) -> store::Result<Option<(Lease, DateTime<Utc>)>> {
        if self.lease.as_ref().is_none_or(|held| held.renewed.elapsed() >= RENEW) {
            let db = &self.db;
            let renewed = Instant::now(); // counted from before the call, so that ours ends first
            let lease = match dispatch::lead(db, &self.holder, LEASE_SECONDS).await {
                Err(_) if self.lease.as_ref().is_some_and(|held| held.renewed.elapsed() < TRUST) => {
                    return Ok(self.lease.as_ref().map(|held| (held.lease.clone(), held.since)));
                }
                other => other?,
            };
            self.lease = match (lease, self.lease.take()) {
                (Some(lease), Some(held)) if held.lease == lease => Some(Held { renewed, ..held }),
                (Some(lease), _) => {
                    tracing::info!(term = lease.term, "leading");
                    Some(Held { lease, since: db.ping().await?, renewed })
                }
                (None, Some(_)) => {
                    tracing::warn!("another dispatcher leads now");
                    None
                }
                (None, None) => None,
            };
        }
        Ok(self.lease.as_ref().map(|held| (held.lease.clone(), held.since)))
    }

    async fn finish(mut self) -> Result<(), Hung> {
        let drained = timeout(DRAIN, self.actions.drain()).await;
        if drained.is_err() {
            tracing::warn!("leaving with calls under way; the next dispatcher finds what they made");
        }
        // The database may be the one that does not answer.
        if timeout(LAST, self.leave()).await.is_err() {
            tracing::warn!("the database was not told that we leave; the lease ends by itself");
        }
        tracing::info!("stopped");
        Ok(())
    }

    async fn leave(&self) {
        if let Some(held) = &self.lease
            && let Err(error) = dispatch::release(&self.db, &held.lease).await
        {
            tracing::warn!(error = %boot::chain(&error), "lease not released; it ends by itself");
        }
        if let Err(error) = dispatchers::gone(&self.db, &self.holder).await {
            tracing::debug!(error = %boot::chain(&error), "not noted that we are gone; that shows in a minute");
        }
        self.db.close().await;
        self.engine.db.close().await;
    }
}

/// Until `stop` was for so long.
async fn cancelled_for(stop: &CancellationToken, time: Duration) {
    stop.cancelled().await;
    sleep(time).await;
}

/// For a gauge that is compared with the clock of whoever reads it.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
