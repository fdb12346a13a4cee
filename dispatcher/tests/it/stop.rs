//! `pause --stop-running` and `drain`.

use domain::id::UserId;
use serde_json::{Value, json};
use sqlx::Connection;
use store::runner::Permit;

use crate::world::World;

#[tokio::test]
async fn a_running_job_goes_back_to_the_queue_and_its_attempt_is_over() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let (code, said) = world.ask(&["pause", "--stop-running"]).await;
    assert_eq!(code, 0);
    assert_eq!(said["given_back"][0]["job_id"], json!(claimed.job_id));
    assert_eq!(said["still_running"], json!([]));

    let row = world
        .text("select concat_ws(' ', status, coalesce(worker_id, 'nobody'), retry_count, crash_count) from gh_automation_jobs")
        .await;
    assert_eq!(row, "pending nobody 0 0");
    assert_eq!(
        world.text("select concat_ws(' ', state, end_class) from gh_job_attempts").await,
        "lost retired"
    );
    assert_eq!(
        runner.permit("submit").await.expect("answered"),
        Permit::Refused("the attempt is retired and the job is pending".into())
    );
    let event =
        "select concat_ws(' ', event_type, actor) from gh_job_events where event_type = 'job_released'";
    assert_eq!(world.text(event).await, "job_released anna");
    let audit = "select concat_ws(' ', actor, subject, detail ->> 'attempt_id') from gh_audit where action = 'stop_running'";
    assert_eq!(world.text(audit).await, format!("anna {} {}", claimed.job_id, claimed.attempt_id));
}

#[tokio::test]
async fn nothing_is_lost_after_a_resume_it_starts_again() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    world.ask(&["pause", "--stop-running"]).await;
    assert!(world.claim(5).await.is_empty());
    world.ask(&["resume"]).await;
    let again = world.claim(5).await;
    assert_eq!(again.iter().map(|claimed| claimed.job_id).collect::<Vec<_>>(), [claimed.job_id]);
}

#[tokio::test]
async fn a_machine_that_is_only_starting_loses_its_job_too() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    let (_, said) = world.ask(&["pause", "starter", "--stop-running"]).await;
    assert_eq!(
        (&said["given_back"][0]["job_id"], &said["given_back"][0]["state"]),
        (&json!(claimed.job_id), &json!("claimed"))
    );
}

#[tokio::test]
async fn a_job_that_may_have_submitted_is_left_and_listed() {
    let world = World::new().await;
    let (holder, runner) = world.running().await;
    let (other, _runner) = world.running().await;
    assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
    let (_, said) = world.ask(&["pause", "--stop-running"]).await;
    let jobs = |list: &Value| {
        list.as_array().expect("a list").iter().map(|live| live["job_id"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(jobs(&said["given_back"]), [json!(other.job_id)]);
    assert_eq!(jobs(&said["still_running"]), [json!(holder.job_id)]);
    assert_eq!(said["still_running"][0]["permitted"], json!(true));
    let text = world.say(&["pause", "--stop-running"]).await.text;
    assert!(text.contains("may have submitted: it is left to finish"), "{text}");
    let finished = runner.finish(&json!({ "class": "completed" })).await.expect("answered");
    assert!(
        matches!(finished, store::runner::Finish::Recorded(_)),
        "it could still prove what it did: {finished:?}"
    );
}

#[tokio::test]
async fn a_permit_that_is_granted_at_the_same_moment_counts() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    let mut connection = world.sql().await;
    let mut permit = connection.begin().await.expect("begun");
    // What granting does: the job is locked, then the permit written.
    sqlx::query("select 1 from gh_automation_jobs where id = $1 for update")
        .bind(claimed.job_id.0)
        .execute(&mut *permit)
        .await
        .expect("locked");
    let stop = world.ask(&["pause", "--stop-running"]);
    let grant = async {
        world.until_a_command_waits().await;
        sqlx::query(
            "insert into gh_permits (job_id, effect, attempt_id, fence) values ($1, 'submit', $2, 1)",
        )
        .bind(claimed.job_id.0)
        .bind(claimed.attempt_id.0)
        .execute(&mut *permit)
        .await
        .expect("granted");
        permit.commit().await.expect("committed");
    };
    let ((_, said), ()) = tokio::join!(stop, grant);
    assert_eq!(said["given_back"], json!([]), "{said:#}");
    assert_eq!(said["still_running"][0]["job_id"], json!(claimed.job_id));
}

#[tokio::test]
async fn other_tiers_go_on() {
    let world = World::new().await;
    let (starter, _runner) = world.running().await;
    world.insert(UserId::new(), "pro").await;
    let pro = world.claim(1).await.pop().expect("due");
    let (_, said) = world.ask(&["pause", "pro", "--stop-running"]).await;
    assert_eq!(said["given_back"].as_array().map(Vec::len), Some(1));
    assert_eq!(said["given_back"][0]["job_id"], json!(pro.job_id));
    let status = format!("select status from gh_automation_jobs where id = '{}'", starter.job_id);
    assert_eq!(world.text(&status).await, "running");
}

#[tokio::test]
async fn drain_says_what_still_runs_when_its_time_is_over() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    let (code, said) = world.ask(&["drain", "--timeout", "0"]).await;
    assert_eq!((code, &said["drained"]), (1, &json!(false)));
    assert_eq!(said["still_running"][0]["job_id"], json!(claimed.job_id));
    assert_eq!(world.count("select count(*) from gh_capacity where paused").await, 5, "it stays paused");
}

#[tokio::test]
async fn drain_returns_when_the_last_attempt_ends() {
    let world = World::new().await;
    let (_, runner) = world.running().await;
    let drain = world.ask(&["drain", "--timeout", "60"]);
    let finish = async {
        while world.count("select count(*) from gh_capacity where paused").await == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        runner.finish(&json!({ "class": "completed" })).await.expect("recorded");
    };
    let ((code, said), ()) = tokio::join!(drain, finish);
    assert_eq!((code, &said["drained"]), (0, &json!(true)), "{said:#}");
}
