//! Every machine interval and every model call is billed once, at the price of its day.

use store::machines::{self, Sighting};
use store::runner::Call;

use crate::world::{World, why};

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
    machines::close_attempt(
        &world.db,
        claimed.attempt_id,
        domain::attempt::EndClass::Placement,
        &why("late"),
    )
    .await
    .expect("closed");
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
        runner.usage(&Call { request_id: "r2".into(), ..call }).await.expect("answered"),
        "money spent after the end counts too"
    );
}
