//! The open endpoints, and what every response carries.

use api::server::Limits;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::harness::{Ask, Service};

#[tokio::test]
async fn the_health_page_needs_no_key_and_has_every_field() {
    let service = Service::start().await;
    let answer = service.request(Method::GET, "/health").answer().await;
    assert_eq!(answer.status, 200);
    assert_eq!((&answer.body["status"], &answer.body["service"]), (&json!("ok"), &json!("ghosthands")));
    for name in ["version", "environment", "commit_sha", "api_healthy", "timestamp"] {
        assert!(!answer.body[name].is_null(), "{name}");
    }
    let version = service.request(Method::GET, "/health/version").answer().await.body;
    for name in ["service", "environment", "commit_sha", "image_tag", "build_time", "uptime_ms", "node_env"] {
        assert!(!version[name].is_null(), "{name}");
    }
}

#[tokio::test]
async fn the_deep_check_shows_a_job_without_a_sign_of_life() {
    let service = Service::start().await;
    let answer = service.request(Method::GET, "/monitoring/health").answer().await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("healthy")));
    let id = service.job(json!({})).await;
    service.sql(&format!(
        "update gh_automation_jobs set status = 'running', worker_id = 'w', last_heartbeat = now() - interval '3 min'
        where id = '{id}'"
    ));
    let answer = service.request(Method::GET, "/monitoring/health").answer().await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("degraded")));
    let checks = answer.body["checks"].as_array().expect("checks");
    let heartbeat = checks.iter().find(|check| check["name"] == "worker_heartbeat").expect("the check");
    assert_eq!(heartbeat["status"], "degraded");
    assert!(!answer.body.to_string().contains(&id), "the page is open to everyone: it names no job");
}

async fn checked(service: &Service, name: &str) -> (String, String) {
    let body = service.request(Method::GET, "/monitoring/health").answer().await.body;
    let check = body["checks"]
        .as_array()
        .expect("checks")
        .iter()
        .find(|check| check["name"] == name)
        .expect("the check")
        .clone();
    let text = |field: &str| check[field].as_str().expect("text").to_owned();
    (text("status"), text("message"))
}

#[tokio::test]
async fn the_deep_check_shows_that_models_do_not_answer() {
    let service = Service::start().await;
    let end = |id: &str, change: &str| {
        service
            .sql(&format!("update gh_automation_jobs set completed_at = now(), {change} where id = '{id}'"));
    };
    for _ in 0..2 {
        end(&service.job(json!({})).await, "status = 'failed', error_code = 'model_unavailable'");
    }
    let (status, message) = checked(&service, "llm_provider").await;
    assert_eq!(status, "degraded", "{message}");
    for _ in 0..2 {
        end(&service.job(json!({})).await, "status = 'completed'");
    }
    assert_eq!(checked(&service, "llm_provider").await.0, "healthy", "half of them is not most of them");
}

#[tokio::test]
async fn the_deep_check_shows_that_the_bucket_is_missing() {
    use axum::http::{HeaderMap, StatusCode};
    let has_key = |headers: &HeaderMap| {
        headers.get("apikey").is_some_and(|key| key == "service-key")
            && headers.get("authorization").is_some_and(|key| key == "Bearer service-key")
    };
    let there = axum::routing::get(move |headers: HeaderMap| {
        std::future::ready(if has_key(&headers) { StatusCode::OK } else { StatusCode::FORBIDDEN })
    });
    for (path, expected) in
        [("/storage/v1/bucket/screenshots", "healthy"), ("/storage/v1/bucket/other", "degraded")]
    {
        let router = axum::Router::new().route(path, there.clone());
        let listener =
            api::server::bind(&["127.0.0.1:0".parse().expect("an address")]).await.expect("a port");
        let url = format!("http://{}/", listener.local_addr().expect("bound"));
        tokio::spawn(api::server::serve(listener, router, Limits::default(), CancellationToken::new()));
        let settings = [("SUPABASE_URL", url.as_str()), ("SUPABASE_SERVICE_KEY", "service-key")];
        let service = Service::with(&settings, Limits::default()).await;
        let (status, message) = checked(&service, "storage").await;
        assert_eq!(status, expected, "{message}");
        assert!(!message.contains("127.0.0.1") && !message.contains("service-key"), "{message}");
    }
    let away = [("SUPABASE_URL", "http://127.0.0.1:1"), ("SUPABASE_SERVICE_KEY", "service-key")];
    let away = Service::with(&away, Limits::default()).await;
    assert_eq!(checked(&away, "storage").await, ("degraded".into(), "Storage does not answer".into()));
    assert_eq!(checked(&Service::start().await, "storage").await.0, "healthy");
}

