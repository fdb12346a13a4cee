//! The steps of a look that may fail by themselves: each is noted, left alone for a moment, and stops no other.

use std::collections::HashMap;
use std::time::Duration;

use store::{Db, Error, Result};
use tokio::time::Instant;

use crate::health::Pulse;
use crate::metrics::Metrics;

/// How long a step is left alone that failed, doubled with each failure in a row.
const REST: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(10));

/// What failed, and how often in a row.
pub(crate) struct Steps {
    db: Db,
    pulse: Pulse,
    metrics: Metrics,
    failed: HashMap<&'static str, (u32, Instant)>,
}

impl Steps {
    pub(crate) fn new(db: Db, pulse: Pulse, metrics: Metrics) -> Self {
        Self { db, pulse, metrics, failed: HashMap::new() }
    }

    /// Whether a step failed a moment ago. One that takes seconds to fail would hold up the others at every look.
    pub(crate) fn rests(&self, step: &str) -> bool {
        self.failed.get(step).is_some_and(|(times, at)| {
            let rest = (REST.0 * 2_u32.saturating_pow((times - 1).min(8))).min(REST.1);
            at.elapsed() < rest
        })
    }

    /// Notes what came of a step; `None` when it failed.
    ///
    /// # Errors
    /// [`Error::NotLeader`]: then no other step is ours to take.
    pub(crate) fn note<T>(&mut self, step: &'static str, outcome: Result<T>) -> Result<Option<T>> {
        self.metrics.acted(step, outcome.is_ok());
        match outcome {
            Ok(value) => {
                if self.failed.remove(step).is_some() {
                    tracing::info!(step, "works again");
                    self.pulse.works(step);
                }
                Ok(Some(value))
            }
            Err(Error::NotLeader) => Err(Error::NotLeader),
            Err(error) => {
                if matches!(error, Error::Unavailable(_)) {
                    self.db.suspect_idle_connections();
                }
                let error = boot::chain(&error).to_string();
                let times = self.failed.get(step).map_or(0, |(times, _)| *times) + 1;
                tracing::warn!(step, times, error, "a step failed; the others go on");
                self.pulse.fails(step, &error);
                self.failed.insert(step, (times, Instant::now()));
                Ok(None)
            }
        }
    }
}
