//! Answers that are no failures: 404, 408 and 412 have a meaning of their own for start, stop, delete and wait.

use crate::fake::Fake;
use fly::{Cause, Delete, Deleted, Next, Started, State, Stop, Stopped, WaitFor, Waited};
use std::time::Duration;

const NOT_FOUND: &str = r#"{"error":"not_found: machine not found"}"#;

fn for_started() -> WaitFor {
    WaitFor { states: vec![State::Started], timeout: Duration::from_secs(1) }
}

#[tokio::test]
async fn a_start_tells_apart_done_already_not_now_and_gone() {
    for (status, body, expected) in [
        (200, r#"{"previous_state":"stopped","migrated":true}"#, Started::Accepted { migrated: true }),
        (200, "", Started::Accepted { migrated: false }),
        (
            412,
            r#"{"error":"failed_precondition: machine still active, refusing to start"}"#,
            Started::Already,
        ),
        (412, r#"{"error":"failed_precondition: machine still attempting to start"}"#, Started::Already),
        (
            412,
            r#"{"error":"unable to start machine from current state: 'created'"}"#,
            Started::NotNow("unable to start machine from current state: 'created'".to_owned()),
        ),
        (404, NOT_FOUND, Started::Gone),
    ] {
        let fake = Fake::answering(status, body).await;
        assert_eq!(fake.client().start("app", "m").await.unwrap(), expected, "{status} {body}");
    }
}

#[tokio::test]
async fn a_start_without_room_goes_elsewhere() {
    let fake = Fake::answering(422, r#"{"error":"x","status":"insufficient_capacity"}"#).await;
    let error = fake.client().start("app", "m").await.unwrap_err();
    assert!(matches!(error.next, Next::NextRegion(_)));
}

#[tokio::test]
async fn a_stop_tells_apart_done_not_running_and_gone() {
    for (status, body, expected) in [
        (200, r#"{"ok":true}"#, Stopped::Accepted),
        (412, r#"{"error":"failed_precondition: x"}"#, Stopped::NotRunning),
        (404, NOT_FOUND, Stopped::Gone),
    ] {
        let fake = Fake::answering(status, body).await;
        assert_eq!(fake.client().stop("app", "m", &Stop::default()).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_delete_tells_apart_done_still_running_and_gone() {
    let running = r#"{"error":"failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created"}"#;
    for (status, body, expected) in [
        (200, r#"{"ok":true}"#, Deleted::Accepted),
        (412, running, Deleted::StillRunning),
        (409, running, Deleted::StillRunning),
        (404, NOT_FOUND, Deleted::Gone),
    ] {
        let fake = Fake::answering(status, body).await;
        assert_eq!(
            fake.client().delete("app", "m", Delete::IfIdle).await.unwrap(),
            expected,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_wait_tells_apart_reached_not_yet_and_gone() {
    let late =
        r#"{"error":"deadline_exceeded: machine failed to reach desired state, started, currently created"}"#;
    for (status, body, expected) in [
        (
            200,
            r#"{"ok":true,"state":"destroyed","event_id":"e","version":"v"}"#,
            Waited::Reached(State::Destroyed),
        ),
        (200, r#"{"ok":true}"#, Waited::Reached(State::Started)),
        (408, late, Waited::NotYet { current: Some(State::Created) }),
        (408, "upstream timed out", Waited::NotYet { current: None }),
        (
            412,
            r#"{"error":"machine is currently replaced"}"#,
            Waited::NotYet { current: Some("replaced".into()) },
        ),
        (404, NOT_FOUND, Waited::Gone),
    ] {
        let fake = Fake::answering(status, body).await;
        assert_eq!(
            fake.client().wait("app", "m", &for_started()).await.unwrap(),
            expected,
            "{status} {body}"
        );
    }
}

#[tokio::test]
async fn a_404_about_the_app_or_the_address_is_not_a_machine_that_is_gone() {
    for body in [r#"{"error":"Could not find App \"app\""}"#, "404 page not found"] {
        let fake = Fake::answering(404, body).await;
        let client = fake.client();
        let nexts = [
            client.get("app", "m").await.unwrap_err().next,
            client.wait("app", "m", &for_started()).await.unwrap_err().next,
            client.delete("app", "m", Delete::Force).await.unwrap_err().next,
        ];
        assert!(nexts.iter().all(|next| *next == Next::Breaker(Cause::NoApp)), "{body}: {nexts:?}");
    }
}

#[tokio::test]
async fn a_machine_that_fly_does_not_know_is_none() {
    let fake = Fake::answering(404, NOT_FOUND).await;
    assert_eq!(fake.client().get("app", "m").await.unwrap(), None);
    assert_eq!(fake.client().events("app", "m").await.unwrap(), None);
}

#[tokio::test]
async fn a_change_whose_answer_is_lost_is_an_unknown_outcome() {
    let fake = Fake::answering(503, "").await;
    assert_eq!(fake.client().start("app", "m").await.unwrap_err().next, Next::UnknownOutcome);
    assert_eq!(fake.client().delete("app", "m", Delete::Force).await.unwrap_err().next, Next::UnknownOutcome);
    assert_eq!(fake.asked().len(), 2);
}
