//! Pages built like the systems companies use, and the widgets those systems are made of, each with an oracle.
//!
//! A page sends what its own events committed, so a value that is only painted never arrives. [`judge`] compares what
//! arrived with what the candidate of `forms/candidate.json` would have meant.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{FromRequest, Json, Multipart, Path, Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;
use serde_json::json;

use crate::book::Book;

macro_rules! pages {
    ($($name:literal),* $(,)?) => {
        const PAGES: &[(&str, &str)] = &[$(($name, include_str!(concat!("../forms/", $name, ".html")))),*];
    };
}
pages![
    "greenhouse",
    "greenhouse-classic",
    "lever",
    "ashby",
    "workday",
    "icims",
    "icims-inner",
    "smartrecruiters",
    "workable",
    "personio",
    "dates",
    "several",
    "uploads",
    "collapsed",
    "newtab",
    "cascade",
    "twenty",
    "injection",
    "repair",
    "attach",
    "polarity",
    "stuck",
    "framed",
    "lists",
    "aliases",
];

/// Scripts and styles, by name; `vendor/` holds other people's (see `vendor/LICENSES.txt`).
const FILES: &[(&str, &str, &str)] = &[
    ("kit.js", "text/javascript", include_str!("../forms/kit.js")),
    ("react-select.js", "text/javascript", include_str!("../vendor/react-select.js")),
    ("flatpickr.js", "text/javascript", include_str!("../vendor/flatpickr.js")),
    ("flatpickr.css", "text/css", include_str!("../vendor/flatpickr.css")),
    ("intl-tel-input.js", "text/javascript", include_str!("../vendor/intl-tel-input.js")),
    ("intl-tel-input.css", "text/css", include_str!("../vendor/intl-tel-input.css")),
    ("jquery.js", "text/javascript", include_str!("../vendor/jquery.js")),
    ("select2.js", "text/javascript", include_str!("../vendor/select2.js")),
    ("select2.css", "text/css", include_str!("../vendor/select2.css")),
];

/// What a page sent.
#[derive(Clone, Debug, Serialize)]
pub struct Delivery {
    /// The page.
    pub page: String,
    /// What it had committed, by field name; files by their name.
    pub fields: BTreeMap<String, String>,
}

/// How what arrived compares with what was meant.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Judgement {
    /// Fields that say what was meant.
    pub right: usize,
    /// Name, what was meant, what arrived.
    pub wrong: Vec<(String, String, String)>,
    /// Fields that arrived empty.
    pub missing: Vec<String>,
}

/// The pages with an oracle: all but a frame's inner page, one that leads nowhere, one that frames others, and two whose tests
/// say themselves what must arrive.
pub fn practice_pages() -> Vec<&'static str> {
    let own = |name: &&str| !["icims-inner", "stuck", "framed", "lists", "aliases"].contains(name);
    PAGES.iter().map(|(name, _)| *name).filter(own).collect()
}

/// The candidate of the oracle: `{user_data, qa_overrides}`.
pub const fn practice_candidate() -> &'static str {
    include_str!("../forms/candidate.json")
}

/// Compares what a page sent with what was meant.
///
/// # Panics
/// When the page has no oracle.
pub fn judge(page: &str, fields: &BTreeMap<String, String>) -> Judgement {
    let oracle: BTreeMap<String, BTreeMap<String, String>> =
        serde_json::from_str(include_str!("../forms/oracle.json"))
            .expect("the oracle is part of the program");
    let mut judgement = Judgement::default();
    for (name, meant) in &oracle[page] {
        match fields.get(name).map(String::as_str).unwrap_or_default() {
            came if meant.is_empty() && came.is_empty() => judgement.right += 1,
            "" => judgement.missing.push(name.clone()),
            came if says(meant, came) => judgement.right += 1,
            came => judgement.wrong.push((name.clone(), meant.clone(), came.to_owned())),
        }
    }
    judgement
}

