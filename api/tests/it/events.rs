//! `GET /jobs/{id}/events`.

use serde_json::{Value, json};

use crate::harness::{Service, faults};

fn types(body: &Value) -> Vec<&str> {
    let events = body["events"].as_array().expect("events");
    events.iter().map(|event| event["event_type"].as_str().expect("a type")).collect()
}

#[tokio::test]
async fn events_are_listed_oldest_first_with_every_column() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service
        .sql(&format!("update gh_automation_jobs set status = 'queued', worker_id = 'w' where id = '{id}'"));
    service.sql(&format!("insert into gh_job_events (job_id, event_type) values ('{id}', 'job_started')"));
    let answer = service.get(&format!("/jobs/{id}/events")).await;
    assert_eq!(answer.status, 200);
    assert_eq!(types(&answer.body), ["status_change", "job_started"]);
    assert_eq!(
        (&answer.body["total"], &answer.body["limit"], &answer.body["offset"]),
        (&json!(2), &json!(50), &json!(0))
    );
    let event = answer.body["events"][0].as_object().expect("an object");
    let keys: Vec<_> = event.keys().map(String::as_str).collect();
    let expected = [
        "actor",
        "created_at",
        "event_type",
        "from_status",
        "id",
        "job_id",
        "message",
        "metadata",
        "to_status",
    ];
    assert_eq!(keys, expected);
    assert_eq!((&event["from_status"], &event["to_status"]), (&json!("pending"), &json!("queued")));
    assert_eq!(event["message"], "Status changed from pending to queued");
}

#[tokio::test]
async fn events_are_paged_and_filtered_by_type() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    for name in ["a", "b", "a"] {
        service.sql(&format!("insert into gh_job_events (job_id, event_type) values ('{id}', '{name}')"));
    }
    let page = service.get(&format!("/jobs/{id}/events?limit=1&offset=1")).await.body;
    assert_eq!((types(&page), &page["total"]), (vec!["b"], &json!(3)));
    let only = service.get(&format!("/jobs/{id}/events?event_type=a")).await.body;
    assert_eq!((types(&only), &only["total"]), (vec!["a", "a"], &json!(2)));
}

#[tokio::test]
async fn limits_of_events_are_checked() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    for (query, fault) in [("limit=0", ("limit", "too_small")), ("limit=201", ("limit", "too_big"))] {
        assert_eq!(faults(&service.get(&format!("/jobs/{id}/events?{query}")).await), [fault]);
    }
}
