//! A real Prometheus over the processes it is to watch.

use std::time::Duration;

use e2e::prometheus::Prometheus;
use e2e::{Config, Stack};
use tokio::time::{Instant, sleep};

fn infra(file: &str) -> String {
    std::fs::read_to_string(xtask::workspace().join("infra/prometheus").join(file)).expect("a file of ours")
}

#[tokio::test]
async fn prometheus_scrapes_both_processes_and_finds_every_number_its_rules_name() {
    let stack = Stack::start(Config::default()).await.expect("the stack starts");
    let host = |url: String| url.trim_start_matches("http://").to_owned();
    let config = infra("prometheus.yml")
        .replace("localhost:3100", &host(stack.api_url()))
        .replace("localhost:3101", &host(stack.dispatcher_url()))
        .replace("15s", "2s");
    let prometheus = Prometheus::start(&config, &infra("rules.yml")).expect("it starts");
    let Some(prometheus) = prometheus else { return };
    let until = Instant::now() + Duration::from_mins(1);
    let names = loop {
        let up = prometheus.ask("query?query=sum(up)").await;
        if up["result"][0]["value"][1] == "2" {
            break prometheus.ask("label/__name__/values").await;
        }
        assert!(Instant::now() < until, "{up} {:?}", prometheus.ask("targets").await);
        sleep(Duration::from_millis(100)).await;
    };
    let rules = prometheus.ask("rules").await;
    drop(prometheus);
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
