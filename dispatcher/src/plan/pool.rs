//! The pool as a whole: how many machines to make ahead, and which are of no more use.

use chrono::TimeDelta;
use domain::tier::Tiers;
use domain::world::{Machine, World};

use super::{Action, Own};

/// A pool machine is not kept longer: hosts are drained, images age.
const OLD: TimeDelta = TimeDelta::days(7);
/// Preparing one takes as long as pulling the image; after this it will not come.
const PREPARED: TimeDelta = TimeDelta::minutes(3);

pub(super) fn plan(world: &World, tiers: &Tiers, own: &Own) -> Vec<Action> {
    let mut actions = Vec::new();
    for load in &world.tiers {
        let Some(tier) = tiers.get(&load.tier) else { continue };
        let image = tier.image.as_deref().unwrap_or(&own.image);
        let fits = |machine: &Machine| {
            let age = world.now - machine.intent_at;
            let prepared = machine.seen.as_deref() == Some("stopped") || age < PREPARED;
            machine.guest == tier.guest
                && machine.image == image
                && machine.region.as_ref().is_none_or(|region| tier.regions.contains(region))
                && age < OLD
                && prepared
                && !machine.is_dead()
        };
        let (keep, retire): (Vec<&Machine>, Vec<&Machine>) = world
            .machines
            .iter()
            .filter(|machine| machine.waits_in_pool() && machine.tier == load.tier)
            .partition(|machine| fits(machine));
        let target = usize::try_from(load.pool_target).unwrap_or(0);
        // The youngest go first: the oldest are the likeliest to be ready.
        let surplus = keep.iter().skip(target);
        actions.extend(retire.iter().chain(surplus).map(|machine| Action::Retire(machine.id)));
        // One at a time, from spare tokens: one is always left for a job, so where jobs wait for tokens nothing is made ahead.
        if keep.len() < target && !own.stopped.contains(&load.tier) && !load.paused {
            actions.push(Action::Refill(load.tier.clone()));
        }
    }
    actions
}
