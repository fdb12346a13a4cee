//! `POST /jobs/{id}/retry`.

use serde_json::{Value, json};

use crate::harness::Service;

#[tokio::test]
async fn a_retry_starts_the_job_anew() {
    let service = Service::start().await;
    for status in ["failed", "cancelled", "needs_human"] {
        let id = service.job(json!({})).await;
        service.sql(&format!(
            "update gh_automation_jobs set status = '{status}', worker_id = 'w', error_code = 'timeout', error_details = '{{}}',
                started_at = now(), completed_at = now(), last_heartbeat = now(), scheduled_at = now() + interval '1 h',
                interaction_type = 'captcha', interaction_data = '{{}}', paused_at = now(), crash_count = 1, retry_count = 2
            where id = '{id}'"
        ));
        let answer = service.post(&format!("/jobs/{id}/retry"), &json!({})).await;
        assert_eq!(answer.status, 200, "{status}: {answer:?}");
        assert_eq!(answer.body, json!({ "id": id, "status": "pending", "retry_count": 3 }));
        let row = service.get(&format!("/jobs/{id}")).await.body;
        assert_eq!(row["status"], "pending");
        for cleared in [
            "worker_id",
            "error_code",
            "error_details",
            "started_at",
            "completed_at",
            "last_heartbeat",
            "scheduled_at",
            "interaction_type",
            "interaction_data",
            "paused_at",
        ] {
            assert_eq!(row[cleared], Value::Null, "{cleared}");
        }
    }
}

#[tokio::test]
async fn a_job_that_succeeded_or_still_goes_on_is_not_retried() {
    let service = Service::start().await;
    for status in ["pending", "queued", "running", "paused", "awaiting_review", "completed", "expired"] {
        let id = service.job(json!({})).await;
        service.sql(&format!("update gh_automation_jobs set status = '{status}' where id = '{id}'"));
        let answer = service.post(&format!("/jobs/{id}/retry"), &json!({})).await;
        assert_eq!(answer.status, 409, "{status}");
        assert_eq!(answer.body["error"], "job_not_retryable");
        assert_eq!(answer.body["current_status"], status);
        let message = format!(
            "Job with status '{status}' cannot be retried. Only failed or cancelled jobs can be retried."
        );
        assert_eq!(answer.body["message"], message);
    }
}

#[tokio::test]
async fn a_job_whose_form_may_have_been_sent_is_not_retried_by_anybody() {
    let service = Service::start().await;
    for (status, outcome) in
        [("failed", "'unknown'"), ("cancelled", "null"), ("needs_human", "'not_submitted'")]
    {
        let id = service.job(json!({})).await;
        service.sql(&format!(
            "update gh_automation_jobs set status = '{status}', error_code = 'x', completed_at = now() where id = '{id}';
            insert into gh_permits (job_id, effect, attempt_id, fence, outcome) values ('{id}', 'submit', gen_random_uuid(), 1, {outcome})"
        ));
        let answer = service.post(&format!("/jobs/{id}/retry"), &json!({})).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["error"]),
            (409, &json!("job_not_retryable")),
            "{status}"
        );
        assert_eq!(
            (&answer.body["current_status"], &answer.body["reason"]),
            (&json!(status), &answer.body["message"])
        );
        let message = answer.body["message"].as_str().expect("a message");
        assert!(message.contains("may have been sent") && message.contains("create a new job"), "{message}");
        // VALET and its client write the row themselves: that changes nothing either.
        for queue in ["pending", "queued"] {
            service.sql(&format!("update gh_automation_jobs set status = '{queue}', error_code = null, retry_count = 9 where id = '{id}'"));
        }
        let row = service.get(&format!("/jobs/{id}")).await.body;
        assert_eq!(
            (&row["status"], &row["error_code"], &row["retry_count"]),
            (&json!(status), &json!("x"), &json!(0))
        );
        if status == "needs_human" {
            let answer = service.post(&format!("/valet/resume/{id}"), &json!({})).await;
            assert_eq!((answer.status.as_u16(), &answer.body["error"]), (409, &json!("invalid_state")));
            assert_eq!(answer.body["message"], message);
        }
    }
}
