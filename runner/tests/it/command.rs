//! `runner fill`, as a person types it.

use std::path::Path;
use std::process::Stdio;

use serde_json::Value;
use tokio::process::Command;

use crate::candidate::file;
use crate::site::Site;

async fn fill(url: &str, folder: &Path, more: &[&str]) -> (bool, Value) {
    let report = folder.join("report.json");
    let mut command = Command::new(env!("CARGO_BIN_EXE_runner"));
    command
        .args(["fill", "--url", url, "--profile"])
        .arg(file("profile.json"))
        .arg("--resume")
        .arg(file("resume.pdf"));
    command.arg("--answers").arg(file("answers.json")).arg("--report").arg(&report).args(more);
    let status = command.stderr(Stdio::null()).stdout(Stdio::null()).status().await.expect("runner");
    let report = std::fs::read_to_string(report).expect("a report");
    (status.success(), serde_json::from_str(&report).expect("JSON"))
}

#[tokio::test]
async fn the_report_lists_every_field_with_its_source_and_read_back() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let shots = folder.path().join("shots");
    let more = ["--no-submit", "--screenshots", shots.to_str().expect("UTF-8")];
    let (complete, report) = fill(&site.url("classic.html"), folder.path(), &more).await;
    assert!(complete && report["complete"] == true, "{report:#}");
    assert_eq!(report["outcome"]["submitted"], false);
    assert_eq!(site.sent().len(), 0);
    let fields = report["fields"].as_array().expect("fields");
    assert_eq!(fields.len(), 17);
    let country = fields.iter().find(|field| field["question"] == "Country").expect("the country");
    for (name, value) in [
        ("kind", Value::from("select")),
        ("required", Value::from(true)),
        ("required_why", serde_json::json!(["attribute"])),
        ("options", serde_json::json!(["Germany", "United Kingdom", "United States of America"])),
        ("value", Value::from("United States of America")),
        ("source", Value::from("rule")),
        ("read_back", Value::from("United States of America")),
        ("state", Value::from("FILLED_VERIFIED")),
    ] {
        assert_eq!(country[name], value, "{name}");
    }
    let pictures = report["screenshots"].as_array().expect("screenshots");
    assert_eq!(pictures.len(), 3);
    for picture in pictures {
        let png = std::fs::read(picture.as_str().expect("a path")).expect("a picture");
        assert!(png.starts_with(b"\x89PNG\r\n\x1a\n"));
    }
}

#[tokio::test]
async fn a_form_that_needs_a_person_is_no_success_of_the_command() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let (complete, report) = fill(&site.url("unknown.html"), folder.path(), &["--no-submit"]).await;
    assert!(!complete && report["complete"] == false);
    assert_eq!(report["outcome"]["error_code"], "missing_answers");
}
