//! One application, many rows: a retry by INSERT, on every channel and at the same moment, is sent once.

use domain::attempt::EndClass;
use domain::id::{JobId, UserId};
use serde_json::{Value, json};
use store::runner::{Attempt, Permit};

use crate::world::{World, started, why};

/// Inserts as VALET does: the task in its column, everything else in the metadata.
pub async fn insert(world: &World, user: UserId, task: Option<&str>, metadata: Value) -> JobId {
    sqlx::query_scalar(
        "insert into gh_automation_jobs (user_id, job_type, target_url, input_data, status, valet_task_id, metadata, callback_url)
         values ($1, 'apply', 'https://example.com/jobs/1', '{\"tier\": \"starter\"}', 'queued', $2, $3,
           'https://valet.example/api/v1/webhooks/ghosthands?token=secret') returning id",
    )
    .bind(user.0)
    .bind(task)
    .bind(metadata)
    .fetch_one(&mut world.sql().await)
    .await
    .map(JobId)
    .expect("a job")
}

pub async fn retry_of(world: &World, user: UserId, job: JobId) -> JobId {
    insert(world, user, None, json!({ "retryOf": job })).await
}

/// The one job that is due, started.
pub async fn begin(world: &World) -> (JobId, Attempt) {
    let mut claimed = world.claim(10).await;
    assert_eq!(claimed.len(), 1, "exactly one job of an application may start");
    let claimed = claimed.remove(0);
    let mut runner = world.runner(claimed.attempt_id).await;
    started(&mut runner).await;
    (claimed.job_id, runner)
}

/// Runs the one job that is due until its machine dies behind the permit.
pub async fn die_behind_the_permit(world: &World) -> JobId {
    let (job, runner) = begin(world).await;
    assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
    let attempt: uuid::Uuid =
        sqlx::query_scalar("select execution_attempt_id from gh_automation_jobs where id = $1")
            .bind(job.0)
            .fetch_one(&mut world.sql().await)
            .await
            .expect("an attempt");
    world.close(domain::id::AttemptId(attempt), EndClass::Crash, &why("gone")).await;
    assert_eq!(world.job(job, "error_code").await.as_deref(), Some("submission_unknown"));
    job
}

pub async fn assert_ended_without_a_machine(world: &World, later: JobId, earlier: JobId) {
    assert_eq!(world.job(later, "status").await.as_deref(), Some("failed"));
    assert_eq!(world.job(later, "error_code").await.as_deref(), Some("application_already_sent"));
    let message = world.job(later, "status_message").await.expect("a message");
    assert!(message.contains(&earlier.to_string()), "{message}");
    let touched = "select count(*) from gh_job_attempts a where a.job_id = '$'";
    let attempts: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(touched.replace('$', &later.to_string())))
        .fetch_one(&mut world.sql().await)
        .await
        .expect("a count");
    assert_eq!(attempts, 0, "no machine was paid for");
    let told: i64 = sqlx::query_scalar("select count(*) from gh_outbox where job_id = $1")
        .bind(later.0)
        .fetch_one(&mut world.sql().await)
        .await
        .expect("a count");
    assert_eq!(told, 0, "VALET's task belongs to the earlier job");
    let events: i64 = sqlx::query_scalar(
        "select count(*) from gh_job_events where job_id = $1 and event_type = 'job_failed'",
    )
    .bind(later.0)
    .fetch_one(&mut world.sql().await)
    .await
    .expect("a count");
    assert_eq!(events, 1);
}

#[tokio::test]
async fn a_retry_by_insert_after_an_unknown_outcome_ends_before_a_machine_is_paid_for() {
    for linked_by in ["column", "metadata", "retryOf", "both", "a retry of a retry"] {
        let world = World::new().await;
        let user = UserId::new();
        let task = (linked_by == "column" || linked_by == "both").then_some("task-7");
        let metadata = if linked_by == "metadata" { json!({ "valet_task_id": "task-7" }) } else { json!({}) };
        let first = insert(&world, user, task, metadata.clone()).await;
        let (mut first, mut earlier) = (first, first);
        if linked_by == "a retry of a retry" {
            // The first ends without having been sent, its retry is the one that dies behind the permit.
            let (job, runner) = begin(&world).await;
            runner.finish(&json!({"class": "final", "error_code": "page_not_found"})).await.expect("ended");
            first = retry_of(&world, user, job).await;
            earlier = first;
        }
        assert_eq!(die_behind_the_permit(&world).await, earlier);
        // VALET replaces the metadata of a job it was told of.
        world
            .execute(
                "update gh_automation_jobs set metadata = '{\"cost_breakdown\": {}}', valet_task_id = null",
            )
            .await;
        let later = match linked_by {
            "retryOf" | "a retry of a retry" => retry_of(&world, user, first).await,
            "both" => insert(&world, user, task, json!({ "retryOf": first })).await,
            _ => insert(&world, user, task, metadata).await,
        };
        assert!(world.claim(10).await.is_empty(), "{linked_by}");
        assert_ended_without_a_machine(&world, later, earlier).await;
    }
}

