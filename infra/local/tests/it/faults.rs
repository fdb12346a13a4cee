//! Each fault of the script does what it says.

use crate::stage::{Stage, job, until};
use reqwest::Method;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

async fn struck(on: &str, fault: Value) -> Stage {
    Stage::with_faults(json!([{"on": on, "times": 1, "fault": fault}])).await
}

fn body(name: &str) -> Value {
    json!({"name": name, "config": job("sleep 60")})
}

async fn live(stage: &Stage) -> usize {
    stage.caller.machines(Method::GET, "").await.body.as_array().unwrap().len()
}

#[tokio::test]
async fn commit_then_408_makes_the_machine_and_does_not_say_so() {
    let stage = struck("create", json!("commit_then_408")).await;
    let reply = stage.caller.create(body("m")).await;
    assert_eq!(reply.status, 408);
    assert!(reply.error().starts_with("deadline_exceeded"));
    assert_eq!(live(&stage).await, 1);
    assert_eq!(stage.caller.create(body("m")).await.status, 409);
    stage.end().await;
}

#[tokio::test]
async fn a_reset_comes_before_or_after_the_machine_is_made() {
    for (fault, made) in [("reset_after_commit", 1), ("reset_before_commit", 0)] {
        let stage = struck("create", json!(fault)).await;
        let path = crate::stage::machines("");
        let error = stage.caller.try_call(Method::POST, &path, Some(body("m"))).await.err().unwrap();
        assert!(!error.is_connect() && !error.is_timeout(), "{error:?}");
        assert!(format!("{error:?}").contains("ConnectionReset"), "{error:?}");
        assert_eq!(live(&stage).await, made, "{fault}");
        assert_eq!(stage.local.requests()[0].status, 0);
        stage.end().await;
    }
}

#[tokio::test]
async fn a_delay_after_the_work_is_done_leaves_an_impatient_caller_in_doubt() {
    let stage = struck("create", json!({"delay_after_commit": {"ms": 60_000}})).await;
    let caller = stage.caller.clone();
    let call = tokio::spawn(async move { caller.create(body("m")).await });
    until("the machine is made", async || live(&stage).await == 1).await;
    assert!(!call.is_finished());
    call.abort();
    stage.end().await;
}

#[tokio::test]
async fn a_delay_makes_a_call_late() {
    let stage = struck("list", json!({"delay": {"ms": 200}})).await;
    let start = Instant::now();
    assert_eq!(live(&stage).await, 0);
    assert!(start.elapsed() >= Duration::from_millis(200));
    stage.end().await;
}

#[tokio::test]
async fn a_scripted_status_is_answered_and_nothing_is_done() {
    let stage = struck("create", json!({"status": {"code": 503, "body": {"error": "down"}}})).await;
    let reply = stage.caller.create(body("m")).await;
    assert_eq!((reply.status, reply.error()), (503, "down"));
    assert_eq!(live(&stage).await, 0);
    stage.end().await;

    let wait = struck("wait", json!({"status": {"code": 404, "body": "not yet known here"}})).await;
    let id = wait.caller.run("m", "sleep 60").await;
    let early = wait.caller.machines(Method::GET, &format!("/{id}/wait")).await;
    assert_eq!((early.status, early.body), (404, json!("not yet known here")));
    wait.caller.reach(&id, "started").await;
    wait.end().await;
}

