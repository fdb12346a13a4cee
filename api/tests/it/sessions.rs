//! Browser sessions, in both forms.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Ask, Service, faults, stranger, user};

fn log_in(service: &Service) {
    for domain in ["a.example", "b.example"] {
        service.sql(&format!(
            "insert into gh_browser_sessions (user_id, domain, session_data, encryption_key_id)
            values ('{}', '{domain}', 'sealed-cookies', '1')",
            user()
        ));
    }
}

#[tokio::test]
async fn sessions_are_listed_without_what_is_in_them() {
    let service = Service::start().await;
    log_in(&service);
    let answer = service.get(&format!("/valet/sessions/{}", user())).await;
    assert_eq!((&answer.body["count"], &answer.body["user_id"]), (&json!(2), &json!(user())));
    let listed = service.get(&format!("/sessions?user_id={}", user())).await;
    assert_eq!(listed.body["total"], 2);
    for body in [&answer.body, &listed.body] {
        let session = body["sessions"][0].as_object().expect("a session");
        for name in ["id", "user_id", "domain", "created_at", "updated_at", "last_used_at", "expires_at"] {
            assert!(session.contains_key(name), "{name}");
        }
        assert!(!body.to_string().contains("sealed-cookies"));
    }
}

#[tokio::test]
async fn a_session_is_deleted_in_either_form() {
    let service = Service::start().await;
    log_in(&service);
    let path = format!("/valet/sessions/{}/A.example", user());
    let gone = service.as_service(Method::DELETE, &path).answer().await;
    assert_eq!(gone.body, json!({ "user_id": user(), "domain": "A.example", "deleted": true }));
    let again = service.as_service(Method::DELETE, &path).answer().await;
    assert_eq!(
        (again.status.as_u16(), &again.body["message"]),
        (404, &json!("No session found for this user/domain"))
    );
    let path = format!("/sessions?user_id={}&domain=b.example", user());
    let gone = service.as_service(Method::DELETE, &path).answer().await;
    assert_eq!(gone.body["deleted"], true);
    assert!(gone.body["session_id"].is_string());
    assert_eq!(service.as_service(Method::DELETE, &path).answer().await.status, 404);
}

#[tokio::test]
async fn every_session_is_deleted_in_either_form() {
    let service = Service::start().await;
    for path in [format!("/valet/sessions/{}", user()), format!("/sessions?user_id={}&all=true", user())] {
        log_in(&service);
        let answer = service.as_service(Method::DELETE, &path).answer().await;
        assert_eq!(answer.body, json!({ "user_id": user(), "deleted_count": 2 }), "{path}");
    }
    let unsaid = service.as_service(Method::DELETE, &format!("/sessions?user_id={}", user())).answer().await;
    assert_eq!(faults(&unsaid)[0].0, "domain", "all of them go only when that is said");
    assert_eq!(faults(&service.get("/sessions").await)[0].0, "user_id");
}

#[tokio::test]
async fn another_user_s_sessions_do_not_exist() {
    let service = Service::start().await;
    log_in(&service);
    for (method, path) in [
        (Method::GET, format!("/valet/sessions/{}", user())),
        (Method::DELETE, format!("/valet/sessions/{}", user())),
        (Method::DELETE, format!("/valet/sessions/{}/a.example", user())),
        (Method::GET, format!("/sessions?user_id={}", user())),
        (Method::DELETE, format!("/sessions?user_id={}&all=true", user())),
        (Method::DELETE, format!("/sessions?user_id={}&domain=a.example", user())),
    ] {
        let answer = service.as_user(stranger(), method.clone(), &path).answer().await;
        assert_eq!(answer.status, 404, "{method} {path}");
    }
    assert_eq!(service.as_user(stranger(), Method::GET, "/sessions").answer().await.body["total"], 0);
    assert_eq!(service.as_user(user(), Method::GET, "/sessions").answer().await.body["total"], 2);
    for path in ["/valet/sessions/nope", "/valet/sessions/%00"] {
        assert_eq!(service.get(path).await.status, 404, "{path}");
    }
    let null = format!("/valet/sessions/{}/%00", user());
    assert_eq!(service.as_service(Method::DELETE, &null).answer().await.status, 404);
}
