//! One row per rule, then the invariants under random worlds.

use chrono::TimeDelta;
use domain::attempt::AttemptState;
use domain::tier::{CpuKind, Guest};
use domain::world::{Machine, MachineKind, TierLoad};

use super::*;

mod capacity;
mod outage;
mod properties;

fn now() -> DateTime<Utc> {
    DateTime::from_timestamp(1_800_000_000, 0).expect("a time")
}

#[expect(clippy::unnecessary_wraps, reason = "every time of a machine may be missing")]
fn ago(seconds: i64) -> Option<DateTime<Utc>> {
    Some(now() - TimeDelta::seconds(seconds))
}

fn machine(state: Option<AttemptState>) -> Machine {
    Machine {
        id: Uuid::from_u128(1),
        kind: MachineKind::Job,
        attempt_id: Some(AttemptId(Uuid::from_u128(1))),
        tier: "starter".into(),
        guest: Guest { cpu_kind: CpuKind::Shared, cpus: 2, memory_mb: 2048 },
        image: "image".into(),
        app: "runner".into(),
        name: "gh-1".into(),
        fly_id: Some("m1".into()),
        regions: "iad".into(),
        region: Some("iad".into()),
        seen: Some("started".into()),
        host_status: None,
        seen_at: ago(0),
        missing_since: None,
        absent_since: None,
        intent_at: ago(10).expect("a time"),
        posted_at: ago(10),
        assigned_at: None,
        retired_at: None,
        posts: 1,
        outcome: Some("created".into()),
        stop_sent_at: None,
        destroy_sent_at: None,
        exited_at: None,
        exit_code: None,
        oom: None,
        state,
        end_class: None,
        boot_deadline: ago(-50),
        hard_deadline: state.filter(|state| *state == AttemptState::Running).and_then(|_| ago(-200)),
        ended_at: None,
        beat_at: ago(5),
    }
}

fn ended(class: &str, seconds: i64) -> Machine {
    let state = match class {
        "completed" => AttemptState::Succeeded,
        "cancelled" => AttemptState::Cancelled,
        "final" => AttemptState::Failed,
        _ => AttemptState::Lost,
    };
    Machine { end_class: Some(class.into()), ended_at: ago(seconds), ..machine(Some(state)) }
}

fn world(machines: Vec<Machine>) -> World {
    World { now: now(), well_since: None, machines, tiers: vec![] }
}

fn own() -> Own {
    Own { leads_since: now() - TimeDelta::seconds(100), image: "image".into(), ..Own::default() }
}

