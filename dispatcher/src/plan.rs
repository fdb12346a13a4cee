//! What to do next, from what is known: pure, so every rule is a row of a table in the tests.
//!
//! A plan takes no input but the world and may be made again at any moment: what is under way is skipped,
//! what was done shows in the world, what failed comes again.

mod capacity;
mod machine;
mod pool;

use std::collections::{BTreeSet, HashSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::attempt::EndClass;
use domain::id::AttemptId;
use domain::tier::Tiers;
use domain::world::{TierLoad, World};
use uuid::Uuid;

/// One thing to do: a guarded update, or a call to Fly whose intent is on record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Choose due jobs and write their attempts and intents.
    Claim,
    /// Send (or repeat) the create call of a machine, by the same name.
    Post(Uuid),
    /// Send (or repeat) the start call of a pool machine that was given an attempt.
    Start(Uuid),
    /// Give the attempt of a pool machine that did not start a machine of its own.
    MissPool(Uuid),
    /// Make a machine ahead.
    Refill(String),
    /// Take a pool machine out of use.
    Retire(Uuid),
    /// Look for a machine whose create call was never answered.
    Find(Uuid),
    /// Ask Fly how a machine is.
    Observe(Uuid),
    /// Ask a machine to stop, with its grace.
    Stop(Uuid),
    /// Order a machine away.
    Destroy(Uuid),
    /// Take the job from an attempt that is dead, late or silent.
    Close(Uuid, Verdict),
    /// Put a gone machine's interval in the ledger and forget it.
    Bill(Uuid),
    /// Move a tier's limits.
    Scale(Scaling),
    /// Remember, or forget, since when a tier has had nothing to do.
    Quiet(String, Option<DateTime<Utc>>),
    /// Do what is due by the clock.
    Upkeep(Upkeep),
}

/// Work that is due by the clock, whatever the world looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Upkeep {
    /// Look for machines that nobody knows.
    Sweep,
    /// Set aside jobs whose time passed before they could start, or while they waited for a person.
    Expire,
    /// Forget what is kept for a time only.
    Prune,
}

impl Upkeep {
    /// All of it.
    pub const ALL: [Self; 3] = [Self::Sweep, Self::Expire, Self::Prune];
}

impl Action {
    /// Its name, for counting.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Post(_) => "post",
            Self::Start(_) => "start",
            Self::MissPool(_) => "miss_pool",
            Self::Refill(_) => "refill",
            Self::Retire(_) => "retire",
            Self::Find(_) => "find",
            Self::Observe(_) => "observe",
            Self::Stop(_) => "stop",
            Self::Destroy(_) => "destroy",
            Self::Close(..) => "close",
            Self::Bill(_) => "bill",
            Self::Scale(_) => "scale",
            Self::Quiet(..) => "quiet",
            Self::Upkeep(_) => "upkeep",
        }
    }

    /// Whether it needs an answer of Fly's; else the database's alone.
    pub fn calls_fly(&self) -> bool {
        match self {
            Self::Post(_)
            | Self::Start(_)
            | Self::Refill(_)
            | Self::Find(_)
            | Self::Observe(_)
            | Self::Stop(_)
            | Self::Destroy(_)
            | Self::Bill(_) // where its create call was repeated
            | Self::Upkeep(Upkeep::Sweep) => true,
            Self::Claim
            | Self::MissPool(_)
            | Self::Retire(_)
            | Self::Close(..)
            | Self::Scale(_)
            | Self::Quiet(..)
            | Self::Upkeep(_) => false,
        }
    }

    /// What the action is about: while one is under way, no other is begun for the same. None for the claim.
    pub fn subject(&self) -> Option<Uuid> {
        match self {
            Self::Claim => None,
            Self::Post(id)
            | Self::Start(id)
            | Self::MissPool(id)
            | Self::Retire(id)
            | Self::Find(id)
            | Self::Observe(id)
            | Self::Stop(id)
            | Self::Destroy(id)
            | Self::Close(id, _)
            | Self::Bill(id) => Some(*id),
            Self::Refill(tier) | Self::Quiet(tier, _) | Self::Scale(Scaling { tier, .. }) => {
                Some(tier_id(tier, self))
            }
            Self::Upkeep(upkeep) => Some(Uuid::from_u128(1_000 + *upkeep as u128)),
        }
    }
}