#[tokio::test]
async fn a_lagging_list_misses_the_newborn_and_still_shows_the_dead() {
    let stage =
        Stage::with_faults(json!([{"on": "list", "nth": 1, "fault": {"list_lag": {"ms": 60_000}}}])).await;
    let id = stage.caller.run("m", "sleep 60").await;
    assert_eq!(live(&stage).await, 0);
    assert_eq!(live(&stage).await, 1, "only the first list lags");
    let lag = json!([{"on": "list", "fault": {"list_lag": {"ms": 1}}}]);
    assert_eq!(stage.caller.post("/local/faults", lag).await.status, 200);
    until("the list has caught up", async || live(&stage).await == 1).await;
    stage.caller.machines(Method::DELETE, &format!("/{id}?force=true")).await;
    stage.caller.reach(&id, "destroyed").await;
    let lag = json!([{"on": "list", "nth": 1, "fault": {"list_lag": {"ms": 60_000}}}]);
    assert_eq!(stage.caller.post("/local/faults", lag).await.status, 200);
    assert_eq!(live(&stage).await, 0, "born and gone within the lag: the replica has seen neither");
    assert_eq!(live(&stage).await, 0);
    stage.end().await;
}

#[tokio::test]
async fn an_empty_list_is_no_proof_of_death() {
    let stage = Stage::with_faults(json!([{"on": "list", "times": 1, "fault": "empty_list"}])).await;
    let id = stage.caller.run("m", "sleep 60").await;
    assert_eq!(live(&stage).await, 0);
    stage.caller.reach(&id, "started").await;
    stage.end().await;
}

#[tokio::test]
async fn a_machine_on_an_unreachable_host_shows_no_config_and_cannot_be_destroyed() {
    let stage = struck("create", json!("host_unreachable")).await;
    let id = stage.caller.run("m", "sleep 60").await;
    stage.caller.reach(&id, "started").await;
    let machine = stage.caller.machine(&id).await;
    assert_eq!(machine["host_status"], "unreachable");
    assert!(machine.get("config").is_none() && machine["incomplete_config"]["image"] == "sh");
    assert_eq!(stage.caller.machines(Method::DELETE, &format!("/{id}?force=true")).await.status, 200);
    assert_eq!(stage.caller.state(&id).await, "destroying");
    assert_eq!(stage.local.processes().len(), 1, "accepted is not done");
    stage.end().await;
}

#[tokio::test]
async fn one_answer_may_find_the_host_unreachable() {
    let stage = struck("get", json!("host_unreachable")).await;
    let id = stage.caller.run("m", "sleep 60").await;
    assert_eq!(stage.caller.machine(&id).await["host_status"], "unreachable");
    assert_eq!(stage.caller.machine(&id).await["host_status"], "ok");
    stage.end().await;
}

#[tokio::test]
async fn a_stuck_machine_stays_created_until_it_is_destroyed() {
    let stage = struck("create", json!("stuck_created")).await;
    let id = stage.caller.run("m", "sleep 60").await;
    let other = stage.caller.run("other", "sleep 60").await;
    stage.caller.reach(&other, "started").await;
    assert_eq!(stage.caller.state(&id).await, "created");
    assert_eq!(stage.caller.machines(Method::DELETE, &format!("/{id}?force=true")).await.status, 200);
    stage.caller.reach(&id, "destroyed").await;
    stage.end().await;
}

#[tokio::test]
async fn a_failed_launch_never_runs_and_is_destroyed() {
    let stage = struck("create", json!("launch_failed")).await;
    let id = stage.caller.run("m", "sleep 60").await;
    stage.caller.reach(&id, "destroyed").await;
    let machine = stage.caller.machine(&id).await;
    assert_eq!(machine["events"][1]["status"], "launch_failed");
    assert!(stage.local.bill().is_empty());
    stage.end().await;
}

#[tokio::test]
async fn out_of_memory_is_137_and_says_so() {
    for fault in [json!("oom"), json!({"oom_after": {"ms": 50}})] {
        let stage = struck("create", fault).await;
        let id = stage.caller.run("m", "sleep 60").await;
        stage.caller.reach(&id, "destroyed").await;
        let exit = stage.caller.exit(&id).await;
        assert_eq!((exit["exit_code"].as_i64(), exit["oom_killed"].as_bool()), (Some(137), Some(true)));
        assert_eq!(exit["requested_stop"], false);
        stage.end().await;
    }
}

