//! `POST /valet/resume/{id}`.

use std::time::{Duration, Instant};

use api::server::Limits;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use domain::id::AttemptId;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use store::hitl;
use store::seal::Sealer;
use uuid::Uuid;

use crate::harness::{Ask, ENCRYPTION_KEY, Service, faults, stranger};

/// The token of the attempt that waits.
const TOKEN: &str = "the-one-time-token";

/// The keys of the service.
fn sealer() -> Sealer {
    Sealer::new(1, &SecretString::from(ENCRYPTION_KEY)).expect("a key")
}

/// A job in `status`, with a live attempt whose runner waits.
async fn waiting(service: &Service, status: &str) -> (String, AttemptId) {
    let (job, attempt) = (service.job(json!({})).await, AttemptId::new());
    let belongs_to = format!("token:{attempt}");
    let sealed = sealer().seal(belongs_to.as_bytes(), TOKEN.as_bytes()).expect("sealed");
    let base64 = STANDARD.encode(sealed);
    service.sql(&format!(
        "insert into gh_job_attempts (id, job_id, user_id, no, tier, state, token_hash, token_sealed, boot_deadline)
        select '{attempt}', id, user_id, 1, 'free', 'running', sha256('{TOKEN}'), decode('{base64}', 'base64'), now()
        from gh_automation_jobs where id = '{job}';
        update gh_automation_jobs set status = 'running', worker_id = 'w' where id = '{job}';
        update gh_automation_jobs set status = '{status}', paused_at = now(), interaction_type = '2fa' where id = '{job}'"
    ));
    (job, attempt)
}

/// What the runner of the attempt is told.
fn told(service: &Service, attempt: AttemptId, token: &str) -> Value {
    let rows = service.rows(&format!(
        "select gh_attempt_resolution('{attempt}', (select fence from gh_job_attempts where id = '{attempt}'), '{token}') as reply"
    ));
    rows[0]["reply"].clone()
}

/// What a runner with this token reads in it.
fn opened(told: &Value, token: &str) -> String {
    let sealed = STANDARD.decode(told["sealed"].as_str().expect("sealed")).expect("base64");
    let id = told["id"].as_str().expect("an id").parse().expect("a UUID");
    let keys = hitl::sealer_of(&SecretString::from(token)).expect("a key");
    String::from_utf8(keys.open(&hitl::belongs_to(id), &sealed).expect("it opens")).expect("text")
}

/// A client that knows both names of the note may send both.
#[tokio::test]
async fn a_note_may_come_under_both_its_names() {
    let service = Service::start().await;
    let (job, _) = waiting(&service, "paused").await;
    let body = json!({ "resolution_notes": "done", "notes": "done, in VALET's words" });
    assert_eq!(service.post(&format!("/valet/resume/{job}"), &body).await.status, 200);
    let row = service.get(&format!("/jobs/{job}")).await.body;
    assert_eq!(row["status_message"], "Resumed by human: done");
    for nothing in ["", " ", "null", "{}"] {
        let (job, _) = waiting(&service, "paused").await;
        let request = service.as_service(Method::POST, &format!("/valet/resume/{job}")).body(nothing);
        assert_eq!(request.answer().await.status, 200, "{nothing:?}");
    }
}

