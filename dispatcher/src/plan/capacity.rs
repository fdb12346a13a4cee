//! The scaling rule: moves limits, never machines.
//!
//! P due jobs that nobody holds, C capacity: `P > 2C` raises C to `min(max, max(C + 1, ceil(P / 2)))`;
//! ten minutes without a due job return it to `min`. With C = 0 one job is enough to raise it.
//! The pool's target follows C within the pool's own bounds. While creating is pointless nothing moves.

use chrono::TimeDelta;
use domain::tier::Tiers;
use domain::world::World;

use super::{Action, Own, Scaling};

/// How long a tier must have had nothing due before its capacity returns to the minimum.
const QUIET: TimeDelta = TimeDelta::minutes(10);

pub(super) fn plan(world: &World, tiers: &Tiers, own: &Own) -> Vec<Action> {
    let mut actions = Vec::new();
    for load in &world.tiers {
        let Some(tier) = tiers.get(&load.tier) else { continue };
        let bounds = tier.capacity;
        let (pending, capacity) = (i32::try_from(load.pending).unwrap_or(i32::MAX), load.capacity);
        let quiet = load.zero_since.is_some_and(|since| world.now - since >= QUIET);
        let (wanted, reason) = if own.stopped.contains(&load.tier) {
            (capacity, "frozen")
        } else if pending > capacity.saturating_mul(2) {
            ((capacity + 1).max(pending / 2 + pending % 2), "backlog")
        } else if pending == 0 && quiet {
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
        match (pending, load.zero_since) {
            (0, None) => actions.push(Action::Quiet(load.tier.clone(), Some(world.now))),
            (1.., Some(_)) => actions.push(Action::Quiet(load.tier.clone(), None)),
            _ => {}
        }
    }
    actions
}
