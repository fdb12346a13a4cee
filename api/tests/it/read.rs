//! `GET /jobs/{id}` and its status.

use serde_json::{Value, json};

use crate::harness::{Service, user};

/// The columns of contract section 1.1.
const CONTRACT: &str = "id idempotency_key user_id created_by job_type target_url task_description input_data priority \
    scheduled_at max_retries retry_count timeout_seconds status status_message started_at completed_at last_heartbeat \
    worker_id manual_id engine_type result_data result_summary error_code error_details screenshot_urls artifact_urls \
    metadata tags created_at updated_at callback_url valet_task_id resume_ref target_worker_id interaction_type \
    interaction_data paused_at execution_mode browser_mode final_mode worker_affinity llm_cost_cents action_count \
    total_tokens execution_attempt_id";

#[tokio::test]
async fn a_job_is_answered_with_every_column_of_the_contract() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    let row = service.get(&format!("/jobs/{id}")).await.body;
    let shown = row.as_object().expect("an object");
    for name in CONTRACT.split_whitespace() {
        assert!(shown.contains_key(name), "{name} is missing");
    }
    assert_eq!(row["screenshot_urls"], json!([]));
}

#[tokio::test]
async fn the_status_of_a_new_job_has_every_field_any_client_reads() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    let status = service.get(&format!("/jobs/{id}/status")).await.body;
    let expected = json!({
        "id": id, "status": "pending", "status_message": null, "progress_pct": null, "estimated_completion": null,
        "started_at": null, "last_heartbeat": null, "completed_at": null,
    });
    assert_eq!(status, expected);
}

#[tokio::test]
async fn the_status_of_a_running_job_shows_its_last_progress() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service.sql(&format!(
        "update gh_automation_jobs set status = 'running', started_at = now(), worker_id = 'w' where id = '{id}';
        insert into gh_job_events (job_id, event_type, metadata, created_at) values
            ('{id}', 'progress_update', '{{\"progress_pct\": 10, \"eta_ms\": 9000}}', now() - interval '9 s'),
            ('{id}', 'progress_update', '{{\"progress_pct\": 42.5, \"eta_ms\": 3600000}}', now());"
    ));
    let status = service.get(&format!("/jobs/{id}/status")).await.body;
    assert_eq!(status["progress_pct"], 42.5);
    assert!(status["estimated_completion"].is_string());
    assert!(status["started_at"].is_string());

    service.sql("update gh_job_events set metadata = '{\"progress_pct\": \"?\", \"eta_ms\": null}'");
    let status = service.get(&format!("/jobs/{id}/status")).await.body;
    assert_eq!((&status["progress_pct"], &status["estimated_completion"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_finished_job_is_all_done() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service.sql(&format!(
        "update gh_automation_jobs set status = 'completed', completed_at = now() where id = '{id}'"
    ));
    let status = service.get(&format!("/jobs/{id}/status")).await.body;
    assert_eq!((&status["status"], &status["progress_pct"]), (&json!("completed"), &json!(100.0)));
}

#[tokio::test]
async fn what_is_no_id_names_no_job() {
    let service = Service::start().await;
    for path in [
        "/jobs/nope",
        "/jobs/nope/status",
        "/jobs/%27%3B--/events",
        "/jobs/00000000-0000-0000-0000-000000000000",
    ] {
        let answer = service.get(path).await;
        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(
            answer.body,
            json!({ "error": "not_found", "message": "Job not found", "details": null }),
            "{path}"
        );
    }
    for path in ["/jobs/nope/cancel", "/jobs/nope/retry"] {
        assert_eq!(service.post(path, &json!({})).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn a_row_valet_wrote_itself_is_read_like_any_other() {
    let service = Service::start().await;
    service.sql(&format!(
        "insert into gh_automation_jobs (user_id, job_type, target_url, input_data, status, metadata)
        values ('{}', 'apply', 'https://a.example', '{{}}', 'queued', '{{\"source\":\"valet\"}}')",
        user()
    ));
    let list = service.get("/jobs?status=queued").await.body;
    assert_eq!(list["jobs"][0]["task_description"], "");
    assert_eq!(list["jobs"][0]["metadata"], json!({ "source": "valet" }));
}
