//! What a runner that a page took over can still do with its token: little, and nothing once its attempt is over.

use domain::attempt::EndClass;
use domain::job::JobStatus;
use serde_json::json;
use store::runner::{Beat, Call, Finish};

use crate::world::{World, started, why};

/// A call that costs this many dollars: gpt-4o-mini writes a million tokens for 60 cents.
fn call(request_id: &str, dollars: u64) -> Call {
    Call {
        request_id: request_id.into(),
        provider: "openai".into(),
        model: "gpt-4o-mini".into(),
        output: dollars * 1_000_000 * 10 / 6,
        ..Call::default()
    }
}

const SPENT: &str =
    "select coalesce(round(sum(cost_usd) * 1000000), 0)::bigint from gh_cost_ledger where kind = 'llm'";
const CAP: &str = "select budget_micros from gh_job_attempts limit 1";

#[tokio::test]
async fn a_runner_books_no_more_than_its_attempt_may_spend() {
    let world = World::new().await;
    let (_, runner) = world.running().await;
    assert!(runner.usage(&call("1", 140_000)).await.expect("answered"));
    let cap = world.count(CAP).await;
    assert!(world.count(SPENT).await <= cap, "booked {} of {cap}", world.count(SPENT).await);
    let cut = "select count(*) from gh_cost_ledger where tags ? 'named_tokens'";
    assert_eq!(world.count(cut).await, 1, "the line says how many tokens were named");
    assert!(runner.usage(&call("2", 140_000)).await.expect("answered"));
    assert!(world.count(SPENT).await <= cap);
    assert_eq!(world.count("select n from gh_fenced_writes where call = 'usage'").await, 2);
}

#[tokio::test]
async fn calls_at_the_same_moment_do_not_book_the_same_dollar() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    let mut runners = Vec::new();
    for _ in 0..8 {
        let mut runner = world.runner(claimed.attempt_id).await;
        // The same boot again, as after a reply that was lost: eight ways to speak for one attempt.
        let id: uuid::Uuid = sqlx::query_scalar("select boot_id from gh_job_attempts")
            .fetch_one(&mut world.sql().await)
            .await
            .expect("a boot id");
        runner.start(id, "m").await.expect("started");
        runners.push(runner);
    }
    let calls = runners.iter().enumerate().map(|(n, runner)| async move {
        runner.usage(&call(&format!("r{n}"), 1)).await.expect("answered");
    });
    futures::future::join_all(calls).await;
    assert!(world.count(SPENT).await <= world.count(CAP).await);
}

#[tokio::test]
async fn the_token_of_an_ended_attempt_books_nothing() {
    let world = World::new().await;
    for ended_by_its_runner in [true, false] {
        let (claimed, runner) = world.running().await;
        if ended_by_its_runner {
            runner.finish(&json!({"class": "completed"})).await.expect("finished");
        } else {
            world.close(claimed.attempt_id, EndClass::Crash, &why("gone")).await;
        }
        assert!(!runner.usage(&call("late", 1)).await.expect("answered"));
    }
    assert_eq!(world.count(SPENT).await, 0);
    assert_eq!(world.count("select n from gh_fenced_writes where call = 'usage'").await, 2);
}

#[tokio::test]
async fn a_runner_does_not_choose_the_tier_of_the_next_machine() {
    let world = World::new().await;
    for class in ["retryable", "released"] {
        let (claimed, runner) = world.running().await;
        let result = json!({"class": class, "error_code": "network_error", "next_tier": "enterprise"});
        assert_eq!(runner.finish(&result).await.expect("answered"), Finish::Recorded(JobStatus::Pending));
        assert_eq!(world.job(claimed.job_id, "tier").await.as_deref(), Some("starter"), "{class}");
    }
}

#[tokio::test]
async fn a_job_that_its_machines_give_back_for_ever_ends() {
    let world = World::new().await;
    let job = world.insert(domain::id::UserId::new(), "starter").await;
    let mut waited = Vec::new();
    for round in 1..=11 {
        world.execute("update gh_automation_jobs set scheduled_at = null").await;
        let claimed = world.claim(1).await.pop().expect("due");
        let mut runner = world.runner(claimed.attempt_id).await;
        started(&mut runner).await;
        let ended = runner.finish(&json!({"class": "released"})).await.expect("answered");
        let expected = if round <= 10 { JobStatus::Pending } else { JobStatus::Failed };
        assert_eq!(ended, Finish::Recorded(expected), "round {round}");
        waited.push(world.job(job, "scheduled_at").await.is_some());
        assert!(matches!(runner.heartbeat().await.expect("answered"), Beat::Stop(_)));
    }
    assert_eq!(world.job(job, "error_code").await.as_deref(), Some("released_too_often"));
    assert_eq!(waited[..3], [false, false, false], "a machine that must stop loses no time");
    assert!(
        waited[3..10].iter().all(|waited| *waited),
        "who does it again and again waits longer and longer"
    );
    assert_eq!(world.job(job, "retry_count").await.as_deref(), Some("0"));
}