/// Nothing is an answer that must not be given, `*` is anything, `~digits` a number that ends so, `a; b` both in any order.
fn says(meant: &str, came: &str) -> bool {
    if let Some(digits) = meant.strip_prefix('~') {
        return came.chars().filter(char::is_ascii_digit).collect::<String>().ends_with(digits);
    }
    let parts = |text: &str| {
        let mut parts: Vec<String> = text.split("; ").map(str::to_owned).collect();
        parts.sort();
        parts
    };
    meant == "*" || parts(meant) == parts(came)
}

pub(crate) fn routes() -> axum::Router<Arc<Book>> {
    axum::Router::new()
        .route("/practice/received", get(received))
        .route("/practice/slow", get(slow).post(slow))
        .route("/practice/vendor/{name}", get(file))
        .route("/practice/{name}", get(show).post(take))
}

async fn show(Path(name): Path<String>, headers: HeaderMap) -> Response {
    if FILES.iter().any(|(known, ..)| *known == name) {
        return file(Path(name)).await;
    }
    let Some((_, html)) = PAGES.iter().find(|(known, _)| *known == name) else {
        return (StatusCode::NOT_FOUND, "no such page").into_response();
    };
    // Frames come from another host name, so that they belong to another site.
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let other = host.replace("127.0.0.1", "localhost");
    Html(html.replace("FRAME_ORIGIN", &format!("http://{other}"))).into_response()
}

async fn file(Path(name): Path<String>) -> Response {
    match FILES.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => ([(header::CONTENT_TYPE, *kind)], *text).into_response(),
        None => (StatusCode::NOT_FOUND, "no such file").into_response(),
    }
}

/// Answers late: a résumé parser at work, a step being saved.
async fn slow(Query(query): Query<BTreeMap<String, u64>>) -> StatusCode {
    tokio::time::sleep(Duration::from_millis(query.get("ms").copied().unwrap_or(0))).await;
    StatusCode::NO_CONTENT
}

async fn take(State(book): State<Arc<Book>>, Path(name): Path<String>, request: Request) -> Response {
    let kind =
        request.headers().get(header::CONTENT_TYPE).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let native = !kind.starts_with("application/json");
    let fields = if native {
        multipart(request).await
    } else {
        Json::<BTreeMap<String, String>>::from_request(request, &()).await.ok().map(|it| it.0)
    };
    let Some(fields) = fields else { return StatusCode::BAD_REQUEST.into_response() };
    book.deliver(Delivery { page: name, fields });
    if native {
        return Html("<h1>Thank you for applying</h1><p>Your application has been received.</p>")
            .into_response();
    }
    (StatusCode::CREATED, Json(json!({"ok": true}))).into_response()
}

async fn multipart(request: Request) -> Option<BTreeMap<String, String>> {
    let mut parts = Multipart::from_request(request, &()).await.ok()?;
    let mut fields = BTreeMap::new();
    while let Some(part) = parts.next_field().await.ok()? {
        let (name, file) = (part.name()?.to_owned(), part.file_name().map(str::to_owned));
        let text = part.text().await.unwrap_or_default();
        fields.insert(name, file.unwrap_or(text));
    }
    Some(fields)
}

async fn received(State(book): State<Arc<Book>>) -> Json<Vec<Delivery>> {
    Json(book.deliveries())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_page_has_an_oracle() {
        for page in practice_pages() {
            let judgement = judge(page, &BTreeMap::new());
            assert!(judgement.missing.len() >= 3 && judgement.wrong.is_empty(), "{page}");
        }
    }

    #[test]
    fn the_order_of_several_answers_does_not_matter() {
        assert!(says("Rust; SQL", "SQL; Rust") && !says("Rust; SQL", "Rust"));
        assert!(!says("", "x") && says("*", "x"));
        assert!(says("~5125550142", "(512) 555-0142") && !says("~5125550142", "512 555 0143"));
    }
}
