//! `/valet/apply`, `/valet/task` and `/valet/status`: VALET's own client.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Ask, Service, faults, stranger, user};

/// What VALET sends for an application, as far as it always says it.
fn application(more: Value) -> Value {
    let mut body = json!({
        "valet_task_id": "task-1",
        "valet_user_id": user(),
        "target_url": "https://jobs.lever.co/acme/1",
        "resume": { "storage_path": "" },
        "profile": { "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com" },
    });
    if let (Value::Object(body), Value::Object(more)) = (&mut body, more) {
        body.extend(more);
    }
    body
}

async fn row(service: &Service, answer: &Value) -> Value {
    service.get(&format!("/jobs/{}", answer["job_id"].as_str().expect("a job id"))).await.body
}

#[tokio::test]
async fn an_application_becomes_a_job() {
    let service = Service::start().await;
    let body = application(json!({
        "platform": "lever", "quality": "quality", "model": "gpt-4o", "image_model": "qwen-72b", "max_retries": 1,
        "callback_url": "https://valet.example/hook?token=secret", "priority": 2, "metadata": { "subscription_tier": "pro" },
        "resume": { "storage_path": "resumes/a.pdf" }, "qa_answers": { "Why?": "Because" }, "unheard_of": true,
        "profile": {
            "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "phone": null, "linkedin_url": "",
            "location": { "city": "London", "country": "UK", "zip": "N1" }, "years_of_experience": 7, "pronouns": "she",
            "education": [{ "institution": "Home", "graduation_year": 0 }, { "institution": "X", "graduation_year": 1999 }],
            "work_history": [{ "company": "Analytical Engines" }], "skills": ["maths"],
        },
    }));
    let answer = service.post("/valet/apply", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(
        (&answer.body["valet_task_id"], &answer.body["status"]),
        (&json!("task-1"), &json!("pending"))
    );
    assert!(answer.body["created_at"].is_string());
    let row = row(&service, &answer.body).await;
    let expected = json!({
        "user_data": {
            "first_name": "Ada", "last_name": "Lovelace", "email": "ada@example.com", "linkedin_url": "", "city": "London",
            "country": "UK", "zip": "N1", "years_of_experience": 7, "pronouns": "she",
            "education": [{ "institution": "Home" }, { "institution": "X", "graduation_year": 1999 }],
            "work_history": [{ "company": "Analytical Engines" }], "skills": ["maths"],
        },
        "qa_overrides": { "Why?": "Because" }, "tier": "pro", "platform": "lever", "model": "gpt-4o", "image_model": "qwen-72b",
    });
    assert_eq!(row["input_data"], expected);
    let metadata = json!({
        "subscription_tier": "pro", "source": "valet", "quality_preset": "quality", "valet_task_id": "task-1",
        "resume_ref": { "storage_path": "resumes/a.pdf" },
    });
    assert_eq!(row["metadata"], metadata);
    for (name, value) in [
        ("job_type", json!("apply")),
        ("created_by", json!("valet")),
        ("tags", json!(["valet", "apply"])),
        ("priority", json!(2)),
        ("max_retries", json!(1)),
        ("valet_task_id", json!("task-1")),
        ("callback_url", json!("https://valet.example/hook?token=secret")),
        ("resume_ref", json!({ "storage_path": "resumes/a.pdf" })),
        ("execution_mode", json!("auto")),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
}

#[tokio::test]
async fn an_application_without_a_file_or_a_platform_is_taken() {
    let service = Service::start().await;
    let answer = service.post("/valet/apply", &application(json!({}))).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let row = row(&service, &answer.body).await;
    assert_eq!((&row["resume_ref"], &row["metadata"]["resume_ref"]), (&Value::Null, &Value::Null));
    assert_eq!(
        (&row["input_data"]["platform"], &row["input_data"]["tier"]),
        (&json!("other"), &json!("starter"))
    );
}

#[tokio::test]
async fn a_fault_of_an_application_is_named() {
    let service = Service::start().await;
    for (fault, field) in [
        (json!({ "valet_task_id": null }), "valet_task_id"),
        (json!({ "valet_user_id": null }), "valet_user_id"),
        (json!({ "profile": null }), "profile"),
        (json!({ "target_url": "file:///etc/passwd" }), "target_url"),
        (json!({ "callback_url": "http://10.0.0.1/" }), "callback_url"),
        (json!({ "resume": { "download_url": "http://[fdaa::1]/r.pdf" } }), "resume.download_url"),
        (json!({ "quality": "best" }), "quality"),
        (json!({ "platform": "x" }), "platform"),
        (json!({ "timeout_seconds": 3601 }), "timeout_seconds"),
    ] {
        let answer = service.post("/valet/apply", &application(fault.clone())).await;
        assert_eq!(faults(&answer)[0].0, field, "{fault}");
    }
    for (fault, field) in [
        (json!({ "location": "London" }), "profile.location"),
        (json!({ "location": { "zip": "x".repeat(21) } }), "profile.location.zip"),
        (json!({ "location": { "city": 1 } }), "profile.location.city"),
        (json!({ "years_of_experience": 71 }), "profile.years_of_experience"),
        (json!({ "work_authorization": "x".repeat(101) }), "profile.work_authorization"),
        (json!({ "salary_expectation": "x".repeat(101) }), "profile.salary_expectation"),
        (json!({ "education": [{ "degree": "x".repeat(101) }] }), "profile.education.0.degree"),
        (json!({ "work_history": [{ "start_date": "x".repeat(21) }] }), "profile.work_history.0.start_date"),
    ] {
        let mut body = application(json!({}));
        body["profile"]
            .as_object_mut()
            .expect("a profile")
            .extend(fault.as_object().expect("fields").clone());
        let answer = service.post("/valet/apply", &body).await;
        assert_eq!(faults(&answer).iter().map(|(field, _)| *field).collect::<Vec<_>>(), [field], "{fault}");
    }
    let profile = json!({ "profile": { "first_name": "A", "last_name": "B", "email": "x", "education": [{ "graduation_year": 1 }] } });
    let answer = service.post("/valet/apply", &application(profile)).await;
    let fields: Vec<_> = faults(&answer).into_iter().map(|(field, _)| field).collect();
    assert_eq!(fields, ["profile.education.0.graduation_year", "profile.email"]);
}

#[tokio::test]
async fn a_task_becomes_a_job_with_its_input_as_it_came() {
    let service = Service::start().await;
    let body = json!({
        "valet_task_id": "t", "valet_user_id": user(), "job_type": "scrape", "target_url": "https://a.example",
        "task_description": "Read the title", "input_data": { "any": ["thing"] }, "execution_mode": "smart_apply",
    });
    let answer = service.post("/valet/task", &body).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let row = row(&service, &answer.body).await;
    assert_eq!((&row["job_type"], &row["tags"]), (&json!("scrape"), &json!(["valet", "scrape"])));
    assert_eq!(
        (&row["input_data"], &row["execution_mode"]),
        (&json!({ "any": ["thing"] }), &json!("smart_apply"))
    );
}

#[tokio::test]
async fn a_repeated_application_is_answered_with_the_first_job() {
    let service = Service::start().await;
    let body = application(json!({ "idempotency_key": "k" }));
    let first = service.post("/valet/apply", &body).await.body;
    let again = service.post("/valet/apply", &body).await;
    assert_eq!(again.status, 409);
    assert_eq!((&again.body["job_id"], &again.body["duplicate"]), (&first["job_id"], &json!(true)));
    assert_eq!((&again.body["valet_task_id"], &again.body["status"]), (&json!("task-1"), &json!("pending")));
    let foreign = service
        .post("/valet/apply", &application(json!({ "idempotency_key": "k", "valet_user_id": stranger() })))
        .await;
    assert_eq!((foreign.status.as_u16(), &foreign.body["job_id"]), (409, &Value::Null));
}

#[tokio::test]
async fn a_user_applies_for_themself_only() {
    let service = Service::start().await;
    let body = application(json!({ "valet_user_id": stranger() }));
    let answer = service.as_user(user(), Method::POST, "/valet/apply").json(&body).answer().await;
    assert_eq!(row(&service, &answer.body).await["user_id"], json!(user()));
}

#[tokio::test]
async fn the_status_of_a_new_job_has_every_field() {
    let service = Service::start().await;
    let id = service.job(json!({ "valet_task_id": "t", "target_worker_id": "w" })).await;
    let mut status = service.get(&format!("/valet/status/{id}")).await.body;
    assert!(status["timestamps"]["created_at"].is_string());
    status["timestamps"]["created_at"] = Value::Null;
    let expected = json!({
        "job_id": id, "valet_task_id": "t", "status": "pending", "status_message": null, "worker_id": null,
        "target_worker_id": "w", "progress": null, "result": null, "error": null, "interaction": null,
        "execution_mode": "auto", "browser_mode": "server", "final_mode": null, "manual": null, "cost": null,
        "cost_breakdown": null, "browser_session_available": false,
        "timestamps": { "created_at": null, "started_at": null, "completed_at": null },
    });
    assert_eq!(status, expected);
    assert_eq!(
        service.as_user(stranger(), Method::GET, &format!("/valet/status/{id}")).answer().await.status,
        404
    );
    assert_eq!(service.get("/valet/status/nope").await.status, 404);
}

#[tokio::test]
async fn the_status_follows_the_job() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    let status = async || service.get(&format!("/valet/status/{id}")).await.body;
    service.sql(&format!(
        "update gh_automation_jobs set status = 'running', worker_id = 'w' where id = '{id}';
        insert into gh_job_events (job_id, event_type, metadata) values ('{id}', 'progress_update', '{{\"progress_pct\": 40}}')"
    ));
    assert_eq!(status().await["progress"], json!({ "progress_pct": 40 }));
    service.sql(&format!(
        "update gh_automation_jobs set status = 'paused', interaction_type = 'captcha', paused_at = now(),
            interaction_data = '{{\"page_url\": \"https://a.example\", \"screenshot_url\": \"s\"}}' where id = '{id}'"
    ));
    let paused = status().await["interaction"].clone();
    assert_eq!((&paused["type"], &paused["page_url"]), (&json!("captcha"), &json!("https://a.example")));
    assert_eq!((&paused["screenshot_url"], &paused["timeout_seconds"]), (&json!("s"), &json!(300)));
    // A tier may wait longer than the contract's 300 s: what the pause says is what counts.
    service.sql(&format!(
        "update gh_automation_jobs set interaction_data = '{{\"timeout_seconds\": 900}}' where id = '{id}'"
    ));
    assert_eq!(status().await["interaction"]["timeout_seconds"], 900);
    // A job that waits without a machine has nothing but its error to say what is asked: the callback tells it, and so does this.
    service.sql(&format!(
        "update gh_automation_jobs set status = 'needs_human', interaction_type = null, interaction_data = null, error_code = 'captcha_blocked',
            error_details = '{{\"message\": \"A captcha\"}}', screenshot_urls = '[\"first\", \"shot\"]' where id = '{id}'"
    ));
    let asked = status().await["interaction"].clone();
    assert_eq!((&asked["type"], &asked["description"]), (&json!("captcha"), &json!("A captcha")));
    assert_eq!((&asked["screenshot_url"], &asked["timeout_seconds"]), (&json!("shot"), &json!(300)));
    service.sql(&format!(
        "update gh_automation_jobs set status = 'failed', error_code = 'timeout', error_details = '{{\"message\": \"too slow\"}}'
        where id = '{id}'"
    ));
    let failed = status().await;
    assert_eq!(
        failed["error"],
        json!({ "code": "timeout", "message": "too slow", "details": { "message": "too slow" } })
    );
    assert_eq!(failed["interaction"], Value::Null);
}

#[tokio::test]
async fn the_cost_of_a_job_is_told_below_the_cent() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service.sql(&format!(
        "insert into gh_cost_ledger (job_id, kind, provider, sku, quantity, unit, cost_usd, source, dedup)
            values ('{id}', 'llm', 'openai', 'gpt-4o-mini:input', 1000, 'token', 0.0041237, 'test', 'a');
        update gh_automation_jobs set status = 'running', worker_id = 'w' where id = '{id}';
        update gh_automation_jobs set status = 'completed', action_count = 12, total_tokens = 1000, llm_cost_cents = 0,
            result_data = '{{\"ok\":true}}', result_summary = 'Sent', screenshot_urls = '[\"s\"]',
            metadata = '{{\"cost_breakdown\":{{\"cookbook_steps\":3}},\"engine\":{{\"manual_id\":\"m\",\"manual_status\":\"cookbook_success\"}}}}'
        where id = '{id}'"
    ));
    let status = service.get(&format!("/valet/status/{id}")).await.body;
    assert_eq!(
        status["cost"],
        json!({ "total_cost_usd": 0.004_124, "action_count": 12, "total_tokens": 1000 })
    );
    assert_eq!(
        (&status["cost_breakdown"]["cookbook_steps"], &status["cost_breakdown"]["magnitude_steps"]),
        (&json!(3), &json!(0))
    );
    assert_eq!(status["cost_breakdown"]["total_cost_usd"], 0.004_124);
    let result = &status["result"];
    assert_eq!((&result["summary"], &result["screenshots"]), (&json!("Sent"), &json!(["s"])));
    assert_eq!(result["data"]["ok"], true);
    assert_eq!(
        status["manual"],
        json!({ "id": "m", "status": "cookbook_success", "health_score": null, "fallback_reason": null })
    );
}

