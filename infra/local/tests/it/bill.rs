//! The server's own bill and log.

use crate::stage::Stage;
use serde_json::json;

#[tokio::test]
async fn the_bill_has_the_time_between_started_and_exit_of_each_run() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "sleep 0.2").await;
    stage.caller.reach(&id, "destroyed").await;
    let running = stage.caller.run("still", "sleep 60").await;
    stage.caller.reach(&running, "started").await;
    let bill = stage.caller.get("/local/bill").await.body;
    let machine = stage.caller.machine(&id).await;
    let started =
        machine["events"].as_array().unwrap().iter().find(|event| event["type"] == "start").unwrap();
    let exit = stage.caller.exit(&id).await;
    let line = &bill[0];
    assert_eq!((line["machine_id"].as_str(), &line["exited_at"]), (Some(id.as_str()), &exit["exited_at"]));
    let at = |text: &serde_json::Value| {
        chrono::DateTime::parse_from_rfc3339(text.as_str().unwrap()).unwrap().timestamp_millis()
    };
    assert_eq!(at(&line["started_at"]), started["timestamp"].as_i64().unwrap());
    assert_eq!(line["milliseconds"].as_i64().unwrap(), at(&line["exited_at"]) - at(&line["started_at"]));
    assert!(line["milliseconds"].as_i64().unwrap() >= 150 && line["seconds"].as_i64().unwrap() >= 1);
    assert_eq!(
        (line["region"].as_str(), line["cpus"].as_i64(), line["memory_mb"].as_i64()),
        (Some("iad"), Some(1), Some(256))
    );
    assert_eq!(
        (bill[1]["machine_id"].as_str(), bill[1]["exited_at"].is_null()),
        (Some(running.as_str()), true)
    );
    stage.end().await;
}

#[tokio::test]
async fn the_log_has_every_request_and_the_name_of_each_create() {
    let stage = Stage::new().await;
    stage.caller.run("m", "sleep 60").await;
    stage.caller.create(json!({"config": {"image": "none"}})).await;
    let log = stage.caller.get("/local/log").await.body;
    let line = |entry: &serde_json::Value| {
        format!(
            "{} {} {}",
            entry["method"].as_str().unwrap(),
            entry["path"].as_str().unwrap(),
            entry["status"]
        )
    };
    let lines: Vec<String> = log.as_array().unwrap().iter().map(line).collect();
    assert_eq!(lines, ["POST /v1/apps/runner/machines 200", "POST /v1/apps/runner/machines 404"]);
    assert_eq!(log[0]["name"], "m");
    assert!(log[0]["time_us"].as_u64() <= log[1]["time_us"].as_u64());
    stage.end().await;
}
