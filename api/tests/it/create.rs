//! `POST /jobs`.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Ask, Service, faults, job, stranger, user};

#[tokio::test]
async fn the_least_a_job_must_say_is_enough() {
    let service = Service::start().await;
    let answer = service.post("/jobs", &job(json!({}))).await;
    assert_eq!(answer.status, 201);
    assert_eq!(answer.body["status"], "pending");
    let keys: Vec<_> = answer.body.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["created_at", "id", "status"]);

    let row = service.get(&format!("/jobs/{}", answer.body["id"].as_str().expect("an id"))).await.body;
    let defaults = json!({
        "priority": 5, "max_retries": 3, "timeout_seconds": 300, "retry_count": 0, "scheduled_at": null, "tags": [],
        "input_data": {}, "metadata": {}, "created_by": "valet", "idempotency_key": null, "execution_mode": "auto",
        "worker_affinity": "preferred", "tier": "free", "user_id": user(),
    });
    for (name, value) in defaults.as_object().expect("an object") {
        assert_eq!(&row[name], value, "{name}");
    }
}

/// What VALET's client sends for a plain `createJob` (contract section 4).
#[tokio::test]
async fn null_is_the_same_as_absent_everywhere() {
    let service = Service::start().await;
    let nulls = json!({
        "scheduled_at": null, "idempotency_key": null, "target_worker_id": null, "priority": null, "max_retries": null,
        "timeout_seconds": null, "tags": null, "metadata": null, "input_data": null, "callback_url": null,
        "valet_task_id": null, "worker_affinity": null, "execution_mode": null, "resume_ref": null,
    });
    assert_eq!(service.post("/jobs", &job(nulls)).await.status, 201);
    let input = json!({ "input_data": {
        "resume_path": null, "resume_id": null, "tier": null, "platform": null, "qa_overrides": null,
        "user_data": { "first_name": "A", "last_name": "B", "email": "a@b.example", "phone": null, "linkedin_url": null },
    } });
    assert_eq!(service.post("/jobs", &job(input)).await.status, 201);
}

#[tokio::test]
async fn every_key_below_input_data_and_metadata_is_kept() {
    let service = Service::start().await;
    let input = json!({
        "user_data": { "first_name": "A", "last_name": "B", "email": "a@b.example", "favourite_colour": "blue" },
        "qa_overrides": { "Why us?": "Because" }, "tier": "premium", "platform": "workday", "model": "gpt-4o",
        "image_model": "qwen-72b", "resume_ref": { "storage_path": "r.pdf" }, "deep": [{ "a": [1.5, null] }],
    });
    let metadata = json!({ "valet_task_id": "t-1", "anything": { "goes": true } });
    let id =
        service.job(json!({ "input_data": input, "metadata": metadata, "tags": ["a", null, "b"] })).await;
    let row = service.get(&format!("/jobs/{id}")).await.body;
    assert_eq!(row["input_data"], input);
    assert_eq!(row["metadata"], metadata);
    assert_eq!(row["tags"], json!(["a", "b"]), "a tag left undefined arrives as null");
    assert_eq!(row["tier"], "premium");
}

#[tokio::test]
async fn every_column_of_the_contract_is_written() {
    let service = Service::start().await;
    let given = json!({
        "priority": 1, "max_retries": 0, "timeout_seconds": 1800, "idempotency_key": "k", "job_type": "smart_apply",
        "callback_url": "https://valet.example/hook", "valet_task_id": "t", "target_worker_id": "w",
        "worker_affinity": "strict", "execution_mode": "hybrid", "resume_ref": { "s3_key": "k" },
    });
    let id = service.job(given.clone()).await;
    let row = service.get(&format!("/jobs/{id}")).await.body;
    for (name, value) in given.as_object().expect("an object") {
        assert_eq!(&row[name], value, "{name}");
    }
}

#[tokio::test]
async fn a_time_may_be_given_with_any_offset() {
    let service = Service::start().await;
    for text in ["2030-01-01T10:00:00Z", "2030-01-01T12:00:00+02:00", "2030-01-01T10:00:00.000Z"] {
        let id = service.job(json!({ "scheduled_at": text })).await;
        let row = service.get(&format!("/jobs/{id}")).await.body;
        assert_eq!(row["scheduled_at"], "2030-01-01T10:00:00Z", "{text}");
    }
}

