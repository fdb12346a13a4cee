//! Whatever keeps jobs from being done is said wherever people look, in the same words. `doctor` is in the dispatcher's tests.

use e2e::outages::{CALM, JOB, OUTAGES, Outage, UNREADABLE};
use reqwest::Method;
use serde_json::{Value, json};

use crate::dashboard::{READ_KEY, Visitor};
use crate::harness::{Ask, KEY, Service};

async fn calm() -> Service {
    let service = Service::with(&[("GH_DASHBOARD_READ_KEY", READ_KEY)], api::server::Limits::default()).await;
    service.sql(CALM);
    service
}

async fn alerts(service: &Service) -> Vec<Value> {
    let request = service.request(Method::GET, "/monitoring/alerts").header("X-GH-Service-Key", KEY);
    let answer = request.answer().await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let alerts = answer.body["alerts"].as_array().expect("alerts").clone();
    assert_eq!(answer.body["count"], json!(alerts.len()));
    alerts
}

/// What each place fails to say.
async fn unsaid(service: &Service, outage: &Outage) -> Vec<String> {
    let mut missing = Vec::new();
    let mut expect = |is_said: bool, place: &str, found: String| {
        if !is_said {
            missing.push(format!("{} ({}) in {place}: {found}", outage.id, outage.words));
        }
    };
    let health = service.request(Method::GET, "/monitoring/health").answer().await;
    let condition = if outage.severity == "info" { "healthy" } else { "degraded" };
    let checks = health.body["checks"].as_array().expect("checks");
    let message = |check: &&Value| check["message"].as_str().is_some_and(|text| text.contains(outage.words));
    let check = checks.iter().find(message).cloned().unwrap_or_default();
    let as_expected = (health.status.as_u16(), &health.body["status"], &check["status"]);
    expect(
        as_expected == (200, &json!(condition), &json!(condition)),
        "/monitoring/health",
        health.body.to_string(),
    );
    for secret in [JOB, "leader-1", "unauthorized", "valet.example"] {
        expect(
            !health.body.to_string().contains(secret),
            "/monitoring/health, open to everyone",
            secret.into(),
        );
    }

    let found = alerts(service).await;
    let alert = found.iter().find(|alert| alert["id"] == outage.id).cloned().unwrap_or_default();
    let said = alert["message"].as_str().is_some_and(|text| text.contains(outage.words));
    expect(
        found.len() == 1 && said && alert["severity"] == outage.severity,
        "/monitoring/alerts",
        json!(found).to_string(),
    );
    for name in ["name", "triggeredAt", "metadata"] {
        expect(said && !alert[name].is_null(), "/monitoring/alerts", name.into());
    }

    let visitor = Visitor::signed_in(service, READ_KEY).await;
    for path in ["/", "/alerts"] {
        let page = visitor.page(path).await;
        let is_said = page.replace("&#39;", "'").contains(outage.words)
            && page.contains(&format!("class=\"alert {}\"", outage.severity));
        expect(is_said && !page.contains("All is well"), path, "not there".into());
    }
    missing
}

#[tokio::test]
async fn every_outage_is_told_by_the_health_page_the_alerts_and_the_dashboard() {
    let mut missing = Vec::new();
    for outage in &OUTAGES {
        let service = calm().await;
        service.sql(outage.sql);
        missing.extend(unsaid(&service, outage).await);
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[tokio::test]
async fn a_fleet_without_a_problem_is_well_everywhere() {
    let service = calm().await;
    let health = service.request(Method::GET, "/monitoring/health").answer().await;
    assert_eq!((health.status.as_u16(), &health.body["status"]), (200, &json!("healthy")), "{health:?}");
    assert_eq!(alerts(&service).await, Vec::<Value>::new());
    let visitor = Visitor::signed_in(&service, READ_KEY).await;
    for path in ["/", "/alerts"] {
        assert!(visitor.page(path).await.contains("All is well."), "{path}");
    }
}

#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_well() {
    let service = calm().await;
    let visitor = Visitor::signed_in(&service, READ_KEY).await;
    service.sql(UNREADABLE);
    let health = service.request(Method::GET, "/monitoring/health").answer().await;
    assert_eq!(health.body["status"], "degraded", "{health:?}");
    assert!(health.body.to_string().contains("cannot be read"), "{health:?}");
    let request = service.request(Method::GET, "/monitoring/alerts").header("X-GH-Service-Key", KEY);
    assert!(request.answer().await.status.is_server_error());
    for path in ["/", "/alerts"] {
        let answer = visitor.get(path).await;
        let status = answer.status();
        assert!(
            status.is_server_error() && !answer.text().await.expect("text").contains("All is well"),
            "{path}"
        );
    }
}
