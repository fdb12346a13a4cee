//! The loop: look, plan, act; and what keeps it going.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use chrono::{DateTime, Utc};
use domain::world::Machine;
use serde_json::json;
use store::Db;
use store::dispatch::{self, Claimed, Lease};
use store::dispatchers;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::act::{ActError, Case, Engine};
use crate::cron::Due;
use crate::health::Pulse;
use crate::metrics::Metrics;
use crate::plan::{self, Action, Own};
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
/// How many actions are under way at most; those of the plan beyond come again with the next look.
const ACTIONS: usize = 64;
/// How long is left alone what an action failed for: an outage of Fly or of the database is not met with a storm of calls.
const AGAIN: Duration = Duration::from_secs(1);
/// When jobs are due but no create token is left: Fly's buckets fill at one a second.
const TOKENS: Duration = Duration::from_millis(250);
/// How many jobs one claim takes at most: a few, and many after one that took all it could. Each needs a token of its own that is
/// made and sealed beforehand, and the first job of a quiet day should not wait for fifty of them.
const BATCH: (usize, usize) = (5, 50);
/// How long a stop waits for create calls in flight.
const DRAIN: Duration = Duration::from_secs(20);
/// How often a dispatcher tells that it runs, and by which tiers.
const TELL: Duration = Duration::from_secs(10);
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
    /// Whether the last look left a slot for another job.
    room: bool,
    /// How many jobs the next claim takes at most.
    batch: usize,
    lease: Option<Held>,
    actions: JoinSet<Done>,
    busy: HashSet<Uuid>,
    /// What an action failed for, and until when it is left alone.
    resting: HashMap<Uuid, Instant>,
    told: Option<Told>,
    /// How long the last look at everything took.
    look_took: Duration,
}

/// An action that came to its end.
struct Done {
    subject: Uuid,
    ok: bool,
}

