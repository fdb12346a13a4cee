//! A permit that was given back is as one that was never given; one that was not stays spent.

use domain::attempt::EndClass;
use serde_json::json;
use store::runner::{Permit, Start};

use crate::world::{World, started, why};

fn evidence() -> serde_json::Value {
    json!({"reason": "the form goes on: Step 2 of 3", "writes": 1})
}

#[tokio::test]
async fn a_crash_between_two_steps_may_be_tried_again_and_the_next_attempt_is_given_the_permit() {
    let world = World::new().await;
    let (claimed, first) = world.running().await;
    for _ in 0..2 {
        assert_eq!(first.permit("submit").await.expect("answered"), Permit::Granted);
        assert!(first.return_permit("submit", &evidence()).await.expect("answered"));
        assert!(
            first.return_permit("submit", &evidence()).await.expect("answered"),
            "the reply may have been lost"
        );
    }
    assert_eq!(world.count("select count(*) from gh_permits").await, 0);
    let told = "select count(*) from gh_job_events where event_type = 'permit_returned' and metadata ->> 'outcome' = 'not_submitted'";
    assert_eq!(world.count(told).await, 2);
    world.close(claimed.attempt_id, EndClass::Crash, &why("gone")).await;
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("pending"));
    world.execute("update gh_automation_jobs set scheduled_at = null").await;
    let again = world.claim(1).await.pop().expect("due again");
    let mut second = world.runner(again.attempt_id).await;
    started(&mut second).await;
    assert_eq!(second.permit("submit").await.expect("answered"), Permit::Granted);
    assert!(!first.return_permit("submit", &evidence()).await.expect("answered"), "its attempt is over");
    assert_eq!(world.count("select count(*) from gh_permits").await, 1);
}

#[tokio::test]
async fn a_crash_between_the_permit_and_its_return_is_never_tried_again() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    runner.permit("submit").await.expect("answered");
    runner.return_permit("submit", &evidence()).await.expect("answered");
    assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
    world.close(claimed.attempt_id, EndClass::Crash, &why("gone")).await;
    assert_eq!(world.job(claimed.job_id, "error_code").await.as_deref(), Some("submission_unknown"));
    assert!(!runner.return_permit("submit", &evidence()).await.expect("answered"), "too late");
    assert_eq!(world.count("select count(*) from gh_permits where outcome = 'unknown'").await, 1);
}

#[tokio::test]
async fn a_permit_goes_back_only_with_evidence_and_only_from_who_holds_it() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    runner.permit("submit").await.expect("answered");
    assert!(!runner.return_permit("submit", &json!({})).await.expect("answered"), "nothing proves it");
    let url = world.database.url_as("gh_runner", crate::world::RUNNER_PASSWORD).into();
    let thief = store::runner::Attempt::new(&url, claimed.attempt_id, "guessed".into()).expect("an address");
    assert!(!thief.return_permit("submit", &evidence()).await.expect("answered"));
    // A job that was taken from its attempt: nobody knows what was sent.
    world.execute("update gh_automation_jobs set status = 'pending', worker_id = null").await;
    assert!(!runner.return_permit("submit", &evidence()).await.expect("answered"));
    assert_eq!(world.job(claimed.job_id, "error_code").await.as_deref(), Some("submission_unknown"));
    assert_eq!(world.count("select count(*) from gh_permits where outcome = 'unknown'").await, 1);
}

#[tokio::test]
async fn a_job_whose_permit_was_given_back_may_be_taken_back_by_hand_and_is_started_again() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    runner.permit("submit").await.expect("answered");
    runner.return_permit("submit", &evidence()).await.expect("answered");
    world.execute("update gh_automation_jobs set status = 'pending', worker_id = null").await;
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("pending"));
    let again = world.claim(1).await.pop().expect("due again");
    let mut second = world.runner(again.attempt_id).await;
    let start = second.start(uuid::Uuid::new_v4(), "m2").await.expect("answered");
    assert!(matches!(start, Start::Started(_)), "{start:?}");
}
