//! Contoso: a wizard drawn by JavaScript, submitted with `fetch` as JSON, confirmed in place.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use serde_json::json;

use crate::book::{Book, Brand, Submission, Upload, now};
use crate::form::{Field, Fields, Kind, judge};
use crate::page::page;
use crate::trouble::Trouble;

/// The places the location box offers; typed text that is none of them is refused.
const PLACES: &[(&str, &str)] = &[
    ("Amsterdam, Netherlands", ""),
    ("Austin, Texas, United States", ""),
    ("Berlin, Germany", ""),
    ("Dublin, Ireland", ""),
    ("London, United Kingdom", ""),
    ("Madrid, Spain", ""),
    ("New York, New York, United States", ""),
    ("San Diego, California, United States", ""),
    ("San Francisco, California, United States", ""),
    ("Toronto, Ontario, Canada", ""),
];

const FORM: &[Field] = &[
    Field { name: "first_name", label: "First name", kind: Kind::Text, required: true },
    Field { name: "last_name", label: "Last name", kind: Kind::Text, required: true },
    Field { name: "email", label: "Email address", kind: Kind::Email, required: true },
    Field { name: "phone", label: "Mobile number", kind: Kind::Tel, required: true },
    Field { name: "location", label: "Current location", kind: Kind::Choice(PLACES), required: true },
    Field { name: "resume", label: "Résumé", kind: Kind::File, required: true },
    Field { name: "authorized", label: "Work authorization", kind: Kind::YesNo, required: true },
    Field { name: "sponsorship", label: "Sponsorship", kind: Kind::YesNo, required: true },
    Field { name: "linkedin", label: "LinkedIn URL", kind: Kind::Url, required: false },
    Field {
        name: "motivation",
        label: "Why do you want to work at Contoso?",
        kind: Kind::Long,
        required: true,
    },
];

/// The field no person sees; only a program fills it.
const HONEYPOT: &str = "company_website";

/// What the page's script sends.
#[derive(Deserialize)]
pub(crate) struct Application {
    fields: Fields,
    resume: Option<Attachment>,
}

#[derive(Deserialize)]
struct Attachment {
    name: String,
    content_base64: String,
}

/// The page; its script draws the form.
pub(crate) async fn show(State(book): State<Arc<Book>>, Query(trouble): Query<Trouble>) -> Response {
    book.visit(Brand::Contoso, trouble.reference.clone());
    trouble.slow().await;
    let places: Vec<&str> = PLACES.iter().map(|(place, _)| *place).collect();
    let body = format!(
        "{}\n<script>\nconst PLACES = {};\n{}</script>",
        include_str!("../assets/contoso.html"),
        json!(places),
        include_str!("../assets/contoso.js"),
    );
    page("contoso", "Site Reliability Engineer | Contoso", &body)
}

/// Takes an application: 201 with its number, or 422 with what is wrong.
pub(crate) async fn submit(
    State(book): State<Arc<Book>>,
    Query(trouble): Query<Trouble>,
    Json(application): Json<Application>,
) -> Response {
    let mut files = Vec::new();
    if let Some(file) = application.resume {
        let Ok(content) = STANDARD.decode(file.content_base64) else {
            return (StatusCode::BAD_REQUEST, "the résumé is not base64").into_response();
        };
        files.push(Upload::of("resume", &file.name, &content));
    }
    let mut problems = judge(FORM, &application.fields, &files);
    if application.fields.get(HONEYPOT).is_some_and(|value| !value.is_empty()) {
        problems.insert(HONEYPOT.to_owned(), "This application looks automated.".to_owned());
    }
    let written = book.write(Submission {
        number: 0,
        received_at: now(),
        brand: Brand::Contoso,
        reference: trouble.reference.clone(),
        accepted: problems.is_empty(),
        problems,
        fields: application.fields,
        files,
    });
    if trouble.answer(&book, written.number).await {
        return (StatusCode::BAD_GATEWAY, "upstream connect error").into_response();
    }
    if written.accepted {
        (StatusCode::CREATED, Json(json!({ "application": format!("CT-{:05}", written.number) })))
            .into_response()
    } else {
        (StatusCode::UNPROCESSABLE_ENTITY, Json(json!({ "problems": written.problems }))).into_response()
    }
}
