//! What one machine needs next. At most one thing at a time: its result shows in the next look.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use domain::attempt::{AttemptState, EndClass};
use domain::id::AttemptId;
use domain::tier::Tiers;
use domain::world::{Machine, MachineKind, World};

use super::{Action, Own, Verdict};

/// A create call that was not answered for this long is repeated; Fly's slowest answers measured took 2.5 s, our own limit is 20 s.
const POST_LOST: TimeDelta = TimeDelta::seconds(25);
/// Between a create call of unknown outcome and its repetition.
const POST_AGAIN: TimeDelta = TimeDelta::seconds(1);
/// No heartbeat for this long: the runner gave up by itself at 90 s, so nobody works on the job any more.
const SILENT: TimeDelta = TimeDelta::seconds(120);
/// How long after its deadline a job's attempt is ended from outside; the runner ends it by itself before.
const OVERTIME: TimeDelta = TimeDelta::seconds(60);
/// How long a machine may outlive an attempt that ended in order.
const LINGER: TimeDelta = TimeDelta::seconds(60);
/// The grace of a stop (30 s) and some.
const GRACE: TimeDelta = TimeDelta::seconds(35);
/// A create call may still come true this long after it was sent.
const MAY_APPEAR: TimeDelta = TimeDelta::seconds(60);
/// How long a machine must have been missing from lists, at four looks, to be taken for never made: one list may be empty or old.
const ABSENT: TimeDelta = TimeDelta::seconds(30);
/// Between two lists for the same machine before it is paid for.
const LISTS: TimeDelta = TimeDelta::seconds(2);
/// How long a pool machine may take to start; then its attempt gets a machine of its own.
const POOL_START: TimeDelta = TimeDelta::seconds(10);
/// How a runner ends that was not heard for 90 s, and one that could not tell its outcome for as long (`runner::attempt::Exit`).
const FENCED: i32 = 75;
const INTERNAL: i32 = 70;
/// Between two orders to destroy the same machine.
const AGAIN: TimeDelta = TimeDelta::seconds(30);

pub(super) struct Next {
    pub(super) action: Option<Action>,
    pub(super) look_again: Duration,
}

pub(super) fn plan(machine: &Machine, world: &World, tiers: &Tiers, own: &Own) -> Next {
    let now = world.now;
    let since = |at: Option<DateTime<Utc>>| at.map_or(TimeDelta::MAX, |at| now - at);
    if machine.is_gone() && machine.live_attempt().is_none() && !machine.waits_in_pool() {
        // A repeated create call costs a list before the bill, and lists are not for free.
        let pause = if machine.posts > 1 { LISTS } else { TimeDelta::zero() };
        return if since(machine.seen_at) >= pause { act(Action::Bill(machine.id)) } else { wait(1) };
    }
    match machine.live_attempt() {
        Some((attempt, state)) => live(machine, attempt, state, world, tiers, own),
        None if machine.waits_in_pool() => waiting(machine, now, own),
        None => over(machine, now, since),
    }
}

fn live(
    machine: &Machine,
    attempt: AttemptId,
    state: AttemptState,
    world: &World,
    tiers: &Tiers,
    own: &Own,
) -> Next {
    let now = world.now;
    // What fell due while the database was away is counted from when it was back.
    let counted = |at: Option<DateTime<Utc>>| at.max(world.well_since.filter(|_| at.is_some()));
    let since = |at: Option<DateTime<Utc>>| at.map_or(TimeDelta::MAX, |at| now - at);
    let close = |class, message: String| Next {
        action: Some(Action::Close(
            machine.id,
            Verdict { attempt, class, code: None, message, next_tier: None },
        )),
        look_again: Duration::from_secs(1),
    };
    let running = state == AttemptState::Running;
    if machine.is_dead() {
        if running && machine.oom == Some(true) {
            let next_tier = tiers.get(&machine.tier).and_then(|tier| tier.oom_tier.clone());
            let message = "The machine ran out of memory.".to_owned();
            let verdict =
                Verdict { attempt, class: EndClass::Crash, code: Some("out_of_memory"), message, next_tier };
            return act(Action::Close(machine.id, verdict));
        }
        if machine.kind == MachineKind::Pool && !running {
            return act(Action::MissPool(machine.id));
        }
        let class = match running {
            false => EndClass::Placement,
            true if gave_up(machine, world) => EndClass::Released,
            true => EndClass::Crash,
        };
        return close(class, how_it_ended(machine));
    }
    if running {
        if counted(machine.hard_deadline).is_some_and(|deadline| now > deadline + OVERTIME) {
            return close(
                EndClass::Deadline,
                "The job ran past its deadline and its runner did not end it.".into(),
            );
        }
        if since(counted(machine.beat_at)) > SILENT {
            if unheard(machine, world) {
                return close(EndClass::Released, "Not heard of since the database was away.".into());
            }
            return close(EndClass::Crash, "No heartbeat for 120 s.".into());
        }
        if machine.fly_id.is_none() {
            return find(machine, now); // its runner called before Fly answered us
        }
        let every = if since(machine.beat_at) > TimeDelta::seconds(45) { 3 } else { 10 };
        return observe(machine, now, every);
    }
    if machine.kind == MachineKind::Pool {
        return started(machine, now, own);
    }
    let boot = TimeDelta::seconds(tiers.get(&machine.tier).map_or(60, |tier| tier.boot_seconds).into());
    let back = world.well_since.map(|since| since + boot);
    if machine.boot_deadline.is_some_and(|deadline| now > deadline) && back.is_none_or(|back| now > back) {
        return close(EndClass::Placement, "The machine did not come up in time.".into());
    }
    if machine.fly_id.is_some() {
        return observe(machine, now, 2);
    }
    post(machine, now, own)
}