#[tokio::test]
async fn two_inserts_at_the_same_moment_are_one_application() {
    let world = World::new().await;
    let user = UserId::new();
    let inserts = (0..8).map(|_| insert(&world, user, Some("task-1"), json!({})));
    let jobs = futures::future::join_all(inserts).await;
    let sent = die_behind_the_permit(&world).await;
    assert!(world.claim(10).await.is_empty());
    for job in jobs.into_iter().filter(|job| *job != sent) {
        assert_ended_without_a_machine(&world, job, sent).await;
    }
}

#[tokio::test]
async fn a_later_job_waits_while_an_earlier_one_lives_and_runs_when_that_was_surely_not_sent() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    let second = insert(&world, user, Some("t"), json!({})).await;
    let (job, runner) = begin(&world).await;
    assert_eq!(job, first);
    assert!(world.claim(10).await.is_empty(), "one of them lives");
    // Tried again by itself: it goes first, also while it waits for its time.
    runner.finish(&json!({"class": "retryable", "error_code": "network_error"})).await.expect("ended");
    assert!(world.claim(10).await.is_empty(), "the earlier one will be tried again");
    world.execute("update gh_automation_jobs set scheduled_at = null").await;
    let (job, runner) = begin(&world).await;
    assert_eq!(job, first);
    // The site refused the form: it was not sent.
    assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
    let refused =
        json!({"class": "final", "error_code": "validation_error", "permit_outcome": "not_submitted"});
    runner.finish(&refused).await.expect("ended");
    let (job, _runner) = begin(&world).await;
    assert_eq!(job, second);
}

#[tokio::test]
async fn jobs_without_a_common_task_or_parent_have_nothing_to_do_with_each_other() {
    let world = World::new().await;
    let (user, other) = (UserId::new(), UserId::new());
    let theirs = insert(&world, other, Some("t"), json!({})).await;
    let jobs = [
        insert(&world, user, Some("t"), json!({})).await,
        insert(&world, user, Some(""), json!({})).await,
        insert(&world, user, Some("  "), json!({ "valet_task_id": "" })).await,
        insert(&world, user, None, json!({ "valet_task_id": null, "retryOf": "" })).await,
        insert(&world, user, None, json!({ "retryOf": "not an id" })).await,
        // Somebody else's job is nobody's to retry.
        insert(&world, user, None, json!({ "retryOf": theirs })).await,
        insert(&world, user, None, json!({ "retryOf": JobId(uuid::Uuid::new_v4()) })).await,
        insert(&world, user, None, json!(["retryOf"])).await,
        insert(&world, user, Some("u"), json!({ "valet_task_id": "t" })).await,
    ];
    world.execute("update gh_capacity set capacity = 20").await;
    let mut claimed = Vec::new();
    while let Some(more) = Some(world.claim(20).await).filter(|more| !more.is_empty()) {
        for one in more {
            claimed.push(one.job_id);
            world.close(one.attempt_id, EndClass::Final, &why("done")).await;
        }
    }
    assert_eq!(claimed.len(), jobs.len() + 1);
}

#[tokio::test]
async fn a_job_that_retries_itself_or_a_ring_of_jobs_is_no_trap() {
    let world = World::new().await;
    let user = UserId::new();
    let (one, two) = (uuid::Uuid::new_v4(), uuid::Uuid::new_v4());
    for (id, of) in [(one, one), (two, one)] {
        sqlx::query(
            "insert into gh_automation_jobs (id, user_id, job_type, target_url, tier, metadata)
             values ($1, $2, 'apply', 'https://example.com', 'starter', jsonb_build_object('retryOf', $3::text))",
        )
        .bind(id)
        .bind(user.0)
        .bind(of.to_string())
        .execute(&mut world.sql().await)
        .await
        .expect("inserted");
    }
    world.execute("update gh_automation_jobs a set metadata = jsonb_build_object('retryOf', b.id) from gh_automation_jobs b where b.id <> a.id").await;
    assert_eq!(begin(&world).await.0, JobId(one));
}

#[tokio::test]
async fn a_job_of_two_applications_makes_them_one() {
    let world = World::new().await;
    let user = UserId::new();
    let alone = insert(&world, user, None, json!({})).await;
    let (job, runner) = begin(&world).await;
    assert_eq!(job, alone);
    runner.permit("submit").await.expect("answered");
    runner.finish(&json!({"class": "completed"})).await.expect("ended");
    let tasks = insert(&world, user, Some("t"), json!({})).await;
    let (running_job, running) = begin(&world).await;
    assert_eq!(running_job, tasks);
    // It retries the one and carries the task of the other, which runs: neither goes on to a second sending.
    let both = insert(&world, user, Some("t"), json!({ "retryOf": alone })).await;
    assert_ended_without_a_machine(&world, both, alone).await;
    let refused = running.permit("submit").await.expect("answered");
    assert!(matches!(&refused, Permit::Refused(why) if why.contains(&alone.to_string())), "{refused:?}");
    // It ends as what the earlier job made of it, and VALET is not told a second end of its task.
    running.finish(&json!({"class": "final", "error_code": "permit_refused"})).await.expect("ended");
    assert_eq!(world.job(tasks, "error_code").await.as_deref(), Some("application_already_sent"));
    assert_eq!(world.count("select count(*) from gh_outbox where event = 'failed'").await, 0);
}

