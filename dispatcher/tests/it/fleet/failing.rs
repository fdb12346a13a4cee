//! While one part of the dispatcher fails, the others go on.

use std::time::Duration;

use dispatcher::plan::Upkeep;
use tokio::time::{Instant, sleep};

use super::rig::{IMAGE, Rig, Running, Wish};

const CLAIM: &str = "gh_claim(text, bigint, jsonb, jsonb, uuid[], bytea[], bytea[])";

/// Puts `body` in the place of the claim; returns what it was.
async fn replace_claim(rig: &Rig, body: &str) -> String {
    let definition =
        rig.text(&format!("select pg_get_functiondef('{CLAIM}'::regprocedure)")).await.expect("a function");
    rig.execute(&format!(
        "create or replace function gh_claim(p_holder text, p_term bigint, p_tiers jsonb, p_apps jsonb, p_ids uuid[], p_hashes bytea[], p_sealed bytea[])
         returns table (attempt_id uuid, job_id uuid, tier text, app text, machine_id uuid, fly_id text) language plpgsql as $$ begin {body} end $$"
    ))
    .await;
    definition
}

async fn health(dispatcher: &Running) -> (u16, serde_json::Value) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/health", listener.local_addr().expect("an address"));
    let (pulse, metrics) = (dispatcher.signals.pulse.clone(), dispatcher.signals.metrics.clone());
    let served =
        dispatcher::health::serve(listener, pulse, metrics, tokio_util::sync::CancellationToken::new());
    let served = tokio::spawn(served);
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().expect("a client");
    let reply = client.get(url).send().await.expect("answered");
    let status = reply.status().as_u16();
    let body = serde_json::from_str(&reply.text().await.expect("a text")).expect("json");
    served.abort();
    (status, body)
}

/// Machines that are reaped, billed, swept and scaled while no job can be claimed.
async fn everything_else_goes_on(rig: &Rig, dispatcher: &Running) {
    rig.execute("update gh_attempt_heartbeats set beat_at = now() - interval '121 seconds'").await;
    rig.until(1, "select count(*) from gh_job_attempts where end_class = 'crash'").await;
    rig.until(1, "select count(*) from gh_machines where kind = 'job' and closed_at is not null").await;
    rig.until(1, "select count(*) from gh_cost_ledger where kind = 'machine'").await;
    for _ in 0..5 {
        rig.insert("starter").await;
    }
    rig.until(1, "select count(*) from (select 1 from gh_scale_log where reason = 'backlog' limit 1) x")
        .await;
    let mut orphan = fly::CreateMachine::new("gh-lost", IMAGE);
    orphan.config.guest = Some(fly::Guest { cpu_kind: "shared".into(), cpus: 1, memory_mb: 512 });
    orphan.config.metadata.insert("gh_env".into(), "test".into());
    rig.client().create("runner", &orphan).await.expect("made");
    let until = Instant::now() + Duration::from_secs(20);
    while rig.count("select count(*) from gh_machines where kind = 'orphan' and closed_at is not null").await
        == 0
    {
        assert!(Instant::now() < until, "the orphan is still there");
        dispatcher.signals.due.note(Upkeep::Sweep);
        dispatcher.signals.bell.ring();
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_claim_that_fails_or_times_out_stops_nothing_else_and_shows_in_the_health() {
    for body in ["raise exception 'no claim today';", "perform pg_sleep(60);"] {
        let rig = Rig::new(Wish::default()).await;
        rig.insert("starter").await;
        let dispatcher = rig.start("one");
        let attempt = rig.launched().await;
        let _silent = rig.run(attempt).await;
        let claim = replace_claim(&rig, body).await;
        everything_else_goes_on(&rig, &dispatcher).await;
        let until = Instant::now() + Duration::from_secs(20);
        loop {
            let (status, health) = health(&dispatcher).await;
            if health["failing"][0]["step"] == "claim" {
                assert_eq!(status, 200, "not yet for long: {health}");
                assert!(
                    health["failing"][0]["error"].as_str().is_some_and(|error| !error.is_empty()),
                    "{health}"
                );
                break;
            }
            assert!(Instant::now() < until, "{health}");
            sleep(Duration::from_millis(50)).await;
        }
        let text = dispatcher.signals.metrics.text();
        assert!(text.contains("gh_dispatcher_actions_total{action=\"claim\",result=\"failed\"}"), "{text}");
        rig.execute(&claim).await;
        // As many as may be by now: the capacity has risen meanwhile, by how much is the rule's.
        rig.until(3, "select least(3, count(*)) from gh_job_attempts where state = 'launching'").await;
        assert_eq!(health(&dispatcher).await.1["failing"], serde_json::json!([]));
        dispatcher.stop().await;
    }
}
