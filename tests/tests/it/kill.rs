//! Whatever is killed, and whenever: the form is sent once, or the job says that nobody knows.

use std::time::Duration;

use e2e::Part;
use tokio::time::sleep;

use crate::case::{Case, completed};

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_killed_right_after_the_claim_starts_the_machine_it_promised() {
    let mut case = Case::new("").await;
    case.until("the attempt", "select 1 as n from gh_job_attempts where job_id = '$job'").await;
    case.stack.kill(Part::Dispatcher);
    case.stack.start_part(Part::Dispatcher).await.expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dispatcher_killed_while_the_runner_works_disturbs_nothing() {
    let mut case = Case::new("").await;
    case.until_message("Reading the form").await;
    case.stack.kill(Part::Dispatcher);
    case.until(
        "the end of the job without a dispatcher",
        "select 1 as n from gh_automation_jobs where id = '$job' and status = 'completed'",
    )
    .await;
    case.stack.start_part(Part::Dispatcher).await.expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_while_it_fills_is_replaced() {
    let case = Case::new("").await;
    case.until_message("Uploading the resume").await;
    case.kill_runners();
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_runner_killed_after_the_permit_is_never_replaced() {
    let case = Case::new("&submit_delay_ms=8000").await;
    case.until_permit().await;
    case.kill_runners();
    let row = case.end().await;
    assert_eq!(
        (row.status.as_str(), row.error_code.as_deref()),
        ("failed", Some("submission_unknown")),
        "{row:?}"
    );
    assert!(row.status_message.is_some_and(|message| message.contains("may have been sent")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_killed_while_it_fills_is_replaced() {
    let case = Case::new("").await;
    case.until_message("Uploading the resume").await;
    case.kill_browsers();
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_killed_after_the_permit_is_never_replaced() {
    let case = Case::new("&submit_delay_ms=8000").await;
    case.until_permit().await;
    // The click is on its way or done; the site has not answered.
    case.kill_browsers();
    let row = case.end().await;
    assert_eq!(row.status, "failed", "{row:?}");
    assert!(
        matches!(
            row.error_code.as_deref(),
            Some("submit_unconfirmed" | "submission_unknown" | "browser_crashed")
        ),
        "{row:?}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machines_api_killed_while_its_machine_works_loses_nothing() {
    let mut case = Case::new("").await;
    case.until_message("Reading the form").await;
    case.stack.kill(Part::Fly);
    case.stack.start_part(Part::Fly).await.expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_restarted_while_the_runner_works_loses_nothing() {
    let mut case = Case::new("").await;
    case.until_message("Reading the form").await;
    case.stack.postgres().stop();
    sleep(Duration::from_secs(1)).await; // the outage itself
    case.stack.postgres().resume().expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_crashes_between_permit_and_proof_never_lets_the_form_be_sent_twice() {
    let mut case = Case::new("&submit_delay_ms=3000").await;
    case.until_permit().await;
    case.stack.postgres().crash();
    case.stack.postgres().resume().expect("it starts again");
    completed(&case.end().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_killed_at_once_and_started_again_sends_the_form_once() {
    let mut case = Case::new("").await;
    case.until_event("job_started").await;
    case.stack.kill(Part::Dispatcher);
    case.stack.kill(Part::Fly);
    case.kill_runners();
    case.stack.postgres().crash();
    case.stack.postgres().resume().expect("it starts again");
    case.stack.start_part(Part::Fly).await.expect("it starts again");
    case.stack.start_part(Part::Dispatcher).await.expect("it starts again");
    completed(&case.end().await);
}
