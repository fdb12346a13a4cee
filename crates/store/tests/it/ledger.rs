//! Every machine interval and every model call is billed once, at the price of its day.

use std::time::{Duration, Instant};

use domain::id::UserId;
use store::costs;
use store::machines::{self, Sighting};
use store::runner::Call;

use crate::world::{World, started, why};

#[tokio::test]
async fn a_machine_costs_its_interval_times_its_price_once() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    runner.finish(&serde_json::json!({"class": "completed"})).await.expect("answered");
    let started = "2026-11-23T10:00:00Z".parse().expect("a time");
    let exited = "2026-11-23T10:05:00Z".parse().expect("a time");
    let sighting = Sighting {
        state: "destroyed".into(),
        region: Some("ams".into()),
        started_at: Some(started),
        exited_at: Some(exited),
        exit_code: Some(0),
        ..Sighting::default()
    };
    machines::seen(&world.db, claimed.attempt_id.0, &sighting).await.expect("seen");
    machines::bill(&world.db, claimed.attempt_id.0).await.expect("billed");
    machines::bill(&world.db, claimed.attempt_id.0).await.expect("billed again");
    let lines: Vec<(String, String)> =
        sqlx::query_as("select kind, round(cost_usd, 8)::text from gh_cost_ledger")
            .fetch_all(&mut world.sql().await)
            .await
            .expect("lines");
    // 300 s of shared-2x with 2 GB in ams: (2 * 0.695 + 2 * 5) * 1.0385 / 2,592,000 * 300
    assert_eq!(lines, [("machine".to_owned(), "0.00136904".to_owned())]);
    assert_eq!(world.count("select count(*) from gh_machines where closed_at is null").await, 0);
}

#[tokio::test]
async fn a_machine_that_never_ran_its_job_is_overhead_with_a_name() {
    let world = World::new().await;
    let claimed = world.claimed().await;
    world.close(claimed.attempt_id, domain::attempt::EndClass::Placement, &why("late")).await;
    let at = |minute: u32| format!("2026-11-23T10:{minute:02}:00Z").parse().expect("a time");
    let sighting = Sighting {
        state: "destroyed".into(),
        region: Some("iad".into()),
        started_at: Some(at(0)),
        exited_at: Some(at(1)),
        ..Sighting::default()
    };
    machines::seen(&world.db, claimed.attempt_id.0, &sighting).await.expect("seen");
    machines::bill(&world.db, claimed.attempt_id.0).await.expect("billed");
    let lines: Vec<(String, Option<String>)> =
        sqlx::query_as("select kind, tags ->> 'overhead' from gh_cost_ledger")
            .fetch_all(&mut world.sql().await)
            .await
            .expect("lines");
    assert_eq!(lines, [("overhead".to_owned(), Some("lost_race".to_owned()))]);
}

#[tokio::test]
async fn a_missing_price_is_recorded_as_missing() {
    let world = World::new().await;
    let (_, runner) = world.running().await;
    runner
        .usage(&Call {
            request_id: "r".into(),
            provider: "nobody".into(),
            model: "unknown".into(),
            input: 10,
            ..Call::default()
        })
        .await
        .expect("answered");
    assert_eq!(world.count("select count(*) from gh_cost_ledger where unit_price is null and cost_usd is null and quantity = 10").await, 1);
}

#[tokio::test]
async fn a_model_call_is_billed_by_class_once_and_shows_on_the_job() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let call = Call {
        request_id: "r1".into(),
        provider: "openai".into(),
        model: "gpt-4o-mini".into(),
        purpose: "map".into(),
        input: 4000,
        cached: 0,
        output: 1000,
        reasoning: 0,
    };
    for _ in 0..2 {
        assert!(runner.usage(&call).await.expect("answered"));
    }
    // 4000 * $0.15/M + 1000 * $0.60/M
    let cost: String = sqlx::query_scalar("select round(llm_usd, 6)::text from gh_job_costs")
        .fetch_one(&mut world.sql().await)
        .await
        .expect("a row");
    assert_eq!(cost, "0.001200");
    assert_eq!(world.job(claimed.job_id, "total_tokens").await.as_deref(), Some("5000"));
    runner.finish(&serde_json::json!({"class": "completed"})).await.expect("answered");
    assert!(
        !runner.usage(&Call { request_id: "r2".into(), ..call }).await.expect("answered"),
        "a runner says what it spent before it ends"
    );
}

/// Waits until this many connections wait for a lock.
async fn until_waiting(world: &World, connections: i64) {
    let until = Instant::now() + Duration::from_secs(10);
    let waiting = "select count(*) from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    while world.count(waiting).await != connections {
        assert!(Instant::now() < until, "{connections} connections never waited");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_price_that_came_late_and_a_call_of_the_same_user_never_wait_for_each_other() {
    let world = World::new().await;
    let user = UserId::new();
    let call = |request_id: &str, provider: &str, model: &str| Call {
        request_id: request_id.into(),
        provider: provider.into(),
        model: model.into(),
        input: 10,
        ..Call::default()
    };
    let mut runners = Vec::new();
    for _ in 0..2 {
        world.insert(user, "starter").await;
        let claimed = world.claim(1).await.pop().expect("the job is due");
        let mut runner = world.runner(claimed.attempt_id).await;
        started(&mut runner).await;
        assert!(runner.usage(&call("1", "acme", "m")).await.expect("answered"));
        runners.push(runner);
    }
    world.execute("insert into gh_prices (provider, sku, unit, price, valid_from) values ('acme', 'm:input', 'million tokens', 2, '2026-01-01')").await;

    // The first job's line is corrected, and the user's month moved with it; the second one's has to wait.
    let mut third = world.sql().await;
    sqlx::raw_sql("begin; select pg_advisory_xact_lock(hashtextextended('gh_correct_line', max(id))) from gh_cost_ledger")
        .execute(&mut third)
        .await
        .expect("the lock");
    let db = world.db.clone();
    let backfill = tokio::spawn(async move { costs::backfill(&db).await });
    until_waiting(&world, 1).await;
    // Meanwhile the second job's runner calls a model: it needs that job, and the user's month.
    let (second, next) = (runners.pop().expect("a runner"), call("2", "openai", "gpt-4o-mini"));
    let usage = tokio::spawn(async move { second.usage(&next).await });
    until_waiting(&world, 2).await;
    sqlx::raw_sql("commit").execute(&mut third).await.expect("let go");

    assert!(usage.await.expect("no panic").expect("no deadlock"));
    assert_eq!(backfill.await.expect("no panic").expect("no deadlock").filled, 2);
    let sums = world.count("select count(*) from gh_user_usage where round(total_cost_usd::numeric, 10) = (select sum(cost_usd) from gh_cost_ledger)").await;
    assert_eq!(sums, 1);
}
