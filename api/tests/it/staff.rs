//! The dashboard with a Supabase project behind it: staff who sign in there, and pictures that lie there.

use api::server::Limits;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use reqwest::Method;
use reqwest::header::LOCATION;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::dashboard::Visitor;
use crate::harness::{Ask, JWT_SECRET, Service, in_an_hour, sign, user};

/// Who the project knows: the address is the name of the role, the password is the same for all.
fn token(email: &str) -> String {
    let claims = json!({ "sub": user(), "aud": "authenticated", "role": "authenticated", "exp": in_an_hour(), "email": email,
        "app_metadata": { "provider": "email", "role": email.split('@').next() }, "user_metadata": { "role": "ops" } });
    sign(&claims, JWT_SECRET)
}

async fn sign_in(headers: HeaderMap, Json(body): Json<Value>) -> (StatusCode, Json<Value>) {
    assert_eq!(headers["apikey"], "public");
    match body["password"].as_str() {
        Some("right") => {
            let token = token(body["email"].as_str().expect("an address"));
            (StatusCode::OK, Json(json!({ "access_token": token, "token_type": "bearer" })))
        }
        _ => (StatusCode::BAD_REQUEST, Json(json!({ "error_code": "invalid_credentials" }))),
    }
}

async fn sign_object(
    State(()): State<()>,
    Path(object): Path<String>,
    headers: HeaderMap,
    Json(body): Json<Value>,
) -> Json<Value> {
    assert_eq!((headers["apikey"].to_str().expect("text"), &body["expiresIn"]), ("secret", &json!(60)));
    Json(json!({ "signedURL": format!("/object/sign/{object}?token=t") }))
}

/// A Supabase project: its address.
async fn project() -> String {
    let router = axum::Router::new()
        .route("/auth/v1/token", post(sign_in))
        .route("/storage/v1/object/sign/{*object}", post(sign_object))
        .with_state(());
    let listener = api::server::bind(&["127.0.0.1:0".parse().expect("an address")]).await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    tokio::spawn(api::server::serve(listener, router, Limits::default(), CancellationToken::new()));
    url
}

async fn service(more: &[(&str, &str)]) -> (Service, String) {
    let url = project().await;
    let settings =
        [("SUPABASE_URL", url.as_str()), ("SUPABASE_SERVICE_KEY", "secret"), ("SUPABASE_ANON_KEY", "public")];
    (Service::with(&[&settings[..], more].concat(), Limits::default()).await, url)
}

#[tokio::test]
async fn staff_sign_in_with_their_password_and_do_what_their_role_allows() {
    let (service, _) = service(&[]).await;
    let id = service.job(json!({})).await;
    let enter = async |email: &str, password: &str| {
        Visitor::entered(&service, &[("email", email), ("password", password)]).await
    };
    let ops = enter("ops@ghosthands.example", "right").await.expect("signed in");
    let finance = enter("finance@ghosthands.example", "right").await.expect("signed in");
    assert!(enter("ops@ghosthands.example", "wrong").await.is_none());
    assert!(
        enter("student@ghosthands.example", "right").await.is_none(),
        "what users write about themselves counts for nothing"
    );

    assert!(!finance.page(&format!("/jobs/{id}")).await.contains("value=\"cancel\""));
    let refused = finance
        .post(&format!("/jobs/{id}"), &[("action", "cancel"), ("token", &finance.token().await)])
        .await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let done = ops.post(&format!("/jobs/{id}"), &[("action", "cancel"), ("token", &ops.token().await)]).await;
    assert_eq!(done.status(), StatusCode::SEE_OTHER);
    let audit = service.rows("select actor, action from gh_audit");
    assert_eq!(
        (&audit[0]["actor"], &audit[0]["action"]),
        (&json!("dashboard:ops@ghosthands.example"), &json!("cancel"))
    );
}

#[tokio::test]
async fn costs_over_rest_are_for_services_and_staff() {
    let (service, _) = service(&[]).await;
    let id = service.job(json!({})).await;
    for path in ["/costs".to_owned(), format!("/jobs/{id}/cost")] {
        for (role, status) in [("finance", 200), ("ops", 200), ("student", 403)] {
            let request = service.request(Method::GET, &format!("/api/v1/gh{path}"));
            let answer = request.bearer_auth(token(&format!("{role}@ghosthands.example"))).answer().await;
            assert_eq!(answer.status, status, "{role} {path}");
        }
    }
}

