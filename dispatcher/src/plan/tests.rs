//! One row per rule, then the invariants under random worlds.

use chrono::TimeDelta;
use domain::attempt::AttemptState;
use domain::tier::{CpuKind, Guest};
use domain::world::{Machine, MachineKind, TierLoad};
use proptest::prelude::*;

use super::*;

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

/// What is done for a machine after an outage that ended so many seconds ago.
fn after_an_outage(well: i64, machine: Machine) -> Vec<Action> {
    let world = World { well_since: ago(well), ..world(vec![machine]) };
    plan(&world, &Tiers::default(), &own()).actions
}

#[test]
fn time_without_a_database_is_no_time_of_a_job() {
    use AttemptState::{Launching, Running};
    let (id, attempt) = (Uuid::from_u128(1), AttemptId(Uuid::from_u128(1)));
    let close = |class, message: &str| {
        let message = message.to_owned();
        vec![Action::Close(id, Verdict { attempt, class, code: None, message, next_tier: None })]
    };
    let silent = |beat| Machine { beat_at: ago(beat), ..machine(Some(Running)) };
    let dead = |beat, exit_code| Machine { seen: Some("destroyed".into()), exit_code, ..silent(beat) };
    let unheard = "Not heard of since the database was away.";
    let rows: Vec<(&str, i64, Machine, Vec<Action>)> = vec![
        ("one that was silent meanwhile has 120 s from the end of it", 119, silent(400), vec![]),
        (
            "then it is given up, which counts for nothing",
            121,
            silent(400),
            close(EndClass::Released, unheard),
        ),
        (
            "one that was heard since is judged as any other",
            200,
            silent(121),
            close(EndClass::Crash, "No heartbeat for 120 s."),
        ),
        (
            "a machine that ended meanwhile, nobody knows how, counts for nothing",
            5,
            dead(400, None),
            close(EndClass::Released, "The machine is gone."),
        ),
        (
            "nor one whose runner could not tell its outcome",
            5,
            dead(400, Some(70)),
            close(EndClass::Released, "The machine ended with exit code 70."),
        ),
        (
            "one that was killed is a crash",
            5,
            dead(400, Some(137)),
            close(EndClass::Crash, "The machine ended with exit code 137."),
        ),
        (
            "one that was heard since and is gone is a crash",
            200,
            dead(100, None),
            close(EndClass::Crash, "The machine is gone."),
        ),
        (
            "exit code 75 is a runner that could not be heard, outage of ours or not",
            90_000,
            dead(100, Some(75)),
            close(EndClass::Released, "The machine ended with exit code 75."),
        ),
        (
            "a deadline that passed meanwhile leaves time to tell the outcome",
            59,
            Machine { hard_deadline: ago(300), ..silent(5) },
            vec![],
        ),
        (
            "but not for ever",
            61,
            Machine { hard_deadline: ago(300), ..silent(5) },
            close(EndClass::Deadline, "The job ran past its deadline and its runner did not end it."),
        ),
        (
            "a machine that came up meanwhile has its whole time to call",
            59,
            Machine { boot_deadline: ago(300), ..machine(Some(Launching)) },
            vec![],
        ),
        (
            "and no more",
            61,
            Machine { boot_deadline: ago(300), ..machine(Some(Launching)) },
            close(EndClass::Placement, "The machine did not come up in time."),
        ),
    ];
    for (rule, well, machine, expected) in rows {
        assert_eq!(after_an_outage(well, machine), expected, "{rule}");
    }
    let out_of_memory = Machine { oom: Some(true), ..dead(400, Some(137)) };
    let actions = after_an_outage(5, out_of_memory);
    assert!(
        matches!(&actions[..], [Action::Close(_, verdict)] if verdict.class == EndClass::Crash),
        "{actions:?}"
    );
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

fn any_machine() -> impl Strategy<Value = Machine> {
    let states = prop_oneof![
        Just(None),
        Just(Some(AttemptState::Claimed)),
        Just(Some(AttemptState::Launching)),
        Just(Some(AttemptState::Running)),
        Just(Some(AttemptState::Succeeded)),
        Just(Some(AttemptState::Lost)),
        Just(Some(AttemptState::Cancelled)),
    ];
    let seen = prop_oneof![
        Just(None),
        Just(Some("created")),
        Just(Some("started")),
        Just(Some("stopped")),
        Just(Some("destroyed")),
        Just(Some("absent"))
    ];
    let host = prop_oneof![Just(None), Just(Some("ok")), Just(Some("unreachable"))];
    (states, seen, host, any::<bool>(), 0..400_i64, 0..400_i64, -300..300_i64).prop_map(
        |(state, seen, host, known, beat, seen_at, deadline)| Machine {
            seen: seen.map(Into::into),
            host_status: host.map(Into::into),
            fly_id: known.then(|| "m1".into()),
            beat_at: ago(beat),
            seen_at: ago(seen_at),
            hard_deadline: ago(deadline),
            boot_deadline: ago(deadline),
            ..machine(state)
        },
    )
}

proptest! {
    #[test]
    fn a_live_attempts_machine_is_never_stopped_nor_destroyed(machine in any_machine()) {
        let live = machine.live_attempt().is_some();
        for action in only(machine) {
            prop_assert!(!(live && matches!(action, Action::Stop(_) | Action::Destroy(_) | Action::Bill(_))), "{action:?}");
        }
    }

    #[test]
    fn what_fly_denies_ends_nothing_by_itself_within_the_grace_nor_under_a_heart_that_beats(
        machine in any_machine(), since in 0..400_i64, seen_at in 0..400_i64, beat in 0..100_i64,
    ) {
        let known = Machine {
            seen: Some("started".into()),
            boot_deadline: ago(-50),
            hard_deadline: ago(-50),
            fly_id: Some("m1".into()),
            beat_at: ago(beat),
            seen_at: ago(seen_at),
            ..machine
        };
        let denied = Machine { missing_since: ago(since.max(seen_at)), ..known };
        let proven = since - seen_at >= 30 && denied.state != Some(AttemptState::Running);
        for action in only(denied) {
            prop_assert!(proven || !matches!(action, Action::Close(..) | Action::Bill(_)), "{action:?}");
        }
    }

    #[test]
    fn what_is_over_is_never_started_or_closed_again(machine in any_machine()) {
        let live = machine.live_attempt().is_some();
        for action in only(machine) {
            prop_assert!(live || !matches!(action, Action::Post(_) | Action::Close(..)), "{action:?}");
        }
    }

    #[test]
    fn no_call_names_a_machine_that_was_never_posted_or_known(machine in any_machine()) {
        let known = machine.fly_id.is_some();
        for action in only(machine) {
            prop_assert!(known || !matches!(action, Action::Stop(_) | Action::Destroy(_) | Action::Observe(_)), "{action:?}");
        }
    }

    #[test]
    fn capacity_stays_within_its_bounds(pending in 0..2000_i64, capacity in 0..100_i32, zero in proptest::option::of(0..2000_i64)) {
        let world = World { tiers: vec![load(pending, capacity, zero.and_then(ago))], ..world(vec![]) };
        for action in plan(&world, &Tiers::default(), &own()).actions {
            if let Action::Scale(Scaling { to, .. }) = action {
                prop_assert!((2..=20).contains(&to), "{to}");
            }
        }
    }
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
