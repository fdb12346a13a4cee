//! Every promise, broken by hand in an otherwise whole world.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;

use super::super::facts::{Billed, Call, Callback, Event, Line, Machine, Permit, Sums};
use super::super::recorder::{Submission, Told};
use super::*;

const JOB: Uuid = Uuid::from_u128(1);
const FIRST: Uuid = Uuid::from_u128(11);
const SECOND: Uuid = Uuid::from_u128(12);

fn at(seconds: i64) -> DateTime<Utc> {
    DateTime::from_timestamp(1_700_000_000 + seconds, 0).unwrap()
}

fn attempt(id: Uuid, no: i32, class: &str, from: i64, to: i64) -> Attempt {
    Attempt {
        id,
        job_id: JOB,
        no,
        fence: i64::from(no),
        state: if class == "completed" { "succeeded" } else { "lost" }.to_owned(),
        end_class: Some(class.to_owned()),
        claimed_at: at(from),
        started_at: Some(at(from + 1)),
        ended_at: Some(at(to)),
    }
}

fn price(sku: &str, region: &str, price: i64) -> ((String, String), Decimal) {
    ((sku.to_owned(), region.to_owned()), Decimal::from(price))
}

/// A job whose first machine crashed and whose second one applied.
fn whole() -> Facts {
    let machine = |id: Uuid, fly: &str, to| Machine {
        kind: "job".to_owned(),
        name: format!("gh-{id}"),
        fly_id: Some(fly.to_owned()),
        attempt_id: Some(id),
        outcome: None,
        exited_at: Some(at(to)),
        closed_at: Some(at(to + 1)),
    };
    let billed = |id: Uuid, fly: &str, milliseconds| Billed {
        machine_id: fly.to_owned(),
        name: format!("gh-{id}"),
        region: "iad".to_owned(),
        cpu_kind: "shared".to_owned(),
        cpus: 2,
        memory_mb: 2048,
        exited_at: Some(at(99)),
        milliseconds,
    };
    let mut facts = Facts {
        put_in: vec![JOB],
        jobs: vec![Job {
            id: JOB,
            status: "completed".to_owned(),
            error_code: None,
            max_retries: 3,
            has_callback: true,
        }],
        attempts: vec![attempt(FIRST, 1, "crash", 0, 10), attempt(SECOND, 2, "completed", 20, 30)],
        events: vec![Event {
            job_id: JOB,
            at: at(30),
            kind: "status_change".to_owned(),
            to_status: Some("completed".to_owned()),
            message: None,
            attempt_id: None,
        }],
        permits: vec![Permit {
            job_id: JOB,
            attempt_id: SECOND,
            granted_at: at(25),
            outcome: Some("submitted".to_owned()),
        }],
        machines: vec![machine(FIRST, "m1", 10), machine(SECOND, "m2", 31)],
        bill: vec![billed(FIRST, "m1", 9500), billed(SECOND, "m2", 11_000)],
        prices: [price("vcpu.shared", "*", 1), price("memory.gb", "*", 5), price("markup", "iad", 1)].into(),
        submissions: vec![Submission { job: JOB, attempt: SECOND }],
        callbacks: vec![Callback {
            job_id: JOB,
            event: "completed".to_owned(),
            delivered_at: Some(at(31)),
            last_error: None,
        }],
        told: ["running", "completed"].map(|status| Told { job: JOB, status: status.to_owned() }).to_vec(),
        ..Facts::default()
    };
    let second = (Decimal::from(12) / Decimal::from(2_592_000)).round_dp(16);
    facts.ledger = [("m1", 9500), ("m2", 11_000)]
        .map(|(fly, ms)| Line {
            machine_id: Some(fly.to_owned()),
            job_id: Some(JOB),
            overhead: None,
            unit: "second".to_owned(),
            quantity: Decimal::new(ms, 3),
            cost_usd: Some((second * Decimal::new(ms, 3)).round_dp(10)),
        })
        .to_vec();
    let machines: Decimal = facts.ledger.iter().filter_map(|line| line.cost_usd).sum();
    facts.sums = Sums { ledger: machines, jobs: machines, overhead: Decimal::ZERO };
    facts.calls = vec![
        call("POST", "", Some(format!("gh-{FIRST}")), 0),
        call("POST", "", Some(format!("gh-{SECOND}")), 20),
        call("DELETE", "/m1?force=true", None, 11),
    ];
    facts
}

