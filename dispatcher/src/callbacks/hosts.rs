//! One breaker per host: who does not answer is left alone for a while, and is never asked too much at once.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After so many failures in a row the host is left alone.
const FAILURES: u32 = 5;
/// For so long, doubled with each further failure.
const PAUSE: (Duration, Duration) = (Duration::from_secs(5), Duration::from_mins(5));
/// At once to one host, so that a slow one leaves room for the others.
const AT_ONCE: usize = 8;
/// How long to wait for a place.
const PLACE: Duration = Duration::from_secs(1);
/// The most hosts that are remembered.
const REMEMBERED: usize = 10_000;

/// The hosts that callbacks go to.
#[derive(Debug, Default)]
pub(super) struct Hosts(Mutex<HashMap<String, Host>>);

#[derive(Debug, Default)]
struct Host {
    failures: u32,
    closed_until: Option<Instant>,
    under_way: usize,
}

impl Hosts {
    /// Begins a call to `host`, or says when to ask again. A host that failed gets one call at a time until one succeeds.
    pub(super) fn enter(&self, host: &str, now: Instant) -> Result<(), Duration> {
        let mut hosts = self.lock();
        if hosts.len() >= REMEMBERED {
            hosts.retain(|_, host| host.under_way > 0);
        }
        let host = hosts.entry(host.to_owned()).or_default();
        if let Some(until) = host.closed_until.filter(|until| *until > now) {
            return Err(until - now);
        }
        let most = if host.failures >= FAILURES { 1 } else { AT_ONCE };
        if host.under_way >= most {
            return Err(PLACE);
        }
        host.under_way += 1;
        Ok(())
    }

    /// Ends a call; `alive` says whether the host answered as one that works.
    pub(super) fn leave(&self, name: &str, alive: bool, now: Instant) {
        let mut hosts = self.lock();
        let Some(host) = hosts.get_mut(name) else { return };
        host.under_way = host.under_way.saturating_sub(1);
        if alive {
            (host.failures, host.closed_until) = (0, None);
        } else {
            host.failures += 1;
            if let Some(over) = host.failures.checked_sub(FAILURES) {
                host.closed_until = Some(now + (PAUSE.0 * 2_u32.pow(over.min(10))).min(PAUSE.1));
            }
        }
        if host.failures == 0 && host.under_way == 0 {
            hosts.remove(name);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Host>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_that_fails_is_left_alone_then_tried_by_one_and_no_other_host_suffers() {
        let (hosts, now) = (Hosts::default(), Instant::now());
        for _ in 0..FAILURES {
            hosts.enter("a", now).expect("free");
            hosts.leave("a", false, now);
        }
        assert_eq!(hosts.enter("a", now), Err(PAUSE.0));
        assert!(hosts.enter("b", now).is_ok());
        let later = now + PAUSE.0;
        assert!(hosts.enter("a", later).is_ok());
        assert!(hosts.enter("a", later).is_err(), "one probe");
        hosts.leave("a", false, later);
        assert_eq!(hosts.enter("a", later), Err(PAUSE.0 * 2));
        let again = later + PAUSE.0 * 2;
        hosts.enter("a", again).expect("a probe");
        hosts.leave("a", true, again);
        assert!(hosts.enter("a", again).is_ok() && hosts.enter("a", again).is_ok());
    }

    #[test]
    fn one_host_has_only_so_many_places() {
        let (hosts, now) = (Hosts::default(), Instant::now());
        let places = (0..100).take_while(|_| hosts.enter("slow", now).is_ok()).count();
        assert_eq!(places, AT_ONCE);
        for _ in 0..AT_ONCE {
            hosts.leave("slow", true, now);
        }
        assert!(hosts.lock().is_empty(), "nothing is remembered of a host that works");
    }
}
