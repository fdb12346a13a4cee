//! What is written to be told: every status in full, each thing once, nothing for a try that is repeated.

use domain::attempt::EndClass;
use domain::id::{JobId, UserId};
use serde_json::{Value, json};
use store::hitl;
use store::jobs::Scope;
use store::runner::{Attempt, Beat, Call};

use crate::world::{World, started, why};

const HOOK: &str = "https://valet.example/api/v1/webhooks/ghosthands?token=secret";

/// A job with a callback, as VALET puts it in, and its running attempt.
async fn running(world: &World) -> (JobId, Attempt) {
    let job = world.insert(UserId::new(), "starter").await;
    told_to(world, job).await;
    let attempt = world.claim(1).await.pop().expect("due").attempt_id;
    let mut runner = world.runner(attempt).await;
    started(&mut runner).await;
    (job, runner)
}

async fn told_to(world: &World, job: JobId) {
    sqlx::query("update gh_automation_jobs set callback_url = $2, valet_task_id = 'task-1' where id = $1")
        .bind(job.0)
        .bind(HOOK)
        .execute(&mut world.sql().await)
        .await
        .expect("told");
}

/// What is written of all jobs, in order: the event and the body.
async fn written(world: &World) -> Vec<(String, Value)> {
    sqlx::query_as("select event, body from gh_outbox order by seq")
        .fetch_all(&mut world.sql().await)
        .await
        .expect("rows")
}

async fn events(world: &World) -> Vec<String> {
    written(world).await.into_iter().map(|(event, _)| event).collect()
}

/// VALET's handler of a callback, as the contract describes it: it writes what it was told into the job's row.
async fn echo(world: &World, job: JobId, body: &Value) {
    sqlx::query(
        "update gh_automation_jobs set status = $2 ->> 'status', status_message = null, result_summary = $2 ->> 'result_summary',
           worker_id = $2 ->> 'worker_id', interaction_type = $2 #>> '{interaction,type}', interaction_data = $2 -> 'interaction',
           paused_at = case when $2 ? 'interaction' then now() end, error_code = $2 ->> 'error_code',
           metadata = case when $2 ? 'cost_breakdown' then jsonb_build_object('cost_breakdown', $2 -> 'cost_breakdown') else metadata end
         where id = $1",
    )
    .bind(job.0)
    .bind(body)
    .execute(&mut world.sql().await)
    .await
    .expect("the row takes it");
}

async fn spend(runner: &Attempt) {
    let call = Call {
        request_id: "1".into(),
        provider: "openai".into(),
        model: "gpt-4o-mini".into(),
        input: 1_000,
        output: 100,
        ..Call::default()
    };
    assert!(runner.usage(&call).await.expect("answered"));
}

#[tokio::test]
async fn a_completed_job_tells_its_result_and_what_it_cost_to_the_fraction_of_a_cent() {
    let world = World::new().await;
    let (job, runner) = running(&world).await;
    spend(&runner).await;
    let result = json!({ "class": "completed", "result_data": { "submitted": true }, "result_summary": "Sent", "action_count": 7,
        "screenshot_urls": ["https://shots.example/1.png", "https://shots.example/2.png"], "final_mode": "magnitude" });
    runner.finish(&result).await.expect("recorded");
    let written = written(&world).await;
    let [(first, begun), (last, done)] = written.as_slice() else { panic!("{written:?}") };
    assert_eq!((first.as_str(), last.as_str()), ("running", "completed"));
    let worker = json!(format!("gh-{}", runner.id()));
    let base = |status: &str| (json!(job), json!("task-1"), json!(status), worker.clone());
    let of = |body: &Value| {
        (
            body["job_id"].clone(),
            body["valet_task_id"].clone(),
            body["status"].clone(),
            body["worker_id"].clone(),
        )
    };
    assert_eq!(of(begun), base("running"));
    assert_eq!(of(done), base("completed"));
    assert_eq!((&begun["execution_mode"], &begun["browser_mode"]), (&json!("auto"), &json!("server")));
    assert!(begun.get("cost").is_none() && begun["completed_at"].is_string());
    assert_eq!(done["result_data"]["submitted"], json!(true));
    assert_eq!(
        (&done["result_summary"], &done["screenshot_url"]),
        (&json!("Sent"), &json!("https://shots.example/1.png"))
    );
    assert_eq!(done["final_mode"], "magnitude");
    // 1,000 × $0.15 and 100 × $0.60 a million.
    assert_eq!(done["cost"], json!({ "total_cost_usd": 0.00021, "action_count": 7, "total_tokens": 1100 }));
    assert_eq!(done["cost_breakdown"]["llm_cost_usd"], json!(0.00021));
    assert_eq!(done["cost_breakdown"]["cookbook_steps"], json!(0));
    assert!(done["completed_at"].as_str().is_some_and(|at| at.ends_with('Z') && at.len() == 24), "{done}");
    assert!(done.get("error_code").is_none() && done.get("interaction").is_none());
}

