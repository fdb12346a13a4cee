//! One switch for what would fail every create call alike: a wrong token, a missing image, a quota.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Open while creating is pointless.
#[derive(Debug)]
pub struct Breaker {
    time: Duration,
    state: Mutex<Option<(fly::Cause, Instant)>>,
}

impl Default for Breaker {
    /// Half a minute; then one more try shows whether somebody has seen to it.
    fn default() -> Self {
        Self::new(Duration::from_secs(30))
    }
}

impl Breaker {
    /// A breaker that stays open for `time`.
    pub fn new(time: Duration) -> Self {
        Self { time, state: Mutex::default() }
    }

    /// Opens it.
    pub fn trip(&self, cause: fly::Cause) {
        *self.state() = Some((cause, Instant::now() + self.time));
    }

    /// Why it is open, if it is. After its time it lets calls through again, and stays ready to open until one succeeds.
    pub fn cause(&self) -> Option<fly::Cause> {
        self.state().filter(|(_, until)| *until > Instant::now()).map(|(cause, _)| cause)
    }

    /// Forgets the cause after a success; `true` when there was one.
    pub fn reset(&self) -> bool {
        self.state().take().is_some()
    }

    fn state(&self) -> MutexGuard<'_, Option<(fly::Cause, Instant)>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tripped_breaker_names_its_cause() {
        let breaker = Breaker::default();
        assert_eq!(breaker.cause(), None);
        breaker.trip(fly::Cause::BadImage);
        assert_eq!(breaker.cause(), Some(fly::Cause::BadImage));
        assert!(breaker.reset());
        assert_eq!(breaker.cause(), None);
        assert!(!breaker.reset());
    }
}
