//! Which regions had no room a moment ago, so that not every job asks again.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long a full region is left alone.
const CLOSED: Duration = Duration::from_mins(1);

/// The regions that are left alone, and until when.
#[derive(Debug, Default)]
pub struct Regions(Mutex<HashMap<String, Instant>>);

impl Regions {
    /// Notes that a region is full.
    pub fn close(&self, region: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(region.to_owned(), Instant::now() + CLOSED);
    }

    /// The first region of a list with commas that is not full; the very first when all are.
    pub fn choose<'a>(&self, regions: &'a str) -> &'a str {
        let mut closed = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        closed.retain(|_, until| *until > Instant::now());
        let open = regions.split(',').find(|region| !closed.contains_key(*region));
        open.or_else(|| regions.split(',').next()).unwrap_or(regions)
    }
}

/// What is left of a list of regions once one of them is known to be full; `None` when that was the last.
pub(super) fn without(regions: &str, full: &str) -> Option<String> {
    let rest: Vec<&str> = regions.split(',').filter(|region| *region != full).collect();
    (!rest.is_empty()).then(|| rest.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_region_is_passed_over_until_all_are() {
        let regions = Regions::default();
        assert_eq!(regions.choose("iad,ewr"), "iad");
        regions.close("iad");
        assert_eq!(regions.choose("iad,ewr"), "ewr");
        regions.close("ewr");
        assert_eq!(regions.choose("iad,ewr"), "iad");
        assert_eq!(without("iad,ewr", "iad").as_deref(), Some("ewr"));
        assert_eq!(without("iad", "iad"), None);
    }
}
