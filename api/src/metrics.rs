//! What this process answered, counted since it started.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Counts of one route and status.
#[derive(Clone, Copy, Debug, Default)]
pub struct Count {
    /// How many requests.
    pub requests: u64,
    /// How long they took together.
    pub time: Duration,
}

/// The counts of every route that was asked for. Bounded: routes are the router's own patterns, never a caller's path.
#[derive(Debug, Default)]
pub struct Metrics {
    counts: Mutex<BTreeMap<String, BTreeMap<u16, Count>>>,
}

impl Metrics {
    /// Counts one answer.
    pub fn answered(&self, route: &str, status: u16, took: Duration) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let by_status = match counts.get_mut(route) {
            Some(by_status) => by_status,
            None => counts.entry(route.to_owned()).or_default(),
        };
        let count = by_status.entry(status).or_default();
        count.requests += 1;
        count.time += took;
    }

    /// What was counted so far, as (route, status, count).
    pub fn counted(&self) -> Vec<(String, u16, Count)> {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let flat = counts.iter().flat_map(|(route, by_status)| {
            by_status.iter().map(move |(status, count)| (route.clone(), *status, *count))
        });
        flat.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_counted_by_route_and_status() {
        let metrics = Metrics::default();
        metrics.answered("/health", 200, Duration::from_millis(2));
        metrics.answered("/health", 200, Duration::from_millis(3));
        metrics.answered("/health", 503, Duration::ZERO);
        let counted: Vec<_> =
            metrics.counted().into_iter().map(|(_, status, count)| (status, count.requests)).collect();
        assert_eq!(counted, [(200, 2), (503, 1)]);
    }
}