#[tokio::test]
async fn every_fault_is_named_with_its_field_and_code() {
    let service = Service::start().await;
    let cases = [
        (json!({ "job_type": null }), "job_type", "invalid_type"),
        (json!({ "job_type": "" }), "job_type", "too_small"),
        (json!({ "job_type": "x".repeat(51) }), "job_type", "too_big"),
        (json!({ "target_url": "javascript:alert(1)" }), "target_url", "invalid_string"),
        (json!({ "target_url": "ftp://a.example/x" }), "target_url", "invalid_string"),
        (json!({ "target_url": "http://169.254.169.254/" }), "target_url", "custom"),
        (json!({ "callback_url": "http://localhost/hook" }), "callback_url", "custom"),
        (json!({ "task_description": "x".repeat(1001) }), "task_description", "too_big"),
        (json!({ "priority": 0 }), "priority", "too_small"),
        (json!({ "priority": 11 }), "priority", "too_big"),
        (json!({ "priority": "high" }), "priority", "invalid_type"),
        (json!({ "max_retries": 11 }), "max_retries", "too_big"),
        (json!({ "timeout_seconds": 29 }), "timeout_seconds", "too_small"),
        (json!({ "timeout_seconds": 1801 }), "timeout_seconds", "too_big"),
        (json!({ "tags": vec!["x"; 21] }), "tags", "too_big"),
        (json!({ "tags": ["x".repeat(51)] }), "tags.0", "too_big"),
        (json!({ "idempotency_key": "x".repeat(256) }), "idempotency_key", "too_big"),
        (json!({ "scheduled_at": "tomorrow" }), "scheduled_at", "invalid_string"),
        (json!({ "user_id": "me" }), "user_id", "invalid_string"),
        (json!({ "metadata": [] }), "metadata", "invalid_type"),
        (json!({ "input_data": "x" }), "input_data", "invalid_type"),
        (json!({ "input_data": { "tier": "gold" } }), "input_data.tier", "invalid_enum_value"),
        (json!({ "input_data": { "platform": "x" } }), "input_data.platform", "invalid_enum_value"),
        (json!({ "input_data": { "resume_id": "x" } }), "input_data.resume_id", "invalid_string"),
        (
            json!({ "input_data": { "qa_overrides": { "a": 1 } } }),
            "input_data.qa_overrides.a",
            "invalid_type",
        ),
        (json!({ "execution_mode": "fast" }), "execution_mode", "invalid_enum_value"),
        (json!({ "prioritty": 1 }), "prioritty", "unrecognized_keys"),
        (
            json!({ "resume_ref": { "download_url": "http://10.0.0.1/r.pdf" } }),
            "resume_ref.download_url",
            "custom",
        ),
        (json!({ "metadata": { "a": "\u{0}" } }), "", "custom"),
    ];
    for (fault, field, code) in cases {
        let answer = service.post("/jobs", &job(fault.clone())).await;
        assert_eq!(faults(&answer), [(field, code)], "{fault}");
    }
    let user_data = json!({ "input_data": { "user_data": { "email": "nobody", "linkedin_url": "x" } } });
    let answer = service.post("/jobs", &job(user_data)).await;
    let message = answer.body["message"].as_str().expect("a message");
    assert!(message.starts_with("4 fields are not valid: input_data.user_data.email, "), "{message}");
    let fields: Vec<_> = faults(&answer).into_iter().map(|(field, _)| field).collect();
    let expected =
        ["email", "first_name", "last_name", "linkedin_url"].map(|key| format!("input_data.user_data.{key}"));
    assert_eq!(fields, expected);
    assert!(service.rows("select id from gh_automation_jobs").is_empty());
}

#[tokio::test]
async fn a_service_must_say_whose_job_it_is() {
    let service = Service::start().await;
    let answer = service.post("/jobs", &job(json!({ "user_id": null }))).await;
    assert_eq!(faults(&answer), [("user_id", "invalid_type")]);
    assert_eq!(answer.body["message"], "user_id is required");
}

#[tokio::test]
async fn a_user_s_job_is_their_own_whatever_the_body_says() {
    let service = Service::start().await;
    let body = job(json!({ "user_id": stranger(), "input_data": { "tier": "premium" } }));
    let answer = service.as_user(user(), Method::POST, "/jobs").json(&body).answer().await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let row = service.get(&format!("/jobs/{}", answer.body["id"].as_str().expect("an id"))).await.body;
    assert_eq!(row["user_id"], json!(user()));
    assert_eq!(row["created_by"], "api");
    assert_eq!(row["tier"], "free", "the tier is the account's, not the body's");
}

#[tokio::test]
async fn what_is_no_json_is_a_bad_request() {
    let service = Service::start().await;
    for text in ["", "{", "no", "{\"a\":}"] {
        let answer = service.as_service(Method::POST, "/jobs").body(text).answer().await;
        assert_eq!(answer.status, 400, "{text}");
        assert_eq!(answer.body["error"], "bad_request");
        assert_eq!(answer.body["message"], "Invalid JSON body");
    }
    for text in ["[]", "1", "null"] {
        let answer = service.as_service(Method::POST, "/jobs").body(text).answer().await;
        assert_eq!(answer.status, 422, "{text}");
    }
}

