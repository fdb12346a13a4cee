//! `wait`: its bounds, its texts, and what it says of a machine that is gone.

use crate::stage::{Stage, job, quick};
use local::Options;
use reqwest::Method;
use serde_json::json;
use std::time::{Duration, Instant};

#[tokio::test]
async fn a_wait_is_1_to_60_seconds_long() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "sleep 60").await;
    let text = "invalid_argument: invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]";
    for timeout in ["0", "61", "-1", "soon"] {
        let reply = stage.caller.machines(Method::GET, &format!("/{id}/wait?timeout={timeout}")).await;
        assert_eq!((reply.status, reply.error()), (400, text), "{timeout}");
    }
    for timeout in ["1", "60"] {
        let reply = stage.caller.machines(Method::GET, &format!("/{id}/wait?timeout={timeout}")).await;
        assert_eq!(reply.status, 200, "started is what a wait waits for by itself");
    }
    stage.end().await;
}

#[tokio::test]
async fn a_wait_that_is_over_says_where_the_machine_is() {
    let stage = Stage::with(Options { boot_delay: Duration::from_mins(1), ..quick() }).await;
    let id = stage.caller.run("m", "sleep 60").await;
    let start = Instant::now();
    let reply = stage.caller.machines(Method::GET, &format!("/{id}/wait?state=started&timeout=1")).await;
    assert!(start.elapsed() >= Duration::from_secs(1));
    let text = "deadline_exceeded: machine failed to reach desired state, started, currently created";
    assert_eq!((reply.status, reply.error()), (408, text));
    stage.end().await;
}

#[tokio::test]
async fn a_wait_takes_several_states_repeated_or_with_commas() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "exit 0").await;
    let repeated = "state=stopped&state=destroyed&state=failed";
    for query in [repeated, "state=stopped,destroyed,failed"] {
        let reply = stage.caller.machines(Method::GET, &format!("/{id}/wait?{query}&timeout=10")).await;
        assert_eq!((reply.status, reply.body["state"].as_str()), (200, Some("destroyed")));
        assert_eq!(reply.body["ok"], true);
        assert_eq!(reply.body["event_id"].as_str().unwrap().len(), 26);
    }
    assert_eq!(stage.caller.machines(Method::GET, &format!("/{id}/wait?state=asleep")).await.status, 400);
    stage.end().await;
}

#[tokio::test]
async fn a_wait_for_a_machine_that_is_gone_or_never_was_is_404() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "exit 0").await;
    let during = stage.caller.machines(Method::GET, &format!("/{id}/wait?state=stopped&timeout=10")).await;
    assert_eq!((during.status, during.error()), (404, "not_found: machine not found"));
    let after = stage.caller.machines(Method::GET, &format!("/{id}/wait?state=started&timeout=1")).await;
    assert_eq!(after.status, 404);
    assert_eq!(stage.caller.machines(Method::GET, "/ffffffffffffff/wait").await.status, 404);
    stage.end().await;
}

#[tokio::test]
async fn settled_is_any_state_that_lasts() {
    let stage = Stage::new().await;
    let mut config = job("exit 0");
    config["auto_destroy"] = json!(false);
    let id = stage.caller.created(json!({"skip_launch": true, "config": config})).await;
    let reply = stage.caller.machines(Method::GET, &format!("/{id}/wait?state=settled&timeout=10")).await;
    assert_eq!(reply.body["state"], "stopped");
    stage.end().await;
}

#[tokio::test]
async fn those_who_wait_are_let_go_when_the_server_ends() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "sleep 60").await;
    stage.caller.reach(&id, "started").await;
    let caller = stage.caller.clone();
    let wait = tokio::spawn(async move {
        caller.machines(Method::GET, &format!("/{id}/wait?state=failed&timeout=60")).await
    });
    crate::stage::until("the wait has begun", async || stage.local.processes().len() == 1).await;
    stage.end().await;
    // Either it was answered or its connection was never read: it must not hang.
    let ended = tokio::time::timeout(Duration::from_secs(5), wait).await.unwrap();
    assert!(ended.is_err() || ended.is_ok_and(|reply| matches!(reply.status, 404 | 503)));
}
