//! Waiting for a person: the clock stands still, an answer comes once and to the right pause, nothing over is revived.

use std::time::Duration;

use domain::id::JobId;
use serde_json::{Value, json};
use store::hitl::{self, Resumed};
use store::jobs::Scope;
use store::runner::{Attempt, Beat, Finish, Pause, Permit, Resolution};

use crate::world::World;

const CAPTCHA: &str = "captcha";

async fn paused(world: &World, runner: &Attempt, kind: &str) -> (Duration, Duration) {
    let interaction = json!({ "type": kind, "description": "Solve it", "page_url": "https://example.com/apply", "confidence": 0.9 });
    match runner.pause(&interaction).await.expect("answered") {
        Pause::Waiting { patience, remaining } => (patience, remaining),
        Pause::Stop(reason) => {
            panic!("refused: {reason}; {}", world.count("select count(*) from gh_job_attempts").await)
        }
    }
}

async fn answer(world: &World, job: JobId, kind: &str, data: Option<&str>) -> Resumed {
    let answer = hitl::Answer { resolution_type: kind, resolved_by: "human", notes: "done", data };
    hitl::resume(&world.db, Scope::Everyone, job, &answer, Some(&world.sealer)).await.expect("answered")
}

async fn seconds(world: &World, expression: &str) -> i64 {
    let query = format!(
        "select extract(epoch from {expression})::bigint from gh_job_attempts where state = 'running'"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(query)).fetch_one(&mut world.sql().await).await.expect("a time")
}

#[tokio::test]
async fn a_paused_job_says_what_it_waits_for_and_goes_on_with_the_answer() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let (patience, remaining) = paused(&world, &runner, "2fa").await;
    assert!(patience > Duration::from_secs(298) && remaining > Duration::from_secs(290));
    for (column, value) in
        [("status", "paused"), ("interaction_type", "2fa"), ("status_message", "Waiting for human: 2fa")]
    {
        assert_eq!(world.job(claimed.job_id, column).await.as_deref(), Some(value));
    }
    let data: Value =
        world.job(claimed.job_id, "interaction_data").await.expect("data").parse().expect("json");
    assert_eq!(
        (&data["page_url"], &data["timeout_seconds"]),
        (&json!("https://example.com/apply"), &json!(300))
    );
    assert_eq!(runner.resolution().await.expect("answered"), Resolution::Waiting);
    assert!(
        matches!(runner.heartbeat().await.expect("answered"), Beat::Continue(_)),
        "it lives while it waits"
    );
    assert!(matches!(runner.permit("submit").await.expect("answered"), Permit::Refused(_)));

    let code = Some(r#"{"code":"123456"}"#);
    assert_eq!(
        answer(&world, claimed.job_id, "code_entry", code).await,
        Resumed::Going(domain::job::JobStatus::Running)
    );
    for _ in 0..2 {
        let Resolution::Answered(answer) = runner.resolution().await.expect("answered") else {
            panic!("no answer")
        };
        assert_eq!(answer.kind, "code_entry");
        assert_eq!(answer.data.as_ref().map(|data| &data.0), Some(&json!({ "code": "123456" })));
        assert!(!format!("{answer:?}").contains("123456"));
    }
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("running"));
    assert_eq!(world.job(claimed.job_id, "paused_at").await, None);
    assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
}

#[tokio::test]
async fn waiting_costs_the_job_no_time() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    world.execute("update gh_job_attempts set hard_deadline = now() + interval '100 seconds'").await;
    paused(&world, &runner, CAPTCHA).await;
    assert!(
        (398..=400).contains(&seconds(&world, "hard_deadline - now()").await),
        "nobody ends it while it waits"
    );
    // Four minutes later.
    world.execute("update gh_job_attempts set hard_deadline = hard_deadline - interval '4 minutes', paused_at = paused_at - interval '4 minutes', pause_until = pause_until - interval '4 minutes'").await;
    answer(&world, claimed.job_id, "manual", None).await;
    assert!((98..=100).contains(&seconds(&world, "hard_deadline - now()").await));
    // And once more, from there.
    paused(&world, &runner, CAPTCHA).await;
    answer(&world, claimed.job_id, "manual", None).await;
    assert!((97..=100).contains(&seconds(&world, "hard_deadline - now()").await));
}

#[tokio::test]
async fn asking_for_the_same_pause_again_changes_nothing() {
    let world = World::new().await;
    let (_, runner) = world.running().await;
    paused(&world, &runner, CAPTCHA).await;
    world.execute("update gh_job_attempts set pause_until = pause_until - interval '100 seconds'").await;
    // VALET writes its own word for the type into the row.
    world.execute("update gh_automation_jobs set interaction_type = 'visual', interaction_data = null").await;
    let (patience, _) = paused(&world, &runner, CAPTCHA).await;
    assert!(patience <= Duration::from_secs(200), "the clock is the first one's");
    assert_eq!(world.count("select count(*) from gh_job_events where event_type = 'hitl_paused'").await, 1);
    paused(&world, &runner, "login").await;
    assert_eq!(
        world.count("select pauses::bigint from gh_job_attempts").await,
        2,
        "another question is another pause"
    );
}

