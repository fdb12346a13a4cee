//! `cargo xtask demo --json`: the main job on real input, and its result as a program reads it.

use std::process::{Command, Stdio};

use e2e::{folder, programs};
use serde_json::Value;

/// The keys of an object, sorted.
fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().expect("an object").keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn both_jobs_complete_at_once_and_nothing_is_left() {
    let place = folder::scratch().unwrap();
    let mut command = Command::new(programs::path("stack").unwrap());
    command.args(["demo", "--json", "--output"]).arg(place.path().join("output")).env("TMPDIR", place.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();

    // It checks for itself that both forms were received once, with every field right.
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("stdout is one JSON object");
    assert_eq!(keys(&report), ["jobs", "machines_left", "machines_started", "processes_left"]);
    assert_eq!((&report["machines_started"], &report["machines_left"]), (&2.into(), &0.into()));
    assert_eq!(report["processes_left"], 0);
    let channels = report["jobs"].as_array().expect("a list").iter().map(|job| job["channel"].as_str());
    assert_eq!(channels.collect::<Vec<_>>(), [Some("rest"), Some("insert")]);
    for job in report["jobs"].as_array().expect("a list") {
        let mut expected = ["id", "channel", "status", "attempts", "queue_ms", "boot_ms", "run_ms"].to_vec();
        expected.extend(["machine_cost_usd", "llm_cost_usd", "screenshots"]);
        expected.sort_unstable();
        assert_eq!(keys(job), expected);
        assert_eq!((&job["status"], &job["attempts"]), (&"completed".into(), &1.into()));
        assert!(job["machine_cost_usd"].as_f64() > Some(0.0), "{job}");
        let shots = job["screenshots"].as_array().expect("a list");
        assert!(!shots.is_empty());
        for shot in shots {
            assert!(std::path::Path::new(shot.as_str().expect("a path")).is_file(), "{shot}");
        }
    }
}

#[test]
fn a_page_of_somebody_elses_gets_no_application_that_nobody_asked_for() {
    let place = folder::scratch().unwrap();
    let mut command = Command::new(programs::path("stack").unwrap());
    command.args(["demo", "--limit", "1", "--url", "https://careers.example.com/apply", "--output"]);
    command.arg(place.path().join("output")).env("TMPDIR", place.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("say --yes"), "{told}");
    assert!(!told.contains("starting") && !place.path().join("output").exists(), "{told}");
}
