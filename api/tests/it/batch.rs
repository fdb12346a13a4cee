//! `POST /jobs/batch`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Ask, Service, faults, job, stranger, user};

/// What VALET's client sends for doc 14 section 5.6: the user at the top, none in the items.
fn item(more: Value) -> Value {
    let mut item = job(more);
    item.as_object_mut().expect("an object").remove("user_id");
    item
}

#[tokio::test]
async fn a_batch_of_a_service_names_its_user_at_the_top() {
    let service = Service::start().await;
    let body = json!({ "user_id": user(), "jobs": [
        item(json!({ "idempotency_key": "a", "tags": ["batch", null], "scheduled_at": null })),
        item(json!({ "idempotency_key": "b" })),
    ] });
    let answer = service.post("/jobs/batch", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(answer.body["created"], 2);
    assert_eq!(answer.body["errors"], json!([]));
    for (index, key) in ["a", "b"].into_iter().enumerate() {
        let id = answer.body["job_ids"][index].as_str().expect("an id");
        assert_eq!(answer.body["jobs"][index]["id"], id);
        assert_eq!(answer.body["jobs"][index]["status"], "pending");
        let row = service.get(&format!("/jobs/{id}")).await.body;
        assert_eq!(row["idempotency_key"], key, "the replies are in the order of the items");
        assert_eq!(row["user_id"], json!(user()));
    }
}

#[tokio::test]
async fn an_item_s_own_word_wins_over_the_defaults() {
    let service = Service::start().await;
    let body = json!({
        "user_id": user(),
        "defaults": { "priority": 2, "max_retries": 1, "timeout_seconds": 60, "tags": ["d"], "metadata": { "a": 1, "b": 1 } },
        "jobs": [item(json!({})), item(json!({ "priority": 9, "tags": ["own"], "metadata": { "b": 2 } }))],
    });
    let ids = service.post("/jobs/batch", &body).await.body["job_ids"].clone();
    let plain = service.get(&format!("/jobs/{}", ids[0].as_str().expect("an id"))).await.body;
    let own = service.get(&format!("/jobs/{}", ids[1].as_str().expect("an id"))).await.body;
    assert_eq!(
        (&plain["priority"], &plain["max_retries"], &plain["timeout_seconds"]),
        (&json!(2), &json!(1), &json!(60))
    );
    assert_eq!((&plain["tags"], &plain["metadata"]), (&json!(["d"]), &json!({ "a": 1, "b": 1 })));
    assert_eq!((&own["priority"], &own["max_retries"]), (&json!(9), &json!(1)));
    assert_eq!((&own["tags"], &own["metadata"]), (&json!(["own"]), &json!({ "a": 1, "b": 2 })));
}

#[tokio::test]
async fn a_batch_with_a_fault_names_every_fault_and_writes_nothing() {
    let service = Service::start().await;
    let body = json!({ "user_id": user(), "jobs": [
        item(json!({})),
        item(json!({ "priority": 99 })),
        item(json!({ "priority": "x" })),
        item(json!({ "targget_url": "https://a.example" })),
    ] });
    let answer = service.post("/jobs/batch", &body).await;
    let expected = [
        ("jobs.1.priority", "too_big"),
        ("jobs.2.priority", "invalid_type"),
        ("jobs.3.targget_url", "unrecognized_keys"),
    ];
    assert_eq!(faults(&answer), expected);
    assert!(service.rows("select id from gh_automation_jobs").is_empty());
}

#[tokio::test]
async fn a_taken_key_refuses_the_whole_batch_and_names_the_item() {
    let service = Service::start().await;
    let id = service.job(json!({ "idempotency_key": "taken" })).await;
    service.job(json!({ "idempotency_key": "foreign", "user_id": stranger() })).await;
    let body = json!({ "user_id": user(), "jobs": [
        item(json!({ "idempotency_key": "free" })),
        item(json!({ "idempotency_key": "taken" })),
        item(json!({ "idempotency_key": "foreign" })),
    ] });
    let answer = service.post("/jobs/batch", &body).await;
    assert_eq!(answer.status, 409, "{answer:?}");
    assert_eq!(answer.body["error"], "duplicate_idempotency_key");
    assert_eq!(answer.body["existing_job_id"], id);
    let errors = json!([
        { "index": 1, "error": "duplicate_idempotency_key", "existing_job_id": id, "existing_status": "pending" },
        { "index": 2, "error": "duplicate_idempotency_key" },
    ]);
    assert_eq!((&answer.body["errors"], &answer.body["details"]["errors"]), (&errors, &errors));
    assert_eq!(service.rows("select id from gh_automation_jobs").len(), 2);
}

#[tokio::test]
async fn two_items_with_one_key_are_a_fault() {
    let service = Service::start().await;
    let twice = item(json!({ "idempotency_key": "twice" }));
    let answer = service.post("/jobs/batch", &json!({ "user_id": user(), "jobs": [twice, twice] })).await;
    assert_eq!(faults(&answer), [("jobs.1.idempotency_key", "custom")]);
}

#[tokio::test]
async fn a_batch_holds_one_to_fifty_jobs() {
    let service = Service::start().await;
    for (count, fault) in [(0, "too_small"), (51, "too_big")] {
        let body = json!({ "user_id": user(), "jobs": vec![item(json!({})); count] });
        assert_eq!(faults(&service.post("/jobs/batch", &body).await), [("jobs", fault)]);
    }
    let body = json!({ "user_id": user(), "jobs": vec![item(json!({})); 50] });
    assert_eq!(service.post("/jobs/batch", &body).await.body["created"], 50);
}

#[tokio::test]
async fn a_batch_of_a_user_is_theirs() {
    let service = Service::start().await;
    let body = json!({ "user_id": stranger(), "jobs": [job(json!({ "user_id": stranger() }))] });
    let answer = service.as_user(user(), Method::POST, "/jobs/batch").json(&body).answer().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let rows = service.rows("select user_id from gh_automation_jobs");
    assert_eq!(rows, [json!({ "user_id": user() })]);
}
