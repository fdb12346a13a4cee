//! No room: Fly's several words for it, per region, and the fallback through a list.

use crate::stage::{Stage, job};
use reqwest::Method;
use serde_json::{Value, json};

async fn full(region: &str, kind: &str) -> Stage {
    Stage::with_faults(json!([{"on": "create", "fault": {"capacity": {"region": region, "kind": kind}}}]))
        .await
}

fn body(region: &str) -> Value {
    json!({"region": region, "config": job("sleep 60")})
}

#[tokio::test]
async fn each_shortage_has_flys_status_and_text_and_makes_nothing() {
    for (kind, status, text) in [
        ("422", 422, "could not find a candidate host"),
        ("409_host", 409, "insufficient memory available to fulfill request"),
        ("409_region", 409, "insufficient resources available to fulfill request"),
        ("403_quota", 403, "over the allowed quota. please consider other regions"),
    ] {
        let stage = full("ams", kind).await;
        let reply = stage.caller.create(body("ams")).await;
        assert_eq!(reply.status, status);
        assert!(reply.error().contains(text), "{}", reply.body);
        assert_eq!(reply.body["status"] == "insufficient_capacity", kind == "422");
        assert_eq!(stage.caller.machines(Method::GET, "").await.body, json!([]));
        stage.end().await;
    }
}

#[tokio::test]
async fn a_list_of_regions_falls_through_to_the_first_with_room() {
    let stage = full("ams", "422").await;
    assert_eq!(stage.caller.create(body("ams,fra,lhr")).await.body["region"], "fra");
    assert_eq!(stage.caller.create(body("lhr,ams")).await.body["region"], "lhr");
    assert_ne!(stage.caller.create(body("eu")).await.body["region"], "ams");
    stage.end().await;
}

#[tokio::test]
async fn with_no_room_anywhere_every_list_is_refused() {
    let stage = full("*", "422").await;
    assert_eq!(stage.caller.create(body("ams,fra,us")).await.status, 422);
    stage.end().await;
}

#[tokio::test]
async fn a_stopped_machine_may_find_no_room_when_it_is_started() {
    let rules = json!([{"on": "start", "fault": {"capacity": {"region": "iad", "kind": "409_host"}}}]);
    let stage = Stage::with_faults(rules).await;
    let id = stage.caller.created(json!({"skip_launch": true, "config": job("sleep 60")})).await;
    stage.caller.reach(&id, "stopped").await;
    assert_eq!(stage.caller.machines(Method::POST, &format!("/{id}/start")).await.status, 409);
    assert_eq!(stage.caller.state(&id).await, "stopped");
    stage.end().await;
}