fn call(method: &str, path: &str, name: Option<String>, seconds: i64) -> Call {
    Call {
        method: method.to_owned(),
        path: format!("/v1/apps/a/machines{path}"),
        time_us: at(seconds).timestamp_micros(),
        name,
    }
}

/// The promises broken once `change` was made.
fn broken(change: impl FnOnce(&mut Facts)) -> Vec<u8> {
    let mut facts = whole();
    change(&mut facts);
    let mut promises: Vec<u8> = all(&facts).iter().map(|broken| broken.promise).collect();
    promises.dedup();
    promises
}

#[test]
fn a_whole_world_breaks_nothing() {
    assert_eq!(all(&whole()), []);
}

#[test]
fn a_job_that_is_gone_or_never_ends_or_ends_twice_was_lost() {
    assert_eq!(broken(|facts| facts.jobs.clear()), [1]);
    assert_eq!(broken(|facts| facts.events.clear()), [1]);
    assert_eq!(broken(|facts| facts.events.extend_from_within(..)), [1]);
    assert!(broken(|facts| facts.jobs[0].status = "running".to_owned()).contains(&1));
}

#[test]
fn an_end_that_nobody_chose_is_seen() {
    let ended = |facts: &mut Facts, status: &str| {
        facts.jobs[0].status = status.to_owned();
        facts.events[0].to_status = Some(status.to_owned()).filter(|status| status != "needs_human");
        facts.told[1].status = if status == "expired" { "failed" } else { status }.to_owned();
        facts.permits.clear();
        facts.submissions.clear();
    };
    for status in ["cancelled", "expired", "needs_human"] {
        assert_eq!(broken(|facts| ended(facts, status)), [1], "{status}");
    }
    let chosen = broken(|facts| {
        ended(facts, "cancelled");
        facts.cancels.insert(JOB);
    });
    assert_eq!(chosen, [] as [u8; 0]);
    let asked = broken(|facts| {
        ended(facts, "needs_human");
        facts.attempts[1].end_class = Some("needs_human".to_owned());
    });
    assert_eq!(asked, [] as [u8; 0]);
}

#[test]
fn a_permit_of_which_the_job_says_something_else_is_seen() {
    let failed = |facts: &mut Facts, code: &str, outcome: &str| {
        facts.jobs[0].status = "failed".to_owned();
        facts.jobs[0].error_code = Some(code.to_owned());
        facts.events[0].to_status = Some("failed".to_owned());
        facts.told[1].status = "failed".to_owned();
        facts.permits[0].outcome = Some(outcome.to_owned());
        facts.submissions.clear();
    };
    assert_eq!(broken(|facts| failed(facts, "submission_unknown", "unknown")), [] as [u8; 0]);
    assert_eq!(broken(|facts| failed(facts, "submit_rejected", "not_submitted")), [] as [u8; 0]);
    assert_eq!(broken(|facts| failed(facts, "network_error", "unknown")), [3]);
    assert_eq!(broken(|facts| failed(facts, "network_error", "submitted")), [3]);
}

#[test]
fn a_last_word_that_was_not_heard_or_is_another_one_is_seen() {
    assert_eq!(broken(|facts| drop(facts.told.pop())), [6]);
    assert_eq!(broken(|facts| facts.told[0].status = "failed".to_owned()), [6]);
    assert_eq!(broken(|facts| facts.callbacks[0].delivered_at = None), [6]);
    let silent = broken(|facts| {
        facts.jobs[0].has_callback = false;
        facts.told.clear();
    });
    assert_eq!(silent, [] as [u8; 0], "nobody wants to be told");
}

#[test]
fn a_pool_machine_that_is_paid_for_twice_or_not_or_was_never_made_is_seen() {
    let kept = |machine: &str| Line {
        machine_id: Some(machine.to_owned()),
        unit: "gb-second".to_owned(),
        job_id: None,
        overhead: Some("pool_rootfs".to_owned()),
        quantity: Decimal::TEN,
        cost_usd: Some(Decimal::ZERO),
    };
    let pool = |facts: &mut Facts, lines: &[&str]| {
        facts.machines[0].kind = "pool".to_owned();
        facts.ledger.extend(lines.iter().map(|line| kept(line)));
    };
    assert_eq!(broken(|facts| pool(facts, &["m1"])), [] as [u8; 0]);
    assert_eq!(broken(|facts| pool(facts, &[])), [7]);
    assert_eq!(broken(|facts| pool(facts, &["m1", "m1"])), [7]);
    assert_eq!(broken(|facts| pool(facts, &["m1", ""])), [7]);
}