/// A machine that Fly is to make, and that it may have made.
fn post(machine: &Machine, now: DateTime<Utc>, own: &Own) -> Next {
    let posted = machine.posted_at.map_or(TimeDelta::MAX, |at| now - at);
    let again = match machine.outcome.as_deref() {
        None => posted > POST_LOST || machine.posted_at.is_none_or(|at| at < own.leads_since),
        Some(_) => posted > POST_AGAIN,
    };
    if again && !own.stopped.contains(&machine.tier) { act(Action::Post(machine.id)) } else { wait(1) }
}

/// A pool machine that was given an attempt: started, or its attempt gets a machine of its own.
fn started(machine: &Machine, now: DateTime<Utc>, own: &Own) -> Next {
    let assigned = machine.assigned_at.map_or(TimeDelta::MAX, |at| now - at);
    if assigned > POOL_START || machine.outcome.as_deref() == Some("not_started") {
        return act(Action::MissPool(machine.id));
    }
    // The one who chose it may not have come to it.
    let told = machine.outcome.as_deref() == Some("started");
    if !told && machine.assigned_at.is_some_and(|at| at < own.leads_since) {
        return act(Action::Start(machine.id));
    }
    observe(machine, now, 2)
}

/// A pool machine that waits, or is still made.
fn waiting(machine: &Machine, now: DateTime<Utc>, own: &Own) -> Next {
    match (&machine.fly_id, machine.seen.as_deref()) {
        (None, _) => post(machine, now, own),
        (Some(_), Some("stopped")) if machine.missing_since.is_none() => observe(machine, now, 300),
        (Some(_), _) => observe(machine, now, 2),
    }
}

/// A machine whose attempt has ended: see it gone, then bill it.
fn over(machine: &Machine, now: DateTime<Utc>, since: impl Fn(Option<DateTime<Utc>>) -> TimeDelta) -> Next {
    if machine.fly_id.is_none() {
        let absent = machine.absent_since.is_some_and(|at| now - at >= ABSENT);
        return if absent && since(machine.posted_at) > MAY_APPEAR {
            act(Action::Bill(machine.id))
        } else {
            find(machine, now)
        };
    }
    let ended = since(machine.ended_at);
    let cancelled = machine.end_class.as_deref() == Some("cancelled");
    let in_order = matches!(
        machine.end_class.as_deref(),
        Some("completed" | "retryable" | "final" | "needs_human" | "released")
    );
    if cancelled && machine.stop_sent_at.is_none() {
        return act(Action::Stop(machine.id));
    }
    let due = if cancelled {
        since(machine.stop_sent_at) > GRACE
    } else if in_order {
        ended > LINGER
    } else {
        true
    };
    if due && since(machine.destroy_sent_at) > AGAIN {
        return act(Action::Destroy(machine.id));
    }
    observe(machine, now, if ended < TimeDelta::seconds(30) { 1 } else { 5 })
}

/// Whether a runner ended because nobody could hear it: by its own word, or because it ended while the database was away and nothing says
/// that it died of anything else. None of that is a mark against its job.
fn gave_up(machine: &Machine, world: &World) -> bool {
    match machine.exit_code {
        Some(FENCED) => true,
        None | Some(INTERNAL) => unheard(machine, world),
        Some(_) => false,
    }
}

/// Whether an attempt was last heard of before the database was back.
fn unheard(machine: &Machine, world: &World) -> bool {
    world.well_since.zip(machine.beat_at).is_some_and(|(well, beat)| beat < well)
}

fn how_it_ended(machine: &Machine) -> String {
    match (machine.oom, machine.exit_code) {
        (Some(true), _) => "The machine ran out of memory.".into(),
        (_, Some(code)) => format!("The machine ended with exit code {code}."),
        _ if machine.is_missing() => "Fly knows no such machine.".into(),
        _ => "The machine is gone.".into(),
    }
}

fn observe(machine: &Machine, now: DateTime<Utc>, every_seconds: u32) -> Next {
    let due = machine.seen_at.is_none_or(|at| now - at >= TimeDelta::seconds(i64::from(every_seconds)));
    if due { act(Action::Observe(machine.id)) } else { wait(every_seconds) }
}

fn find(machine: &Machine, now: DateTime<Utc>) -> Next {
    let due = machine.seen_at.is_none_or(|at| now - at >= TimeDelta::seconds(10));
    if due { act(Action::Find(machine.id)) } else { wait(5) }
}

fn act(action: Action) -> Next {
    Next { action: Some(action), look_again: Duration::from_secs(1) }
}

fn wait(seconds: u32) -> Next {
    Next { action: None, look_again: Duration::from_secs(u64::from(seconds)) }
}
