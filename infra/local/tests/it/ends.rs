//! Stopping and destroying: signals, grace, and that nothing of a machine outlives it.

use crate::stage::{Stage, job, machines, quick, until};
use local::{Options, Run};
use reqwest::Method;
use serde_json::{Value, json};
use std::{path::Path, time::Duration};

/// A shell that says it is ready by a file in its own temporary folder, and minds a signal.
const MINDS_TERM: &str = "trap 'exit 9' TERM; touch ready; while :; do sleep 0.01; done";
const IGNORES_ALL: &str = "trap '' TERM INT; touch ready; while :; do sleep 0.01; done";

async fn ready(id: &str) {
    let file = std::env::temp_dir().join(format!("fly-{id}")).join("ready");
    until("the machine's trap is set", async || Path::new(&file).exists()).await;
}

fn alive(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| !stat.contains(") Z "))
}

#[tokio::test]
async fn stop_returns_at_once_and_the_machine_gets_its_own_signal() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", MINDS_TERM).await;
    ready(&id).await;
    let reply = stage.caller.machines(Method::POST, &format!("/{id}/stop")).await;
    assert_eq!((reply.status, reply.body), (200, json!({"ok": true})));
    stage.caller.reach(&id, "destroyed").await;
    let exit = stage.caller.exit(&id).await;
    assert_eq!((exit["exit_code"].as_i64(), exit["requested_stop"].as_bool()), (Some(9), Some(true)));
    stage.end().await;
}

#[tokio::test]
async fn a_machine_that_ignores_its_signal_is_killed_when_the_time_is_up() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", IGNORES_ALL).await;
    ready(&id).await;
    stage.caller.post(&machines(&format!("/{id}/stop")), json!({"timeout": "500ms"})).await;
    assert_eq!(stage.caller.state(&id).await, "stopping");
    stage.caller.reach(&id, "destroyed").await;
    let exit = stage.caller.exit(&id).await;
    assert_eq!((exit["exit_code"].as_i64(), exit["signal"].as_i64()), (Some(137), Some(9)));
    assert_eq!((exit["requested_stop"].as_bool(), exit["oom_killed"].as_bool()), (Some(true), Some(false)));
    stage.end().await;
}

#[tokio::test]
async fn the_default_stop_signal_is_sigint() {
    let stage = Stage::new().await;
    let mut config = job("trap 'exit 2' INT; touch ready; while :; do sleep 0.01; done");
    config.as_object_mut().unwrap().remove("stop_config");
    let id = stage.caller.created(json!({"config": config})).await;
    ready(&id).await;
    stage.caller.machines(Method::POST, &format!("/{id}/stop")).await;
    stage.caller.reach(&id, "destroyed").await;
    assert_eq!(stage.caller.exit(&id).await["exit_code"], 2);
    stage.end().await;
}

#[tokio::test]
async fn a_machine_minds_signals_that_the_server_ignores() {
    let folder = tempfile::tempdir().unwrap();
    let program = env!("CARGO_BIN_EXE_local-fly");
    let flags = "--token secret --app runner --image sh=/bin/sh --boot-delay-ms 20 --no-limits --state-dir";
    // As in the background of a shell script.
    let script = format!("trap '' INT; exec {program} {flags} {}", folder.path().display());
    let (running, caller) =
        crate::restarts::Program::start(std::process::Command::new("/bin/sh").args(["-c", &script]));
    let mut config = job("trap 'exit 2' INT; touch ready; while :; do sleep 0.01; done");
    config.as_object_mut().unwrap().remove("stop_config");
    let id = caller.created(json!({"config": config})).await;
    ready(&id).await;
    caller.machines(Method::POST, &format!("/{id}/stop")).await;
    caller.reach(&id, "destroyed").await;
    assert_eq!(caller.exit(&id).await["exit_code"], 2);
    drop(running);
}

#[tokio::test]
async fn a_signal_is_delivered_and_is_not_a_requested_stop() {
    let stage = Stage::new().await;
    for (signal, code) in [(json!("SIGKILL"), 137), (json!(9), 137), (json!("SIGTERM"), 9)] {
        let id = stage.caller.run("m", MINDS_TERM).await;
        ready(&id).await;
        stage.caller.post(&machines(&format!("/{id}/signal")), json!({"signal": signal})).await;
        stage.caller.reach(&id, "destroyed").await;
        let exit = stage.caller.exit(&id).await;
        assert_eq!((exit["exit_code"].as_i64(), exit["requested_stop"].as_bool()), (Some(code), Some(false)));
    }
    stage.end().await;
}

