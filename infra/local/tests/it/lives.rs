//! From created to destroyed, and what the process finds in its world.

use crate::stage::{Stage, job, quick};
use local::Options;
use reqwest::Method;
use serde_json::{Value, json};
use std::{collections::BTreeMap, time::Duration};

fn words(events: &Value) -> Vec<String> {
    let word =
        |event: &Value| format!("{} {}", event["type"].as_str().unwrap(), event["status"].as_str().unwrap());
    events.as_array().unwrap().iter().map(word).collect()
}

#[tokio::test]
async fn a_machine_is_created_then_started_then_destroyed_when_its_process_ends() {
    let stage = Stage::with(Options { boot_delay: Duration::from_secs(1), ..quick() }).await;
    let reply = stage.caller.create(json!({"name": "m", "config": job("sleep 0.2; exit 7")})).await;
    assert_eq!(reply.body["state"], "created");
    let id = reply.body["id"].as_str().unwrap();
    assert_eq!(stage.caller.state(id).await, "created");
    stage.caller.reach(id, "started").await;
    stage.caller.reach(id, "destroyed").await;

    let machine = stage.caller.machine(id).await;
    assert_eq!(
        words(&machine["events"]),
        ["destroy destroyed", "exit stopped", "start started", "launch created"]
    );
    assert_eq!(machine["events"][0]["source"], "flyd");
    let exit = stage.caller.exit(id).await;
    assert_eq!((exit["exit_code"].as_i64(), exit["signal"].as_i64()), (Some(7), Some(-1)));
    assert_eq!((exit["requested_stop"].as_bool(), exit["oom_killed"].as_bool()), (Some(false), Some(false)));
    assert!(exit["exited_at"].as_str().unwrap().ends_with('Z'));
    stage.end().await;
}

#[tokio::test]
async fn events_are_newest_first_and_launch_and_destroy_have_a_null_request() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "exit 0").await;
    stage.caller.reach(&id, "destroyed").await;
    let events = stage.caller.machines(Method::GET, &format!("/{id}/events")).await.body;
    let times: Vec<i64> =
        events.as_array().unwrap().iter().map(|event| event["timestamp"].as_i64().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older));
    for event in events.as_array().unwrap() {
        if ["launch", "destroy"].contains(&event["type"].as_str().unwrap()) {
            assert!(event.as_object().unwrap().contains_key("request") && event["request"].is_null());
        }
    }
    let two = stage.caller.machines(Method::GET, &format!("/{id}/events?limit=2")).await.body;
    assert_eq!(words(&two), ["destroy destroyed", "exit stopped"]);
    stage.end().await;
}

#[tokio::test]
async fn without_auto_destroy_a_machine_stops_and_can_be_started_again() {
    let stage = Stage::new().await;
    let mut config = job("exit 0");
    config["auto_destroy"] = json!(false);
    let id = stage.caller.created(json!({"config": config})).await;
    stage.caller.reach(&id, "stopped").await;
    let reply = stage.caller.machines(Method::POST, &format!("/{id}/start")).await;
    assert_eq!(reply.body, json!({"previous_state": "stopped", "migrated": false, "new_host": ""}));
    stage.caller.reach(&id, "stopped").await;
    assert_eq!(stage.local.bill().len(), 2);
    let started = words(&stage.caller.machine(&id).await["events"]);
    assert_eq!(started.iter().filter(|word| *word == "start starting").count(), 1);
    assert_eq!(started.iter().filter(|word| *word == "start started").count(), 2);
    stage.end().await;
}

#[tokio::test]
async fn skip_launch_prepares_a_machine_that_runs_only_when_started() {
    let stage = Stage::with(Options { boot_delay: Duration::from_secs(1), ..quick() }).await;
    let id = stage.caller.created(json!({"skip_launch": true, "config": job("sleep 60")})).await;
    let early = stage.caller.machines(Method::POST, &format!("/{id}/start")).await;
    assert_eq!(
        (early.status, early.error()),
        (412, "failed_precondition: unable to start machine from current state: 'created'")
    );
    stage.caller.reach(&id, "stopped").await;
    assert!(stage.local.bill().is_empty() && stage.local.processes().is_empty());
    assert_eq!(stage.caller.machines(Method::POST, &format!("/{id}/start")).await.status, 200);
    stage.caller.reach(&id, "started").await;
    let again = stage.caller.machines(Method::POST, &format!("/{id}/start")).await;
    assert_eq!(
        (again.status, again.error()),
        (412, "failed_precondition: machine still active, refusing to start")
    );
    stage.end().await;
}