/// A stand-in id for what is about a tier and not about a machine; machines' ids are of version 7 and never this small.
fn tier_id(tier: &str, action: &Action) -> Uuid {
    let tier = domain::tier::NAMES.iter().position(|name| *name == tier).unwrap_or(domain::tier::NAMES.len());
    let kind = match action {
        Action::Refill(_) => 1,
        Action::Scale(_) => 2,
        _ => 3,
    };
    Uuid::from_u128(2_000 + kind * 100 + tier as u128)
}

/// Why and how an attempt is ended by the dispatcher.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The attempt.
    pub attempt: AttemptId,
    /// How it ends.
    pub class: EndClass,
    /// The error code the job shows, where the class alone does not say it.
    pub code: Option<&'static str>,
    /// Said to the reader of the job.
    pub message: String,
    /// The tier of the next try, when it is another one.
    pub next_tier: Option<String>,
}

/// A decision of the scaling rule with what it was decided from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scaling {
    /// The tier.
    pub tier: String,
    /// Due jobs nobody holds.
    pub pending: i64,
    /// Live attempts.
    pub live: i64,
    /// The capacity this was decided from; the update is refused when it has moved since.
    pub from: i32,
    /// The new capacity.
    pub to: i32,
    /// The new size of the pool.
    pub pool_target: i32,
    /// Which part of the rule.
    pub reason: &'static str,
}

/// What to do, and when to look again if nothing is heard before.
#[derive(Debug, PartialEq, Eq)]
pub struct Plan {
    /// In this order.
    pub actions: Vec<Action>,
    /// At most this long.
    pub look_again: Duration,
}

/// What this process knows beyond the database.
#[derive(Debug, Default)]
pub struct Own {
    /// When it began to lead: a create call sent before was somebody else's, who is gone.
    pub leads_since: DateTime<Utc>,
    /// Machines that an action is under way for.
    pub busy: HashSet<Uuid>,
    /// The tiers whose machines cannot be made now: all of them for want of a token or a quota, one for its image or size.
    pub stopped: BTreeSet<String>,
    /// What machines run whose tier names no image.
    pub image: String,
    /// What the clock says is due.
    pub due: Vec<Upkeep>,
}

/// The tiers that `stops` says it of, for [`Own::stopped`].
pub fn stopped(stops: impl Fn(&str) -> bool) -> BTreeSet<String> {
    domain::tier::NAMES.iter().filter(|tier| stops(tier)).map(|&tier| tier.to_owned()).collect()
}

/// The longest time between two looks.
const POLL: Duration = Duration::from_secs(5);

/// Decides.
pub fn plan(world: &World, tiers: &Tiers, own: &Own) -> Plan {
    let mut actions = capacity::plan(world, tiers, own);
    let claims = |tier: &TierLoad| {
        !tier.paused
            && tier.pending > 0
            && tier.live < i64::from(tier.capacity)
            && !own.stopped.contains(&tier.tier)
    };
    if world.tiers.iter().any(claims) {
        actions.push(Action::Claim);
    }
    // Before the machines, which may be many: it is rare, and other work waits for it.
    actions.extend(own.due.iter().copied().map(Action::Upkeep));
    let mut look_again = POLL;
    for machine in world.machines.iter().filter(|machine| !own.busy.contains(&machine.id)) {
        let next = machine::plan(machine, world, tiers, own);
        actions.extend(next.action);
        look_again = look_again.min(next.look_again);
    }
    actions.extend(pool::plan(world, tiers, own));
    // What is under way for something is not begun for it a second time.
    actions.retain(|action| action.subject().is_none_or(|subject| !own.busy.contains(&subject)));
    Plan { actions, look_again }
}

#[cfg(test)]
mod tests;
