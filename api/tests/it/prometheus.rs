//! The rules of `infra/prometheus`, the dashboard of `infra/grafana`, and what the service shows of the fleet.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::prometheus::Prometheus;
use reqwest::Method;
use serde_json::{Value, json};

use crate::costs::ledger;
use crate::harness::Service;

fn folder(name: &str) -> PathBuf {
    xtask::workspace().join("infra").join(name)
}

fn file(path: &str) -> String {
    std::fs::read_to_string(folder(path)).expect("a file of ours")
}

/// A program of Debian's package `prometheus`, which is not everywhere.
fn program(name: &str) -> Option<PathBuf> {
    let found = xtask::tools::program(name);
    if found.is_none() {
        eprintln!("skipped: {name} is not installed (`cargo xtask test` fetches it)");
    }
    found
}

async fn exposition(service: &Service) -> String {
    service
        .request(Method::GET, "/monitoring/metrics")
        .send()
        .await
        .expect("an answer")
        .text()
        .await
        .expect("text")
}

/// A fleet that has something of everything.
async fn busy() -> Service {
    let service = Service::start().await;
    let (done, failed) = ledger(&service).await;
    service.job(json!({})).await;
    service.sql(&format!(
        "insert into gh_capacity (tier, capacity) values ('free', 5), ('pro', 2);
        insert into gh_leader (name, holder, term, expires_at) values ('dispatcher', 'd', 1, now() + interval '1 hour');
        insert into gh_notices (key, value) values ('breaker', '{{\"cause\":\"Auth\"}}');
        insert into gh_job_attempts (id, job_id, user_id, no, tier, state, token_hash, token_sealed, boot_deadline, started_at)
            select '00000000-0000-7000-8000-000000000010', id, user_id, 1, 'free', 'running', '\\x00', '\\x00', now(), now() from gh_automation_jobs where id = '{done}';
        insert into gh_machines (id, attempt_id, app, name, tier, guest, image, regions, seen)
            values (gen_random_uuid(), '00000000-0000-7000-8000-000000000009', 'a', 'n', 'pro', '{{}}', 'i', 'iad', 'started');
        update gh_job_attempts set ended_at = now() - interval '1 minute' where id = '00000000-0000-7000-8000-000000000009';
        select gh_attempt_heartbeat('00000000-0000-7000-8000-000000000009', 0, 'guessed');
        update gh_automation_jobs set status = 'failed', error_code = 'Bad \"quote\"', completed_at = now(), llm_cost_cents = 51 where id = '{failed}'"
    ));
    service
}

#[tokio::test]
async fn every_number_of_the_rules_and_of_grafana_is_shown() {
    let service = busy().await;
    let text = exposition(&service).await;
    let shown: BTreeSet<&str> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next())
        .collect();
    let named = format!("{}{}", file("prometheus/rules.yml"), file("grafana/ghosthands.json"));
    let words = named
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("gh_"));
    // The dispatcher's own numbers are checked where a dispatcher runs: tests/tests/it/prometheus.rs.
    let ours = |word: &&str| {
        !["gh_dispatcher_", "gh_listen_", "gh_loop_", "gh_fly_"].iter().any(|of| word.starts_with(of))
    };
    for word in words.filter(ours).collect::<BTreeSet<_>>() {
        assert!(shown.contains(word), "{word} is not in\n{text}");
    }
}