/// VALET writes what its user changed in the form into the note: `Field overrides: {…}`.
#[tokio::test]
async fn a_note_of_any_length_is_taken_and_kept_whole() {
    let service = Service::start().await;
    let note = format!("Field overrides: {}", json!({ "Why?": "\u{e9}".repeat(20_000) }));
    for name in ["notes", "resolution_notes"] {
        for has_machine in [true, false] {
            let job =
                if has_machine { waiting(&service, "paused").await.0 } else { service.job(json!({})).await };
            if !has_machine {
                service.sql(&format!(
                    "update gh_automation_jobs set status = 'needs_human', worker_id = 'w' where id = '{job}'"
                ));
            }
            let answer = service
                .post(&format!("/valet/resume/{job}"), &json!({ name: note, "resolved_by": "human" }))
                .await;
            assert_eq!(answer.status, 200, "{name} {has_machine}: {answer:?}");
            let row = service.get(&format!("/jobs/{job}")).await.body;
            let told = row["status_message"].as_str().expect("a message");
            assert!(
                told.starts_with("Resumed by human: Field overrides: {") && told.chars().count() <= 500,
                "{told}"
            );
            let kept = service.rows(&format!("select notes from gh_job_resolutions where job_id = '{job}'"));
            assert_eq!(kept, [json!({ "notes": note })], "{name} {has_machine}");
        }
    }
    let (job, _) = waiting(&service, "paused").await;
    let both = json!({ "resolution_notes": "", "notes": "from VALET" });
    assert_eq!(service.post(&format!("/valet/resume/{job}"), &both).await.status, 200);
    let row = service.get(&format!("/jobs/{job}")).await.body;
    assert_eq!(row["status_message"], "Resumed by human: from VALET");
}

#[tokio::test]
async fn a_code_reaches_the_waiting_runner_and_nobody_else() {
    let service = Service::start().await;
    let (job, attempt) = waiting(&service, "paused").await;
    assert_eq!(told(&service, attempt, TOKEN)["waiting"], true);
    let body = json!({ "resolution_type": "code_entry", "resolution_data": { "code": "428913" }, "notes": "from the phone" });
    let answer = service.post(&format!("/valet/resume/{job}"), &body).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = json!({ "job_id": job, "status": "running", "resolved_by": "human", "resolution_type": "code_entry" });
    assert_eq!(answer.body, expected);

    let row = service.get(&format!("/jobs/{job}")).await.body;
    assert_eq!((&row["status"], &row["paused_at"]), (&json!("running"), &Value::Null));
    assert_eq!(row["status_message"], "Resumed by human: from the phone");
    assert_eq!(opened(&told(&service, attempt, TOKEN), TOKEN), r#"{"code":"428913"}"#);

    for table in ["gh_automation_jobs", "gh_job_events", "gh_job_resolutions"] {
        let rows = service.rows(&format!("select t::text as row from {table} t"));
        assert!(!format!("{rows:?}").contains("428913"), "{table} holds the code in clear");
    }
    service.sql(&format!("update gh_automation_jobs set status = 'failed' where id = '{job}'"));
    assert_eq!(
        service.rows("select sealed from gh_job_resolutions"),
        [json!({ "sealed": null })],
        "wiped at the end"
    );
}

/// The attempt of a pool machine has a token of its own that its runner never saw.
#[tokio::test]
async fn a_runner_on_a_machine_of_the_pool_can_open_its_answer() {
    let service = Service::start().await;
    let (job, attempt) = waiting(&service, "paused").await;
    let (machine, pool_token) = (Uuid::now_v7(), "the-token-of-the-machine");
    let sealed = STANDARD
        .encode(sealer().seal(format!("token:{machine}").as_bytes(), pool_token.as_bytes()).expect("sealed"));
    service.sql(&format!(
        "insert into gh_machines (id, kind, attempt_id, app, name, tier, guest, image, regions, token_hash, token_sealed)
            values ('{machine}', 'pool', '{attempt}', 'app', 'gh-x', 'free', '{{}}', 'image', 'iad', sha256('{pool_token}'),
                decode('{sealed}', 'base64'));
        update gh_job_attempts set token_hash = sha256('{pool_token}')"
    ));
    let body = json!({ "resolution_type": "code_entry", "resolution_data": { "code": "1" } });
    assert_eq!(service.post(&format!("/valet/resume/{job}"), &body).await.status, 200);
    assert_eq!(opened(&told(&service, attempt, pool_token), pool_token), r#"{"code":"1"}"#);
}

#[tokio::test]
async fn the_same_answer_again_is_harmless() {
    let service = Service::start().await;
    let (job, _) = waiting(&service, "paused").await;
    let path = format!("/valet/resume/{job}");
    let first = service.post(&path, &json!({})).await;
    let again = service.as_service(Method::POST, &path).answer().await;
    assert_eq!((first.status.as_u16(), again.status.as_u16()), (200, 200));
    assert_eq!(first.body, again.body);
    assert_eq!(service.rows("select id from gh_job_events where event_type = 'hitl_resumed'").len(), 1);
}

#[tokio::test]
async fn a_job_whose_machine_is_gone_goes_back_to_the_queue() {
    let service = Service::start().await;
    for status in ["needs_human", "awaiting_review", "paused"] {
        let id = service.job(json!({})).await;
        service.sql(&format!(
            "update gh_automation_jobs set status = '{status}', paused_at = now(), error_code = 'login_required', worker_id = 'w'
            where id = '{id}'"
        ));
        let answer = service.post(&format!("/valet/resume/{id}"), &json!({ "resolved_by": "system" })).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["status"]),
            (200, &json!("pending")),
            "{status}: {answer:?}"
        );
        let row = service.get(&format!("/jobs/{id}")).await.body;
        assert_eq!(
            (&row["worker_id"], &row["error_code"], &row["retry_count"]),
            (&Value::Null, &Value::Null, &json!(0))
        );
    }
}