/// What was last told of this dispatcher.
struct Told {
    at: Instant,
    tiers_hash: String,
    leads: bool,
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
        Self {
            engine,
            db,
            tiers,
            holder,
            signals,
            seeded: false,
            room: true,
            batch: BATCH.0,
            lease: None,
            actions: JoinSet::new(),
            busy: HashSet::new(),
            resting: HashMap::new(),
            told: None,
            look_took: Duration::ZERO,
        }
    }

    /// Looks, plans and acts until `stop`; then finishes what is under way and lets go of the lease.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut failures = 0_u32;
        loop {
            let began = Instant::now();
            let looked = self.look().await;
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
                    Some(done) = self.actions.join_next() => {
                        if let Ok(Done { subject, ok }) = done {
                            self.busy.remove(&subject);
                            if !ok { self.resting.insert(subject, Instant::now() + AGAIN); }
                        }
                        self.signals.bell.ring();
                    }
                    () = self.signals.bell.heard(), if failures == 0 => break,
                    () = sleep_until(until) => break,
                }
            }
            sleep_until(began + SPACING.max(self.look_took * REST)).await;
        }
    }

    /// One look and what follows from it; returns when to look again.
    async fn look(&mut self) -> store::Result<Duration> {
        self.refresh_tiers().await?;
        let Some((lease, leads_since)) = self.hold_lease().await? else {
            self.tell(false).await?;
            return Ok(STANDBY);
        };
        // A job that has just come in should not wait for the look at everything else. Where the queue is empty this is one look
        // into an index; where every slot was taken it would find none, and is made after the look.
        let open = self.engine.breaker.cause().is_none();
        let mut full = if open && self.room { Some(self.claim(&lease).await?) } else { None };
        let began = Instant::now();
        self.resting.retain(|_, until| *until > began);
        let world = store::machines::world(&self.db).await?;
        let own = Own {
            leads_since,
            busy: self.busy.iter().chain(self.resting.keys()).copied().collect(),
            breaker_open: !open,
            image: self.engine.image.clone(),
            due: self.signals.due.take(),
        };
        let plan = plan::plan(&world, self.tiers.tiers(), &own);
        self.look_took = began.elapsed();
        self.room = world.tiers.iter().any(|tier| !tier.paused && tier.live < i64::from(tier.capacity));
        let machines: HashMap<Uuid, &Machine> =
            world.machines.iter().map(|machine| (machine.id, machine)).collect();
        let mut more = false;
        for action in plan.actions {
            match action.subject() {
                None => more = true,
                Some(_) if self.busy.len() >= ACTIONS => {}
                Some(subject) => {
                    let machine = machines.get(&subject).map(|machine| (*machine).clone());
                    let case = Case { machine, tiers: Arc::clone(self.tiers.tiers()), lease: lease.clone() };
                    self.start(subject, action, case);
                }
            }
        }
        if more && full.is_none() {
            full = Some(self.claim(&lease).await?);
        }
        self.signals.metrics.holds(world.machines.len(), self.busy.len());
        self.tell(true).await?;
        let look_again = if self.resting.is_empty() { plan.look_again } else { plan.look_again.min(AGAIN) };
        Ok(match full {
            Some(true) => Duration::ZERO,
            _ if more => look_again.min(TOKENS),
            _ => look_again,
        })
    }

    /// Takes due jobs and starts their machines; returns whether there may be more.
    async fn claim(&mut self, lease: &Lease) -> store::Result<bool> {
        let engine = &self.engine;
        let claimed = dispatch::claim(
            &self.db,
            lease,
            self.tiers.tiers(),
            &engine.image,
            &engine.apps,
            &engine.sealer,
            self.batch,
        )
        .await?;
        let full = claimed.len() == self.batch;
        self.batch = if full { BATCH.1 } else { BATCH.0 };
        for claimed in claimed {
            self.launch(claimed);
        }
        Ok(full)
    }

    /// Takes an edit of the tiers file, or says why not.
    async fn refresh_tiers(&mut self) -> store::Result<()> {
        let db = &self.db;
        let reload = self.tiers.reload();
        match &reload {
            Reload::Refused(why) => {
                tracing::error!(why, "the tiers file is wrong; the last good one stays in force");
                store::notices::set(db, "tiers", &json!({ "refused": why })).await?;
            }
            Reload::Taken => {
                tracing::info!("the tiers file changed and is in force");
                store::notices::set(db, "tiers", &serde_json::Value::Null).await?;
            }
            Reload::Same => {}
        }
        if !self.seeded || reload == Reload::Taken {
            dispatch::seed_capacity(db, self.tiers.tiers()).await?;
            self.seeded = true;
        }
        Ok(())
    }

    /// Tells which tiers are in force: each dispatcher its own, and the one that leads those of the fleet.
    async fn tell(&mut self, leads: bool) -> store::Result<()> {
        let (db, hash) = (&self.db, self.tiers.hash());
        let new = self.told.as_ref().is_none_or(|told| told.tiers_hash != hash || told.leads != leads);
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
        }
        self.signals.metrics.leads(leads);
        self.signals.metrics.tiers(hash);
        self.told = Some(Told { at: Instant::now(), tiers_hash: hash.to_owned(), leads });
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

    /// Carries out an action beside the loop; what it is about is left alone until it is done.
    fn start(&mut self, subject: Uuid, action: Action, case: Case) {
        let engine = Arc::clone(&self.engine);
        self.busy.insert(subject);
        self.actions.spawn(async move {
            let done = engine.act(&action, &case).await;
            engine.metrics.acted(action.name(), done.is_ok());
            let ok = done.is_ok();
            match done {
                Ok(()) => {}
                Err(ActError::Later) => tracing::debug!(?action, "Fly's limit is used up for now"),
                Err(error) => {
                    tracing::warn!(?action, error = %boot::chain(&error), "not done; it comes again");
                }
            }
            Done { subject, ok }
        });
    }

    /// Sends the create call of a claimed job, or the start call of the pool machine it was given.
    fn launch(&mut self, claimed: Claimed) {
        let engine = Arc::clone(&self.engine);
        let subject = claimed.intent.id;
        engine.metrics.claimed(&claimed.intent.tier);
        tracing::info!(job.id = %claimed.job_id, attempt.id = %claimed.attempt_id, tier = claimed.intent.tier, "job claimed");
        self.busy.insert(subject);
        self.actions.spawn(async move {
            crate::traces::claimed(&engine.db, claimed.attempt_id).await;
            let done = match &claimed.ready {
                Some(fly_id) => engine.start(subject, &claimed.intent.app, Some(fly_id)).await,
                None => engine.post(&claimed.intent, &claimed.token).await,
            };
            if let Err(error) = done {
                tracing::warn!(attempt.id = %claimed.attempt_id, error = %boot::chain(&error), "the call's outcome is not noted");
            }
            Done { subject, ok: true }
        });
    }

    async fn finish(mut self) {
        let drained = timeout(DRAIN, async { while self.actions.join_next().await.is_some() {} }).await;
        if drained.is_err() {
            tracing::warn!("leaving with calls under way; the next dispatcher finds what they made");
        }
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
        tracing::info!("stopped");
    }
}

/// For a gauge that is compared with the clock of whoever reads it.
fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