#[tokio::test]
async fn on_failure_restarts_up_to_its_retries_and_then_stops() {
    let stage = Stage::new().await;
    let mut config = job("exit 1");
    config["auto_destroy"] = json!(false);
    config["restart"] = json!({"policy": "on-failure", "max_retries": 2});
    let id = stage.caller.created(json!({"config": config})).await;
    stage.caller.reach(&id, "stopped").await;
    let machine = stage.caller.machine(&id).await;
    let exits: Vec<bool> = (machine["events"].as_array().unwrap().iter())
        .filter(|event| event["type"] == "exit")
        .map(|event| event["request"]["exit_event"]["restarting"].as_bool().unwrap())
        .collect();
    assert_eq!(exits, [false, true, true]);
    stage.end().await;
}

#[tokio::test]
async fn a_process_sees_its_own_environment_and_nothing_of_the_servers() {
    let secrets = BTreeMap::from([("SECRET".to_owned(), "s".into()), ("BOTH".to_owned(), "secret".into())]);
    let stage = Stage::with(Options { secrets, region: "ams".to_owned(), ..quick() }).await;
    let mut config = job("env; echo done >&2");
    config["env"] = json!({"MINE": "1", "BOTH": "env"});
    config["guest"] = json!({"cpu_kind": "shared", "cpus": 1, "memory_mb": 512});
    let id = stage.caller.created(json!({"name": "m", "region": "fra", "config": config})).await;
    stage.caller.reach(&id, "destroyed").await;
    let log =
        std::fs::read_to_string(stage.local.state_dir().join("logs").join(format!("{id}.log"))).unwrap();
    let marker = format!("FLY_MACHINE_ID={id}");
    let alloc = format!("FLY_ALLOC_ID={id}");
    for line in [
        "MINE=1",
        "SECRET=s",
        "BOTH=secret",
        "FLY_APP_NAME=runner",
        "FLY_REGION=fra",
        "PRIMARY_REGION=ams",
        "FLY_IMAGE_REF=sh",
        "FLY_VM_MEMORY_MB=512",
        "FLY_PROCESS_GROUP=app",
        "done",
        &marker,
        &alloc,
    ] {
        assert!(log.lines().any(|found| found == line), "{line} is not in\n{log}");
    }
    assert!(log.contains("FLY_PRIVATE_IP=fdaa:") && log.contains("FLY_MACHINE_VERSION=01"));
    // The test process is the server here.
    let given = ["PATH", "HOME", "LANG", "TMPDIR", "PWD", "SHLVL", "_"];
    for (name, value) in std::env::vars() {
        let leaked =
            !given.contains(&name.as_str()) && log.lines().any(|line| line == format!("{name}={value}"));
        assert!(!leaked, "{name} of the server is in the machine's environment");
    }
    let home = log.lines().find_map(|line| line.strip_prefix("HOME=")).unwrap();
    assert!(!std::path::Path::new(home).exists(), "its temporary folder is removed at the end");
    stage.end().await;
}

#[tokio::test]
async fn a_machine_may_opt_out_of_the_apps_secrets() {
    let secrets = BTreeMap::from([("SECRET".to_owned(), "s".into())]);
    let stage = Stage::with(Options { secrets, ..quick() }).await;
    let body = json!({"skip_secrets": true, "config": job("exit ${SECRET:+1}")});
    let id = stage.caller.created(body).await;
    stage.caller.reach(&id, "destroyed").await;
    assert_eq!(stage.caller.exit(&id).await["exit_code"], 0);
    stage.end().await;
}

#[tokio::test]
async fn a_program_that_cannot_run_makes_a_failed_machine() {
    let stage = Stage::new().await;
    let id = stage.caller.created(json!({"config": {"image": "gone", "auto_destroy": true}})).await;
    stage.caller.reach(&id, "failed").await;
    assert!(!std::env::temp_dir().join(format!("fly-{id}")).exists());
    assert_eq!(stage.caller.machines(Method::DELETE, &format!("/{id}")).await.status, 200);
    stage.caller.reach(&id, "destroyed").await;
    stage.end().await;
}