#[tokio::test]
async fn an_old_answer_is_not_taken_for_a_new_question() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    paused(&world, &runner, "login").await;
    answer(&world, claimed.job_id, "credentials", Some(r#"{"username":"a","password":"b"}"#)).await;
    assert!(matches!(runner.resolution().await.expect("answered"), Resolution::Answered(_)));
    paused(&world, &runner, "2fa").await;
    assert_eq!(runner.resolution().await.expect("answered"), Resolution::Waiting);
}

#[tokio::test]
async fn a_job_nobody_answers_fails_under_its_own_name_and_is_not_tried_again() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    world.execute("update gh_capacity set pause_seconds = 60").await;
    paused(&world, &runner, CAPTCHA).await;
    assert_eq!(store::upkeep::expire_pauses(&world.db).await.expect("answered"), 0, "its time is not over");
    world.execute("update gh_job_attempts set paused_at = paused_at - interval '61 seconds', pause_until = pause_until - interval '61 seconds'").await;
    assert_eq!(store::upkeep::expire_pauses(&world.db).await.expect("answered"), 1);
    assert_eq!(store::upkeep::expire_pauses(&world.db).await.expect("answered"), 0);
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("failed"));
    assert_eq!(world.job(claimed.job_id, "error_code").await.as_deref(), Some("hitl_timeout"));
    assert_eq!(
        world.job(claimed.job_id, "status_message").await.as_deref(),
        Some("Nobody answered within 60 s.")
    );
    assert_eq!(world.count("select (metadata ->> 'timeout_seconds')::bigint from gh_job_events where event_type = 'hitl_timeout'").await, 60);
    assert_eq!(runner.heartbeat().await.expect("answered"), Beat::Stop("final".into()));
    assert_eq!(runner.resolution().await.expect("answered"), Resolution::Stop("hitl_timeout".into()));
    // Too late, and it stays over.
    assert_eq!(
        answer(&world, claimed.job_id, "manual", None).await,
        Resumed::Refused(domain::job::JobStatus::Failed)
    );
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("failed"));
}

#[tokio::test]
async fn an_answer_in_the_last_moment_wins() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    paused(&world, &runner, CAPTCHA).await;
    world.execute("update gh_job_attempts set pause_until = now() - interval '1 second'").await;
    answer(&world, claimed.job_id, "manual", None).await;
    assert_eq!(store::upkeep::expire_pauses(&world.db).await.expect("answered"), 0);
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("running"));
}

#[tokio::test]
async fn a_job_that_was_cancelled_while_it_waited_is_not_resumed() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    paused(&world, &runner, CAPTCHA).await;
    store::jobs::cancel(&world.db, Scope::Everyone, claimed.job_id).await.expect("cancelled");
    assert_eq!(
        answer(&world, claimed.job_id, "manual", None).await,
        Resumed::Refused(domain::job::JobStatus::Cancelled)
    );
    assert_eq!(runner.resolution().await.expect("answered"), Resolution::Stop("cancelled".into()));
    assert_eq!(
        runner.pause(&json!({ "type": CAPTCHA })).await.expect("answered"),
        Pause::Stop("cancelled".into())
    );
}

#[tokio::test]
async fn an_answer_sent_twice_counts_once() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    paused(&world, &runner, CAPTCHA).await;
    for _ in 0..2 {
        assert_eq!(
            answer(&world, claimed.job_id, "manual", None).await,
            Resumed::Going(domain::job::JobStatus::Running)
        );
    }
    assert_eq!(world.count("select count(*) from gh_job_resolutions").await, 1);
}

#[tokio::test]
async fn a_stranger_can_neither_pause_a_job_nor_read_its_answer() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    let url = world.database.url_as("gh_runner", crate::world::RUNNER_PASSWORD).into();
    let thief = Attempt::new(&url, claimed.attempt_id, "guessed".into()).expect("an address");
    assert_eq!(
        thief.pause(&json!({ "type": CAPTCHA })).await.expect("answered"),
        Pause::Stop("fenced".into())
    );
    assert_eq!(thief.resolution().await.expect("answered"), Resolution::Stop("fenced".into()));
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("running"));
}

#[tokio::test]
async fn a_paused_runner_may_still_end_its_job() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    paused(&world, &runner, CAPTCHA).await;
    let result = json!({ "class": "final", "error_code": "captcha_blocked" });
    assert_eq!(
        runner.finish(&result).await.expect("answered"),
        Finish::Recorded(domain::job::JobStatus::Failed)
    );
    assert_eq!(world.job(claimed.job_id, "error_code").await.as_deref(), Some("captcha_blocked"));
}
