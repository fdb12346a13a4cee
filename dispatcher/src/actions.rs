//! What is under way beside the loop: begun, waited for, and left alone for a moment when it failed.

use std::collections::HashSet;
use std::collections::hash_map::{Entry, HashMap};
use std::sync::Arc;
use std::time::Duration;

use store::dispatch::{Claimed, Lease};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;
use uuid::Uuid;

use crate::act::{ActError, Case, Engine};
use crate::hung::{self, Hung, Starved};
use crate::plan::Action;

/// How many that wait for Fly are under way at most, and as many that wait for the database alone: where Fly is slow, what needs no
/// answer of it goes on. Those of a plan beyond come again with the next look.
const MOST: usize = 64;
/// How long is left alone what an action failed for: an outage of Fly or of the database is not met with a storm of calls.
pub(crate) const AGAIN: Duration = Duration::from_secs(1);
/// For how long it is remembered that it failed.
const FORGET: Duration = Duration::from_mins(10);
/// Fly's calls end after 20 s and the database's statements after five: what takes longer than this never ends.
const LIMIT: Duration = Duration::from_mins(5);

/// Every action that was begun and has not ended.
pub(crate) struct Actions {
    engine: Arc<Engine>,
    tasks: JoinSet<Done>,
    /// What they are about, and how many are about it: a pool machine that is looked at may be given a job meanwhile.
    busy: HashMap<Uuid, usize>,
    /// How many of them wait for Fly, and how many for the database alone.
    at_fly: usize,
    at_database: usize,
    /// What one failed for, and when.
    failed: HashMap<Uuid, Instant>,
    starved: Starved,
}

/// An action that came to its end.
pub(crate) struct Done {
    subject: Uuid,
    calls_fly: bool,
    ok: bool,
    starved: bool,
    hung: Option<Hung>,
}

impl Actions {
    pub(crate) fn new(engine: Arc<Engine>) -> Self {
        Self {
            engine,
            tasks: JoinSet::new(),
            busy: HashMap::new(),
            at_fly: 0,
            at_database: 0,
            failed: HashMap::new(),
            starved: Starved::default(),
        }
    }

    /// What they are about.
    pub(crate) fn busy(&self) -> HashSet<Uuid> {
        self.busy.keys().copied().collect()
    }

    /// What is left alone for now.
    pub(crate) fn resting(&mut self) -> HashSet<Uuid> {
        self.failed.retain(|_, at| at.elapsed() < FORGET);
        let resting = self.failed.iter().filter(|(_, at)| at.elapsed() < AGAIN);
        resting.map(|(subject, _)| *subject).collect()
    }

    /// Puts what failed behind what did not: a thousand machines whose calls go unanswered come to their turn one after the other.
    pub(crate) fn order(&self, actions: &mut [Action]) {
        actions.sort_by_key(|action| action.subject().and_then(|subject| self.failed.get(&subject).copied()));
    }

    /// Whether no more of this kind are begun now.
    pub(crate) fn is_full(&self, calls_fly: bool) -> bool {
        let under_way = if calls_fly { self.at_fly } else { self.at_database };
        under_way >= MOST
    }

    /// Carries out an action; what it is about is left alone until it is done.
    pub(crate) fn start(&mut self, subject: Uuid, action: Action, case: Case) {
        let (engine, calls_fly) = (Arc::clone(&self.engine), action.calls_fly());
        self.begin(subject, calls_fly);
        self.tasks.spawn(async move {
            let done = match hung::within("an action", LIMIT, engine.act(&action, &case)).await {
                Ok(done) => done,
                Err(hung) => {
                    return Done { subject, calls_fly, ok: false, starved: false, hung: Some(hung) };
                }
            };
            engine.metrics.acted(action.name(), done.is_ok());
            let ok = done.is_ok();
            let starved = done.as_ref().is_err_and(ActError::is_starved);
            match done {
                Ok(()) => {}
                Err(ActError::Later) => tracing::debug!(?action, "Fly's limit is used up for now"),
                Err(error) => {
                    tracing::warn!(?action, error = %boot::chain(&error), "not done; it comes again");
                }
            }
            Done { subject, calls_fly, ok, starved, hung: None }
        });
    }

    /// Sends the create call of a claimed job, or the start call of the pool machine it was given.
    pub(crate) fn launch(&mut self, claimed: Claimed, lease: Lease) {
        let engine = Arc::clone(&self.engine);
        let subject = claimed.intent.id;
        engine.metrics.claimed(&claimed.intent.tier);
        tracing::info!(job.id = %claimed.job_id, attempt.id = %claimed.attempt_id, tier = claimed.intent.tier, "job claimed");
        self.begin(subject, true);
        self.tasks.spawn(async move {
            let launching = async {
                crate::traces::claimed(&engine.db, claimed.attempt_id).await;
                match &claimed.ready {
                    Some(fly_id) => engine.start(subject, &claimed.intent.app, Some(fly_id)).await,
                    None => engine.post(&lease, &claimed.intent, &claimed.token).await,
                }
            };
            let done = hung::within("a launch", LIMIT, launching).await;
            let starved = matches!(&done, Ok(Err(error)) if error.is_starved());
            if let Ok(Err(error)) = &done {
                tracing::warn!(attempt.id = %claimed.attempt_id, error = %boot::chain(error), "the call's outcome is not noted");
            }
            Done { subject, calls_fly: true, ok: true, starved, hung: done.err() }
        });
    }

    /// The next that ends; `None` while none is under way.
    pub(crate) async fn next_done(&mut self) -> Option<Result<Done, JoinError>> {
        self.tasks.join_next().await
    }

    /// Notes that one ended; an error when it never would have.
    pub(crate) async fn note(&mut self, done: Result<Done, JoinError>) -> Result<(), Hung> {
        let Ok(Done { subject, calls_fly, ok, starved, hung }) = done else { return Ok(()) };
        *self.count(calls_fly) -= 1;
        if let Entry::Occupied(mut about) = self.busy.entry(subject) {
            *about.get_mut() -= 1;
            if *about.get() == 0 {
                about.remove();
            }
        }
        if ok {
            self.failed.remove(&subject);
        } else {
            self.failed.insert(subject, Instant::now());
        }
        self.starved.note(starved, &self.engine.db).await?;
        hung.map_or(Ok(()), Err)
    }

    /// Waits for all of them.
    pub(crate) async fn drain(&mut self) {
        while self.tasks.join_next().await.is_some() {}
    }

    fn begin(&mut self, subject: Uuid, calls_fly: bool) {
        *self.busy.entry(subject).or_default() += 1;
        *self.count(calls_fly) += 1;
    }

    fn count(&mut self, calls_fly: bool) -> &mut usize {
        if calls_fly { &mut self.at_fly } else { &mut self.at_database }
    }
}
