//! One live attempt, the fence, the permit, and who wins a race.

use domain::attempt::{AttemptState, EndClass};
use domain::job::JobStatus;
use serde_json::json;
use sqlx::AssertSqlSafe;
use store::machines::{self, Seen};
use store::runner::{Beat, Call, Finish, Permit, Start};

use crate::world::{World, started, why};

#[tokio::test]
async fn a_runner_that_lost_the_race_to_start_is_refused() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    let (mut first, mut second) =
        (world.runner(claimed.attempt_id).await, world.runner(claimed.attempt_id).await);
    let boot = uuid::Uuid::new_v4();
    assert!(matches!(first.start(boot, "m1").await.expect("start"), Start::Started(_)));
    assert!(
        matches!(first.start(boot, "m1").await.expect("again"), Start::Started(_)),
        "a lost reply may be asked for again"
    );
    assert!(matches!(second.start(uuid::Uuid::new_v4(), "m2").await.expect("start"), Start::Refused(_)));
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("running"));
}

#[tokio::test]
async fn a_wrong_token_or_fence_changes_nothing() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    let before = world.job(claimed.job_id, "updated_at").await;
    let url = world.database.url_as("gh_runner", crate::world::RUNNER_PASSWORD).into();
    let thief = store::runner::Attempt::new(&url, claimed.attempt_id, "guessed".into()).expect("an address");
    assert_eq!(thief.heartbeat().await.expect("answered"), Beat::Stop("fenced".into()));
    assert!(!thief.event("step_started", None, &json!({})).await.expect("answered"));
    assert!(!thief.progress(&json!({"status_message": "mine"})).await.expect("answered"));
    assert!(
        !thief.usage(&Call { request_id: "1".into(), input: 5, ..Call::default() }).await.expect("answered")
    );
    assert_eq!(thief.permit("submit").await.expect("answered"), Permit::Refused("fenced".into()));
    assert_eq!(
        thief.finish(&json!({"class": "completed"})).await.expect("answered"),
        Finish::TooLate("fenced".into())
    );
    // The right token with a fence of its own (0, before it has started) is no better.
    let unstarted = world.runner(claimed.attempt_id).await;
    assert_eq!(
        unstarted.finish(&json!({"class": "completed"})).await.expect("answered"),
        Finish::TooLate("fenced".into())
    );
    assert_eq!(world.job(claimed.job_id, "updated_at").await, before);
    assert_eq!(world.count("select count(*) from gh_permits").await, 0);
    // Each is counted by its kind, the finish of both.
    let counted = "select sum(n)::bigint from gh_fenced_writes where (call, n) in (('heartbeat', 1), ('event', 1), ('progress', 1), ('usage', 1), ('permit', 1), ('finish', 2))";
    assert_eq!(world.count(counted).await, 7);
}

#[tokio::test]
async fn a_stale_runner_can_write_nothing_after_its_job_was_given_to_another() {
    let world = World::new().await;
    let (claimed, stale) = world.running().await;
    world.close(claimed.attempt_id, EndClass::Crash, &why("No heartbeat for 120 s.")).await;
    world.execute("update gh_automation_jobs set scheduled_at = null").await;
    let again = world.claim(1).await.pop().expect("the job is due again");
    let mut fresh = world.runner(again.attempt_id).await;
    let assignment = started(&mut fresh).await;
    assert_eq!(assignment.attempt_no, 2);
    assert_eq!(stale.heartbeat().await.expect("answered"), Beat::Stop("crash".into()));
    assert_eq!(
        stale.permit("submit").await.expect("answered"),
        Permit::Refused("the attempt is crash and the job is running".into())
    );
    assert_eq!(
        stale.finish(&json!({"class": "completed"})).await.expect("answered"),
        Finish::TooLate("crash".into())
    );
    assert!(matches!(fresh.heartbeat().await.expect("answered"), Beat::Continue(_)));
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("running"));
}

#[tokio::test]
async fn the_permit_is_given_to_one_attempt_of_a_job_ever() {
    let world = World::new().await;
    let (claimed, first) = world.running().await;
    assert_eq!(first.permit("submit").await.expect("answered"), Permit::Granted);
    assert_eq!(
        first.permit("submit").await.expect("answered"),
        Permit::Granted,
        "the reply may have been lost"
    );
    // Somebody gives the job back past every trigger of its table, as a restored backup might.
    world
        .execute(
            "set session_replication_role = replica;
             update gh_job_attempts set state = 'lost', end_class = 'retired', ended_at = now();
             update gh_automation_jobs set status = 'pending', worker_id = null",
        )
        .await;
    let again = world.claim(1).await.pop().expect("due");
    let mut second = world.runner(again.attempt_id).await;
    let reply = second.start(uuid::Uuid::new_v4(), "m2").await.expect("answered");
    assert!(matches!(reply, Start::Refused(_)), "{reply:?}");
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("failed"));
    assert_eq!(world.job(claimed.job_id, "error_code").await.as_deref(), Some("submission_unknown"));
}

