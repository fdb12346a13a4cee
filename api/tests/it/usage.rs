//! `GET /users/{user}/usage`.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Ask, Service, stranger, user};

#[tokio::test]
async fn a_user_who_spent_nothing_is_free_and_has_it_all() {
    let service = Service::start().await;
    let answer = service.get(&format!("/users/{}/usage", user())).await;
    assert_eq!(answer.status, 200);
    for (name, value) in [
        ("user_id", json!(user())),
        ("tier", json!("free")),
        ("monthly_budget_usd", json!(0.5)),
        ("current_month_cost_usd", json!(0)),
        ("remaining_budget_usd", json!(0.5)),
        ("job_count", json!(0)),
    ] {
        assert_eq!(answer.body[name], value, "{name}");
    }
    let start = answer.body["period_start"].as_str().expect("a time");
    assert!(start.ends_with("-01T00:00:00Z"), "{start}");
    assert!(service.rows("select id from gh_user_usage").is_empty(), "reading writes nothing");
}

#[tokio::test]
async fn what_was_spent_this_month_is_counted_once() {
    let service = Service::start().await;
    let id = service.job(json!({})).await;
    service.sql(&format!(
        "insert into gh_cost_ledger (job_id, user_id, kind, provider, sku, quantity, unit, cost_usd, source, dedup, at) values
            ('{id}', '{user}', 'llm', 'openai', 'x', 1, 'token', 0.25, 'test', 'a', now()),
            ('{id}', '{user}', 'machine', 'fly', 'x', 1, 'second', 9, 'test', 'b', now()),
            ('{id}', '{user}', 'llm', 'openai', 'x', 1, 'token', 7, 'test', 'c', now() - interval '40 days');
        insert into gh_user_usage (user_id, tier, period_start, period_end, total_cost_usd, job_count)
        values ('{user}', 'pro', date_trunc('month', now() at time zone 'utc') at time zone 'utc',
            (date_trunc('month', now() at time zone 'utc') + interval '1 month') at time zone 'utc', 0.2, 1)
        on conflict (user_id, period_start) do update set tier = excluded.tier, job_count = excluded.job_count",
        user = user()
    ));
    let usage = service.as_user(user(), Method::GET, &format!("/users/{}/usage", user())).answer().await.body;
    assert_eq!((&usage["tier"], &usage["current_month_cost_usd"]), (&json!("pro"), &json!(0.25)));
    assert_eq!((&usage["remaining_budget_usd"], &usage["job_count"]), (&json!(9.75), &json!(1)));

    service.sql(&format!(
        "insert into gh_budgets (scope, name, limit_usd) values ('user_month', '{}', 3)",
        user()
    ));
    let usage = service.get(&format!("/users/{}/usage", user())).await.body;
    let said = (&usage["monthly_budget_usd"], &usage["remaining_budget_usd"]);
    assert_eq!(said, (&json!(3), &json!(2.75)), "a budget in the user's own name");
    service.sql("delete from gh_budgets");
    let usage = service.get(&format!("/users/{}/usage", user())).await.body;
    assert_eq!((&usage["monthly_budget_usd"], &usage["remaining_budget_usd"]), (&json!(null), &json!(null)));
}

#[tokio::test]
async fn another_user_s_usage_is_forbidden() {
    let service = Service::start().await;
    let answer = service.as_user(stranger(), Method::GET, &format!("/users/{}/usage", user())).answer().await;
    assert_eq!(answer.status, 403);
    assert_eq!(answer.body["error"], "forbidden");
    assert_eq!(answer.body["message"], "Cannot view another user's usage");
    assert_eq!(service.get("/users/nope/usage").await.status, 404);
}
