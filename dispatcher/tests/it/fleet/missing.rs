//! Fly says that there is no such machine: it may be one that its servers have not heard of yet.

use std::time::Duration;

use dispatcher::plan::Upkeep;
use local::{Call, Fault, Rule};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::rig::{Rig, Running, Wish};

const CLOSED: &str = "select count(*) from gh_machines where closed_at is not null";
const ENDED: &str = "select count(*) from gh_job_attempts where ended_at is not null";

/// What Fly says of a machine that it does not know, or not yet.
fn not_found() -> Rule {
    let body = json!({ "error": "not_found: machine not found" });
    Rule::always(Call::Get, Fault::Status { code: 404, body })
}

/// Waits until Fly has been asked for the machine so often and said that there is none.
async fn denied(rig: &Rig, dispatcher: &Running, times: usize) {
    let until = Instant::now() + Duration::from_secs(20);
    let denials = || {
        rig.fly.requests().iter().filter(|request| request.method == "GET" && request.status == 404).count()
    };
    while denials() < times {
        assert!(Instant::now() < until, "{} of {times}", denials());
        dispatcher.signals.bell.ring();
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_machine_that_fly_does_not_know_yet_keeps_its_attempt_and_its_job_completes() {
    let faults = vec![
        Rule::always(Call::Get, Fault::NotPropagated { ms: 1_500 }),
        Rule::always(Call::List, Fault::ListLag { ms: 5_000 }),
    ];
    let rig = Rig::new(Wish { faults, ..Wish::default() }).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    denied(&rig, &dispatcher, 1).await;
    dispatcher.signals.due.note(Upkeep::Sweep);
    // Fly knows it a moment later.
    rig.until(1, "select count(*) from gh_machines where seen = 'started'").await;
    assert_eq!(rig.count(ENDED).await, 0);
    let runner = rig.run(attempt).await;
    rig.finish(attempt, &runner).await;
    rig.until(1, CLOSED).await;
    let story = "select concat_ws(' ', status, retry_count, placement_failures) from gh_automation_jobs";
    assert_eq!(rig.text(story).await.as_deref(), Some("completed 0 0"));
    rig.fly.set_faults(vec![]);
    assert_eq!((rig.made().await, rig.count("select count(*) from gh_machines").await), (1, 1));
    assert_eq!(rig.count("select count(*) from gh_cost_ledger where kind = 'machine'").await, 1);
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_machine_that_heartbeats_is_not_gone_whatever_fly_answers() {
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    rig.fly.set_faults(vec![not_found()]);
    for _ in 0..3 {
        let so_far = rig.fly.requests().iter().filter(|request| request.status == 404).count();
        runner.heartbeat().await.expect("answered");
        // A minute passes between two looks.
        rig.execute("update gh_machines set seen_at = now() - interval '1 minute'").await;
        denied(&rig, &dispatcher, so_far + 1).await;
    }
    assert_eq!(rig.count(ENDED).await, 0);
    rig.fly.set_faults(vec![]);
    rig.finish(attempt, &runner).await;
    rig.until(1, "select count(*) from gh_automation_jobs where status = 'completed'").await;
    dispatcher.stop().await;
}

/// The grace passes: the first denial was so long ago.
const LATER: &str = "update gh_machines set missing_since = missing_since - interval '31 seconds' where missing_since is not null";

#[tokio::test]
async fn a_machine_that_fly_denies_for_good_is_given_up_at_the_second_look_after_the_grace_and_burns_no_retry()
 {
    let rig = Rig::new(Wish { faults: vec![not_found()], ..Wish::default() }).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    rig.launched().await;
    denied(&rig, &dispatcher, 3).await;
    assert_eq!(rig.count(ENDED).await, 0, "not within the grace");
    rig.execute("update gh_capacity set paused = true").await;
    rig.execute(LATER).await;
    rig.until(1, ENDED).await;
    let story = "select concat_ws(' ', a.end_class, a.error_message, j.status, j.retry_count, j.crash_count)
                 from gh_automation_jobs j join gh_job_attempts a on a.job_id = j.id";
    assert_eq!(rig.text(story).await.as_deref(), Some("placement Fly knows no such machine. pending 0 0"));
    rig.until(1, CLOSED).await;
    dispatcher.stop().await;
}

/// The row of a machine that runs is closed because Fly denied it; then Fly lists it.
async fn closed_while_it_lives() -> (Rig, Running) {
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    rig.until(1, "select count(*) from gh_machines where started_at is not null").await;
    rig.fly.set_faults(vec![not_found(), Rule::always(Call::Delete, Fault::ResetBeforeCommit)]);
    runner.finish(&json!({ "class": "completed" })).await.expect("answered");
    rig.until(1, "select count(*) from gh_machines where missing_since is not null").await;
    rig.execute(LATER).await;
    rig.until(1, CLOSED).await;
    rig.execute("update gh_job_attempts set ended_at = now() - interval '61 seconds'").await; // time for it to go by itself
    rig.fly.set_faults(vec![]);
    (rig, dispatcher)
}

#[tokio::test]
async fn a_closed_machine_that_lives_is_found_by_the_sweep_destroyed_and_billed_by_its_real_end() {
    let (rig, dispatcher) = closed_while_it_lives().await;
    let billed = "select round(sum(quantity), 3)::text from gh_cost_ledger where kind = 'machine'";
    let lived = "select round(extract(epoch from exited_at - started_at), 3)::text from gh_machines";
    let before = rig.text(billed).await;
    let gone = "select count(*) from gh_machines where closed_at is not null and seen = 'destroyed' and exited_at is not null";
    let until = Instant::now() + Duration::from_secs(20);
    while rig.count(gone).await == 0 {
        assert!(
            Instant::now() < until,
            "it lives on: {:?}",
            rig.text("select to_jsonb(m)::text from gh_machines m").await
        );
        dispatcher.signals.due.note(Upkeep::Sweep);
        dispatcher.signals.bell.ring();
        sleep(Duration::from_millis(50)).await;
    }
    assert!(rig.client().list("runner", &fly::ListMachines::default()).await.expect("a list").is_empty());
    assert_eq!(rig.text(billed).await, rig.text(lived).await);
    assert_ne!(rig.text(billed).await, before, "corrected");
    assert_eq!(rig.count("select count(*) from gh_machines").await, 1, "it is its attempt's, not an orphan");
    let lines =
        "select string_agg(sign(quantity)::text, ' ' order by id) from gh_cost_ledger where kind = 'machine'";
    assert_eq!(rig.text(lines).await.as_deref(), Some("1 -1 1"), "taken back, and written as it was");
    dispatcher.stop().await;
}

#[tokio::test]
async fn a_destroyed_machine_that_an_old_list_still_shows_is_not_opened_again() {
    let rig = Rig::new(Wish::default()).await;
    rig.insert("starter").await;
    let dispatcher = rig.start("one");
    let attempt = rig.launched().await;
    let runner = rig.run(attempt).await;
    rig.finish(attempt, &runner).await;
    rig.until(1, CLOSED).await;
    let closed_at = rig.text("select closed_at::text from gh_machines").await;
    rig.fly.set_faults(vec![Rule::always(Call::List, Fault::ListLag { ms: 60_000 })]);
    for _ in 0..3 {
        let lists = rig.fly.requests().len();
        dispatcher.signals.due.note(Upkeep::Sweep);
        dispatcher.signals.bell.ring();
        let until = Instant::now() + Duration::from_secs(20);
        while rig.fly.requests().len() == lists {
            assert!(Instant::now() < until, "no sweep");
            sleep(Duration::from_millis(20)).await;
        }
    }
    dispatcher.stop().await;
    assert_eq!(rig.text("select closed_at::text from gh_machines").await, closed_at);
}
