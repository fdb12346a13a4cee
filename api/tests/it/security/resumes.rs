//! A résumé belongs to somebody. The runner reads the storage with a key that opens all of it, and hands the file to an address
//! the job names: so a user names their own only.

use reqwest::Method;
use serde_json::{Value, json};

use super::body;
use crate::harness::{Ask, Service, faults, stranger, user};

/// Every place that names an object of the storage; the field as the table calls it, and in a batch which item's.
const FIELDS: [(&str, &str, &str); 11] = [
    ("/jobs", "/resume_ref", "resume_ref.storage_path"),
    ("/jobs", "/metadata/resume_ref", "metadata.resume_ref.storage_path"),
    ("/jobs", "/input_data/resume_ref", "input_data.resume_ref.storage_path"),
    ("/jobs", "/input_data/resume_path", "input_data.resume_path"),
    ("/jobs/batch", "/jobs/1/input_data/resume_path", "jobs.1.input_data.resume_path"),
    ("/valet/apply", "/resume", "resume_ref.storage_path"),
    ("/valet/task", "/metadata/resume_ref", "metadata.resume_ref.storage_path"),
    ("/valet/task", "/input_data/resume_path", "input_data.resume_path"),
    ("/jobs", "/resume_ref/s3_key", "resume_ref.s3_key"),
    ("/jobs", "/metadata/resume_ref/s3_key", "metadata.resume_ref.s3_key"),
    ("/valet/task", "/input_data/resume_ref/s3_key", "input_data.resume_ref.s3_key"),
];

/// Keys below a user's folder by their text, and somewhere else, or nowhere, for a program that reads them its own way.
/// `{me}` and `{you}` are the ids of two users.
const HOSTILE: [&str; 40] = [
    "{me}/.\t./{you}/cv.pdf",
    "{me}/\t../{you}/cv.pdf",
    "{me}/.\n./{you}/cv.pdf",
    "{me}/..\r/{you}/cv.pdf",
    "{me}/\t/../{you}/cv.pdf",
    "{me}/.\u{1}./{you}/cv.pdf",
    "{me}/.\u{7f}./{you}/cv.pdf",
    "{me}/cv\u{85}.pdf",
    "{me}/.\u{2028}./{you}/cv.pdf",
    "{me}/cv\u{2029}.pdf",
    "{me}/.\u{200b}./{you}/cv.pdf",
    "{me}/.\u{200d}./{you}/cv.pdf",
    "{me}/\u{feff}../{you}/cv.pdf",
    "{me}/\u{202e}fdp.vc",
    "{me}/./cv.pdf",
    "{me}/../{you}/cv.pdf",
    "{me}/..",
    "{me}/.",
    "{me}/",
    "{me}//cv.pdf",
    "{me}/a//../../{you}/cv.pdf",
    "{me}/ /cv.pdf",
    "{me}/.. /{you}/cv.pdf",
    "{me}/%2e%2e/{you}/cv.pdf",
    "{me}/%2E%2e/{you}/cv.pdf",
    "{me}/.%2e/{you}/cv.pdf",
    "{me}/%2e/cv.pdf",
    "{me}/%252e%252e/{you}/cv.pdf",
    "{me}/%25252e./{you}/cv.pdf",
    "{me}/..%2f{you}/cv.pdf",
    "{me}/..%5C{you}/cv.pdf",
    "{me}/.%09./{you}/cv.pdf",
    "{me}/..%00/{you}/cv.pdf",
    "{me}/..\\{you}\\cv.pdf",
    "{me}/\u{ff0e}\u{ff0e}/{you}/cv.pdf",
    "{me}/..\u{ff0f}{you}/cv.pdf",
    "{me}/\u{2025}/{you}/cv.pdf",
    "{me}/cv.pdf?/../{you}",
    "{me}/cv.pdf#/../{you}",
    "\t{me}/cv.pdf",
];

/// What people call their files.
const OWN: [&str; 5] = [
    "{me}/cv.pdf",
    "{me}/0192f0c1/My R\u{e9}sum\u{e9} (final).pdf",
    "{me}/..cv..v2...pdf",
    "{me}/100% me, & more; v1+2 @ home=ok!'.pdf",
    "{me}/\u{631}\u{632}\u{648}\u{645}\u{647}\u{200c}\u{6cc} \u{4eba}\u{1f468}\u{200d}\u{1f4bb}.docx",
];

fn naming(path: &str, pointer: &str, key: &str) -> Value {
    let mut body = body(&format!("/api/v1/gh{path}"), user()).expect("a body");
    if let Some(Value::Array(items)) = body.get_mut("jobs") {
        items.extend_from_within(..); // the first of them names nothing
    }
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    let value =
        if name == "resume_ref" || name == "resume" { json!({ "storage_path": key }) } else { json!(key) };
    let (above, last) = parent.rsplit_once('/').unwrap_or_default();
    if last == "resume_ref" {
        body.pointer_mut(above).expect("it is there")[last] = json!({ name: value });
    } else {
        body.pointer_mut(parent).expect("it is there")[name] = value;
    }
    body
}

#[tokio::test]
async fn a_user_names_no_resume_but_their_own_whatever_the_field() {
    let ids = |key: &str| key.replace("{me}", &user().to_string()).replace("{you}", &stranger().to_string());
    let foreign = [
        "{you}/cv.pdf",
        "cv.pdf",
        "/etc/passwd",
        "/{me}/cv.pdf",
        "{me}-not/cv.pdf",
        "{me}",
        " https://a.example/",
    ];
    for (path, pointer, field) in FIELDS {
        // One service each, as a user may ask for 30 jobs an hour.
        let service = Service::start().await;
        service.sql(&format!(
            "insert into gh_user_usage (user_id, tier, period_start, period_end)
            values ('{}', 'enterprise', date_trunc('month', now()), date_trunc('month', now()) + interval '1 month')",
            user()
        ));
        for key in foreign.into_iter().chain(HOSTILE).map(ids) {
            let key = &key;
            let request = service.as_user(user(), Method::POST, path).json(&naming(path, pointer, key));
            let answer = request.answer().await;
            assert_eq!(faults(&answer), [(field, "custom")], "{path} {pointer} {key}");
            assert!(
                answer.body["message"].as_str().is_some_and(|said| said.contains(key.as_str())),
                "{answer:?}"
            );
        }
        for key in OWN.map(ids) {
            let request = service.as_user(user(), Method::POST, path).json(&naming(path, pointer, &key));
            let answer = request.answer().await;
            assert_eq!(answer.status, 201, "{path} {pointer} {key}: {answer:?}");
        }
        // A service knows whose résumés it names.
        let answer = service.post(path, &naming(path, pointer, "shared/cv.pdf")).await;
        assert_eq!(answer.status, 201, "{path} {pointer}: {answer:?}");
    }
}
