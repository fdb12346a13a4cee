//! The scaling rule: table rows, and tiers under a load for hours.

use super::*;

#[test]
fn capacity_follows_the_rule() {
    // starter ships with min 2, max 20
    for (pending, capacity, zero_since, expected) in [
        (5, 2, None, Some(3)),     // 5 > 4: max(3, 3)
        (4, 2, None, None),        // 4 > 4 is not true
        (17, 2, None, Some(9)),    // ceil(17 / 2)
        (1000, 9, None, Some(20)), // the maximum
        (13, 6, None, Some(8)),    // ceil(1.25 * 6)
        (0, 9, ago(599), None),    // not yet ten minutes
        (0, 9, ago(600), Some(2)), // ten minutes
        (0, 0, ago(600), Some(2)), // the bounds were changed
        (1, 0, None, Some(2)),     // one job raises it from nothing
    ] {
        let world = World { tiers: vec![load(pending, capacity, zero_since)], ..world(vec![]) };
        let scaled =
            plan(&world, &Tiers::default(), &own()).actions.into_iter().find_map(|action| match action {
                Action::Scale(Scaling { to, .. }) => Some(to),
                _ => None,
            });
        assert_eq!(scaled, expected, "P={pending} C={capacity}");
    }
}

#[test]
fn a_job_that_waits_too_long_for_a_slot_raises_the_capacity_once_in_ten_seconds() {
    // starter ships without max_wait_seconds: ten
    let full = TierLoad { live: 8, waits_since: ago(11), ..load(1, 8, None) };
    for (rule, load, expected) in [
        ("a quarter more", full.clone(), Some(10)),
        ("not before ten seconds", TierLoad { waits_since: ago(10), ..full.clone() }, None),
        ("not while slots are free: it waits for something else", TierLoad { live: 7, ..full.clone() }, None),
        (
            "not at once after the last move",
            TierLoad { moved_at: now() - TimeDelta::seconds(9), ..full.clone() },
            None,
        ),
        ("not while the tier is paused", TierLoad { paused: true, ..full.clone() }, None),
        ("not above the maximum", TierLoad { capacity: 20, live: 20, ..full.clone() }, None),
        ("a live tier without a due job is not idle", TierLoad { live: 1, ..load(0, 9, ago(3600)) }, None),
    ] {
        let world = World { tiers: vec![load], ..world(vec![]) };
        let actions = plan(&world, &Tiers::default(), &own()).actions;
        let scaled = actions.iter().find_map(|action| match action {
            Action::Scale(scaling) => Some(scaling.to),
            _ => None,
        });
        assert_eq!(scaled, expected, "{rule}: {actions:?}");
    }
}

/// A tier under a load, looked at every five seconds as the dispatcher does; jobs are claimed at once where there is a slot.
struct Simulated {
    load: TierLoad,
    at: DateTime<Utc>,
    arrivals: Vec<DateTime<Utc>>,
    ends: Vec<DateTime<Utc>>,
}

impl Simulated {
    fn new(capacity: i32) -> Self {
        Self { load: load(0, capacity, None), at: now(), arrivals: vec![], ends: vec![] }
    }

    /// Goes on for so many looks; a job of 180 s arrives `every` so many seconds, if any. Returns the capacity after each look.
    fn go_on(&mut self, looks: i64, every: Option<i64>) -> Vec<i32> {
        let mut capacities = vec![];
        for _ in 0..looks {
            self.at += TimeDelta::seconds(5);
            let second = (self.at - now()).num_seconds();
            let arrived = every.map_or(0, |every| second / every - (second - 5) / every);
            self.arrivals.extend((0..arrived).map(|_| self.at));
            self.ends.retain(|end| *end > self.at);
            let free =
                usize::try_from(self.load.capacity).expect("not negative").saturating_sub(self.ends.len());
            let taken = self.arrivals.drain(..free.min(self.arrivals.len())).count();
            self.ends.extend((0..taken).map(|_| self.at + TimeDelta::seconds(180)));
            self.look();
            capacities.push(self.load.capacity);
        }
        capacities
    }

    fn look(&mut self) {
        self.load.pending = i64::try_from(self.arrivals.len()).expect("few");
        self.load.waits_since = self.arrivals.first().copied();
        self.load.live = i64::try_from(self.ends.len()).expect("few");
        let world =
            World { now: self.at, well_since: None, machines: vec![], tiers: vec![self.load.clone()] };
        // Nothing is kept beside the rows: a dispatcher that is started anew decides the same.
        for action in plan(&world, &Tiers::default(), &own()).actions {
            match action {
                Action::Scale(scaling) => (self.load.capacity, self.load.moved_at) = (scaling.to, self.at),
                Action::Quiet(_, since) => self.load.zero_since = since,
                _ => {}
            }
        }
    }
}

#[test]
fn under_a_steady_load_the_capacity_stays_above_what_is_live_and_falls_when_all_is_over() {
    let mut tier = Simulated::new(12);
    // A job of 180 s each 18 s: ten are live, for three hours.
    for (look, capacity) in tier.go_on(2160, Some(18)).into_iter().enumerate() {
        assert_eq!(capacity, 12, "after {} s, with {} live", (look + 1) * 5, tier.load.live);
    }
    assert_eq!(tier.load.zero_since, None, "not idle");
    let falling = tier.go_on(36 + 119, None);
    assert!(
        falling.iter().all(|capacity| *capacity == 12),
        "ten minutes begin when nothing is live: {falling:?}"
    );
    assert_eq!(tier.go_on(5, None).last(), Some(&2));
}

#[test]
fn a_tier_whose_jobs_wait_rises_until_none_does() {
    let mut tier = Simulated::new(2);
    tier.go_on(240, Some(18));
    for capacity in tier.go_on(240, Some(18)) {
        assert!(capacity >= 10, "{capacity}");
    }
    assert_eq!(tier.load.pending, 0, "nothing waits any more");
}