#[tokio::test]
async fn a_picture_of_a_private_bucket_is_signed_when_somebody_looks() {
    let (service, url) = service(&[]).await;
    let id = service.job(json!({})).await;
    let shots = json!([
        format!("{url}/storage/v1/object/public/screenshots/gh/jobs/{id}/final.png"),
        format!("{url}/storage/v1/object/public/screenshots/gh/jobs/{}/other.png", user()),
        format!("{url}/storage/v1/object/public/resumes/somebody.pdf"),
    ]);
    service.sql(&format!("update gh_automation_jobs set screenshot_urls = '{shots}' where id = '{id}'"));
    let visitor = Visitor::signed_in(&service, crate::harness::KEY).await;
    let page = visitor.page(&format!("/jobs/{id}")).await;
    let link = format!("/jobs/{id}/shots/0");
    assert!(page.contains(&link) && !page.contains("/shots/1") && !page.contains("/shots/2"), "{page}");
    let answer = visitor.get(&link).await;
    assert_eq!(
        answer.headers()[LOCATION].to_str().expect("text"),
        format!("{url}/storage/v1/object/sign/screenshots/gh/jobs/{id}/final.png?token=t")
    );
    assert_eq!(answer.headers()["cache-control"], "no-store");
    for number in ["1", "2", "3"] {
        assert_eq!(visitor.get(&format!("/jobs/{id}/shots/{number}")).await.status(), StatusCode::NOT_FOUND);
    }
    assert_eq!(
        Visitor::stranger(&service).get(&link).await.status(),
        StatusCode::SEE_OTHER,
        "only to those who signed in"
    );
}

#[tokio::test]
async fn a_picture_on_this_computer_is_shown_and_no_other_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (service, _) = service(&[("GH_ARTIFACTS_DIR", folder.path().to_str().expect("text"))]).await;
    let id = service.job(json!({})).await;
    let own = folder.path().join(format!("gh/jobs/{id}"));
    std::fs::create_dir_all(&own).expect("a folder");
    std::fs::write(own.join("final.png"), b"picture").expect("written");
    std::fs::write(folder.path().join("secret.png"), b"secret").expect("written");
    std::os::unix::fs::symlink(folder.path().join("secret.png"), own.join("link.png")).expect("a link");
    let shots = json!([
        own.join("final.png"),
        own.join("link.png"),
        own.join("../../../secret.png"),
        folder.path().join("secret.png")
    ]);
    service.sql(&format!("update gh_automation_jobs set screenshot_urls = '{shots}' where id = '{id}'"));
    let visitor = Visitor::signed_in(&service, crate::harness::KEY).await;
    let answer = visitor.get(&format!("/jobs/{id}/shots/0")).await;
    assert_eq!(
        (answer.status(), answer.headers()["content-type"].to_str().expect("text")),
        (StatusCode::OK, "image/png")
    );
    assert_eq!(answer.bytes().await.expect("a picture"), &b"picture"[..]);
    for number in 1..4 {
        assert_eq!(
            visitor.get(&format!("/jobs/{id}/shots/{number}")).await.status(),
            StatusCode::NOT_FOUND,
            "{number}"
        );
    }
}

#[tokio::test]
async fn a_jobs_page_says_where_each_answer_came_from() {
    let (service, _) = service(&[]).await;
    let id = service.job(json!({})).await;
    let each = json!({ "fields": { "each": [{ "page": 2, "question": "Why us? <b>", "kind": "text", "source": "model", "state": "verified" }] } });
    service.sql(&format!("update gh_automation_jobs set result_data = '{each}' where id = '{id}'"));
    let page = Visitor::signed_in(&service, crate::harness::KEY).await.page(&format!("/jobs/{id}")).await;
    assert!(
        page.contains("Why us? &#60;b&#62;") && page.contains("<td>model</td><td>verified</td>"),
        "{page}"
    );
}
