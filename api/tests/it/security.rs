//! What somebody may try who means harm: in every parameter of every route, as another user, on the wire, with addresses.
//! Keys and tokens are in `auth`.

mod addresses;
mod injection;
mod owners;
mod resumes;
mod wire;

use serde_json::Value;

/// One path and method of the description.
pub struct Operation {
    pub method: reqwest::Method,
    /// As described, below the host: `/api/v1/gh/jobs/{id}`.
    pub path: String,
    pub described: Value,
}

/// Everything the service describes, so that a route added later is attacked too.
pub fn operations() -> Vec<Operation> {
    let description: Value =
        serde_json::from_str(&api::app::description().expect("a description")).expect("JSON");
    let mut operations = Vec::new();
    for (path, methods) in description["paths"].as_object().expect("paths") {
        for (method, described) in methods.as_object().expect("methods") {
            let method = method.to_uppercase().parse().expect("a method");
            operations.push(Operation { method, path: path.clone(), described: described.clone() });
        }
    }
    assert!(operations.len() > 25, "{}", operations.len());
    operations
}

/// A body that the path takes.
pub fn body(path: &str, user: uuid::Uuid) -> Option<Value> {
    use serde_json::json;
    let item = json!({
        "job_type": "apply", "target_url": "https://boards.greenhouse.io/acme/jobs/1", "task_description": "Apply",
        "input_data": { "resume_path": "", "tier": "free", "platform": "lever", "qa_overrides": { "q": "a" },
            "user_data": { "first_name": "A", "last_name": "B", "email": "a@b.example", "phone": "1" } },
        "priority": 5, "scheduled_at": "2030-01-01T00:00:00Z", "max_retries": 3, "timeout_seconds": 300, "tags": ["t"],
        "metadata": { "m": { "deep": ["x"] } }, "target_worker_id": "w", "worker_affinity": "any",
        "execution_mode": "auto", "callback_url": "https://valet.example/hook", "valet_task_id": "v",
        "resume_ref": { "storage_path": "", "s3_key": format!("{user}/b.pdf"), "download_url": "https://a.example/r.pdf" },
    });
    let valet = json!({
        "valet_task_id": "v", "valet_user_id": user, "target_url": "https://jobs.lever.co/acme/1", "priority": 5,
        "callback_url": "https://valet.example/hook", "quality": "speed", "timeout_seconds": 300, "metadata": { "a": "b" },
        "target_worker_id": "w", "worker_affinity": "any", "model": "m", "image_model": "i", "execution_mode": "auto",
    });
    let with = |mut base: Value, more: Value| {
        if let (Value::Object(base), Value::Object(more)) = (&mut base, more) {
            base.extend(more);
        }
        base
    };
    Some(match path.strip_prefix("/api/v1/gh")? {
        "/jobs" => with(item, json!({ "user_id": user })),
        "/jobs/batch" => {
            json!({ "user_id": user, "jobs": [item], "defaults": { "priority": 4, "tags": ["d"], "metadata": { "x": "y" } } })
        }
        "/valet/apply" => with(
            valet,
            json!({
                "platform": "lever", "resume": { "storage_path": "", "s3_key": format!("{user}/b.pdf"), "download_url": "https://a.example/r.pdf" },
                "profile": { "first_name": "A", "last_name": "B", "email": "a@b.example", "phone": "1", "location": { "city": "c" },
                    "education": [{ "institution": "i", "graduation_year": 2000 }], "work_history": [{ "company": "c" }], "skills": ["s"] },
                "qa_answers": { "q": "a" },
            }),
        ),
        "/valet/task" => with(
            valet,
            json!({ "job_type": "custom", "task_description": "d", "input_data": { "a": ["b"] } }),
        ),
        "/valet/resume/{id}" => {
            json!({ "resolved_by": "human", "notes": "n", "resolution_type": "manual", "resolution_data": { "code": "1" } })
        }
        "/valet/workers/deregister" => {
            json!({ "target_worker_id": "w", "reason": "r", "cancel_active_jobs": true, "drain_timeout_seconds": 1 })
        }
        _ => return None,
    })
}
