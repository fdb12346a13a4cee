//! `POST /valet/workers/deregister`.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Ask, Service, faults, user};

#[tokio::test]
async fn a_deregistered_worker_is_offline_and_its_jobs_fail_when_that_is_asked() {
    let service = Service::start().await;
    let (held, targeted, other) = (
        service.job(json!({})).await,
        service.job(json!({ "target_worker_id": "box" })).await,
        service.job(json!({})).await,
    );
    service.sql(&format!(
        "insert into gh_worker_registry (worker_id, target_worker_id) values ('w1', 'box'), ('w2', 'elsewhere');
        update gh_automation_jobs set status = 'running', worker_id = 'w1' where id = '{held}';
        update gh_automation_jobs set status = 'queued', worker_id = 'w1' where id = '{targeted}';
        update gh_automation_jobs set status = 'running', worker_id = 'w2' where id = '{other}'"
    ));
    let body = json!({ "target_worker_id": "box", "reason": "gone", "drain_timeout_seconds": 30 });
    let kept = service.post("/valet/workers/deregister", &body).await.body;
    assert_eq!((&kept["deregistered_workers"], &kept["cancelled_job_ids"]), (&json!(["w1"]), &json!([])));

    let body = json!({ "target_worker_id": "box", "reason": "gone", "cancel_active_jobs": true });
    let done = service.post("/valet/workers/deregister", &body).await.body;
    assert_eq!((&done["deregistered"], &done["reason"]), (&json!(["w1"]), &json!("gone")));
    assert_eq!(done["cancelled_jobs"], done["cancelled_job_ids"]);
    assert_eq!(done["cancelled_jobs"].as_array().expect("ids").len(), 2);
    let row = service.get(&format!("/jobs/{held}")).await.body;
    assert_eq!((&row["status"], &row["error_code"]), (&json!("failed"), &json!("worker_deregistered")));
    assert_eq!(row["error_details"], json!({ "message": "gone" }));
    assert_eq!(service.get(&format!("/jobs/{other}/status")).await.body["status"], "running");
    let workers = service.rows("select worker_id, status from gh_worker_registry order by 1");
    assert_eq!(workers[0]["status"], "offline");
    assert_eq!(workers[1]["status"], "active");
}

#[tokio::test]
async fn an_unknown_target_is_not_found_and_a_user_may_not_ask() {
    let service = Service::start().await;
    let body = json!({ "target_worker_id": "nobody" });
    let answer = service.post("/valet/workers/deregister", &body).await;
    assert_eq!(answer.status, 404);
    assert_eq!(answer.body["message"], "No workers found with target_worker_id: nobody");
    assert_eq!(faults(&service.post("/valet/workers/deregister", &json!({})).await)[0].0, "target_worker_id");
    let by_user =
        service.as_user(user(), Method::POST, "/valet/workers/deregister").json(&body).answer().await;
    assert_eq!(by_user.status, 403);
}
