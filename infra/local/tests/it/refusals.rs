//! What is refused, and in which of Fly's shapes.

use crate::stage::{Stage, job, machines, quick};
use local::Options;
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn without_the_token_each_of_flys_services_refuses_in_its_own_shape() {
    let stage = Stage::new().await;
    for authorization in ["Bearer wrong", "Basic secret", "secret"] {
        let stranger = stage.caller.saying(authorization);
        let machine = stranger.create(json!({"config": job("exit 0")})).await;
        assert_eq!(
            (machine.status, machine.body),
            (401, json!({"error": "Authenticate: token validation error"}))
        );
        let app = stranger.get("/v1/apps/runner").await;
        assert_eq!((app.status, app.body), (401, json!({"message": "Unauthorized"})));
        assert_eq!(stranger.get("/v1/platform/regions").await.status, 200, "regions are public");
    }
    let macaroon = stage.caller.saying("FlyV1 secret");
    assert_eq!(macaroon.get("/v1/apps/runner").await.status, 200);
    stage.end().await;
}

#[tokio::test]
async fn an_unknown_path_or_method_is_plain_text_and_an_unknown_app_is_not() {
    let stage = Stage::new().await;
    for (method, path) in
        [(Method::GET, "/v1/nothing"), (Method::GET, "/"), (Method::PUT, "/v1/apps/runner/machines")]
    {
        let reply = stage.caller.try_call(method, path, None).await.unwrap();
        assert_eq!((reply.status, reply.body), (404, json!("404 page not found")), "{path}");
    }
    let app = stage.caller.get("/v1/apps/other/machines").await;
    assert_eq!((app.status, app.error()), (404, "Could not find App \"other\""));
    stage.end().await;
}

#[tokio::test]
async fn every_answer_has_flys_request_id() {
    let stage = Stage::new().await;
    let first = stage.caller.get("/v1/apps/runner").await;
    let second = stage.caller.get("/v1/nothing").await;
    assert!(first.headers["fly-request-id"].to_str().unwrap().ends_with("-loc"));
    assert_ne!(first.headers["fly-request-id"], second.headers["fly-request-id"]);
    stage.end().await;
}

#[tokio::test]
async fn an_image_that_is_not_there_is_an_unknown_manifest() {
    let stage = Stage::new().await;
    let reply = stage.caller.create(json!({"config": {"image": "registry.fly.io/runner:latest"}})).await;
    assert_eq!(reply.status, 404);
    assert!(reply.error().contains("manifest unknown"));
    stage.end().await;
}

#[tokio::test]
async fn a_guest_that_fly_does_not_sell_is_refused_with_its_bound() {
    let stage = Stage::new().await;
    for (guest, text) in [
        (json!({"cpu_kind": "shared", "cpus": 4, "memory_mb": 512}), "minimum required 1024 MiB"),
        (json!({"cpu_kind": "shared", "cpus": 1, "memory_mb": 4096}), "cannot exceed 2048 MiB"),
        (json!({"cpu_kind": "performance", "cpus": 8, "memory_mb": 8192}), "minimum required 16384 MiB"),
        (json!({"cpu_kind": "shared", "cpus": 1, "memory_mb": 300}), "256 MiB increment"),
        (json!({"cpu_kind": "shared", "cpus": 3, "memory_mb": 1024}), "config.guest.cpus"),
        (json!({"cpu_kind": "tiny", "cpus": 1, "memory_mb": 256}), "config.guest.cpu_kind"),
    ] {
        let mut config = job("exit 0");
        config["guest"] = guest;
        let reply = stage.caller.create(json!({"config": config})).await;
        assert_eq!(reply.status, 400);
        assert!(reply.error().contains(text), "{}", reply.body);
    }
    stage.end().await;
}

#[tokio::test]
async fn a_body_of_the_wrong_shape_is_400() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "sleep 60").await;
    stage.caller.reach(&id, "started").await;
    let list = stage.caller.post(&machines(&format!("/{id}/stop")), json!([])).await;
    assert_eq!(list.status, 400);
    assert!(list.error().starts_with("json: cannot unmarshal array"));
    for body in [
        json!({}),
        json!({"config": {}}),
        json!({"config": "x"}),
        json!({"config": {"image": "sh", "env": []}}),
        json!(7),
    ] {
        assert_eq!(stage.caller.create(body.clone()).await.status, 400, "{body}");
    }
    let mut config = job("exit 0");
    config["stop_config"]["signal"] = json!("SIGNOT");
    assert_eq!(stage.caller.create(json!({"config": config})).await.status, 400);
    assert_eq!(stage.caller.create(json!({"region": "atlantis", "config": job("exit 0")})).await.status, 400);
    stage.end().await;
}

#[tokio::test]
async fn with_no_token_and_no_apps_given_all_are_good() {
    let stage = Stage::with(Options { token: None, apps: Vec::new(), ..quick() }).await;
    let anybody = stage.caller.saying("Bearer whatever");
    assert_eq!(anybody.get("/v1/apps/anything").await.body["name"], "anything");
    stage.end().await;
}