#[tokio::test]
async fn a_job_that_fails_for_good_tells_why() {
    let world = World::new().await;
    let (_, runner) = running(&world).await;
    let result = json!({ "class": "final", "error_code": "login_required", "error_message": "The site wants a login." });
    runner.finish(&result).await.expect("recorded");
    let (event, body) = written(&world).await.pop().expect("told");
    assert_eq!((event.as_str(), &body["status"]), ("failed", &json!("failed")));
    assert_eq!(
        (&body["error_code"], &body["error_message"]),
        (&json!("login_required"), &json!("The site wants a login."))
    );
    assert_eq!(body["cost"]["total_cost_usd"], json!(0));
    assert!(body["completed_at"].is_string());
}

#[tokio::test]
async fn a_try_that_is_repeated_tells_nothing_and_the_last_one_tells_once() {
    let world = World::new().await;
    let (job, runner) = running(&world).await;
    let result = json!({ "class": "retryable", "error_code": "timeout" });
    runner.finish(&result).await.expect("recorded");
    assert_eq!(events(&world).await, ["running"]);
    for class in [EndClass::Crash, EndClass::Crash] {
        world.execute("update gh_automation_jobs set scheduled_at = null").await;
        let claimed = world.claim(1).await.pop().expect("due");
        started(&mut world.runner(claimed.attempt_id).await).await;
        world.close(claimed.attempt_id, class, &why("gone")).await;
    }
    assert_eq!(world.job(job, "error_code").await.as_deref(), Some("quarantined"));
    assert_eq!(events(&world).await, ["running", "running", "running", "failed"]);
}

#[tokio::test]
async fn a_cancelled_job_is_told_as_cancelled_each_time_it_is() {
    let world = World::new().await;
    let (job, _runner) = running(&world).await;
    store::jobs::cancel(&world.db, Scope::Everyone, job).await.expect("cancelled");
    let (event, body) = written(&world).await.pop().expect("told");
    assert_eq!((event.as_str(), &body["status"]), ("cancelled", &json!("cancelled")));
    assert!(body["completed_at"].is_string() && body.get("error_code").is_none());
    store::jobs::retry(&world.db, Scope::Everyone, job).await.expect("pending again");
    store::jobs::cancel(&world.db, Scope::Everyone, job).await.expect("cancelled again");
    assert_eq!(events(&world).await, ["running", "cancelled", "cancelled"]);
}

#[tokio::test]
async fn a_job_that_expired_is_told_as_failed() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    told_to(&world, job).await;
    world.execute("update gh_automation_jobs set scheduled_at = now() - interval '1 day'").await;
    assert_eq!(store::upkeep::expire(&world.db).await.expect("answered"), 1);
    let (event, body) = written(&world).await.pop().expect("told");
    assert_eq!(
        (event.as_str(), &body["status"], &body["error_code"]),
        ("failed", &json!("failed"), &json!("expired"))
    );
}

#[tokio::test]
async fn a_job_that_waits_tells_what_for_and_that_it_goes_on_every_time() {
    let world = World::new().await;
    let (job, runner) = running(&world).await;
    let answer = hitl::Answer { resolution_type: "manual", resolved_by: "human", notes: "", data: None };
    let interaction = json!({ "type": "captcha", "description": "A picture puzzle", "page_url": "https://example.com/a",
        "screenshot_url": "https://shots.example/b.png", "confidence": 0.95, "captcha_type": "hcaptcha", "detection_method": "dom" });
    for kind in ["captcha", "login"] {
        let mut interaction = interaction.clone();
        interaction["type"] = json!(kind);
        runner.pause(&interaction).await.expect("paused");
        hitl::resume(&world.db, Scope::Everyone, job, &answer, None).await.expect("resumed");
    }
    let result =
        json!({ "class": "needs_human", "error_code": "captcha_blocked", "error_message": "Another puzzle" });
    runner.finish(&result).await.expect("recorded");
    let written = written(&world).await;
    let events: Vec<_> = written.iter().map(|(event, _)| event.as_str()).collect();
    assert_eq!(events, ["running", "needs_human", "resumed", "needs_human", "resumed", "needs_human"]);
    let (_, body) = &written[1];
    assert_eq!(body["status"], "needs_human");
    assert_eq!(
        body["interaction"],
        json!({ "type": "captcha", "screenshot_url": "https://shots.example/b.png", "page_url": "https://example.com/a", "timeout_seconds": 300,
            "description": "A picture puzzle", "message": "A picture puzzle",
            "metadata": { "blocker_confidence": 0.95, "captcha_type": "hcaptcha", "detection_method": "dom" } })
    );
    assert_eq!(body["cost"]["action_count"], json!(0));
    assert_eq!(written[2].1["status"], "resumed");
    assert!(written[2].1.get("interaction").is_none());
    let (_, last) = &written[5];
    assert_eq!(
        (&last["interaction"]["type"], &last["interaction"]["message"]),
        (&json!("captcha"), &json!("Another puzzle"))
    );
}