fn only(machine: Machine) -> Vec<Action> {
    plan(&world(vec![machine]), &Tiers::default(), &own()).actions
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table")]
fn a_machine_gets_the_one_thing_its_state_asks_for() {
    use AttemptState::{Claimed, Launching, Running};
    let (m, id, attempt) = (machine, Uuid::from_u128(1), AttemptId(Uuid::from_u128(1)));
    let unanswered = |outcome: Option<&str>, posted: i64| Machine {
        fly_id: None,
        seen: None,
        seen_at: None,
        outcome: outcome.map(Into::into),
        posted_at: ago(posted),
        ..m(Some(Claimed))
    };
    let verdict = |class, message: &str| Verdict {
        attempt,
        class,
        code: None,
        message: message.into(),
        next_tier: None,
    };
    let close = |class, message: &str| vec![Action::Close(id, verdict(class, message))];
    let out_of_memory =
        Verdict { code: Some("out_of_memory"), ..verdict(EndClass::Crash, "The machine ran out of memory.") };
    let pool =
        |assigned: i64| Machine { kind: MachineKind::Pool, assigned_at: ago(assigned), ..m(Some(Claimed)) };
    let made_ahead = |seen: Option<&str>, seen_at: i64| Machine {
        kind: MachineKind::Pool,
        attempt_id: None,
        seen: seen.map(Into::into),
        seen_at: ago(seen_at),
        ..m(None)
    };
    let rows: Vec<(&str, Machine, Vec<Action>)> = vec![
        ("a fresh create call is waited for", unanswered(None, 3), vec![]),
        ("one that was never answered is repeated", unanswered(None, 26), vec![Action::Post(id)]),
        (
            "one sent before this dispatcher led is repeated at once",
            Machine { posted_at: ago(101), ..unanswered(None, 101) },
            vec![Action::Post(id)],
        ),
        (
            "an unknown outcome is repeated after a second",
            unanswered(Some("unknown"), 2),
            vec![Action::Post(id)],
        ),
        ("but not before", unanswered(Some("unknown"), 0), vec![]),
        (
            "a booting machine is watched",
            Machine { seen_at: ago(3), ..m(Some(Launching)) },
            vec![Action::Observe(id)],
        ),
        (
            "one that does not come up is given up, and burns no retry",
            Machine { boot_deadline: ago(1), ..m(Some(Launching)) },
            close(EndClass::Placement, "The machine did not come up in time."),
        ),
        (
            "one that exits before its runner called is a placement failure",
            Machine { seen: Some("destroyed".into()), exit_code: Some(77), ..m(Some(Launching)) },
            close(EndClass::Placement, "The machine ended with exit code 77."),
        ),
        ("a working machine is left alone", m(Some(Running)), vec![]),
        (
            "a silent one is given up after 120 s",
            Machine { beat_at: ago(121), ..m(Some(Running)) },
            close(EndClass::Crash, "No heartbeat for 120 s."),
        ),
        ("not before", Machine { beat_at: ago(119), ..m(Some(Running)) }, vec![]),
        (
            "a dead one at once",
            Machine { seen: Some("destroyed".into()), exit_code: Some(137), ..m(Some(Running)) },
            close(EndClass::Crash, "The machine ended with exit code 137."),
        ),
        (
            "one that ran out of memory by its name",
            Machine { seen: Some("destroyed".into()), oom: Some(true), ..m(Some(Running)) },
            vec![Action::Close(id, out_of_memory)],
        ),
        (
            "a pool machine that was given an attempt is watched",
            Machine { seen_at: ago(2), ..pool(3) },
            vec![Action::Observe(id)],
        ),
        ("after ten seconds its attempt gets a machine of its own", pool(11), vec![Action::MissPool(id)]),
        (
            "at once when Fly would not start it",
            Machine { outcome: Some("not_started".into()), ..pool(1) },
            vec![Action::MissPool(id)],
        ),
        (
            "or when it is dead",
            Machine { seen: Some("destroyed".into()), ..pool(1) },
            vec![Action::MissPool(id)],
        ),
        (
            "a machine that is made ahead is watched",
            made_ahead(Some("created"), 3),
            vec![Action::Observe(id)],
        ),
        ("one that waits is looked at now and then", made_ahead(Some("stopped"), 299), vec![]),
        ("that is every five minutes", made_ahead(Some("stopped"), 300), vec![Action::Observe(id)]),
        (
            "an orphan is destroyed",
            Machine { kind: MachineKind::Orphan, attempt_id: None, ..m(None) },
            vec![Action::Destroy(id)],
        ),
        (
            "but what an unreachable host once said proves no death",
            Machine {
                seen: Some("destroyed".into()),
                host_status: Some("unreachable".into()),
                ..m(Some(Running))
            },
            vec![],
        ),
        (
            "a job past its deadline is ended from outside after a minute",
            Machine { hard_deadline: ago(61), ..m(Some(Running)) },
            close(EndClass::Deadline, "The job ran past its deadline and its runner did not end it."),
        ),
        ("not before", Machine { hard_deadline: ago(59), ..m(Some(Running)) }, vec![]),
        (
            "a machine that Fly denies once is asked for again",
            Machine { missing_since: ago(3), seen_at: ago(3), ..m(Some(Launching)) },
            vec![Action::Observe(id)],
        ),
        (
            "one that is denied again within the grace too",
            Machine { missing_since: ago(32), seen_at: ago(3), ..m(Some(Launching)) },
            vec![Action::Observe(id)],
        ),
        (
            "after the grace it is given up, and burns no retry",
            Machine { missing_since: ago(33), seen_at: ago(3), ..m(Some(Launching)) },
            close(EndClass::Placement, "Fly knows no such machine."),
        ),
        (
            "one denial a long time ago is no second one",
            Machine { missing_since: ago(300), seen_at: ago(300), ..m(Some(Launching)) },
            vec![Action::Observe(id)],
        ),
        (
            "one that heartbeats is not gone, however often it is denied",
            Machine { missing_since: ago(300), seen_at: ago(0), ..m(Some(Running)) },
            vec![],
        ),
        (
            "one that is denied and silent is given up as any silent one",
            Machine { missing_since: ago(300), seen_at: ago(0), beat_at: ago(121), ..m(Some(Running)) },
            close(EndClass::Crash, "No heartbeat for 120 s."),
        ),
        (
            "the machine of an ended attempt that is denied once is not paid for yet",
            Machine { missing_since: ago(3), seen_at: ago(3), destroy_sent_at: ago(5), ..ended("crash", 10) },
            vec![Action::Observe(id)],
        ),
        (
            "but after the grace",
            Machine {
                missing_since: ago(33),
                seen_at: ago(3),
                destroy_sent_at: ago(5),
                ..ended("crash", 40)
            },
            vec![Action::Bill(id)],
        ),
        (
            "a waiting pool machine that was denied is asked for soon",
            Machine { missing_since: ago(3), ..made_ahead(Some("stopped"), 3) },
            vec![Action::Observe(id)],
        ),
        (
            "a finished job's machine may take a minute to go",
            Machine { seen_at: ago(0), ..ended("completed", 20) },
            vec![],
        ),
        ("then it is destroyed", ended("completed", 61), vec![Action::Destroy(id)]),
        ("once in a while", Machine { destroy_sent_at: ago(5), ..ended("completed", 61) }, vec![]),
        ("a cancelled job's machine is asked to stop", ended("cancelled", 0), vec![Action::Stop(id)]),
        ("and has 30 s for it", Machine { stop_sent_at: ago(30), ..ended("cancelled", 30) }, vec![]),
        (
            "before it is destroyed",
            Machine { stop_sent_at: ago(36), ..ended("cancelled", 36) },
            vec![Action::Destroy(id)],
        ),
        ("a lost attempt's machine is destroyed at once", ended("crash", 0), vec![Action::Destroy(id)]),
        ("so is the machine of a job that was taken away", ended("retired", 0), vec![Action::Destroy(id)]),
        (
            "a gone machine is billed",
            Machine { seen: Some("destroyed".into()), ..ended("final", 3) },
            vec![Action::Bill(id)],
        ),
        (
            "one that may exist is looked for",
            Machine { fly_id: None, seen: None, seen_at: None, ..ended("placement", 0) },
            vec![Action::Find(id)],
        ),
        (
            "and forgotten when it cannot appear any more",
            Machine {
                fly_id: None,
                seen: Some("absent".into()),
                seen_at: ago(11),
                absent_since: ago(31),
                posted_at: ago(61),
                ..ended("placement", 30)
            },
            vec![Action::Bill(id)],
        ),
        (
            "but not after one list, which may be empty or old",
            Machine {
                fly_id: None,
                seen: Some("absent".into()),
                seen_at: ago(11),
                absent_since: ago(11),
                posted_at: ago(61),
                ..ended("placement", 30)
            },
            vec![Action::Find(id)],
        ),
        (
            "a gone machine whose call was repeated is looked for in a list before it is paid for, not at every look",
            Machine { posts: 2, seen: Some("destroyed".into()), seen_at: ago(1), ..ended("final", 3) },
            vec![],
        ),
    ];
    for (rule, machine, expected) in rows {
        assert_eq!(only(machine), expected, "{rule}");
    }
}

#[test]
fn a_machine_with_an_action_under_way_is_left_alone() {
    let busy = Own { busy: HashSet::from([Uuid::from_u128(1)]), ..own() };
    assert_eq!(plan(&world(vec![ended("crash", 0)]), &Tiers::default(), &busy).actions, vec![]);
}

fn load(pending: i64, capacity: i32, zero_since: Option<DateTime<Utc>>) -> TierLoad {
    TierLoad {
        tier: "starter".into(),
        capacity,
        pool_target: 0,
        moved_at: now() - TimeDelta::hours(1),
        zero_since,
        paused: false,
        pending,
        waits_since: None,
        live: 0,
    }
}

#[test]
fn a_due_job_is_claimed_unless_the_tier_is_full_or_paused_or_creating_is_pointless() {
    let claims = |load: TierLoad, own: &Own| {
        let world = World { tiers: vec![load], ..world(vec![]) };
        plan(&world, &Tiers::default(), own).actions.contains(&Action::Claim)
    };
    assert!(claims(load(1, 2, None), &own()));
    assert!(!claims(load(0, 2, None), &own()));
    assert!(!claims(TierLoad { live: 2, ..load(1, 2, None) }, &own()));
    assert!(!claims(TierLoad { paused: true, ..load(1, 2, None) }, &own()));
    assert!(!claims(load(1, 2, None), &Own { stopped: ["starter".to_owned()].into(), ..own() }));
}

/// A tiers file whose starter tier keeps up to `max` machines ready.
fn pooled(max: i32) -> Tiers {
    let text = domain::tier::DEFAULT.replacen(
        "[tiers.starter]",
        &format!("[tiers.starter]\npool = {{ min = 0, max = {max} }}"),
        1,
    );
    Tiers::parse(&text).expect("a valid file")
}

fn spare(number: u128, seen: &str, image: &str, days: i64) -> Machine {
    Machine {
        id: Uuid::from_u128(number),
        kind: MachineKind::Pool,
        attempt_id: None,
        image: image.into(),
        seen: Some(seen.into()),
        intent_at: now() - TimeDelta::days(days),
        ..machine(None)
    }
}

#[test]
fn the_pool_follows_the_capacity_and_is_filled_also_while_jobs_wait_that_nobody_may_take() {
    let tiers = pooled(3);
    let world = |pending, target, machines| World {
        tiers: vec![TierLoad { pool_target: target, ..load(pending, 2, ago(1)) }],
        ..world(machines)
    };
    let made = plan(&world(0, 0, vec![]), &tiers, &own()).actions;
    assert!(matches!(&made[..], [Action::Scale(Scaling { pool_target: 2, from: 2, to: 2, .. })]), "{made:?}");
    assert_eq!(plan(&world(0, 2, vec![]), &tiers, &own()).actions, [Action::Refill("starter".into())]);
    // A job of a user at the cap is due as any other. Where one waits for a token, the refill finds none to spare.
    assert!(plan(&world(1, 2, vec![]), &tiers, &own()).actions.contains(&Action::Refill("starter".into())));
    assert_eq!(
        plan(
            &world(0, 2, vec![spare(1, "stopped", "image", 0), spare(2, "stopped", "image", 0)]),
            &tiers,
            &own()
        )
        .actions,
        []
    );
}

#[test]
fn pool_machines_of_another_image_too_old_dead_or_too_many_are_retired() {
    let tiers = pooled(2);
    for (why, unfit) in [
        ("another image", spare(1, "stopped", "older", 0)),
        ("too old", spare(1, "stopped", "image", 8)),
        ("gone", spare(1, "destroyed", "image", 0)),
        (
            "where the tier is no more",
            Machine { region: Some("syd".into()), ..spare(1, "stopped", "image", 0) },
        ),
        (
            "of another size",
            Machine {
                guest: Guest { cpu_kind: CpuKind::Shared, cpus: 4, memory_mb: 2048 },
                ..spare(1, "stopped", "image", 0)
            },
        ),
    ] {
        let world = World {
            tiers: vec![TierLoad { pool_target: 2, ..load(0, 2, ago(1)) }],
            ..world(vec![unfit, spare(2, "stopped", "image", 0)])
        };
        let actions = plan(&world, &tiers, &own()).actions;
        assert!(actions.contains(&Action::Retire(Uuid::from_u128(1))), "{why}: {actions:?}");
        assert!(!actions.contains(&Action::Retire(Uuid::from_u128(2))), "{why}: {actions:?}");
    }
    let three = (1..=3).map(|number| spare(number, "stopped", "image", 0)).collect();
    let world = World { tiers: vec![TierLoad { pool_target: 2, ..load(0, 2, ago(1)) }], ..world(three) };
    assert!(
        plan(&world, &tiers, &own()).actions.contains(&Action::Retire(Uuid::from_u128(3))),
        "the youngest of too many"
    );
}

#[test]
fn what_is_due_by_the_clock_is_begun_before_a_thousand_machines_are_looked_at() {
    let machines = (1..=1000)
        .map(|number| Machine {
            id: Uuid::from_u128(number),
            seen_at: None,
            ..machine(Some(AttemptState::Running))
        })
        .collect();
    let own = Own { due: Upkeep::ALL.to_vec(), ..own() };
    let actions = plan(&world(machines), &Tiers::default(), &own).actions;
    assert_eq!(actions[..3], Upkeep::ALL.map(Action::Upkeep));
    assert_eq!(actions.len(), 1003);
}

#[test]
fn a_pool_machine_that_was_told_to_start_is_not_told_again_by_the_next_leader() {
    let assigned = |outcome: &str| Machine {
        kind: MachineKind::Pool,
        assigned_at: ago(5),
        outcome: Some(outcome.into()),
        seen_at: None,
        ..machine(Some(AttemptState::Claimed))
    };
    let own = Own { leads_since: now(), ..own() };
    let next = |outcome| plan(&world(vec![assigned(outcome)]), &Tiers::default(), &own).actions;
    assert_eq!(next("created"), [Action::Start(Uuid::from_u128(1))]);
    assert_eq!(next("started"), [Action::Observe(Uuid::from_u128(1))]);
}