#[tokio::test]
async fn a_job_that_dies_between_permit_and_proof_is_never_tried_again() {
    let world = World::new().await;
    for class in [EndClass::Crash, EndClass::Deadline, EndClass::Retryable, EndClass::Released] {
        let (claimed, runner) = world.running().await;
        assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
        let status = world.close(claimed.attempt_id, class, &why("gone")).await;
        assert_eq!(status.as_deref(), Some("failed"), "{class:?}");
        assert_eq!(
            world.job(claimed.job_id, "error_code").await.as_deref(),
            Some("submission_unknown"),
            "{class:?}"
        );
    }
}

#[tokio::test]
async fn a_job_taken_back_after_the_permit_ends_at_once_and_nobody_knows_what_was_sent() {
    let world = World::new().await;
    for (by_hand, status, code) in [
        ("status = 'pending', worker_id = null", "failed", Some("submission_unknown")),
        ("status = 'cancelled', completed_at = now()", "cancelled", None),
    ] {
        let (claimed, runner) = world.running().await;
        assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
        let statement = format!("update gh_automation_jobs set {by_hand} where status = 'running'");
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut world.sql().await).await.expect("by hand");
        assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some(status));
        assert_eq!(world.job(claimed.job_id, "error_code").await.as_deref(), code);
        assert!(world.job(claimed.job_id, "completed_at").await.is_some());
        assert_eq!(
            world.count("select count(*) from gh_permits where outcome is distinct from 'unknown'").await,
            0
        );
        assert!(world.claim(1).await.is_empty(), "{status}");
        assert_eq!(
            runner.finish(&json!({"class": "completed"})).await.expect("answered"),
            Finish::TooLate(if code.is_some() { "retired" } else { "cancelled" }.into())
        );
    }
    let told = "select count(*) from gh_job_events where event_type = 'job_failed' and metadata ->> 'error_code' = 'submission_unknown'";
    assert_eq!(world.count(told).await, 1);
}

#[tokio::test]
async fn what_was_surely_not_sent_fails_under_its_own_name() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    runner.permit("submit").await.expect("answered");
    let result =
        json!({"class": "retryable", "error_code": "validation_error", "permit_outcome": "not_submitted"});
    assert_eq!(runner.finish(&result).await.expect("answered"), Finish::Recorded(JobStatus::Failed));
    assert_eq!(world.job(claimed.job_id, "error_code").await.as_deref(), Some("validation_error"));
}

#[tokio::test]
async fn a_cancelled_job_can_never_become_completed() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    world.execute("update gh_automation_jobs set status = 'cancelled', completed_at = now()").await;
    assert_eq!(runner.heartbeat().await.expect("answered"), Beat::Stop("cancelled".into()));
    assert!(matches!(runner.permit("submit").await.expect("answered"), Permit::Refused(_)));
    assert_eq!(
        runner.finish(&json!({"class": "completed"})).await.expect("answered"),
        Finish::TooLate("cancelled".into())
    );
    // Nor by VALET's late callback handler, which writes the row by itself.
    world.execute("update gh_automation_jobs set status = 'running', started_at = now()").await;
    world.execute("update gh_automation_jobs set status = 'completed'").await;
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("cancelled"));
}

