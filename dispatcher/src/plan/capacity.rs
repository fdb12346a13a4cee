//! The scaling rule: moves limits, never machines.
//!
//! P due jobs that nobody holds, C capacity: `P > 2C`, or a job that has waited for longer than its tier allows, raises C to
//! `min(max, max(C + 1, ceil(1.25 C), ceil(P / 2)))`; ten minutes with nothing due and nothing live return it to `min`. A tier in which
//! every job is taken at once has nothing due, and is not idle. With C = 0 one job is enough to raise it.
//! The pool's target follows C within the pool's own bounds. While creating is pointless nothing moves.

use chrono::{DateTime, TimeDelta, Utc};
use domain::tier::{Tier, Tiers};
use domain::world::{TierLoad, World};

use super::{Action, Own, Scaling};

/// How long a move is given before the next one for a job that waits: a slot takes a moment to be used.
const EVERY: TimeDelta = TimeDelta::seconds(10);
/// How long a tier must have had nothing due and nothing live before its capacity returns to the minimum.
const QUIET: TimeDelta = TimeDelta::minutes(10);

pub(super) fn plan(world: &World, tiers: &Tiers, own: &Own) -> Vec<Action> {
    let mut actions = Vec::new();
    for load in &world.tiers {
        let Some(tier) = tiers.get(&load.tier) else { continue };
        let bounds = tier.capacity;
        let (pending, capacity) = (i32::try_from(load.pending).unwrap_or(i32::MAX), load.capacity);
        let idle = pending == 0 && load.live == 0;
        let quiet = load.zero_since.is_some_and(|since| world.now - since >= QUIET);
        let (wanted, reason) = if own.stopped.contains(&load.tier) {
            (capacity, "frozen")
        } else if pending > capacity.saturating_mul(2) {
            (raised(pending, capacity), "backlog")
        } else if waits_for_a_slot(load, tier, world.now) {
            (raised(pending, capacity), "wait")
        } else if idle && quiet {
            (bounds.min, "quiet")
        } else {
            (capacity, "bounds")
        };
        let to = wanted.clamp(bounds.min, bounds.max);
        let pool_target = to.clamp(tier.pool.min, tier.pool.max);
        if to != capacity || pool_target != load.pool_target {
            let (tier, pending, live) = (load.tier.clone(), load.pending, load.live);
            actions.push(Action::Scale(Scaling {
                tier,
                pending,
                live,
                from: capacity,
                to,
                pool_target,
                reason,
            }));
        }
        match (idle, load.zero_since) {
            (true, None) => actions.push(Action::Quiet(load.tier.clone(), Some(world.now))),
            (false, Some(_)) => actions.push(Action::Quiet(load.tier.clone(), None)),
            _ => {}
        }
    }
    actions
}

fn raised(pending: i32, capacity: i32) -> i32 {
    let quarter_more = capacity + capacity / 4 + i32::from(capacity % 4 > 0);
    (capacity + 1).max(quarter_more).max(pending / 2 + pending % 2)
}

/// Whether a job has waited for too long and another slot would help it: where some are free it waits for something else.
fn waits_for_a_slot(load: &TierLoad, tier: &Tier, now: DateTime<Utc>) -> bool {
    let longest = TimeDelta::seconds(tier.max_wait_seconds.into());
    !load.paused
        && load.live >= i64::from(load.capacity)
        && load.waits_since.is_some_and(|since| now - since > longest)
        && now - load.moved_at >= EVERY
}
