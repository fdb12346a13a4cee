//! The key that opens every résumé is sent for the files of the job's user only, whatever the job names.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use proptest::{collection, sample};
use runner::net::Reach;
use runner::resume::{ResumeAccess, ResumeError, ResumeSource};
use serde_json::{Value, json};

const ME: &str = "0192f0c1-7c1d-7c3a-8000-000000000001";
const YOU: &str = "0192f0c1-7c1d-7c3a-8000-000000000002";
const OBJECTS: &str = "/storage/v1/object/resumes/";

/// The requests as they came: the target, and whether the key was with it.
type Seen = Arc<Mutex<Vec<(String, bool)>>>;

/// A storage server in the manner of Supabase, and one beside it that the first sends some requests to.
struct Storage {
    url: String,
    seen: Seen,
    other: String,
    seen_by_other: Seen,
}

impl Storage {
    async fn start() -> Self {
        let (other, seen_by_other) = serve(Vec::new()).await;
        let (url, seen) = serve(vec![
            format!("{other}/cv.pdf"),
            format!("{OBJECTS}{YOU}/cv.pdf"),
            format!("../{YOU}/cv.pdf"),
            format!("{OBJECTS}{ME}/.\u{9}./{YOU}/cv.pdf").replace('\u{9}', "%09"),
            "/auth/v1/admin/users".to_owned(),
            format!("{OBJECTS}{ME}-not/cv.pdf"),
        ])
        .await;
        Self { url, seen, other, seen_by_other }
    }

    fn access(&self) -> ResumeAccess {
        ResumeAccess {
            supabase: Some((self.url.clone(), "k-1".into())),
            reach: Reach::Anything,
            ..ResumeAccess::default()
        }
    }

