//! `pool`: the machines made ahead, tier by tier.

use domain::world::{Machine, MachineKind, World};
use serde::Serialize;

use super::report::{Report, or_dash, span, table};
use super::settings::Settings;

/// The pool of one tier.
#[derive(Debug, Serialize)]
struct Pool {
    tier: String,
    /// How many there should be.
    target: i32,
    /// Stopped, and free.
    ready: usize,
    /// Asked for, and not ready yet.
    being_made: usize,
    /// Given to an attempt, and not gone.
    assigned: usize,
    /// Of no more use, and not gone.
    leaving: usize,
    /// The oldest of the free ones.
    oldest_seconds: Option<i64>,
}

/// Shows the pools.
pub async fn run(settings: &Settings) -> anyhow::Result<Report> {
    let world = store::machines::world(&settings.db()?).await?;
    let pools: Vec<Pool> =
        world.tiers.iter().map(|load| count(&world, &load.tier, load.pool_target)).collect();
    let rows: Vec<_> = pools
        .iter()
        .map(|pool| {
            [
                pool.tier.clone(),
                pool.target.to_string(),
                pool.ready.to_string(),
                pool.being_made.to_string(),
                pool.assigned.to_string(),
                pool.leaving.to_string(),
                or_dash(pool.oldest_seconds.map(span)),
            ]
        })
        .collect();
    let heads = ["TIER", "TARGET", "READY", "BEING MADE", "ASSIGNED", "LEAVING", "OLDEST"];
    Ok(Report::new(&pools, table(heads, &rows, "no dispatcher has seen a tier yet"))?)
}

fn count(world: &World, tier: &str, target: i32) -> Pool {
    let of_pool = |machine: &&Machine| machine.kind == MachineKind::Pool && machine.tier == tier;
    let machines: Vec<&Machine> = world.machines.iter().filter(of_pool).collect();
    let many = |what: &dyn Fn(&Machine) -> bool| machines.iter().filter(|machine| what(machine)).count();
    let is_ready = |machine: &Machine| machine.waits_in_pool() && machine.seen.as_deref() == Some("stopped");
    let free = machines.iter().filter(|machine| machine.waits_in_pool());
    Pool {
        tier: tier.to_owned(),
        target,
        ready: many(&is_ready),
        being_made: many(&|machine| machine.waits_in_pool() && !is_ready(machine)),
        assigned: many(&|machine| machine.attempt_id.is_some()),
        leaving: many(&|machine| machine.attempt_id.is_none() && machine.retired_at.is_some()),
        oldest_seconds: free.map(|machine| (world.now - machine.intent_at).num_seconds()).max(),
    }
}
