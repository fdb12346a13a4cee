//! `POST /jobs/{id}/cancel`.

use serde_json::json;

use crate::harness::Service;

#[tokio::test]
async fn a_job_that_has_not_ended_is_cancelled() {
    let service = Service::start().await;
    for status in ["pending", "queued", "running", "paused", "needs_human", "awaiting_review"] {
        let id = service.job(json!({})).await;
        service.sql(&format!(
            "update gh_automation_jobs set status = '{status}', worker_id = 'w' where id = '{id}'"
        ));
        let answer = service.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
        assert_eq!(answer.status, 200, "{status}: {answer:?}");
        assert_eq!(answer.body["id"], id);
        assert_eq!(answer.body["status"], "cancelled");
        assert!(answer.body["cancelled_at"].is_string());
        assert_eq!(answer.body["cancelled_at"], answer.body["completed_at"]);
        let row = service.get(&format!("/jobs/{id}")).await.body;
        assert_eq!(
            (&row["status"], &row["completed_at"]),
            (&json!("cancelled"), &answer.body["completed_at"])
        );
        let events = service.get(&format!("/jobs/{id}/events")).await.body;
        assert!(
            events["events"]
                .as_array()
                .expect("events")
                .iter()
                .any(|event| event["to_status"] == "cancelled")
        );
    }
}

#[tokio::test]
async fn a_job_that_has_ended_stays_as_it_is() {
    let service = Service::start().await;
    for status in ["completed", "failed", "cancelled", "expired"] {
        let id = service.job(json!({})).await;
        service.sql(&format!("update gh_automation_jobs set status = '{status}' where id = '{id}'"));
        let answer = service.post(&format!("/jobs/{id}/cancel"), &json!({})).await;
        assert_eq!(answer.status, 409, "{status}");
        assert_eq!(answer.body["error"], "job_not_cancellable");
        assert_eq!(answer.body["current_status"], status);
        assert_eq!(answer.body["reason"], format!("job already in terminal state: {status}"));
    }
}

#[tokio::test]
async fn a_cancel_takes_the_job_from_its_live_attempt() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service.sql(&format!(
        "insert into gh_job_attempts (id, job_id, user_id, no, tier, state, token_hash, token_sealed, boot_deadline)
        select gen_random_uuid(), id, user_id, 1, 'free', 'running', '\\x00', '\\x00', now() from gh_automation_jobs;
        update gh_automation_jobs set status = 'running', worker_id = 'w' where id = '{id}'"
    ));
    assert_eq!(service.post(&format!("/jobs/{id}/cancel"), &json!({})).await.status, 200);
    let attempts = service.rows("select state, end_class from gh_job_attempts");
    assert_eq!(attempts, [json!({ "state": "cancelled", "end_class": "cancelled" })]);
    service.sql(&format!("update gh_automation_jobs set status = 'completed' where id = '{id}'"));
    let row = service.get(&format!("/jobs/{id}/status")).await.body;
    assert_eq!(row["status"], "cancelled", "a cancelled job never becomes completed");
}

#[tokio::test]
async fn of_many_cancels_exactly_one_succeeds() {
    let service = std::sync::Arc::new(Service::start().await);
    let id = service.job(json!({})).await;
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (service, path) = (service.clone(), format!("/jobs/{id}/cancel"));
        tasks.push(tokio::spawn(async move { service.post(&path, &json!({})).await.status.as_u16() }));
    }
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.expect("no panic"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [&[200][..], &[409; 7]].concat());
}