#[tokio::test]
async fn of_two_jobs_of_an_application_that_ask_at_the_same_moment_one_gets_the_permit() {
    let world = World::new().await;
    let user = UserId::new();
    for task in ["one", "two"] {
        insert(&world, user, Some(task), json!({})).await;
    }
    let claimed = world.claim(2).await;
    let mut runners = Vec::new();
    for one in &claimed {
        let mut runner = world.runner(one.attempt_id).await;
        started(&mut runner).await;
        runners.push(runner);
    }
    // A third job joins the two applications while both of them run.
    insert(&world, user, Some("two"), json!({ "retryOf": claimed[0].job_id })).await;
    if world.count("select count(distinct application_id) from gh_applications").await != 1 {
        insert(&world, user, Some("one"), json!({ "retryOf": claimed[1].job_id })).await;
    }
    let answers = futures::future::join_all(runners.iter().map(|runner| runner.permit("submit"))).await;
    let granted = answers.iter().filter(|answer| matches!(answer, Ok(Permit::Granted))).count();
    assert_eq!(granted, 1, "{answers:?}");
    // A step that was not the application gives it back, and then the other one may have it.
    let holder = answers.iter().position(|answer| matches!(answer, Ok(Permit::Granted))).expect("one");
    assert!(
        runners[holder]
            .return_permit("submit", &json!({ "reason": "the form goes on" }))
            .await
            .expect("answered")
    );
    assert_eq!(runners[1 - holder].permit("submit").await.expect("answered"), Permit::Granted);
}

#[tokio::test]
async fn who_inserts_beside_another_insert_that_it_cannot_see_is_told_so() {
    use sqlx::Connection;
    let world = World::new().await;
    let user = UserId::new();
    insert(&world, user, Some("another"), json!({})).await;
    let mut connection = world.sql().await;
    let mut old = connection.begin_with("begin isolation level repeatable read").await.expect("begun");
    sqlx::query("select 1 from gh_automation_jobs").fetch_all(&mut *old).await.expect("a snapshot");
    insert(&world, user, Some("t"), json!({})).await;
    let written = sqlx::query(
        "insert into gh_automation_jobs (user_id, job_type, target_url, tier, valet_task_id)
         values ($1, 'apply', 'https://example.com', 'starter', 't')",
    )
    .bind(user.0)
    .execute(&mut *old)
    .await;
    let refused = written.expect_err("it would not have been one application");
    let code = refused.as_database_error().and_then(|it| it.code().map(std::borrow::Cow::into_owned));
    assert_eq!(code.as_deref(), Some("40001"), "{refused}");
    assert_eq!(
        world.count("select count(distinct application_id) from gh_applications where task = 't'").await,
        1
    );
}

#[tokio::test]
async fn who_is_refused_the_permit_that_another_job_holds_now_does_not_end_the_task() {
    let world = World::new().await;
    let user = UserId::new();
    let jobs = [
        insert(&world, user, Some("one"), json!({})).await,
        insert(&world, user, Some("two"), json!({})).await,
    ];
    let mut runners = Vec::new();
    for one in world.claim(2).await {
        let mut runner = world.runner(one.attempt_id).await;
        started(&mut runner).await;
        runners.push((one.job_id, runner));
    }
    insert(&world, user, Some("one"), json!({ "retryOf": jobs[1] })).await;
    assert_eq!(runners[0].1.permit("submit").await.expect("answered"), Permit::Granted);
    assert!(matches!(runners[1].1.permit("submit").await.expect("answered"), Permit::Refused(_)));
    let end = json!({"class": "final", "error_code": "permit_refused"});
    runners[1].1.finish(&end).await.expect("ended");
    assert_eq!(world.job(runners[1].0, "error_code").await.as_deref(), Some("application_already_sent"));
    assert_eq!(world.count("select count(*) from gh_outbox where event = 'failed'").await, 0);
}

#[tokio::test]
async fn a_transaction_whose_snapshot_is_older_than_the_first_job_makes_no_second_application() {
    for level in ["repeatable read", "serializable"] {
        let world = World::new().await;
        let user = UserId::new();
        insert(&world, user, Some("another"), json!({})).await;
        let mut old = world.sql().await;
        let begin = format!("begin isolation level {level}; select count(*) from gh_automation_jobs");
        sqlx::raw_sql(sqlx::AssertSqlSafe(begin)).execute(&mut old).await.expect("a snapshot");
        insert(&world, user, Some("t"), json!({})).await;
        let late = sqlx::query(
            "insert into gh_automation_jobs (user_id, job_type, target_url, tier, valet_task_id)
             values ($1, 'apply', 'https://example.com', 'starter', 't')",
        )
        .bind(user.0)
        .execute(&mut old)
        .await;
        let code =
            late.expect_err(level).as_database_error().and_then(|error| error.code().map(String::from));
        assert_eq!(code.as_deref(), Some("40001"), "{level}");
    }
}