#[test]
fn two_attempts_at_a_time_and_a_late_word_are_seen() {
    assert_eq!(broken(|facts| facts.attempts[1].claimed_at = at(5)), [2]);
    assert_eq!(broken(|facts| facts.attempts[1].ended_at = None), [2]);
    let word = Event {
        job_id: JOB,
        at: at(15),
        kind: "chaos_step".to_owned(),
        to_status: None,
        message: None,
        attempt_id: Some(FIRST),
    };
    assert_eq!(broken(|facts| facts.events.push(word)), [2]);
}

#[test]
fn a_second_permit_a_second_submission_and_work_after_the_permit_are_seen() {
    assert_eq!(broken(|facts| facts.permits.extend_from_within(..)), [3]);
    assert_eq!(broken(|facts| facts.submissions.extend_from_within(..)), [3]);
    assert_eq!(broken(|facts| facts.submissions.clear()), [3]);
    assert_eq!(broken(|facts| facts.submissions[0].attempt = FIRST), [3]);
    assert_eq!(broken(|facts| facts.permits[0].outcome = Some("unknown".to_owned())), [3]);
    assert_eq!(
        broken(|facts| {
            facts.permits[0].attempt_id = FIRST;
            facts.permits[0].granted_at = at(5);
            facts.submissions[0].attempt = FIRST;
        }),
        [3]
    );
}

#[test]
fn a_job_that_failed_too_early_is_seen() {
    let early = |facts: &mut Facts| {
        facts.jobs[0].status = "failed".to_owned();
        facts.events[0].to_status = Some("failed".to_owned());
        facts.attempts[1].end_class = Some("retryable".to_owned());
        facts.told[1].status = "failed".to_owned();
        facts.permits.clear();
        facts.submissions.clear();
    };
    assert_eq!(broken(early), [4]);
    assert_eq!(
        broken(|facts| {
            early(facts);
            facts.attempts[1].end_class = Some("crash".to_owned());
        }),
        [] as [u8; 0]
    );
}

#[test]
fn a_machine_that_is_left_or_lingers_is_seen() {
    assert_eq!(broken(|facts| facts.alive = 1), [5]);
    assert_eq!(broken(|facts| facts.machines[0].closed_at = None), [5]);
    assert_eq!(broken(|facts| facts.machines[0].exited_at = Some(at(1000))), [5]);
}

#[test]
fn a_machine_nobody_asked_for_or_on_no_record_or_destroyed_under_its_job_is_seen() {
    assert_eq!(broken(|facts| facts.calls.push(call("POST", "", Some("gh-x".to_owned()), 1))), [5]);
    assert_eq!(broken(|facts| facts.calls.push(call("DELETE", "/m2", None, 29))), [2]);
    // Two machines of one name are billed both, and one of them is on no row.
    let twice = broken(|facts| {
        let mut other = facts.bill[0].clone();
        other.machine_id = "m3".to_owned();
        facts.bill.push(other);
    });
    assert_eq!(twice, [5, 7]);
}

#[test]
fn views_that_do_not_add_up_are_seen() {
    assert_eq!(broken(|facts| facts.sums.jobs += Decimal::new(1, 10)), [7]);
}

#[test]
fn an_interval_that_is_missing_doubled_wrong_or_nobodys_is_seen() {
    assert_eq!(broken(|facts| drop(facts.ledger.pop())), [7]);
    assert_eq!(broken(|facts| facts.ledger.extend_from_within(..1)), [7]);
    assert_eq!(broken(|facts| facts.ledger[0].quantity = Decimal::ONE), [7]);
    assert_eq!(broken(|facts| facts.ledger[0].cost_usd = Some(Decimal::ONE)), [7]);
    assert_eq!(broken(|facts| facts.ledger[0].job_id = None), [7]);
    assert_eq!(broken(|facts| facts.bill[0].exited_at = None), [7]);
    assert_eq!(broken(|facts| drop(facts.bill.pop())), [7]);
}
