//! One reader's view of a job: what it has been told, and what is new.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use axum::response::sse;
use domain::id::JobId;
use serde::Serialize;
use store::Db;
use store::events::{self, Placed};
use store::jobs::{self, JobProgress, Scope};

/// How many events one look takes.
const PAGE: i64 = 200;

/// How long an event with a lower place than one already told may still turn up: no transaction of ours is longer.
const LATE: Duration = Duration::from_secs(10);

/// One reader and one job.
pub struct Watch {
    db: Db,
    scope: Scope,
    job: JobId,
    /// Everything up to here has been told, or was there before.
    told: i64,
    /// What was told beyond, and when.
    recent: BTreeMap<i64, Instant>,
    state: JobProgress,
    more: bool,
    over: bool,
}

/// What one look found.
pub struct Look {
    begin: Option<i64>,
    state: Option<String>,
    /// New events, by their place.
    pub events: Vec<Placed>,
    /// Whether there is nothing more to come.
    pub is_over: bool,
}

impl Watch {
    /// Begins after the place `last`, else now; `None` when there is no such job in this scope.
    pub async fn open(db: Db, scope: Scope, job: JobId, last: Option<i64>) -> store::Result<Option<Self>> {
        // The place first: what happens between the two is told twice, in the state and as an event, rather than never.
        let newest = events::newest(&db, job).await?;
        let state = jobs::status(&db, scope, job).await?;
        let told = last.unwrap_or(newest);
        let recent = BTreeMap::new();
        Ok(state.map(|state| Self { db, scope, job, told, recent, state, more: false, over: false }))
    }

    /// The first look: the state, whatever it is, and what happened since the place.
    pub async fn begin(&mut self) -> store::Result<Look> {
        let (place, state) = (self.told, json(&self.state));
        let events = self.new_events().await?;
        self.over = self.state.status.is_terminal() && !self.more;
        Ok(Look { begin: Some(place), state: Some(state), events, is_over: self.over })
    }

    /// What is new since the last look.
    pub async fn look(&mut self) -> store::Result<Look> {
        let Some(state) = jobs::status(&self.db, self.scope, self.job).await? else {
            self.over = true; // deleted
            return Ok(Look { begin: None, state: None, events: Vec::new(), is_over: true });
        };
        // After the state: whatever led to it has been written by now.
        let events = self.new_events().await?;
        let has_changed = seen_of(&state) != seen_of(&self.state);
        self.state = state;
        self.over = self.state.status.is_terminal() && !self.more;
        let state = has_changed.then(|| json(&self.state));
        Ok(Look { begin: None, state, events, is_over: self.over })
    }

    /// Whether there is nothing more to come.
    pub fn is_over(&self) -> bool {
        self.over
    }

    /// How long to wait for the next look: not at all when the last one did not get everything.
    pub fn pause(&self, usual: Duration) -> Duration {
        if self.more { Duration::ZERO } else { usual }
    }

    async fn new_events(&mut self) -> store::Result<Vec<Placed>> {
        let seen: Vec<i64> = self.recent.keys().copied().collect();
        let events = events::after(&self.db, self.job, self.told, &seen, PAGE).await?;
        let now = Instant::now();
        self.more = i64::try_from(events.len()).is_ok_and(|count| count >= PAGE);
        self.recent.extend(events.iter().map(|event| (event.seq, now)));
        while let Some(oldest) = self.recent.first_entry().filter(|entry| now - *entry.get() > LATE) {
            self.told = oldest.remove_entry().0;
        }
        Ok(events)
    }
}

impl Look {
    /// As it goes over the wire: the state first of all at the beginning, and after what led to it from then on.
    pub fn frames(self) -> Vec<sse::Event> {
        let state = self.state.map(|state| sse::Event::default().event("state").data(state));
        let events = self.events.into_iter().map(|placed| {
            let data = json(&placed.event);
            sse::Event::default().event("event").id(placed.seq.to_string()).data(data)
        });
        match self.begin {
            Some(place) => state.map(|state| state.id(place.to_string())).into_iter().chain(events).collect(),
            None => events.chain(state).collect(),
        }
    }
}

/// What a user reads of a state: not the heartbeat.
fn seen_of(state: &JobProgress) -> impl PartialEq + use<> {
    let progress = state.progress_pct.map(f64::to_bits);
    (state.status, state.status_message.clone(), progress, state.started_at, state.completed_at)
}

/// Rows are made of what JSON has; nothing is never seen.
fn json<T: Serialize>(row: &T) -> String {
    serde_json::to_string(row).unwrap_or_default()
}
