//! A real Prometheus over the processes it is to watch.

use std::process::{Command, Stdio};
use std::time::Duration;

use e2e::{Config, Stack, folder};
use serde_json::Value;
use tokio::time::{Instant, sleep};

fn infra(file: &str) -> String {
    std::fs::read_to_string(xtask::workspace().join("infra/prometheus").join(file)).expect("a file of ours")
}

#[tokio::test]
async fn prometheus_scrapes_both_processes_and_finds_every_number_its_rules_name() {
    let Some(program) = xtask::tools::on_path("prometheus") else {
        eprintln!("skipped: prometheus is not installed (`cargo xtask test` installs it)");
        return;
    };
    let stack = Stack::start(Config::default()).await.expect("the stack starts");
    let home = folder::scratch().expect("a folder");
    let host = |url: String| url.trim_start_matches("http://").to_owned();
    let config = infra("prometheus.yml")
        .replace("localhost:3100", &host(stack.api_url()))
        .replace("localhost:3101", &host(stack.dispatcher_url()))
        .replace("15s", "2s");
    std::fs::write(home.path().join("prometheus.yml"), config).expect("written");
    std::fs::write(home.path().join("rules.yml"), infra("rules.yml")).expect("written");
    let port =
        std::net::TcpListener::bind("127.0.0.1:0").and_then(|it| it.local_addr()).expect("a port").port();
    let mut child = Command::new(program)
        .current_dir(home.path())
        .args([
            "--config.file=prometheus.yml",
            "--storage.tsdb.path=data",
            &format!("--web.listen-address=127.0.0.1:{port}"),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it runs");
    let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build().expect("a client");
    let ask = async |path: String| {
        let answer = client.get(format!("http://127.0.0.1:{port}/api/v1/{path}")).send().await.ok()?;
        Some(answer.json::<Value>().await.ok()?["data"].clone())
    };
    let until = Instant::now() + Duration::from_mins(1);
    let names = loop {
        let up = ask("query?query=sum(up)".into()).await.unwrap_or_default();
        if up["result"][0]["value"][1] == "2" {
            break ask("label/__name__/values".into()).await.unwrap_or_default();
        }
        assert!(Instant::now() < until, "{up} {:?}", ask("targets".into()).await);
        sleep(Duration::from_millis(100)).await;
    };
    let rules = ask("rules".into()).await.unwrap_or_default();
    child.kill().and_then(|()| child.wait()).expect("ended");
    let loaded: usize = rules["groups"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|group| group["rules"].as_array().map_or(0, Vec::len))
        .sum();
    assert_eq!(loaded, infra("rules.yml").matches("- alert: ").count());
    // A number about something that has not happened yet is not there; these are there from the beginning.
    let named = infra("rules.yml");
    for word in named
        .split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_')
        .filter(|word| word.starts_with("gh_"))
    {
        let later = [
            "gh_jobs_failed_last_hour",
            "gh_attempts_live",
            "gh_oldest_pending_seconds",
            "gh_budget_used_ratio",
            "gh_breaker_open",
            "gh_callbacks_parked",
        ];
        let there = names.as_array().into_iter().flatten().any(|name| name == word);
        assert!(there || later.contains(&word), "{word} is shown by nobody: {names}");
    }
    assert!(stack.stop().await.is_empty(), "nothing is left");
}