/// What VALET's client and its import form send for what they do not know (contract, section 3.5).
#[tokio::test]
async fn what_valet_does_not_know_is_taken_on_every_route() {
    let service = Service::start().await;
    let nothing = json!({
        "first_name": "Sukarno", "last_name": "", "email": "sukarno@example.com", "phone": "", "linkedin_url": "",
        "portfolio_url": "", "location": { "city": "", "state": "", "country": "", "zip": "" }, "work_authorization": "",
        "salary_expectation": "", "years_of_experience": 0, "middle_name": "", "skills": [], "work_history": [
            { "company": "", "title": "", "start_date": "", "end_date": "", "description": "" }],
        "education": [{ "institution": "", "degree": "", "field": "", "graduation_year": 0 }],
    });
    let null = json!({
        "first_name": "", "last_name": "Sukarno", "email": "sukarno@example.com", "phone": null, "linkedin_url": null,
        "portfolio_url": null, "location": null, "work_authorization": null, "salary_expectation": null,
        "years_of_experience": null, "skills": null, "work_history": null, "education": null,
    });
    let input = |profile: &Value| json!({ "user_data": profile, "platform": "unknown" });
    let mut refused = Vec::new();
    for profile in [&nothing, &null] {
        let apply = application(json!({
            "profile": profile, "platform": "unknown", "resume": { "storage_path": "", "s3_key": "", "download_url": "" },
        }));
        let item = json!({
            "job_type": "apply", "target_url": "https://a.example/1", "task_description": "Apply", "input_data": input(profile),
        });
        let mut single = item.clone();
        single["user_id"] = json!(user());
        let task = json!({
            "valet_task_id": "t", "valet_user_id": user(), "job_type": "apply", "target_url": "https://a.example",
            "task_description": "Apply", "input_data": input(profile),
        });
        for (path, body) in [
            ("/valet/apply", apply),
            ("/valet/task", task),
            ("/jobs", single),
            ("/jobs/batch", json!({ "user_id": user(), "jobs": [item] })),
        ] {
            let answer = service.post(path, &body).await;
            if answer.status != 201 {
                refused.push(format!("{path}: {}", answer.body));
            }
        }
    }
    assert!(refused.is_empty(), "{refused:#?}");
    let rows = service.rows("select distinct input_data ->> 'platform' as platform from gh_automation_jobs");
    assert_eq!(rows, [json!({ "platform": "unknown" })]);
    let rows = service.rows(
        "select count(*) as n from gh_automation_jobs where '' in (input_data #>> '{user_data,first_name}', input_data #>> '{user_data,last_name}')",
    );
    assert_eq!(rows, [json!({ "n": 8 })]);
}

#[tokio::test]
async fn an_empty_word_of_valet_s_counts_as_none() {
    let service = Service::start().await;
    let empty = json!({
        "platform": "", "quality": "", "callback_url": "", "worker_affinity": "", "execution_mode": "", "target_worker_id": "",
        "model": "", "image_model": "", "idempotency_key": "",
    });
    let answer = service.post("/valet/apply", &application(empty)).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let row = row(&service, &answer.body).await;
    for (name, value) in [
        ("callback_url", Value::Null),
        ("target_worker_id", Value::Null),
        ("idempotency_key", Value::Null),
        ("worker_affinity", json!("preferred")),
        ("execution_mode", json!("auto")),
    ] {
        assert_eq!(row[name], value, "{name}");
    }
    assert_eq!(row["input_data"]["platform"], "other");
    assert_eq!((&row["input_data"]["tier"], &row["input_data"]["model"]), (&json!("starter"), &Value::Null));
}
