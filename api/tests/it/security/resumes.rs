//! A résumé belongs to somebody. The runner reads the storage with a key that opens all of it, and hands the file to an address
//! the job names: so a user names their own only.

use reqwest::Method;
use serde_json::{Value, json};

use super::body;
use crate::harness::{Ask, Service, faults, stranger, user};

/// Every place that names an object of the storage; the field as the table calls it, and in a batch which item's.
const FIELDS: [(&str, &str, &str); 8] = [
    ("/jobs", "/resume_ref", "resume_ref.storage_path"),
    ("/jobs", "/metadata/resume_ref", "metadata.resume_ref.storage_path"),
    ("/jobs", "/input_data/resume_ref", "input_data.resume_ref.storage_path"),
    ("/jobs", "/input_data/resume_path", "input_data.resume_path"),
    ("/jobs/batch", "/jobs/1/input_data/resume_path", "jobs.1.input_data.resume_path"),
    ("/valet/apply", "/resume", "resume_ref.storage_path"),
    ("/valet/task", "/metadata/resume_ref", "metadata.resume_ref.storage_path"),
    ("/valet/task", "/input_data/resume_path", "input_data.resume_path"),
];

fn naming(path: &str, pointer: &str, key: &str) -> Value {
    let mut body = body(&format!("/api/v1/gh{path}"), user()).expect("a body");
    if let Some(Value::Array(items)) = body.get_mut("jobs") {
        items.extend_from_within(..); // the first of them names nothing
    }
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let value = if name == "resume_path" { json!(key) } else { json!({ "storage_path": key }) };
    body.pointer_mut(parent).expect("it is there")[name] = value;
    body
}

#[tokio::test]
async fn a_user_names_no_resume_but_their_own_whatever_the_field() {
    let service = Service::start().await;
    service.sql(&format!(
        "insert into gh_user_usage (user_id, tier, period_start, period_end)
        values ('{}', 'enterprise', date_trunc('month', now()), date_trunc('month', now()) + interval '1 month')",
        user()
    ));
    let own = format!("{}/cv.pdf", user());
    let foreign = [
        format!("{}/cv.pdf", stranger()),
        "cv.pdf".to_owned(),
        "/etc/passwd".to_owned(),
        format!("{}/../{}/cv.pdf", user(), stranger()),
        format!("{}-not/cv.pdf", user()),
    ];
    for (path, pointer, field) in FIELDS {
        for key in &foreign {
            let request = service.as_user(user(), Method::POST, path).json(&naming(path, pointer, key));
            let answer = request.answer().await;
            assert_eq!(faults(&answer), [(field, "custom")], "{path} {pointer} {key}");
            assert!(
                answer.body["message"].as_str().is_some_and(|said| said.contains(key.as_str())),
                "{answer:?}"
            );
        }
        let request = service.as_user(user(), Method::POST, path).json(&naming(path, pointer, &own));
        let answer = request.answer().await;
        assert_eq!(answer.status, 201, "{path} {pointer}: {answer:?}");
        // A service knows whose résumés it names.
        let answer = service.post(path, &naming(path, pointer, "shared/cv.pdf")).await;
        assert_eq!(answer.status, 201, "{path} {pointer}: {answer:?}");
    }
}