#[tokio::test]
async fn a_job_that_does_not_wait_is_not_resumed() {
    let service = Service::start().await;
    for status in ["pending", "queued", "running", "completed", "failed", "cancelled", "expired"] {
        let id = service.job(json!({})).await;
        service.sql(&format!(
            "update gh_automation_jobs set status = '{status}', worker_id = 'w' where id = '{id}'"
        ));
        let answer = service.post(&format!("/valet/resume/{id}"), &json!({})).await;
        assert_eq!(answer.status, 409, "{status}");
        assert_eq!(answer.body["error"], "invalid_state");
        assert_eq!(answer.body["message"], format!("Job is not paused (current status: {status})"));
    }
}

#[tokio::test]
async fn an_answer_is_checked_and_belongs_to_the_owner() {
    let service = Service::start().await;
    let (job, _) = waiting(&service, "paused").await;
    let path = format!("/valet/resume/{job}");
    for (body, field) in [
        (json!({ "resolved_by": "robot" }), "resolved_by"),
        (json!({ "resolution_type": "luck" }), "resolution_type"),
        (json!({ "resolution_data": "123456" }), "resolution_data"),
    ] {
        assert_eq!(faults(&service.post(&path, &body).await)[0].0, field);
    }
    assert_eq!(service.as_user(stranger(), Method::POST, &path).json(&json!({})).answer().await.status, 404);
    assert_eq!(service.post("/valet/resume/nope", &json!({})).await.status, 404);
    assert_eq!(service.get(&format!("/jobs/{job}/status")).await.body["status"], "paused");
}

#[tokio::test]
async fn without_a_key_a_secret_is_refused_and_not_stored() {
    let service = Service::with(&[("GH_ENCRYPTION_KEY", "")], Limits::default()).await;
    let (job, _) = waiting(&service, "paused").await;
    let body = json!({ "resolution_type": "code_entry", "resolution_data": { "code": "1" } });
    let answer = service.post(&format!("/valet/resume/{job}"), &body).await;
    assert_eq!((answer.status.as_u16(), &answer.body["error"]), (500, &json!("server_config_error")));
    assert!(service.rows("select id from gh_job_resolutions").is_empty());
}

#[tokio::test]
async fn many_answers_at_once_resume_once() {
    let service = std::sync::Arc::new(Service::start().await);
    let (job, _) = waiting(&service, "paused").await;
    let start = Instant::now();
    let mut tasks = Vec::new();
    for _ in 0..8 {
        let (service, path) = (service.clone(), format!("/valet/resume/{job}"));
        tasks.push(tokio::spawn(async move { service.post(&path, &json!({})).await.status.as_u16() }));
    }
    for task in tasks {
        assert_eq!(task.await.expect("no panic"), 200);
    }
    assert!(start.elapsed() < Duration::from_secs(10));
    assert_eq!(service.rows("select id from gh_job_resolutions").len(), 1);
}
