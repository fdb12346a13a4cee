//! What would fail every create call alike, of one tier (a missing image, a size Fly refuses) or of all (a wrong token, a quota).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use store::notices;

/// Open while creating is pointless.
#[derive(Debug)]
pub struct Breaker {
    time: Duration,
    /// By tier; under none what stops all of them.
    open: Mutex<BTreeMap<Option<String>, Open>>,
}

#[derive(Clone, Debug)]
struct Open {
    cause: String,
    message: String,
    until: Instant,
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
        Self { time, open: Mutex::default() }
    }

    /// Opens it for a tier, or for all.
    pub fn trip(&self, cause: fly::Cause, message: &str, tier: Option<&str>) {
        let open = Open {
            cause: format!("{cause:?}"),
            message: message.to_owned(),
            until: Instant::now() + self.time,
        };
        self.all().insert(tier.map(ToOwned::to_owned), open);
    }

    /// Takes over what another dispatcher, or this one before it was started anew, opened it for, in the place of what it knew: calls go
    /// through, and the first that succeeds closes it.
    pub fn inherit(&self, notice: Option<&notices::Breaker>) {
        let mut all = self.all();
        all.clear();
        let Some(notice) = notice else { return };
        let open =
            Open { cause: notice.cause.clone(), message: notice.message.clone(), until: Instant::now() };
        let tiers = notice.tiers.iter().cloned().map(Some);
        all.extend(tiers.chain(notice.tiers.is_empty().then_some(None)).map(|tier| (tier, open.clone())));
    }

    /// Whether no machine of `tier` can be made. After its time it lets calls through again, and stays ready to open until one succeeds.
    pub fn stops(&self, tier: &str) -> bool {
        let now = Instant::now();
        let all = self.all();
        [None, Some(tier.to_owned())].iter().any(|key| all.get(key).is_some_and(|open| open.until > now))
    }

    /// A call of `tier` succeeded: what it was open for there is over; whether it was.
    pub fn close(&self, tier: &str) -> bool {
        let mut all = self.all();
        let [general, own] = [None, Some(tier.to_owned())].map(|key| all.remove(&key).is_some());
        general || own
    }

    /// What is to be told of it: what stops all before what stops some.
    pub fn told(&self) -> Option<notices::Breaker> {
        let all = self.all();
        let (key, open) = all.first_key_value()?;
        let tiers = if key.is_none() { Vec::new() } else { all.keys().flatten().cloned().collect() };
        Some(notices::Breaker { cause: open.cause.clone(), message: open.message.clone(), tiers })
    }

    fn all(&self) -> MutexGuard<'_, BTreeMap<Option<String>, Open>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stops_all_tiers_is_over_with_the_first_success() {
        let breaker = Breaker::default();
        assert!(!breaker.stops("pro"));
        breaker.trip(fly::Cause::Auth, "no", None);
        let told = breaker.told().unwrap();
        assert_eq!((told.cause.as_str(), told.tiers.len()), ("Auth", 0));
        assert!(breaker.stops("pro") && breaker.stops("free"));
        assert!(breaker.close("pro"));
        assert!(!breaker.stops("free"));
        assert_eq!(breaker.told(), None);
        assert!(!breaker.close("pro"));
    }

    #[test]
    fn what_stops_one_tier_stops_no_other_and_is_not_over_with_theirs() {
        let breaker = Breaker::default();
        breaker.trip(fly::Cause::BadImage, "no", Some("pro"));
        let told = breaker.told().unwrap();
        assert!(told.stops("pro") && !told.stops("free"));
        assert!(breaker.stops("pro") && !breaker.stops("free"));
        assert!(!breaker.close("free"));
        breaker.trip(fly::Cause::Auth, "no", None);
        assert!(breaker.close("free"));
        assert_eq!(breaker.told(), Some(told), "the image is still missing");
    }

    #[test]
    fn what_another_one_opened_lets_calls_through_until_one_succeeds() {
        let breaker = Breaker::default();
        breaker.trip(fly::Cause::BadImage, "of an earlier time", Some("free"));
        let notice =
            notices::Breaker { cause: "BadImage".into(), tiers: vec!["pro".into()], ..Default::default() };
        breaker.inherit(Some(&notice));
        assert!(!breaker.stops("pro"));
        assert_eq!(breaker.told(), Some(notice));
        assert!(breaker.close("pro"));
        assert_eq!(breaker.told(), None);
    }
}