    /// What was asked for since the last time.
    fn seen(&self) -> Vec<(String, bool)> {
        std::mem::take(&mut *self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Serves a document under every path; `moved-<n>.pdf` is a redirect to the n-th of `targets`.
async fn serve(targets: Vec<String>) -> (String, Seen) {
    let seen = Seen::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let router = Router::new().fallback(answer).with_state((Arc::clone(&seen), Arc::new(targets)));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (url, seen)
}

async fn answer(State((seen, targets)): State<(Seen, Arc<Vec<String>>)>, request: Request) -> Response {
    let target = request.uri().to_string();
    let has_key = request.headers().contains_key("authorization") || request.headers().contains_key("apikey");
    let moved =
        target.rsplit_once("/moved-").and_then(|(_, rest)| rest.trim_end_matches(".pdf").parse().ok());
    seen.lock().unwrap_or_else(PoisonError::into_inner).push((target, has_key));
    match moved.and_then(|number: usize| targets.get(number)) {
        Some(target) => (StatusCode::FOUND, [("location", target.clone())]).into_response(),
        None => Bytes::from_static(b"%PDF-1.7 x").into_response(),
    }
}

/// A job of `ME` that names `key` in each place there is.
fn jobs(key: &str) -> Vec<(&'static str, Value)> {
    let reference = json!({ "storage_path": key });
    vec![
        ("resume_ref.storage_path", json!({ "user_id": ME, "resume_ref": reference })),
        (
            "metadata.resume_ref.storage_path",
            json!({ "user_id": ME, "metadata": { "resume_ref": reference } }),
        ),
        (
            "input_data.resume_ref.storage_path",
            json!({ "user_id": ME, "input_data": { "resume_ref": reference } }),
        ),
        ("input_data.resume_path", json!({ "user_id": ME, "input_data": { "resume_path": key } })),
    ]
}

fn ids(key: &str) -> String {
    key.replace("{me}", ME).replace("{you}", YOU)
}

#[tokio::test]
async fn a_file_of_somebody_else_is_refused_without_a_request() {
    let storage = Storage::start().await;
    for key in [
        "{me}/.\t./{you}/cv.pdf",
        "{me}/\t../{you}/cv.pdf",
        "{me}/.\n./{you}/cv.pdf",
        "{me}/.\r\n\t./{you}/cv.pdf",
        "{me}/../{you}/cv.pdf",
        "{me}/%2e%2e/{you}/cv.pdf",
        "{me}/.%2E/{you}/cv.pdf",
        "{me}/%252e%252e/{you}/cv.pdf",
        "{me}/.%09./{you}/cv.pdf",
        "{me}/..\\{you}\\cv.pdf",
        "{me}/..%5c{you}/cv.pdf",
        "{me}/..%2F{you}/cv.pdf",
        "{me}//cv.pdf",
        "{me}/./cv.pdf",
        "{me}/",
        "{me}",
        "{me}-not/cv.pdf",
        "{you}/cv.pdf",
        "cv.pdf",
        "../screenshots/cv.pdf",
        "../../../../auth/v1/admin/users",
        "\t{you}/cv.pdf",
    ] {
        let key = ids(key);
        for (field, job) in jobs(&key) {
            let source = ResumeSource::of_job(&job).expect("a source");
            let fetched = source.fetch(&storage.access()).await;
            let asked = storage.seen();
            assert!(asked.is_empty(), "{field} {key:?}: asked for {asked:?}");
            let error = fetched.expect_err(&key);
            assert!(matches!(error, ResumeError::Forbidden(_)), "{field} {key:?}: {error}");
            let said = error.to_string();
            assert!(said.contains(field) && !said.contains("k-1"), "{said}");
        }
    }
}

#[tokio::test]
async fn files_are_fetched_under_the_names_people_give_them() {
    let storage = Storage::start().await;
    for (key, target) in [
        ("{me}/cv.pdf", "{me}/cv.pdf"),
        ("{me}/0192/My R\u{e9}sum\u{e9} (final).pdf", "{me}/0192/My%20R%C3%A9sum%C3%A9%20(final).pdf"),
        ("{me}/..cv..v2...pdf", "{me}/..cv..v2...pdf"),
        ("{me}/100% me?#1.pdf", "{me}/100%25%20me%3F%231.pdf"),
        ("{me}/\u{1f468}\u{200d}\u{1f4bb}.pdf", "{me}/%F0%9F%91%A8%E2%80%8D%F0%9F%92%BB.pdf"),
    ] {
        for (field, job) in jobs(&ids(key)) {
            let source = ResumeSource::of_job(&job).expect("a source");
            source.fetch(&storage.access()).await.unwrap_or_else(|error| panic!("{field} {key}: {error}"));
            assert_eq!(storage.seen(), [(format!("{OBJECTS}{}", ids(target)), true)]);
        }
    }
}

#[tokio::test]
async fn an_address_is_no_key_however_its_scheme_is_written() {
    let storage = Storage::start().await;
    for scheme in ["http://", "HTTP://", "HtTp://"] {
        let address = storage.other.replace("http://", scheme);
        let job = json!({ "user_id": ME, "input_data": { "resume_path": format!("{address}/cv.pdf") } });
        let source = ResumeSource::of_job(&job).expect("a source");
        source.fetch(&storage.access()).await.unwrap_or_else(|error| panic!("{address}: {error}"));
        let seen = std::mem::take(&mut *storage.seen_by_other.lock().unwrap_or_else(PoisonError::into_inner));
        assert_eq!(seen, [("/cv.pdf".to_owned(), false)]);
    }
}

#[tokio::test]
async fn a_redirect_of_the_storage_takes_the_key_nowhere() {
    let storage = Storage::start().await;
    for number in 0..6 {
        let (_, job) = jobs(&format!("{ME}/moved-{number}.pdf")).remove(0);
        let fetched = ResumeSource::of_job(&job).expect("a source").fetch(&storage.access()).await;
        let first = (format!("{OBJECTS}{ME}/moved-{number}.pdf"), true);
        assert_eq!(storage.seen(), [first], "{number}");
        assert!(storage.seen_by_other.lock().unwrap_or_else(PoisonError::into_inner).is_empty(), "{number}");
        assert!(matches!(fetched, Err(ResumeError::Forbidden(_))), "{number}: {fetched:?}");
    }
}

/// What keys are made of by somebody who looks for a way out.
const PIECES: [&str; 24] = [
    ME, YOU, "/", "/", "/", ".", ".", "..", "\t", "\n", "\r", "%", "%2e", "%2E", "%2f", "%5c", "%25", "%09",
    "\\", "?", "#", "\u{200b}", "\u{ff0e}", "cv.pdf",
];

/// A request target as the most eager reader takes it: decoded until nothing changes, its dots resolved.
fn read_eagerly(target: &str) -> String {
    let mut path = target.split(['?', '#']).next().unwrap_or_default().to_owned();
    loop {
        let text = path.replace('\\', "/");
        let url = url::Url::parse(&format!("http://h{text}")).expect("a path");
        let next = String::from_utf8_lossy(&percent_decode(url.path())).into_owned();
        if next == path {
            return path;
        }
        path = next;
    }
}

fn percent_decode(text: &str) -> Vec<u8> {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let escaped = part.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        decoded.push(escaped.unwrap_or(b'%'));
        decoded.extend(part.bytes().skip(if escaped.is_some() { 2 } else { 0 }));
    }
    decoded
}

#[test]
fn whatever_a_job_names_only_files_below_its_users_folder_are_asked_for() {
    let piece = prop_oneof![4 => sample::select(PIECES.to_vec()).prop_map(str::to_owned), 1 => ".{1,2}"];
    let key = (any::<bool>(), collection::vec(piece, 1..8))
        .prop_map(|(own, pieces)| if own { format!("{ME}/{}", pieces.concat()) } else { pieces.concat() });
    let owner = ME.parse().expect("an id");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let storage = runtime.block_on(Storage::start());
    let fetched = std::cell::Cell::new(0);
    let mut cases = TestRunner::new(ProptestConfig {
        cases: 2000,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    cases
        .run(&key, |key| {
            for (_, job) in jobs(&key) {
                let Some(source @ ResumeSource::Storage(_)) = ResumeSource::of_job(&job) else { continue };
                let outcome = runtime.block_on(source.fetch(&storage.access()));
                let seen = storage.seen();
                for (target, _) in &seen {
                    let below = format!("{OBJECTS}{ME}/");
                    prop_assert!(target.starts_with(&below), "{target}");
                    prop_assert!(read_eagerly(target).starts_with(&below), "{target}");
                }
                if domain::storage_key::check_own(owner, &key).is_ok() {
                    prop_assert!(outcome.is_ok(), "{outcome:?}");
                    let asked = percent_decode(&seen[0].0);
                    prop_assert_eq!(String::from_utf8_lossy(&asked), format!("{OBJECTS}{key}"));
                    fetched.set(fetched.get() + 1);
                }
            }
            Ok(())
        })
        .unwrap_or_else(|fault| panic!("{fault}"));
    assert!(fetched.get() > 50, "only {fetched:?} keys were taken: the test has lost its point");
}
