//! Two users: what is one's does not exist for the other, on every route there is.

use reqwest::Method;
use serde_json::{Value, json};

use super::{body, operations};
use crate::harness::{Service, stranger, token, user};

/// What a user is answered who asks for the other one's.
const EXPECTED: [(&str, u16); 30] = [
    ("GET /monitoring/metrics/json", 403),
    ("GET /monitoring/alerts", 403),
    ("GET /monitoring/workers", 403),
    ("GET /monitoring/scaling", 403),
    ("GET /monitoring/dashboard", 403),
    ("GET /api/v1/gh/jobs", 200),        // an empty list
    ("POST /api/v1/gh/jobs", 201),       // their own job, whatever the body says
    ("POST /api/v1/gh/jobs/batch", 201), // the same
    ("GET /api/v1/gh/jobs/{id}", 404),
    ("GET /api/v1/gh/jobs/{id}/status", 404),
    ("GET /api/v1/gh/jobs/{id}/events", 404),
    ("GET /api/v1/gh/jobs/{id}/events/stream", 404),
    ("POST /api/v1/gh/jobs/{id}/cancel", 404),
    ("POST /api/v1/gh/jobs/{id}/retry", 404),
    ("POST /api/v1/gh/valet/apply", 201), // their own job
    ("POST /api/v1/gh/valet/task", 201),  // the same
    ("GET /api/v1/gh/valet/status/{id}", 404),
    ("POST /api/v1/gh/valet/resume/{id}", 404),
    ("POST /api/v1/gh/valet/workers/deregister", 403),
    ("GET /api/v1/gh/valet/sessions/{user}", 404),
    ("DELETE /api/v1/gh/valet/sessions/{user}", 404),
    ("DELETE /api/v1/gh/valet/sessions/{user}/{domain}", 404),
    ("GET /api/v1/gh/sessions", 404),
    ("DELETE /api/v1/gh/sessions", 404),
    ("GET /api/v1/gh/users/{user}/usage", 403),
    ("GET /api/v1/gh/costs", 403),
    ("GET /api/v1/gh/jobs/{id}/cost", 403),
    // Open to everyone, and therefore without anybody's.
    ("GET /monitoring/health", 200),
    ("GET /monitoring/metrics", 200),
    ("GET /api/v1/gh/models", 200),
];

/// Everything of the user.
fn rows(service: &Service) -> Vec<Value> {
    let user = user();
    service.rows(&format!(
        "select to_jsonb(j) as row from gh_automation_jobs j where user_id = '{user}'
        union all select to_jsonb(e) from gh_job_events e join gh_automation_jobs j on j.id = e.job_id where j.user_id = '{user}'
        union all select to_jsonb(s) from gh_browser_sessions s where user_id = '{user}'
        union all select to_jsonb(u) from gh_user_usage u where user_id = '{user}'
        union all select to_jsonb(r) from gh_job_resolutions r
        order by 1"
    ))
}

#[tokio::test]
async fn what_is_one_user_s_does_not_exist_for_another_on_any_route() {
    let service = Service::start().await;
    let secret = "what-only-its-owner-may-read";
    let id = service
        .job(json!({ "metadata": { "a": secret }, "tags": [secret], "idempotency_key": secret, "task_description": secret }))
        .await;
    service.sql(&format!(
        "update gh_automation_jobs set status = 'paused', status_message = '{secret}', worker_id = 'w', paused_at = now(),
            result_summary = '{secret}' where id = '{id}';
        insert into gh_job_events (job_id, event_type, message) values ('{id}', 'x', '{secret}');
        insert into gh_worker_registry (worker_id, target_worker_id) values ('{secret}', 'w');
        insert into gh_browser_sessions (user_id, domain, session_data, encryption_key_id) values ('{user}', 'a.example', '{secret}', '1');
        insert into gh_user_usage (user_id, tier, period_start, period_end, job_count) values ('{user}', 'pro', '2020-01-01', '2020-02-01', 7);
        insert into gh_user_usage (user_id, tier, period_start, period_end) values ('{stranger}', 'enterprise', '2020-01-01', '2020-02-01')",
        user = user(),
        stranger = stranger(),
    ));
    let before = rows(&service);
    assert!(before.len() >= 4, "{before:?}");
    let mut met = 0;
    for operation in operations() {
        let name = format!("{} {}", operation.method, operation.path);
        if operation.path.starts_with("/health") {
            continue; // about the program and its computer
        }
        let expected = EXPECTED.iter().find(|(known, _)| *known == name);
        let (_, expected) =
            expected.unwrap_or_else(|| panic!("{name} is not in the table: whom does it show what to?"));
        let mut path = operation
            .path
            .replace("{id}", &id)
            .replace("{user}", &user().to_string())
            .replace("{domain}", "a.example");
        if name.ends_with("/gh/sessions") || name == "GET /api/v1/gh/jobs" {
            path += &format!("?user_id={}&domain=a.example", user());
        }
        let mut request = service.request(operation.method.clone(), &path).bearer_auth(token(stranger()));
        if let Some(body) = body(&operation.path, user()) {
            // They name their own file, but the other's id wherever a body takes one.
            let body =
                body.to_string().replace(&format!("{}/b.pdf", user()), &format!("{}/b.pdf", stranger()));
            request = request.header("content-type", "application/json").body(body);
        }
        let answer = request.send().await.expect("an answer");
        let status = answer.status().as_u16();
        let said = answer.text().await.expect("a body");
        assert_eq!(status, *expected, "{name}: {said}");
        assert!(
            !said.contains(secret) && (operation.path.contains("{user}") || !said.contains(&id)),
            "{name}: {said}"
        );
        met += 1;
    }
    assert_eq!(met, EXPECTED.len(), "the table names a route that is gone");
    assert_eq!(rows(&service), before);
    let all = format!("/api/v1/gh/sessions?user_id={}&all=true", user());
    let answer =
        service.request(Method::DELETE, &all).bearer_auth(token(stranger())).send().await.expect("an answer");
    assert_eq!(answer.status(), 404);
    assert_eq!(rows(&service), before);
    let theirs = service.rows(&format!("select id from gh_automation_jobs where user_id = '{}'", stranger()));
    assert_eq!(theirs.len(), 4, "what the stranger asked for in the other's name is the stranger's");
}
