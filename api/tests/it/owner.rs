//! Another user's job does not exist, on any route.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Ask, Service, stranger, user};

#[tokio::test]
async fn another_user_s_job_is_not_found_on_any_route() {
    let service = Service::start().await;
    let id = service.job(json!({ "user_id": stranger() })).await;
    for (method, path) in [
        (Method::GET, ""),
        (Method::GET, "/status"),
        (Method::GET, "/events"),
        (Method::POST, "/cancel"),
        (Method::POST, "/retry"),
    ] {
        let path = format!("/jobs/{id}{path}");
        let answer = service.as_user(user(), method.clone(), &path).answer().await;
        assert_eq!(answer.status, 404, "{method} {path}");
        let owner = service.as_user(stranger(), method.clone(), &path).answer().await;
        assert_ne!(owner.status, 404, "{method} {path}");
    }
    let after = service.get(&format!("/jobs/{id}/status")).await.body;
    assert_eq!(after["status"], "pending", "only the owner's cancel and retry counted");
}

#[tokio::test]
async fn a_user_lists_their_own_jobs_only() {
    let service = Service::start().await;
    let own = service.job(json!({})).await;
    service.job(json!({ "user_id": stranger() })).await;
    let list = service.as_user(user(), Method::GET, "/jobs").answer().await.body;
    assert_eq!((list["total"].as_i64(), list["jobs"][0]["id"].as_str()), (Some(1), Some(own.as_str())));
    let theirs =
        service.as_user(user(), Method::GET, &format!("/jobs?user_id={}", stranger())).answer().await.body;
    assert_eq!((&theirs["total"], &theirs["jobs"]), (&json!(0), &json!([])));
}

#[tokio::test]
async fn a_user_never_reads_the_key_valet_puts_into_the_callback() {
    let service = Service::start().await;
    let callback = "https://valet.example/hook?token=the-service-key";
    let id = service
        .job(json!({ "callback_url": callback, "metadata": { "callback_url": callback, "a": 1 } }))
        .await;
    let only_noted = service.job(json!({ "metadata": { "callback_url": callback } })).await;
    for path in [format!("/jobs/{id}"), format!("/jobs/{only_noted}"), "/jobs".to_owned()] {
        let shown = service.as_user(user(), Method::GET, &path).answer().await.body.to_string();
        assert!(
            !shown.contains("the-service-key") && shown.contains("https://valet.example/hook"),
            "{path}: {shown}"
        );
        assert!(service.get(&path).await.body.to_string().contains("the-service-key"), "{path}");
    }
    let row = service.get(&format!("/jobs/{id}")).await.body;
    assert_eq!((&row["metadata"], &row["callback_url"]), (&json!({ "a": 1 }), &json!(callback)));
}
