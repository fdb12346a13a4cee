//! Jobs that wait for another of their application, and end with it.

use domain::id::UserId;
use serde_json::{Value, json};
use store::runner::{Permit, Start};

use crate::applications::{assert_ended_without_a_machine, begin, die_behind_the_permit, insert, retry_of};
use crate::world::World;

#[tokio::test]
async fn a_job_that_waits_for_one_that_completes_ends_with_it_and_tells_nobody() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    let second = retry_of(&world, user, first).await;
    let (_, runner) = begin(&world).await;
    assert_eq!(runner.permit("submit").await.expect("answered"), Permit::Granted);
    runner.finish(&json!({"class": "completed"})).await.expect("ended");
    assert_ended_without_a_machine(&world, second, first).await;
    assert_eq!(world.count("select count(*) from gh_outbox where event = 'completed'").await, 1);
    // Nor does it come back by hand, or by the API.
    world
        .execute("update gh_automation_jobs set status = 'pending', worker_id = null where status = 'failed'")
        .await;
    assert_eq!(world.job(second, "status").await.as_deref(), Some("failed"));
    let retried =
        store::jobs::retry(&world.db, store::jobs::Scope::Everyone, second).await.expect("answered");
    assert_eq!(retried, store::jobs::Retry::Sent(domain::job::JobStatus::Failed));
}

#[tokio::test]
async fn a_machine_that_was_started_before_its_application_was_sent_is_refused() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    let claimed = world.claim(1).await.remove(0);
    assert_eq!(claimed.job_id, first);
    // Another job of the application was sent meanwhile, past every check of ours.
    let other = insert(&world, user, Some("t"), json!({})).await;
    sqlx::query("insert into gh_permits (job_id, effect, attempt_id, fence, outcome) values ($1, 'submit', $1, 0, 'submitted')")
        .bind(other.0)
        .execute(&mut world.sql().await)
        .await
        .expect("a permit");
    world.execute("update gh_automation_jobs set status = 'cancelled' where worker_id is null").await;
    let reply =
        world.runner(claimed.attempt_id).await.start(uuid::Uuid::new_v4(), "m").await.expect("answered");
    assert!(matches!(reply, Start::Refused(_)), "{reply:?}");
    assert_eq!(world.job(first, "error_code").await.as_deref(), Some("application_already_sent"));
    assert_eq!(world.count("select count(*) from gh_outbox where event = 'failed'").await, 0);
}

#[tokio::test]
async fn an_old_worker_is_not_handed_a_job_that_waits_for_another() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    insert(&world, user, Some("t"), json!({})).await;
    let pick = "select count(*) from gh_pickup_next_job('old')";
    assert_eq!(world.count(pick).await, 1);
    assert_eq!(world.job(first, "worker_id").await.as_deref(), Some("old"));
    assert_eq!(world.count(pick).await, 0);
    assert!(world.claim(10).await.is_empty());
}

#[tokio::test]
async fn a_waiting_job_neither_expires_nor_runs_out_of_money_while_it_waits() {
    let world = World::new().await;
    let user = UserId::new();
    insert(&world, user, Some("t"), json!({})).await;
    let (_, _runner) = begin(&world).await;
    let later = insert(&world, user, Some("t"), json!({})).await;
    world
        .execute(
            "update gh_automation_jobs set scheduled_at = now() - interval '1 day' where worker_id is null;
             insert into gh_budgets (scope, name, limit_usd, action) values ('global_day', '*', 0, 'block')",
        )
        .await;
    store::upkeep::expire(&world.db).await.expect("expired");
    store::upkeep::refuse(&world.db, &world.tiers).await.expect("refused");
    assert_eq!(world.job(later, "status").await.as_deref(), Some("queued"));
}

#[tokio::test]
async fn a_thousand_jobs_that_wait_do_not_slow_the_claim_of_others() {
    let world = World::new().await;
    let user = UserId::new();
    insert(&world, user, Some("t"), json!({})).await;
    sqlx::query(
        "insert into gh_automation_jobs (user_id, job_type, target_url, tier, valet_task_id)
         select $1, 'apply', 'https://example.com', 'starter', 't' from generate_series(1, 300)",
    )
    .bind(user.0)
    .execute(&mut world.sql().await)
    .await
    .expect("many");
    let other = world.insert(UserId::new(), "starter").await;
    let claimed = world.claim(10).await;
    assert_eq!(claimed.len(), 2);
    assert!(
        claimed.iter().any(|one| one.job_id == other),
        "they do not fill the window in front of everybody"
    );
}

#[tokio::test]
async fn capacity_does_not_rise_for_a_job_that_waits_for_another() {
    let world = World::new().await;
    let user = UserId::new();
    insert(&world, user, Some("t"), json!({})).await;
    insert(&world, user, Some("t"), json!({})).await;
    let (_, _runner) = begin(&world).await;
    let snapshot = store::machines::world(&world.db).await.expect("the fleet");
    let load = snapshot.tiers.iter().find(|load| load.tier == "starter").expect("the tier");
    assert_eq!((load.pending, load.live), (0, 1));
    assert_eq!(load.waits_since, None);
}

#[tokio::test]
async fn a_job_that_waits_for_a_person_does_not_go_on_once_another_has_sent_the_application() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    let (_, runner) = begin(&world).await;
    runner.finish(&json!({"class": "needs_human", "error_code": "login_required"})).await.expect("ended");
    // Nobody is at it: whoever retries it by a new row means to go on.
    insert(&world, user, Some("t"), json!({})).await;
    let (second, runner) = begin(&world).await;
    assert_ne!(second, first);
    runner.permit("submit").await.expect("answered");
    runner.finish(&json!({"class": "completed"})).await.expect("ended");
    let resumed: Value = sqlx::query_scalar(
        "select gh_resume_job($1, null, gen_random_uuid(), null, 'manual', 'human', '', null)",
    )
    .bind(first.0)
    .fetch_one(&mut world.sql().await)
    .await
    .expect("answered");
    assert_eq!(resumed["sent"], json!(true), "{resumed}");
}