#[tokio::test]
async fn delete_of_a_running_machine_needs_force() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "sleep 60").await;
    stage.caller.reach(&id, "started").await;
    let refused = stage.caller.machines(Method::DELETE, &format!("/{id}")).await;
    let text =
        "failed_precondition: unable to destroy machine, not currently stopped, suspended, failed or created";
    assert_eq!((refused.status, refused.error()), (412, text));
    for _ in 0..2 {
        let done = stage.caller.machines(Method::DELETE, &format!("/{id}?force=true")).await;
        assert_eq!((done.status, done.body), (200, json!({"ok": true})), "and it may be repeated");
    }
    stage.caller.reach(&id, "destroyed").await;
    assert_eq!(stage.caller.machine(&id).await["events"][0]["source"], "user");
    assert_eq!(stage.caller.machines(Method::DELETE, "/ffffffffffffff?force=true").await.status, 404);
    stage.end().await;
}

#[tokio::test]
async fn a_machine_that_is_gone_takes_all_its_processes_with_it() {
    let stage = Stage::new().await;
    // One child of the group, one in a session of its own, and one of that which has forgotten where it came from.
    let line = "sleep 71 & setsid sh -c 'env -i setsid sleep 72 & sleep 73' & sleep 0.3";
    let id = stage.caller.run("m", line).await;
    until("all five processes run", async || {
        stage.local.processes().get(&id).is_some_and(|found| found.len() >= 5)
    })
    .await;
    let listed = stage.caller.get("/local/processes").await.body;
    let pids: Vec<u64> =
        listed[&id].as_array().unwrap().iter().map(|found| found["pid"].as_u64().unwrap()).collect();
    assert!(pids.iter().all(|pid| alive(*pid)));
    stage.caller.reach(&id, "destroyed").await;
    let left: Vec<u64> = pids.into_iter().filter(|pid| alive(*pid)).collect();
    assert_eq!(left, Vec::<u64>::new());
    assert!(stage.local.processes().is_empty());
    stage.end().await;
}

#[tokio::test]
async fn a_server_that_is_stopped_stops_its_machines_and_leaves_no_folder() {
    let stage = Stage::with(Options { stop_grace: Duration::from_millis(300), ..quick() }).await;
    let polite = stage.caller.run("polite", MINDS_TERM).await;
    let deaf = stage.caller.run("deaf", IGNORES_ALL).await;
    ready(&polite).await;
    ready(&deaf).await;
    let pids: Vec<u32> = stage.local.processes().into_values().flatten().map(|found| found.pid).collect();
    let folder = stage.local.state_dir().to_owned();
    stage.local.stop().await;
    assert!(pids.len() >= 2 && pids.iter().all(|pid| !alive(u64::from(*pid))));
    assert!(!folder.exists());
}

#[tokio::test]
async fn a_pretended_machine_runs_until_it_is_stopped_or_its_time_is_up() {
    let stage = Stage::with(Options {
        run: Run::Pretend(None),
        images: std::collections::BTreeMap::new(),
        ..quick()
    })
    .await;
    let body: Value = json!({"config": {"image": "any", "auto_destroy": true}});
    let stopped = stage.caller.created(body.clone()).await;
    let killed = stage.caller.created(body.clone()).await;
    stage.caller.reach(&stopped, "started").await;
    stage.caller.reach(&killed, "started").await;
    stage.caller.machines(Method::POST, &format!("/{stopped}/stop")).await;
    stage.caller.machines(Method::DELETE, &format!("/{killed}?force=true")).await;
    stage.caller.reach(&stopped, "destroyed").await;
    stage.caller.reach(&killed, "destroyed").await;
    assert_eq!(stage.caller.exit(&stopped).await["exit_code"], 0);
    assert_eq!(stage.caller.exit(&killed).await["exit_code"], 137);
    stage.end().await;

    let brief = Stage::with(Options { run: Run::Pretend(Some(Duration::from_millis(30))), ..quick() }).await;
    let id = brief.caller.created(json!({"config": {"image": "sh", "auto_destroy": true}})).await;
    brief.caller.reach(&id, "destroyed").await;
    assert_eq!(brief.caller.exit(&id).await["exit_code"], 0);
    brief.end().await;
}