#[tokio::test]
async fn an_exit_may_be_told_in_flys_other_shape() {
    let stage = struck("create", json!("monitor_event")).await;
    let id = stage.caller.run("m", "exit 0").await;
    stage.caller.reach(&id, "destroyed").await;
    let request = stage.caller.machine(&id).await["events"][1]["request"].clone();
    let exit = &request["MonitorEvent"]["exit_event"];
    assert!(request.get("exit_event").is_none() && exit["exited_at"].is_string());
    assert!(exit.get("exit_code").is_none() && exit.get("oom_killed").is_none(), "zero fields are left out");
    stage.end().await;
}

#[tokio::test]
async fn a_destroy_may_be_acknowledged_and_not_done() {
    let stage = struck("delete", json!("destroy_ack_only")).await;
    let id = stage.caller.run("m", "sleep 60").await;
    stage.caller.reach(&id, "started").await;
    let destroy = format!("/{id}?force=true");
    assert_eq!(stage.caller.machines(Method::DELETE, &destroy).await.status, 200);
    assert_eq!(stage.caller.state(&id).await, "destroying");
    assert_eq!(stage.local.processes().len(), 1);
    stage.caller.machines(Method::DELETE, &destroy).await;
    stage.caller.reach(&id, "destroyed").await;
    stage.end().await;
}

#[tokio::test]
async fn a_start_may_be_acknowledged_and_never_arrive() {
    let stage = struck("start", json!("start_without_boot")).await;
    let id = stage.caller.created(json!({"skip_launch": true, "config": job("sleep 60")})).await;
    stage.caller.reach(&id, "stopped").await;
    assert_eq!(stage.caller.machines(Method::POST, &format!("/{id}/start")).await.status, 200);
    let late = stage.caller.machines(Method::GET, &format!("/{id}/wait?timeout=1")).await;
    assert!(late.status == 408 && late.error().ends_with("currently starting"));
    let again = stage.caller.machines(Method::POST, &format!("/{id}/start")).await;
    assert_eq!(
        (again.status, again.error()),
        (412, "failed_precondition: machine still attempting to start")
    );
    stage.end().await;
}

#[tokio::test]
async fn a_machine_that_was_waited_for_until_destroyed_may_still_read_destroying() {
    let stage = struck("get", json!({"stale_destroying": {"ms": 60_000}})).await;
    let id = stage.caller.run("m", "exit 0").await;
    stage.caller.reach(&id, "destroyed").await;
    assert_eq!(stage.caller.state(&id).await, "destroying");
    assert_eq!(stage.caller.state(&id).await, "destroyed");
    stage.end().await;
}

#[tokio::test]
async fn a_machine_made_a_moment_ago_may_not_be_known_yet() {
    let faults = json!([{"on": "get", "fault": {"not_propagated": {"ms": 400}}}]);
    let stage = Stage::with_faults(faults).await;
    let id = stage.caller.run("m", "sleep 60").await;
    let early = stage.caller.machines(Method::GET, &format!("/{id}")).await;
    assert_eq!((early.status, early.error()), (404, "not_found: machine not found"));
    let until = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while stage.caller.machines(Method::GET, &format!("/{id}")).await.status != 200 {
        assert!(std::time::Instant::now() < until, "it is known after its time");
    }
    stage.end().await;
}

#[tokio::test]
async fn a_script_that_is_not_one_is_refused_and_the_old_one_stays() {
    let stage = Stage::with_faults(json!([{"on": "create", "fault": "stuck_created"}])).await;
    let bad = json!([{"on": "create", "fault": "stuck"}]);
    assert_eq!(stage.caller.post("/local/faults", bad).await.status, 400);
    let id = stage.caller.run("m", "exit 0").await;
    let late = stage.caller.machines(Method::GET, &format!("/{id}/wait?timeout=1")).await;
    assert_eq!(late.status, 408);
    stage.end().await;
}
