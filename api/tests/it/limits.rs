//! How many jobs a user may ask for.

use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::harness::{Answer, Ask, Service, job, stranger, user};

async fn ask(service: &Service, user: Uuid, more: Value) -> Answer {
    service.as_user(user, Method::POST, "/jobs").json(&job(more)).answer().await
}

fn account(service: &Service, user: Uuid, tier: &str) {
    service.sql(&format!(
        "insert into gh_user_usage (user_id, tier, period_start, period_end)
        values ('{user}', '{tier}', date_trunc('month', now()), date_trunc('month', now()) + interval '1 month')"
    ));
}

#[tokio::test]
async fn a_free_user_may_ask_for_three_jobs_an_hour_whatever_the_body_says() {
    let service = Service::start().await;
    for left in [2, 1, 0] {
        let answer = ask(&service, user(), json!({ "input_data": { "tier": "premium" } })).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        assert_eq!(answer.headers["x-ratelimit-limit"], "3");
        assert_eq!(answer.headers["x-ratelimit-remaining"], left.to_string().as_str());
    }
    let refused = ask(&service, user(), json!({})).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.body["error"], "rate_limit_exceeded");
    assert_eq!(
        refused.body["message"],
        "Job limit exceeded for free tier. Upgrade your plan for higher limits."
    );
    assert_eq!(refused.body["limit"], 3);
    assert!(refused.body["reset_at"].is_string());
    assert_eq!(refused.headers["x-ratelimit-remaining"], "0");
    let wait: i64 = refused.headers["retry-after"].to_str().expect("text").parse().expect("seconds");
    assert!((3500..=3601).contains(&wait), "{wait}");
    assert_eq!(ask(&service, stranger(), json!({})).await.status, 201, "another user has their own");

    // The window slides: an hour later there is room again, until the day is full.
    service.sql("update gh_automation_jobs set created_at = created_at - interval '61 min'");
    for _ in 0..2 {
        assert_eq!(ask(&service, user(), json!({})).await.status, 201);
    }
    assert_eq!(ask(&service, user(), json!({})).await.body["source"], "user_tier_daily");
}

#[tokio::test]
async fn the_tier_is_the_account_s() {
    let service = Service::start().await;
    account(&service, user(), "starter");
    let answer = ask(&service, user(), json!({ "input_data": { "tier": "enterprise" } })).await;
    assert_eq!(answer.headers["x-ratelimit-limit"], "10");
    account(&service, stranger(), "enterprise");
    let answer = ask(&service, stranger(), json!({ "target_url": "https://www.linkedin.com/jobs/1" })).await;
    assert_eq!(answer.headers["x-ratelimit-limit"], "5", "no tier lifts the limit of a platform");
}

#[tokio::test]
async fn a_platform_is_told_by_the_address() {
    let service = Service::start().await;
    account(&service, user(), "enterprise");
    let linkedin =
        json!({ "target_url": "https://www.linkedin.com/jobs/1", "input_data": { "platform": "other" } });
    for _ in 0..5 {
        assert_eq!(ask(&service, user(), linkedin.clone()).await.status, 201);
    }
    let refused = ask(&service, user(), linkedin).await;
    assert_eq!(refused.status, 429);
    let message = "Rate limit exceeded for linkedin. Try again later to avoid platform detection.";
    assert_eq!(refused.body["message"], message);
    assert_eq!(refused.body["source"], "platform_hourly");
    let look_alike = json!({ "target_url": "https://evil.example/?linkedin.com" });
    assert_eq!(ask(&service, user(), look_alike).await.status, 201);
}

#[tokio::test]
async fn a_batch_counts_each_of_its_jobs() {
    let service = Service::start().await;
    let batch = |count: usize| json!({ "jobs": vec![job(json!({})); count] });
    let send =
        async |count| service.as_user(user(), Method::POST, "/jobs/batch").json(&batch(count)).answer().await;
    assert_eq!(send(4).await.status, 429);
    assert_eq!(send(2).await.headers["x-ratelimit-remaining"], "1");
    assert_eq!(send(2).await.status, 429);
    assert_eq!(send(1).await.status, 201);
    assert_eq!(service.rows("select id from gh_automation_jobs").len(), 3);
}

#[tokio::test]
async fn what_was_refused_has_used_nothing() {
    let service = Service::start().await;
    assert_eq!(ask(&service, user(), json!({ "idempotency_key": "k" })).await.status, 201);
    for _ in 0..5 {
        assert_eq!(ask(&service, user(), json!({ "priority": 99 })).await.status, 422);
        assert_eq!(ask(&service, user(), json!({ "idempotency_key": "k" })).await.status, 409);
    }
    for _ in 0..2 {
        assert_eq!(ask(&service, user(), json!({})).await.status, 201);
    }
    assert_eq!(ask(&service, user(), json!({})).await.status, 429);
    let repeated = ask(&service, user(), json!({ "idempotency_key": "k" })).await;
    assert_eq!(repeated.status, 409, "a repeated request is answered as one");
}

#[tokio::test]
async fn a_service_s_jobs_are_counted_for_the_user_they_are_for() {
    let service = Service::start().await;
    account(&service, stranger(), "free");
    let theirs = json!({ "user_id": stranger() });
    for _ in 0..3 {
        assert_eq!(service.post("/jobs", &job(theirs.clone())).await.status, 201);
    }
    assert_eq!(service.post("/jobs", &job(theirs)).await.status, 429);
    for _ in 0..6 {
        let answer = service.post("/jobs", &job(json!({}))).await;
        assert_eq!(answer.status, 201, "a service vouches for users without an account");
        assert!(!answer.headers.contains_key("x-ratelimit-limit"));
    }
}

#[tokio::test]
async fn what_a_user_without_an_account_used_is_counted_and_makes_no_account() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service.sql(&format!("update gh_automation_jobs set status = 'running', started_at = now(), worker_id = 'w' where id = '{id}'"));
    service.sql(&format!(
        "update gh_automation_jobs set status = 'completed', completed_at = now() where id = '{id}'"
    ));
    let counted = service.rows("select tier, tier_from, job_count from gh_user_usage");
    assert_eq!(counted, [json!({ "tier": "free", "tier_from": "usage", "job_count": 1 })]);
    for _ in 0..4 {
        assert_eq!(
            service.post("/jobs", &job(json!({}))).await.status,
            201,
            "a service still vouches for them"
        );
    }
    // Whoever says a tier of the month that was counted makes it the account's, even the same one.
    service.sql("update gh_user_usage set tier = 'free'");
    assert_eq!(service.post("/jobs", &job(json!({}))).await.status, 429);
}

#[tokio::test]
async fn two_requests_never_take_the_same_last_place() {
    let service = std::sync::Arc::new(Service::start().await);
    let mut tasks = Vec::new();
    for _ in 0..12 {
        let service = service.clone();
        tasks.push(tokio::spawn(async move { ask(&service, user(), json!({})).await.status.as_u16() }));
    }
    let mut statuses = Vec::new();
    for task in tasks {
        statuses.push(task.await.expect("no panic"));
    }
    statuses.sort_unstable();
    assert_eq!(statuses, [&[201; 3][..], &[429; 9]].concat());
}