#[tokio::test]
async fn a_retry_waits_longer_each_time_and_ends_at_the_limit() {
    let world = World::new().await;
    let user = domain::id::UserId::new();
    let job = world.insert(user, "starter").await;
    for (retry, low, high) in [(0, 4, 6), (1, 8, 12), (2, 16, 24)] {
        let claimed = world.claim(1).await.pop().expect("due");
        let mut runner = world.runner(claimed.attempt_id).await;
        started(&mut runner).await;
        let result = json!({"class": "retryable", "error_code": "timeout", "error_message": "slow"});
        assert_eq!(
            runner.finish(&result).await.expect("answered"),
            Finish::Recorded(JobStatus::Pending),
            "try {retry}"
        );
        let wait: f64 = sqlx::query_scalar(
            "select extract(epoch from scheduled_at - now())::float8 from gh_automation_jobs where id = $1",
        )
        .bind(job.0)
        .fetch_one(&mut world.sql().await)
        .await
        .expect("scheduled");
        assert!((f64::from(low) - 1.0..=f64::from(high)).contains(&wait), "try {retry}: {wait}");
        assert!(world.claim(1).await.is_empty(), "a job is not due before its time");
        world.execute("update gh_automation_jobs set scheduled_at = null").await;
    }
    let claimed = world.claim(1).await.pop().expect("due");
    let mut runner = world.runner(claimed.attempt_id).await;
    started(&mut runner).await;
    let result = json!({"class": "retryable", "error_code": "timeout"});
    assert_eq!(
        runner.finish(&result).await.expect("answered"),
        Finish::Recorded(JobStatus::Failed),
        "max_retries is 3"
    );
    assert_eq!(world.job(job, "retry_count").await.as_deref(), Some("3"));
}

#[tokio::test]
async fn machines_that_do_not_come_up_burn_no_retry_and_two_crashes_quarantine() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    let dead = why("dead");
    let close = |attempt, class| world.close(attempt, class, &dead);
    assert_eq!(close(claimed.attempt_id, EndClass::Placement).await.as_deref(), Some("pending"));
    assert_eq!(world.job(claimed.job_id, "retry_count").await.as_deref(), Some("0"));
    for expected in ["pending", "failed"] {
        world.execute("update gh_automation_jobs set scheduled_at = null").await;
        let claimed = world.claim(1).await.pop().expect("due");
        started(&mut world.runner(claimed.attempt_id).await).await;
        assert_eq!(close(claimed.attempt_id, EndClass::Crash).await.as_deref(), Some(expected));
    }
    assert_eq!(world.job(claimed.job_id, "error_code").await.as_deref(), Some("quarantined"));
}

#[tokio::test]
async fn a_job_given_back_goes_on_at_once_and_costs_no_retry() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    assert_eq!(
        runner.finish(&json!({"class": "released"})).await.expect("answered"),
        Finish::Recorded(JobStatus::Pending)
    );
    assert_eq!(world.job(claimed.job_id, "retry_count").await.as_deref(), Some("0"));
    assert_eq!(world.claim(1).await.len(), 1);
}

#[tokio::test]
async fn a_finished_attempt_wakes_the_dispatcher() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let url = world.database.url.clone().into();
    let mut listener =
        store::listen::Listener::open(&url, "test", &["gh_attempt_ended"]).await.expect("listening");
    runner
        .finish(&json!({"class": "completed", "result_data": {"submitted": true}}))
        .await
        .expect("answered");
    let notice = tokio::time::timeout(std::time::Duration::from_secs(5), listener.next())
        .await
        .expect("in time")
        .expect("alive");
    assert_eq!(notice.map(|notice| notice.payload), Some(claimed.attempt_id.to_string()));
}

#[tokio::test]
async fn a_verdict_on_an_attempt_that_has_moved_on_changes_nothing() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    let late = why("The machine did not come up in time.");
    let as_seen = Seen { state: AttemptState::Claimed, beat_at: None };
    let mut runner = world.runner(claimed.attempt_id).await;
    started(&mut runner).await;
    let judge = |lease, seen| {
        machines::close_attempt(&world.db, lease, claimed.attempt_id, seen, EndClass::Placement, &late)
    };
    assert_eq!(judge(&world.lease, as_seen).await.expect("answered"), None, "it runs meanwhile");
    let silent = Seen { state: AttemptState::Running, beat_at: None };
    assert_eq!(judge(&world.lease, silent).await.expect("answered"), None, "it was heard of meanwhile");
    assert_eq!(world.job(claimed.job_id, "status").await.as_deref(), Some("running"));
}

#[tokio::test]
async fn a_leader_that_was_paused_ends_no_attempt_when_it_comes_back() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    world.execute("update gh_leader set expires_at = now()").await;
    store::dispatch::lead(&world.db, "other", 60).await.expect("answered").expect("free now");
    let seen = Seen { state: AttemptState::Claimed, beat_at: None };
    let late = why("late");
    let judged = machines::close_attempt(
        &world.db,
        &world.lease,
        claimed.attempt_id,
        seen,
        EndClass::Placement,
        &late,
    );
    assert!(matches!(judged.await, Err(store::Error::NotLeader)));
    assert_eq!(world.count("select count(*) from gh_job_attempts where state = 'claimed'").await, 1);
}
