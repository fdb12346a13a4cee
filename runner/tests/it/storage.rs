//! Files that come and go: screenshots to a bucket, résumés from one.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use runner::artifacts::{ArtifactError, Artifacts};
use runner::net::Reach;
use runner::resume::{ResumeAccess, ResumeError, ResumeSource};

type Seen = Arc<Mutex<Vec<(String, String, usize)>>>;

/// A storage server in the manner of Supabase.
async fn storage() -> (String, Seen) {
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(answer).with_state(Arc::clone(&seen));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

async fn answer(State(seen): State<Seen>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let header =
        |name: &str| parts.headers.get(name).and_then(|it| it.to_str().ok()).unwrap_or_default().to_owned();
    if header("authorization") != "Bearer k-1" && parts.uri.path() != "/open.pdf" {
        return StatusCode::FORBIDDEN.into_response();
    }
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    seen.lock().unwrap_or_else(PoisonError::into_inner).push((
        parts.uri.path().into(),
        header("x-upsert"),
        body.len(),
    ));
    match parts.uri.path() {
        path if path.ends_with("/huge.pdf") => vec![b'%'; 11 << 20].into_response(),
        path if path.ends_with("/page.pdf") => "<html>".into_response(),
        _ => Bytes::from_static(b"%PDF-1.7 x").into_response(),
    }
}

fn lookup<'a>(url: &'a str, key: &'a str) -> impl Fn(&str) -> Option<String> + 'a {
    move |name| match name {
        "SUPABASE_URL" => Some(url.to_owned()),
        "SUPABASE_SERVICE_KEY" => Some(key.to_owned()),
        _ => None,
    }
}

#[tokio::test]
async fn a_screenshot_goes_to_the_contracts_path_of_the_bucket() {
    let (url, seen) = storage().await;
    let artifacts = Artifacts::from_lookup(lookup(&url, "k-1")).expect("a client");
    let place =
        artifacts.store("j-1", "step-001-page-ready.png", b"png").await.expect("stored").expect("somewhere");
    assert!(place.ends_with("/screenshots/gh/jobs/j-1/step-001-page-ready.png"), "{place}");
    let seen = seen.lock().unwrap_or_else(PoisonError::into_inner).clone();
    assert_eq!(
        seen,
        [("/storage/v1/object/screenshots/gh/jobs/j-1/step-001-page-ready.png".into(), "true".into(), 3)]
    );
    let refused =
        Artifacts::from_lookup(lookup(&url, "wrong")).expect("a client").store("j", "x.png", b"p").await;
    assert!(matches!(refused, Err(ArtifactError::Refused(403))));
}

fn named(name: &str) -> ResumeSource {
    let owner = "0192f0c1-7c1d-7c3a-8000-000000000001";
    let reference = serde_json::json!({ "storage_path": format!("{owner}/{name}") });
    ResumeSource::of_job(&serde_json::json!({ "user_id": owner, "resume_ref": reference })).expect("a source")
}

#[tokio::test]
async fn a_resume_comes_from_the_bucket_or_an_address_and_is_checked() {
    let (url, _) = storage().await;
    let access = ResumeAccess {
        supabase: Some((url.clone(), "k-1".into())),
        reach: Reach::Anything,
        ..ResumeAccess::default()
    };
    let stored = named("cv.pdf").fetch(&access).await.expect("a resume");
    assert_eq!((stored.name.as_str(), stored.content.as_slice()), ("cv.pdf", b"%PDF-1.7 x".as_slice()));
    let open = ResumeSource::Url(format!("{url}/open.pdf")).fetch(&access).await.expect("a resume");
    assert_eq!(open.name, "open.pdf");
    for name in ["huge.pdf", "page.pdf"] {
        let fetched = named(name).fetch(&access).await;
        assert!(matches!(fetched, Err(ResumeError::Unusable(_))), "{name}");
    }
    let public = ResumeAccess { reach: Reach::Public, ..access };
    let private = ResumeSource::Url(format!("{url}/open.pdf")).fetch(&public).await;
    assert!(matches!(private, Err(ResumeError::Forbidden(_))));
}
