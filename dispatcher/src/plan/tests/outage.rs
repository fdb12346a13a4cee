//! Time in which nobody could hear a runner is no time of its job.

use super::*;

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