#[tokio::test]
async fn jobs_of_two_applications_that_a_third_joins_wait_for_each_other_and_end_with_the_one_that_was_sent()
{
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("one"), json!({})).await;
    let second = insert(&world, user, Some("two"), json!({})).await;
    // Until now nobody knew that these two are the same.
    let third = insert(&world, user, Some("one"), json!({ "retryOf": second })).await;
    assert_eq!(die_behind_the_permit(&world).await, first);
    assert_ended_without_a_machine(&world, second, first).await;
    assert_ended_without_a_machine(&world, third, first).await;
}

#[tokio::test]
async fn a_job_that_came_back_from_a_person_ends_with_the_retry_that_was_sent_meanwhile() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    let (_, runner) = begin(&world).await;
    runner.finish(&json!({"class": "needs_human", "error_code": "login_required"})).await.expect("ended");
    let second = insert(&world, user, Some("t"), json!({})).await;
    let (_, runner) = begin(&world).await;
    // The person answers while the retry runs: the first waits for it now.
    sqlx::query("select gh_resume_job($1, null, gen_random_uuid(), null, 'manual', 'human', '', null)")
        .bind(first.0)
        .execute(&mut world.sql().await)
        .await
        .expect("answered");
    assert_eq!(world.job(first, "status").await.as_deref(), Some("pending"));
    runner.permit("submit").await.expect("answered");
    runner.finish(&json!({"class": "completed"})).await.expect("ended");
    assert_eq!(world.job(first, "error_code").await.as_deref(), Some("application_already_sent"));
    assert_eq!(world.job(second, "status").await.as_deref(), Some("completed"));
}

#[tokio::test]
async fn a_job_that_was_tried_again_by_hand_ends_with_the_one_that_was_sent_meanwhile() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    let second = insert(&world, user, Some("t"), json!({})).await;
    world.execute("update gh_automation_jobs set status = 'cancelled'").await;
    for again in [second, first] {
        let retried =
            store::jobs::retry(&world.db, store::jobs::Scope::Everyone, again).await.expect("answered");
        assert!(matches!(retried, store::jobs::Retry::Pending(_)), "{retried:?}");
    }
    assert_eq!(die_behind_the_permit(&world).await, first);
    assert_eq!(world.job(second, "error_code").await.as_deref(), Some("application_already_sent"));
}

#[tokio::test]
async fn a_thousand_jobs_of_one_application_keep_nobody_from_claiming_and_ending() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    sqlx::query(
        "insert into gh_automation_jobs (user_id, job_type, target_url, tier, valet_task_id)
         select $1, 'apply', 'https://example.com', 'starter', 't' from generate_series(1, 1000)",
    )
    .bind(user.0)
    .execute(&mut world.sql().await)
    .await
    .expect("many");
    // Each of these has the five seconds of every statement of ours.
    let (job, runner) = begin(&world).await;
    assert_eq!(job, first);
    store::machines::world(&world.db).await.expect("the fleet");
    runner.permit("submit").await.expect("answered");
    runner.finish(&json!({"class": "completed"})).await.expect("ended");
    assert!(world.claim(10).await.is_empty());
    while store::upkeep::end_duplicates(&world.db).await.expect("ended") > 0 {}
    let waits = "select count(*) from gh_automation_jobs where status in ('pending', 'queued')";
    assert_eq!(world.count(waits).await, 0);
    assert_eq!(world.count("select count(*) from gh_applications where unsettled").await, 0);
}

#[tokio::test]
async fn a_job_whose_worker_never_comes_expires_and_lets_go_of_its_application() {
    let world = World::new().await;
    let user = UserId::new();
    let first = insert(&world, user, Some("t"), json!({})).await;
    let second = insert(&world, user, Some("t"), json!({})).await;
    sqlx::query(
        "update gh_automation_jobs set target_worker_id = 'old', worker_affinity = 'strict',
           created_at = now() - interval '1 day' where id = $1",
    )
    .bind(first.0)
    .execute(&mut world.sql().await)
    .await
    .expect("an old job");
    assert!(world.claim(10).await.is_empty());
    store::upkeep::expire(&world.db).await.expect("expired");
    assert_eq!(world.job(first, "status").await.as_deref(), Some("expired"));
    assert_eq!(begin(&world).await.0, second);
}

#[tokio::test]
async fn a_job_that_ends_while_it_waits_is_no_end_of_its_task() {
    for by_hand in [
        "status = 'cancelled', status_message = 'Cancelled by user via VALET', completed_at = now()",
        "status = 'failed', error_code = 'STALE_TASK', completed_at = now()",
    ] {
        let world = World::new().await;
        let user = UserId::new();
        insert(&world, user, Some("t"), json!({})).await;
        insert(&world, user, Some("t"), json!({})).await;
        let (_, runner) = begin(&world).await;
        let statement = format!("update gh_automation_jobs set {by_hand} where worker_id is null");
        sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut world.sql().await).await.expect("by hand");
        runner.permit("submit").await.expect("answered");
        runner.finish(&json!({"class": "completed"})).await.expect("ended");
        let told: Vec<String> = sqlx::query_scalar("select event from gh_outbox order by seq")
            .fetch_all(&mut world.sql().await)
            .await
            .expect("rows");
        assert_eq!(told, ["running", "completed"], "{by_hand}");
    }
}