#[tokio::test]
async fn the_fleet_is_counted_by_labels_that_name_nobody() {
    let service = busy().await;
    let text = exposition(&service).await;
    for line in [
        "gh_jobs{status=\"pending\",tier=\"free\"} 1",
        "gh_capacity{tier=\"free\"} 5",
        "gh_attempts_live{state=\"running\",tier=\"free\"} 1",
        "gh_leader{name=\"dispatcher\"} 1",
        "gh_breaker_open{cause=\"auth\"} 1",
        "gh_jobs_failed_last_hour{error_code=\"bad__quote_\"} 1",
        "gh_jobs_finished_total{class=\"crash\"} 1",
        "gh_machines{kind=\"job\",seen=\"started\"} 1",
        "gh_cost_usd_total{kind=\"machine\",tier=\"pro\"} 0.6",
        "gh_cost_usd_total{kind=\"overhead\",tier=\"pro\"} 0.001568",
        "gh_cost_lines_unpriced 1",
        "gh_fenced_writes_total{call=\"heartbeat\"} 1",
        "gh_fenced_writes_total{call=\"finish\"} 0",
        "gh_job_llm_cost_cents_max 51",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    assert!(!text.contains(&crate::harness::user().to_string()) && !text.contains("greenhouse"));
}

#[tokio::test]
async fn each_alert_names_its_section_of_the_runbook() {
    let rules = file("prometheus/rules.yml");
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    let links: Vec<&str> = rules
        .lines()
        .filter_map(|line| line.split_once("docs/RUNBOOK.md#"))
        .map(|(_, anchor)| anchor.trim_end_matches('"'))
        .collect();
    assert_eq!(alerts.iter().map(|alert| alert.to_lowercase()).collect::<Vec<_>>(), links);
    assert!(file("grafana/ghosthands.json").parse::<Value>().is_ok());
}

#[tokio::test]
async fn promtool_accepts_the_rules_and_every_alert_fires_once() {
    let Some(promtool) = program("promtool") else { return };
    for arguments in [
        &["check", "rules", "rules.yml"][..],
        &["check", "config", "prometheus.yml"],
        &["test", "rules", "tests.yml"],
    ] {
        let output = Command::new(&promtool)
            .args(arguments)
            .current_dir(folder("prometheus"))
            .output()
            .expect("it runs");
        assert!(
            output.status.success(),
            "{arguments:?}: {}{}",
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    let tests = file("prometheus/tests.yml");
    for alert in file("prometheus/rules.yml").lines().filter_map(|line| line.trim().strip_prefix("- alert: "))
    {
        assert!(tests.contains(&format!("alertname=\"{alert}\"")), "{alert} is never made to fire");
    }
}

#[tokio::test]
async fn promtool_finds_nothing_wrong_with_the_numbers() {
    let Some(promtool) = program("promtool") else { return };
    let service = busy().await;
    let text = exposition(&service).await;
    let output = tokio::task::spawn_blocking(move || {
        let mut child = Command::new(promtool)
            .args(["check", "metrics"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        std::io::Write::write_all(child.stdin.as_mut().expect("an input"), text.as_bytes()).expect("written");
        child.wait_with_output().expect("it ends")
    })
    .await
    .expect("it ends");
    // What it says of names is advice, and some names are the contract's; only what cannot be read fails.
    assert_ne!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
}

#[tokio::test]
async fn a_real_prometheus_scrapes_the_service_and_loads_the_rules() {
    let service = busy().await;
    let target = service.url.trim_start_matches("http://").to_owned();
    let config = file("prometheus/prometheus.yml").replace("localhost:3100", &target).replace("15s", "2s");
    let config = config.split("  - job_name: ghosthands-dispatcher").next().expect("a part");
    let prometheus = Prometheus::start(config, &file("prometheus/rules.yml")).expect("it starts");
    let Some(prometheus) = prometheus else { return };
    let until = Instant::now() + Duration::from_secs(30);
    let mut last = Value::Null;
    // The breaker is open in `busy`: its alert fires at once.
    while Instant::now() < until && last["result"][0]["value"][1] != "1" {
        last = prometheus
            .ask("query?query=count(ALERTS{alertname=\"BreakerOpen\",alertstate=\"firing\"})")
            .await;
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let targets = prometheus.ask("targets?state=active").await;
    assert_eq!(last["result"][0]["value"][1], "1", "{last} {targets}");
    assert_eq!(targets["activeTargets"][0]["health"], "up");
}
