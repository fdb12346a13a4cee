//! `/monitoring` and `/health/system`.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Ask, KEY, Service, user};

async fn with_key(service: &Service, path: &str) -> Answer {
    service.request(Method::GET, path).header("X-GH-Service-Key", KEY).answer().await
}

/// One job done for four seconds and four tenths of a cent, one failed, one waiting.
async fn busy(service: &Service) -> String {
    let (done, failed) = (service.job(json!({})).await, service.job(json!({})).await);
    service.job(json!({})).await;
    service.sql(&format!(
        "update gh_automation_jobs set status = 'running', worker_id = 'w' where id in ('{done}', '{failed}');
        update gh_automation_jobs set status = 'completed', started_at = now() - interval '4 s', completed_at = now()
            where id = '{done}';
        update gh_automation_jobs set status = 'failed', error_code = 'timeout', retry_count = 2, completed_at = now()
            where id = '{failed}';
        insert into gh_cost_ledger (job_id, kind, provider, sku, quantity, unit, cost_usd, source, dedup) values
            ('{done}', 'llm', 'openai', 'm:input', 900, 'token', 0.003, 'test', 'a'),
            ('{done}', 'llm', 'openai', 'm:output', 100, 'token', 0.001, 'test', 'b');
        select gh_correct_line(id, 900, 0.00001, 'the price was another') from gh_cost_ledger where dedup = 'a'"
    ));
    done
}

#[tokio::test]
async fn the_metrics_are_open_and_name_nobody() {
    let service = Service::start().await;
    let id = busy(&service).await;
    let response = service.request(Method::GET, "/monitoring/metrics").send().await.expect("an answer");
    assert!(response.headers()["content-type"].to_str().expect("text").starts_with("text/plain"));
    let text = response.text().await.expect("text");
    for line in [
        "gh_jobs_created_total 3",
        "gh_jobs_completed_total 1",
        "gh_jobs_failed_total 1",
        "gh_jobs_retried_total 2",
        "gh_job_duration_avg_ms 4000",
        "gh_llm_calls_total 1",
        "gh_llm_input_tokens_total 900",
        "gh_llm_output_tokens_total 100",
        "gh_llm_cost_cents_total 1",
        "gh_worker_active_jobs 0",
        "gh_worker_queue_depth 1",
        "gh_api_errors_total 0",
        "gh_database_up 1",
        "gh_api_responses_total{route=\"/api/v1/gh/jobs\",status=\"201\"} 3",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
    }
    for name in ["gh_api_requests_total", "gh_api_response_time_avg_ms", "gh_uptime_ms"] {
        assert!(text.contains(&format!("\n{name} ")), "{name}");
    }
    assert!(!text.contains(&id) && !text.contains(&user().to_string()));
}

