//! Addresses that lead into our own networks, in every field that takes one. That they are judged again when they are connected
//! to is tested where connections are made: by the dispatcher's callbacks and the runner's browser.

use reqwest::Method;
use serde_json::{Value, json};

use super::body;
use crate::harness::{Ask, Service, faults, user};

const INSIDE: [&str; 8] = [
    "http://127.0.0.1/",
    "http://2130706433/",
    "https://[::ffff:169.254.169.254]/latest/meta-data",
    "http://[fdaa:0:1::3]:4280/v1/apps",
    "http://_api.internal:4280/v1/apps",
    "http://localhost:5432/",
    "file:///etc/passwd",
    "javascript:alert(1)",
];

/// Every field whose value is visited by somebody of ours.
const FIELDS: [(&str, &str, &str); 21] = [
    ("/jobs", "/target_url", "target_url"),
    ("/jobs", "/callback_url", "callback_url"),
    ("/jobs", "/metadata/callback_url", "metadata.callback_url"),
    ("/jobs", "/resume_ref/download_url", "resume_ref.download_url"),
    ("/jobs", "/metadata/resume_ref", "metadata.resume_ref.download_url"),
    ("/jobs", "/input_data/resume_ref", "input_data.resume_ref.download_url"),
    ("/jobs", "/input_data/resume_path", "input_data.resume_path"),
    ("/jobs/batch", "/jobs/0/target_url", "jobs.0.target_url"),
    ("/jobs/batch", "/jobs/0/callback_url", "jobs.0.callback_url"),
    ("/jobs/batch", "/jobs/0/metadata/callback_url", "jobs.0.metadata.callback_url"),
    ("/jobs/batch", "/jobs/0/resume_ref/download_url", "jobs.0.resume_ref.download_url"),
    ("/jobs/batch", "/jobs/0/input_data/resume_path", "jobs.0.input_data.resume_path"),
    ("/valet/apply", "/target_url", "target_url"),
    ("/valet/apply", "/callback_url", "callback_url"),
    ("/valet/apply", "/resume/download_url", "resume.download_url"),
    ("/valet/apply", "/metadata/resume_ref", "metadata.resume_ref.download_url"),
    ("/valet/task", "/target_url", "target_url"),
    ("/valet/task", "/callback_url", "callback_url"),
    ("/valet/task", "/metadata/resume_ref", "metadata.resume_ref.download_url"),
    ("/valet/task", "/input_data/resume_ref", "input_data.resume_ref.download_url"),
    ("/valet/task", "/input_data/resume_path", "input_data.resume_path"),
];

#[tokio::test]
async fn no_field_takes_an_address_of_a_private_network() {
    let service = Service::start().await;
    for (path, pointer, field) in FIELDS {
        for address in INSIDE {
            if pointer.ends_with("resume_path") && !address.starts_with("http") {
                continue; // a key of the storage, or a file: the runner reads neither from there
            }
            let mut body = body(&format!("/api/v1/gh{path}"), user()).expect("a body");
            let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
            let value =
                if name == "resume_ref" { json!({ "download_url": address }) } else { json!(address) };
            body.pointer_mut(parent).expect("it is there")[name] = value;
            let answer = service.post(path, &body).await;
            assert_eq!(
                faults(&answer).iter().map(|(field, _)| *field).collect::<Vec<_>>(),
                [field],
                "{path} {address}"
            );
        }
    }
    assert_eq!(service.rows("select id from gh_automation_jobs"), [] as [Value; 0]);
    // What the batch says for all its items is no way around it.
    let mut batch = body("/api/v1/gh/jobs/batch", user()).expect("a body");
    batch["defaults"]["metadata"]["callback_url"] = json!("http://127.0.0.1/");
    assert_eq!(faults(&service.post("/jobs/batch", &batch).await)[0].0, "jobs.0.metadata.callback_url");
}

/// A reader of the text that takes names or numbers otherwise than Postgres would be told another address than is visited.
#[tokio::test]
async fn no_way_of_writing_a_name_hides_a_private_address() {
    let service = Service::start().await;
    let usual = json!({
        "user_id": user(), "job_type": "apply", "target_url": "https://a.example/1", "task_description": "Apply",
    })
    .to_string();
    let usual = usual.trim_end_matches('}');
    let inside = "http://169.254.169.254/";
    for (more, field) in [
        (format!("\"metadata\":{{\"\\u0063allback_url\":\"{inside}\"}}"), "metadata.callback_url"),
        (
            format!("\"metadata\":{{\"callback_url\":\"https://a.example\",\"callback_url\":\"{inside}\"}}"),
            "metadata.callback_url",
        ),
        (format!("\"metadata\":{{\"callback_url\":\"{inside}\",\"big\":1e999}}"), "metadata.callback_url"),
        (format!("\"input_data\":{{\"r\\u0065sume_path\":\"{inside}\"}}"), "input_data.resume_path"),
        (
            format!("\"input_data\":{{\"resume_ref\":{{\"download\\u005furl\":\"{inside}\",\"n\":1e999}}}}"),
            "input_data.resume_ref.download_url",
        ),
    ] {
        let text = format!("{usual},{more}}}");
        let answer = service.as_service(Method::POST, "/jobs").body(text.clone()).answer().await;
        assert_eq!(faults(&answer).iter().map(|(field, _)| *field).collect::<Vec<_>>(), [field], "{text}");
    }
    assert_eq!(service.rows("select id from gh_automation_jobs"), [] as [Value; 0]);
}
