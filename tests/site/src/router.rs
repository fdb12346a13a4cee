//! All addresses of the site on one screen.

use std::sync::Arc;

use axum::extract::{DefaultBodyLimit, State};
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};

use crate::book::{Book, Submission};
use crate::page::page;
use crate::{contoso, gate, northwind, practice};

/// Room for a résumé with pictures; base64 makes it a third larger.
const BODY_LIMIT_BYTES: usize = 16 * 1024 * 1024;

pub(crate) fn router(book: Arc<Book>) -> Router {
    Router::new()
        .route("/", get(index))
        .route("/northwind/apply", get(northwind::show).post(northwind::submit))
        .route("/northwind/code", axum::routing::post(gate::answer))
        .route("/northwind/thanks", get(northwind::thanks))
        .route("/contoso/apply", get(contoso::show))
        .route("/contoso/applications", axum::routing::post(contoso::submit))
        .route("/received", get(received))
        .route("/resume.pdf", get(resume))
        .merge(practice::routes())
        .layer(DefaultBodyLimit::max(BODY_LIMIT_BYTES))
        .with_state(book)
}

async fn index() -> Response {
    page(
        "index",
        "Career pages",
        "<header><strong>Career pages</strong><span>to practise on</span></header>\n<main><h1>Open positions</h1>\
         <p class=\"lead\">Nobody reads these applications; see what arrived at <a href=\"/received\">/received</a>.</p><ul>\
         <li><a href=\"/northwind/apply\">Platform Engineer, Northwind Traders</a> (one page, classic form)</li>\
         <li><a href=\"/contoso/apply\">Site Reliability Engineer, Contoso</a> (two-step wizard)</li></ul></main>",
    )
}

async fn received(State(book): State<Arc<Book>>) -> Json<Vec<Submission>> {
    Json(book.submissions())
}

async fn resume(State(book): State<Arc<Book>>) -> Response {
    ([(header::CONTENT_TYPE, "application/pdf")], book.resume.clone()).into_response()
}