#[tokio::test]
async fn what_valet_writes_back_makes_no_callback_and_takes_no_job_from_its_attempt() {
    let world = World::new().await;
    let (job, runner) = running(&world).await;
    runner.pause(&json!({ "type": "2fa" })).await.expect("paused");
    let written_before = written(&world).await;
    for (_, body) in &written_before {
        echo(&world, job, body).await; // `running` late, then `needs_human`
    }
    assert_eq!(world.job(job, "status").await.as_deref(), Some("paused"));
    assert!(matches!(runner.heartbeat().await.expect("answered"), Beat::Continue(_)));
    let answer = hitl::Answer { resolution_type: "manual", resolved_by: "human", notes: "", data: None };
    hitl::resume(&world.db, Scope::Everyone, job, &answer, None).await.expect("resumed");
    let (_, resumed) = written(&world).await.pop().expect("told");
    echo(&world, job, &resumed).await; // `resumed` is no status of ours
    echo(&world, job, &written_before[1].1).await; // `needs_human` once more, late
    assert_eq!(world.job(job, "status").await.as_deref(), Some("running"));
    assert!(matches!(runner.heartbeat().await.expect("answered"), Beat::Continue(_)));
    runner.finish(&json!({ "class": "completed" })).await.expect("recorded");
    let (_, done) = written(&world).await.pop().expect("told");
    echo(&world, job, &done).await;
    assert_eq!(events(&world).await, ["running", "needs_human", "resumed", "completed"]);
    assert_eq!(world.job(job, "status").await.as_deref(), Some("completed"));
}

#[tokio::test]
async fn an_echo_of_an_earlier_attempt_does_not_touch_the_job() {
    let world = World::new().await;
    let (job, runner) = running(&world).await;
    runner.finish(&json!({ "class": "released" })).await.expect("recorded");
    let (_, begun) = written(&world).await.pop().expect("told");
    echo(&world, job, &begun).await;
    assert_eq!(world.job(job, "status").await.as_deref(), Some("pending"));
    assert_eq!(world.job(job, "worker_id").await, None, "or nobody would ever claim it");
    let second = world.claim(1).await.pop().expect("due");
    echo(&world, job, &begun).await;
    let mut runner = world.runner(second.attempt_id).await;
    started(&mut runner).await;
    // It failed for good, was told so late, and is tried again meanwhile.
    runner.finish(&json!({ "class": "final", "error_code": "x" })).await.expect("recorded");
    let (_, failed) = written(&world).await.pop().expect("told");
    store::jobs::retry(&world.db, Scope::Everyone, job).await.expect("again");
    echo(&world, job, &failed).await;
    assert_eq!(world.job(job, "status").await.as_deref(), Some("pending"));
    assert_eq!(world.claim(1).await.len(), 1);
}

#[tokio::test]
async fn what_a_callback_brings_back_is_added_to_the_metadata() {
    let world = World::new().await;
    let (job, runner) = running(&world).await;
    world.execute("update gh_automation_jobs set callback_url = null, metadata = jsonb_build_object('source', 'valet', 'callback_url', callback_url)").await;
    runner.finish(&json!({ "class": "final", "error_code": "x" })).await.expect("recorded");
    let (_, body) = written(&world).await.pop().expect("told, to the address in the metadata");
    echo(&world, job, &body).await;
    let metadata: Value = world.job(job, "metadata").await.expect("some").parse().expect("json");
    // The address itself is kept in its column alone, which no user may read.
    assert_eq!((&metadata["source"], &metadata["callback_url"]), (&json!("valet"), &Value::Null));
    assert_eq!(world.job(job, "callback_url").await.as_deref(), Some(HOOK));
    assert!(metadata["cost_breakdown"].is_object());
}

#[tokio::test]
async fn a_job_without_a_callback_writes_nothing() {
    let world = World::new().await;
    let (_, runner) = world.running().await;
    runner.finish(&json!({ "class": "completed" })).await.expect("recorded");
    assert_eq!(events(&world).await, [""; 0]);
}

#[tokio::test]
async fn what_is_rolled_back_is_not_told() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    told_to(&world, job).await;
    world.execute("begin; update gh_automation_jobs set status = 'cancelled'; rollback").await;
    assert_eq!(events(&world).await, [""; 0]);
}