#[tokio::test]
async fn the_other_pages_need_the_key() {
    let service = Service::start().await;
    for path in ["/metrics/json", "/alerts", "/workers", "/scaling", "/dashboard"] {
        let path = format!("/monitoring{path}");
        assert_eq!(service.request(Method::GET, &path).answer().await.status, 401, "{path}");
        let token = crate::harness::token(user());
        assert_eq!(
            service.request(Method::GET, &path).bearer_auth(token).answer().await.status,
            403,
            "{path}"
        );
        assert_eq!(with_key(&service, &path).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn the_numbers_have_every_name_valet_reads() {
    let service = Service::start().await;
    busy(&service).await;
    let body = with_key(&service, "/monitoring/metrics/json").await.body;
    let jobs = json!({
        "created": 3, "completed": 1, "failed": 1, "retried": 2, "totalDurationMs": 4000, "avgDurationMs": 4000,
    });
    let llm = json!({
        "calls": 1, "totalInputTokens": 900, "totalOutputTokens": 100, "totalCostCents": 1.0, "avgTokensPerCall": 1000,
        "costPerHourCents": 1.0,
    });
    assert_eq!((&body["jobs"], &body["llm"]), (&jobs, &llm));
    let worker = &body["worker"];
    assert_eq!(
        (&worker["activeJobs"], &worker["totalProcessed"], &worker["queueDepth"]),
        (&json!(0), &json!(2), &json!(1))
    );
    assert!(worker["maxConcurrent"].is_number());
    for name in [
        "totalRequests",
        "totalErrors",
        "errorRate",
        "avgResponseTimeMs",
        "requestsByPath",
        "requestsByStatus",
    ] {
        assert!(!body["api"][name].is_null(), "{name}");
    }
    assert_eq!(body["api"]["requestsByStatus"]["201"], 3);
    assert!(body["uptime"].is_number() && body["collectedAt"].is_string());
}

#[tokio::test]
async fn a_stuck_job_raises_an_alert() {
    let service = Service::start().await;
    assert_eq!(with_key(&service, "/monitoring/alerts").await.body["count"], 0);
    let id = service.job(json!({})).await;
    service.sql(&format!(
        "update gh_automation_jobs set status = 'running', worker_id = 'w', last_heartbeat = now() - interval '6 min'
        where id = '{id}'"
    ));
    let body = with_key(&service, "/monitoring/alerts").await.body;
    assert_eq!((&body["count"], &body["alerts"][0]["name"]), (&json!(1), &json!("stuck_jobs_db")));
    for name in ["id", "severity", "message", "triggeredAt", "metadata"] {
        assert!(!body["alerts"][0][name].is_null(), "{name}");
    }
    let dashboard = with_key(&service, "/monitoring/dashboard").await.body;
    assert_eq!(dashboard["activeAlerts"][0]["name"], "stuck_jobs_db");
    assert_eq!(dashboard["health"]["status"], "degraded");
    assert!(dashboard["metrics"]["jobs"].is_object() && dashboard["timestamp"].is_string());
}

#[tokio::test]
async fn workers_are_the_registered_ones_and_our_machines_at_work() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service.sql(
        "insert into gh_worker_registry (worker_id, target_worker_id, ec2_ip, registered_at)
            values ('old', 'box', '10.0.0.1', now() - interval '1 hour');
        insert into gh_job_attempts (id, job_id, user_id, no, tier, state, token_hash, token_sealed, boot_deadline)
            select '00000000-0000-7000-8000-000000000001', id, user_id, 1, 'free', 'running', '\\x00', '\\x00', now()
            from gh_automation_jobs"
    );
    let body = with_key(&service, "/monitoring/workers").await.body;
    assert_eq!(body["count"], 2);
    let (ours, old) = (&body["workers"][0], &body["workers"][1]);
    assert_eq!(
        (&ours["worker_id"], &ours["current_job_id"]),
        (&json!("gh-00000000-0000-7000-8000-000000000001"), &json!(id))
    );
    assert_eq!((&old["worker_id"], &old["ec2_ip"]), (&json!("old"), &json!("10.0.0.1")));
    assert!((3590..3700).contains(&old["uptime_seconds"].as_i64().expect("seconds")));
    for name in [
        "status",
        "target_worker_id",
        "ec2_instance_id",
        "registered_at",
        "last_heartbeat",
        "jobs_completed",
        "jobs_failed",
    ] {
        assert!(ours.as_object().expect("a worker").contains_key(name), "{name}");
    }
}

#[tokio::test]
async fn the_computer_is_described() {
    let service = Service::start().await;
    let body = service.request(Method::GET, "/health/system").answer().await.body;
    for (part, names) in [
        ("cpu", &["usagePercent", "cores", "loadAvg1m", "loadAvg5m", "loadAvg15m"][..]),
        ("memory", &["usedMb", "totalMb", "usagePercent"]),
        ("disk", &["usedGb", "totalGb", "usagePercent"]),
    ] {
        for name in names {
            assert!(body[part].as_object().expect("a part").contains_key(*name), "{part}.{name}");
        }
    }
}
