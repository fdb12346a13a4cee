//! Reading: lists and their filters, the dead, and fields that Fly does not know.

use crate::stage::{Caller, Stage, job};
use reqwest::Method;
use serde_json::{Value, json};

async fn names(caller: &Caller, query: &str) -> Vec<String> {
    let list = caller.machines(Method::GET, query).await.body;
    list.as_array().unwrap().iter().map(|machine| machine["name"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn the_dead_can_be_read_by_id_and_are_listed_only_when_asked_for() {
    let stage = Stage::new().await;
    let id = stage.caller.run("dead", "exit 0").await;
    stage.caller.run("alive", "sleep 60").await;
    stage.caller.reach(&id, "destroyed").await;
    assert_eq!(stage.caller.state(&id).await, "destroyed");
    assert_eq!(names(&stage.caller, "").await, ["alive"]);
    assert_eq!(names(&stage.caller, "?include_deleted=true").await, ["dead", "alive"]);
    stage.end().await;
}

#[tokio::test]
async fn a_list_is_narrowed_by_metadata_region_and_state() {
    let stage = Stage::new().await;
    for (name, region, env) in [("a", "ams", "test"), ("b", "fra", "test"), ("c", "ams", "live")] {
        let mut config = job("sleep 60");
        config["metadata"] = json!({"gh_env": env, "gh_tier": "free"});
        let id = stage.caller.created(json!({"name": name, "region": region, "config": config})).await;
        stage.caller.reach(&id, "started").await;
    }
    assert_eq!(names(&stage.caller, "?metadata.gh_env=test").await, ["a", "b"]);
    assert_eq!(names(&stage.caller, "?metadata.gh_env=test&metadata.gh_tier=free&region=ams").await, ["a"]);
    assert_eq!(names(&stage.caller, "?state=started,stopped").await, ["a", "b", "c"]);
    assert!(names(&stage.caller, "?state=stopped").await.is_empty());
    assert!(names(&stage.caller, "?metadata.gh_env=none").await.is_empty());
    stage.end().await;
}

#[tokio::test]
async fn a_summary_leaves_out_config_events_and_host() {
    let stage = Stage::new().await;
    stage.caller.run("m", "sleep 60").await;
    let whole = stage.caller.machines(Method::GET, "").await.body[0].clone();
    let summary = stage.caller.machines(Method::GET, "?summary=true").await.body[0].clone();
    for field in ["config", "events", "checks", "host_status"] {
        assert!(whole.get(field).is_some() && summary.get(field).is_none(), "{field}");
    }
    assert_eq!(whole["id"], summary["id"]);
    stage.end().await;
}

#[tokio::test]
async fn a_field_that_fly_does_not_know_is_ignored() {
    let stage = Stage::new().await;
    let mut config = job("sleep 60");
    config["auto_destory"] = json!(true);
    config["guest"] = json!({"cpu_kind": "shared", "cpus": 1, "memory_mb": 256, "memory": 1});
    config["services"] = json!([]);
    let reply = stage.caller.create(json!({"config": config, "nmae": "m"})).await;
    assert_eq!(reply.status, 200);
    let shown = &reply.body["config"];
    assert!(shown.get("auto_destory").is_none() && shown["guest"].get("memory").is_none());
    assert_eq!(shown["services"], json!([]));
    stage.end().await;
}

#[tokio::test]
async fn metadata_is_changed_without_a_restart() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "sleep 60").await;
    let path = crate::stage::machines(&format!("/{id}/metadata"));
    let set = async |method: Method, rest: &str, body: Value| {
        stage.caller.try_call(method, &format!("{path}{rest}"), Some(body)).await.unwrap().status
    };
    assert_eq!(set(Method::PUT, "", json!({"metadata": {"a": "1", "b": "2"}})).await, 204);
    assert_eq!(set(Method::PATCH, "", json!({"metadata": {"b": null, "c": "3"}})).await, 204);
    assert_eq!(set(Method::POST, "/d", json!({"value": "4"})).await, 204);
    assert_eq!(stage.caller.get(&path).await.body, json!({"a": "1", "c": "3", "d": "4"}));
    assert_eq!(stage.caller.get(&format!("{path}/d")).await.body, json!({"value": "4"}));
    assert_eq!(stage.caller.try_call(Method::DELETE, &format!("{path}/d"), None).await.unwrap().status, 204);
    assert_eq!(stage.caller.get(&format!("{path}/d")).await.status, 404);
    assert_eq!(set(Method::PUT, "", json!({"metadata": {}, "machine_version": "other"})).await, 412);
    assert_eq!(stage.caller.machine(&id).await["config"]["metadata"], json!({"a": "1", "c": "3"}));
    stage.end().await;
}