#[tokio::test]
async fn an_id_and_a_time_that_are_none_are_told_in_words() {
    let service = Service::start().await;
    for (fault, message) in [
        (json!({ "scheduled_at": "soon" }), "scheduled_at: must be a time, as in 2026-11-26T10:00:00Z"),
        (json!({ "scheduled_at": "2026-11-26" }), "scheduled_at: must be a time, as in 2026-11-26T10:00:00Z"),
        (
            json!({ "scheduled_at": "2026-13-45T10:00:00Z" }),
            "scheduled_at: must be a time, as in 2026-11-26T10:00:00Z",
        ),
        (json!({ "user_id": "me" }), "user_id: must be a UUID"),
        (json!({ "input_data": { "resume_id": "1" } }), "input_data.resume_id: must be a UUID"),
    ] {
        let answer = service.post("/jobs", &job(fault)).await;
        assert_eq!((answer.status.as_u16(), &answer.body["message"]), (422, &json!(message)));
        assert_eq!(answer.body["details"][0]["code"], "invalid_string");
    }
}

#[tokio::test]
async fn a_field_that_is_there_twice_is_named() {
    let service = Service::start().await;
    for (more, field) in [("\"priority\":1,\"priority\":2", "priority"), ("\"type\":\"apply\"", "job_type")] {
        let text = job(json!({})).to_string().replacen('{', &format!("{{{more},"), 1);
        let answer = service.as_service(Method::POST, "/jobs").body(text).answer().await;
        assert_eq!(faults(&answer), [(field, "custom")]);
    }
    let input = "\"input_data\":{\"tier\":\"free\",\"tier\":\"pro\"}";
    let text = job(json!({})).to_string().replacen('{', &format!("{{{input},"), 1);
    let answer = service.as_service(Method::POST, "/jobs").body(text).answer().await;
    assert_eq!(faults(&answer), [("input_data.tier", "custom")]);
}

#[tokio::test]
async fn nesting_without_end_is_refused() {
    let service = Service::start().await;
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = job(json!({})).to_string().replacen('{', &format!("{{\"metadata\":{{\"a\":{deep}}},"), 1);
    let answer = service.as_service(Method::POST, "/jobs").body(text).answer().await;
    assert!(answer.status.is_client_error(), "{answer:?}");
}

#[tokio::test]
async fn a_key_used_before_is_a_conflict_that_names_the_job() {
    let service = Service::start().await;
    let id = service.job(json!({ "idempotency_key": "once" })).await;
    let answer = service.post("/jobs", &job(json!({ "idempotency_key": "once" }))).await;
    assert_eq!(answer.status, 409);
    assert_eq!(answer.body["error"], "duplicate_idempotency_key");
    assert_eq!(answer.body["existing_job_id"], id);
    assert_eq!(answer.body["existing_status"], "pending");
    assert!(answer.body["message"].is_string());
}

#[tokio::test]
async fn nobody_learns_of_another_user_s_job_by_its_key() {
    let service = Service::start().await;
    service.job(json!({ "idempotency_key": "once", "user_id": stranger() })).await;
    let again = job(json!({ "idempotency_key": "once" }));
    let by_user = service.as_user(user(), Method::POST, "/jobs").json(&again).answer().await;
    for answer in [by_user, service.post("/jobs", &again).await] {
        assert_eq!(answer.status, 409);
        assert_eq!(answer.body["error"], "duplicate_idempotency_key");
        assert_eq!(answer.body["existing_job_id"], Value::Null);
        assert_eq!(answer.body["existing_status"], Value::Null);
    }
}

#[tokio::test]
async fn of_many_requests_with_one_key_exactly_one_writes() {
    let service = std::sync::Arc::new(Service::start().await);
    let mut tasks = Vec::new();
    for _ in 0..16 {
        let service = service.clone();
        tasks.push(tokio::spawn(async move {
            service.post("/jobs", &job(json!({ "idempotency_key": "race" }))).await.status.as_u16()
        }));
    }
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.expect("no panic"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [&[201][..], &[409; 15]].concat());
    assert_eq!(service.rows("select id from gh_automation_jobs").len(), 1);
}

#[tokio::test]
async fn the_caller_s_trace_goes_on_with_the_job() {
    let service = Service::start().await;
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    for (sent, kept) in [(trace, json!(trace)), ("00-x-y-01'; drop table x", Value::Null)] {
        let request = service.as_service(Method::POST, "/jobs").header("traceparent", sent);
        let id = request.json(&job(json!({}))).answer().await.body["id"].clone();
        let query = format!(
            "select traceparent from gh_automation_jobs where id = '{}'",
            id.as_str().expect("an id")
        );
        assert_eq!(service.rows(&query)[0]["traceparent"], kept);
    }
}
