//! The numbers, as JSON for VALET and as text for Prometheus.

use std::collections::BTreeMap;
use std::fmt::Write;

use chrono::{DateTime, Utc};
use domain::money::MicroUsd;
use serde::Serialize;
use store::pulse::Totals;
use utoipa::ToSchema;

use crate::app::App;
use crate::build::wall_clock;

/// All numbers, under the names VALET reads.
#[derive(Debug, Serialize, ToSchema)]
pub struct Numbers {
    jobs: Jobs,
    llm: Llm,
    worker: Worker,
    api: Api,
    /// In milliseconds.
    uptime: u64,
    #[serde(rename = "collectedAt")]
    collected_at: DateTime<Utc>,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = JobNumbers)]
struct Jobs {
    created: i64,
    completed: i64,
    failed: i64,
    retried: i64,
    total_duration_ms: i64,
    avg_duration_ms: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = LlmNumbers)]
struct Llm {
    calls: i64,
    total_input_tokens: i64,
    total_output_tokens: i64,
    total_cost_cents: f64,
    avg_tokens_per_call: i64,
    cost_per_hour_cents: f64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = WorkerNumbers)]
struct Worker {
    active_jobs: i64,
    max_concurrent: i64,
    total_processed: i64,
    queue_depth: i64,
}

#[derive(Debug, Default, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = ApiNumbers)]
struct Api {
    total_requests: u64,
    total_errors: u64,
    error_rate: f64,
    avg_response_time_ms: f64,
    requests_by_path: BTreeMap<String, u64>,
    #[schema(value_type = BTreeMap<String, u64>)]
    requests_by_status: BTreeMap<u16, u64>,
}

/// Collects the numbers; those of jobs are zero while the database does not give them.
pub async fn numbers(app: &App) -> Numbers {
    let totals = app.totals.get(&app.db).await.unwrap_or_default();
    Numbers {
        jobs: Jobs {
            created: totals.created,
            completed: totals.completed,
            failed: totals.failed,
            retried: totals.retried,
            total_duration_ms: totals.duration_ms,
            avg_duration_ms: totals.duration_ms / totals.completed.max(1),
        },
        llm: Llm {
            calls: totals.llm_calls,
            total_input_tokens: totals.llm_input_tokens,
            total_output_tokens: totals.llm_output_tokens,
            total_cost_cents: cents(totals.llm_cost),
            avg_tokens_per_call: (totals.llm_input_tokens + totals.llm_output_tokens)
                / totals.llm_calls.max(1),
            cost_per_hour_cents: cents(totals.llm_cost_last_hour),
        },
        worker: Worker {
            active_jobs: totals.running,
            max_concurrent: totals.capacity,
            total_processed: totals.completed + totals.failed,
            queue_depth: totals.waiting,
        },
        api: api(app),
        uptime: app.build.uptime_ms(),
        collected_at: wall_clock(),
    }
}

fn api(app: &App) -> Api {
    let mut api = Api::default();
    let mut milliseconds = 0.0;
    for (route, status, count) in app.metrics.counted() {
        api.total_requests += count.requests;
        api.total_errors += if status >= 500 { count.requests } else { 0 };
        milliseconds += count.time.as_secs_f64() * 1000.0;
        *api.requests_by_path.entry(route).or_default() += count.requests;
        *api.requests_by_status.entry(status).or_default() += count.requests;
    }
    api.error_rate = share(api.total_errors, api.total_requests);
    api.avg_response_time_ms =
        if api.total_requests == 0 { 0.0 } else { milliseconds / float(api.total_requests) };
    api
}

/// Prometheus' text: the names the old system promised, then ours with labels.
pub async fn exposition(app: &App) -> String {
    let totals = app.totals.get(&app.db).await;
    let mut text = String::new();
    if let Some(totals) = totals {
        jobs_text(&mut text, &totals);
    }
    let api = api(app);
    counter(&mut text, "gh_api_requests_total", "Requests answered", &api.total_requests);
    counter(&mut text, "gh_api_errors_total", "Requests answered with a fault of ours", &api.total_errors);
    gauge(&mut text, "gh_api_response_time_avg_ms", "Mean time to answer", &api.avg_response_time_ms);
    gauge(&mut text, "gh_uptime_ms", "Time since the start", &app.build.uptime_ms());
    gauge(
        &mut text,
        "gh_database_up",
        "Whether the totals of the database are here",
        &i32::from(totals.is_some()),
    );
    head(&mut text, "gh_api_responses_total", "counter", "Requests answered, by route and status");
    for (route, status, count) in app.metrics.counted() {
        // Routes are the router's own patterns: they hold no quote and no line break.
        line(
            &mut text,
            &format!("gh_api_responses_total{{route=\"{route}\",status=\"{status}\"}}"),
            &count.requests,
        );
    }
    text.push_str(&app.fleet.exposition(&app.db).await);
    text
}

fn jobs_text(text: &mut String, totals: &Totals) {
    counter(text, "gh_jobs_created_total", "Jobs asked for", &totals.created);
    counter(text, "gh_jobs_completed_total", "Jobs done", &totals.completed);
    counter(text, "gh_jobs_failed_total", "Jobs that failed for good", &totals.failed);
    counter(text, "gh_jobs_retried_total", "Tries beyond the first", &totals.retried);
    let average = totals.duration_ms / totals.completed.max(1);
    gauge(text, "gh_job_duration_avg_ms", "Mean time of a job that was done", &average);
    counter(text, "gh_llm_calls_total", "Calls of models", &totals.llm_calls);
    counter(text, "gh_llm_input_tokens_total", "Tokens read by models", &totals.llm_input_tokens);
    counter(text, "gh_llm_output_tokens_total", "Tokens written by models", &totals.llm_output_tokens);
    counter(text, "gh_llm_cost_cents_total", "What models cost", &cents(totals.llm_cost));
    gauge(text, "gh_worker_active_jobs", "Jobs under way", &totals.running);
    gauge(text, "gh_worker_queue_depth", "Jobs nobody holds", &totals.waiting);
    gauge(text, "gh_worker_capacity", "Jobs that may have a machine at once", &totals.capacity);
    let waited = totals.waiting_since.map_or(0, |since| (wall_clock() - since).num_seconds().max(0));
    gauge(text, "gh_queue_oldest_seconds", "For how long the oldest due job waits", &waited);
}

fn counter(text: &mut String, name: &str, help: &str, value: &dyn std::fmt::Display) {
    head(text, name, "counter", help);
    line(text, name, value);
}

fn gauge(text: &mut String, name: &str, help: &str, value: &dyn std::fmt::Display) {
    head(text, name, "gauge", help);
    line(text, name, value);
}

fn head(text: &mut String, name: &str, kind: &str, help: &str) {
    writeln!(text, "# HELP {name} {help}.\n# TYPE {name} {kind}").expect("a string takes everything");
}

fn line(text: &mut String, name: &str, value: &dyn std::fmt::Display) {
    writeln!(text, "{name} {value}").expect("a string takes everything");
}

/// Cents for a chart; what is billed is never computed from this.
#[expect(clippy::cast_precision_loss, reason = "a chart needs no more than 52 bits")]
fn cents(amount: MicroUsd) -> f64 {
    amount.0 as f64 / 10_000.0
}

#[expect(clippy::cast_precision_loss, reason = "a mean needs no more than 52 bits")]
fn float(count: u64) -> f64 {
    count as f64
}

fn share(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { float(part) / float(whole) }
}