#[tokio::test]
async fn the_deep_check_shows_that_an_edit_of_the_tiers_file_was_refused() {
    let service = Service::start().await;
    let tell = |notice: &Value| {
        let notice = e2e::sql::quote(&notice.to_string());
        service.sql(&format!(
            "insert into gh_notices (key, value) values ('tiers', {notice})
            on conflict (key) do update set value = excluded.value"
        ));
    };
    assert_eq!(checked(&service, "tiers").await.0, "healthy", "no dispatcher has told anything yet");

    let edit = "[tiers.free]\nguest = 3 # registry.example/image";
    let error = domain::tier::Tiers::parse(edit).expect_err("a size is no number").to_string();
    assert!(error.contains("registry.example"), "the error quotes the line: {error}");
    tell(&json!({ "refused": format!("/app/tiers.toml: {error}") }));
    let (status, message) = checked(&service, "tiers").await;
    assert_eq!(status, "degraded", "{message}");
    assert!(message.contains("/app/tiers.toml: ") && message.contains("line 2"), "{message}");
    assert!(message.contains("invalid type") && !message.contains('\n'), "{message}");
    assert!(!message.contains("registry.example"), "the page is open to everyone: {message}");
    let answer = service.request(Method::GET, "/monitoring/health").answer().await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("degraded")));

    tell(&Value::Null);
    let (status, message) = checked(&service, "tiers").await;
    assert_eq!(status, "healthy", "{message}");
    let answer = service.request(Method::GET, "/monitoring/health").answer().await;
    assert_eq!((answer.status.as_u16(), &answer.body["status"]), (200, &json!("healthy")));
}

#[tokio::test]
async fn every_response_carries_the_headers_of_the_contract() {
    let service = Service::start().await;
    for path in ["/health", "/api/v1/gh/jobs", "/nothing"] {
        let headers = service.request(Method::GET, path).answer().await.headers;
        for (name, value) in [
            ("access-control-allow-origin", "*"),
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("x-xss-protection", "0"),
            ("referrer-policy", "strict-origin-when-cross-origin"),
            ("permissions-policy", "camera=(), microphone=(), geolocation=()"),
        ] {
            assert_eq!(headers[name], value, "{path} {name}");
        }
        assert!(
            headers["content-security-policy"]
                .to_str()
                .expect("text")
                .starts_with("default-src 'self'; script-src")
        );
        assert!(!headers["x-request-id"].is_empty());
    }
}

#[tokio::test]
async fn a_request_id_is_echoed_or_made() {
    let service = Service::start().await;
    let echoed = service.request(Method::GET, "/health").header("X-Request-Id", "abc-1").answer().await;
    assert_eq!(echoed.headers["x-request-id"], "abc-1");
    let long = "x".repeat(500);
    let made = service.request(Method::GET, "/health").header("X-Request-Id", &long).answer().await;
    assert_ne!(made.headers["x-request-id"], long.as_str());
}

#[tokio::test]
async fn a_browser_s_preflight_is_answered_without_a_key() {
    let service = Service::start().await;
    let answer = service
        .request(Method::OPTIONS, "/api/v1/gh/jobs")
        .header("Origin", "https://a.example")
        .answer()
        .await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.headers["access-control-allow-methods"], "GET, POST, PUT, DELETE, OPTIONS");
    assert_eq!(
        answer.headers["access-control-allow-headers"],
        "Content-Type, Authorization, X-GH-Service-Key"
    );
    assert_eq!(answer.headers["access-control-max-age"], "86400");
}

#[tokio::test]
async fn a_method_a_path_does_not_take_is_refused_in_the_one_shape() {
    let service = Service::start().await;
    let answer = service.as_service(Method::DELETE, "/jobs").answer().await;
    assert_eq!(answer.status, 405);
    assert_eq!(answer.body["error"], "method_not_allowed");
}
