//! Fly's token buckets: one per action and per app or machine.

use crate::{
    lock::lock,
    options::{Limits, Rate},
};
use std::{
    collections::HashMap,
    sync::Mutex,
    time::{Duration, Instant},
};

/// What a call does, as far as limits are concerned. Each has its own bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    Create,
    List,
    Get,
    Start,
    Stop,
    Signal,
    Wait,
    Delete,
    Events,
    Lease,
    Metadata,
}

/// Buckets are forgotten when there are more than this and they are full again.
const MOST_BUCKETS: usize = 20_000;

/// All buckets of one server.
pub struct Limiter {
    limits: Limits,
    /// For each bucket, the moment at which it is full again (the theoretical arrival time of GCRA).
    full_at: Mutex<HashMap<(Action, String), Instant>>,
}

impl Limiter {
    pub fn new(limits: Limits) -> Self {
        Self { limits, full_at: Mutex::default() }
    }

    /// Takes a token at `now`, or says how long until there is one.
    pub fn take(&self, action: Action, id: &str, now: Instant) -> Result<(), Duration> {
        let Rate { per_second, burst } = match action {
            Action::Create | Action::List => self.limits.per_app,
            Action::Get => self.limits.get,
            _ => self.limits.per_machine,
        };
        if per_second == 0 {
            return Ok(());
        }
        let each = Duration::from_secs(1) / per_second;
        let room = each * burst.saturating_sub(1);
        let mut full_at = lock(&self.full_at);
        if full_at.len() > MOST_BUCKETS {
            full_at.retain(|_, at| *at > now);
        }
        let at = full_at.entry((action, id.to_owned())).or_insert(now);
        let full = (*at).max(now);
        let wait = full.saturating_duration_since(now).saturating_sub(room);
        if wait.is_zero() {
            *at = full + each;
            return Ok(());
        }
        Err(wait)
    }

    /// Whether refusals say when to come back.
    pub fn says_when(&self) -> bool {
        self.limits.retry_after
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_lets_its_burst_through_and_then_one_per_interval() {
        let limiter = Limiter::new(Limits::default());
        let start = Instant::now();
        for _ in 0..3 {
            assert_eq!(limiter.take(Action::Create, "app", start), Ok(()));
        }
        assert_eq!(limiter.take(Action::Create, "app", start), Err(Duration::from_secs(1)));
        let later = start + Duration::from_secs(1);
        assert_eq!(limiter.take(Action::Create, "app", later), Ok(()));
        assert!(limiter.take(Action::Create, "app", later).is_err());
    }

    #[test]
    fn actions_and_ids_do_not_share_a_bucket() {
        let limiter = Limiter::new(Limits::default());
        let now = Instant::now();
        for _ in 0..3 {
            assert!(limiter.take(Action::Start, "a", now).is_ok());
        }
        assert!(limiter.take(Action::Start, "a", now).is_err());
        assert!(limiter.take(Action::Start, "b", now).is_ok());
        assert!(limiter.take(Action::Stop, "a", now).is_ok());
        assert_eq!((0..20).filter(|_| limiter.take(Action::Get, "a", now).is_ok()).count(), 10);
    }

    #[test]
    fn no_limit_is_no_limit() {
        let limiter = Limiter::new(Limits::NONE);
        let now = Instant::now();
        assert!((0..1000).all(|_| limiter.take(Action::Create, "app", now).is_ok()));
    }
}
