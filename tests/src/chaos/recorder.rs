//! The site that stand-ins apply on and callbacks are sent to: it writes down who sent what. It takes every application, and some callbacks
//! only when they come a second time.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// One application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) job: Uuid,
    pub(super) attempt: Uuid,
}

/// A callback that was taken.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Told {
    #[serde(rename = "job_id")]
    pub(super) job: Uuid,
    pub(super) status: String,
}

#[derive(Debug, Default)]
struct Book {
    submissions: Vec<Submission>,
    told: Vec<Told>,
    /// Ids of callbacks that were refused once.
    refused: HashSet<String>,
}

type Shared = Arc<Mutex<Book>>;

/// The running site; dropping it ends it.
pub(crate) struct Recorder {
    url: String,
    book: Shared,
    task: JoinHandle<std::io::Result<()>>,
}

impl Recorder {
    pub(crate) async fn start() -> Result<Self> {
        let book = Shared::default();
        let router = Router::new()
            .route("/submit/{job}/{attempt}", post(submit))
            .route("/callback", post(callback))
            .with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = axum::serve(listener, router);
        Ok(Self { url, book, task: tokio::spawn(async move { serving.await }) })
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Every application so far.
    pub(super) fn submissions(&self) -> Vec<Submission> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).submissions.clone()
    }

    /// Every callback taken so far.
    pub(super) fn told(&self) -> Vec<Told> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).told.clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn submit(State(book): State<Shared>, Path((job, attempt)): Path<(Uuid, Uuid)>) {
    book.lock().unwrap_or_else(PoisonError::into_inner).submissions.push(Submission { job, attempt });
}

/// Every eighth id, by its last digit, is refused the first time.
async fn callback(State(book): State<Shared>, headers: HeaderMap, Json(told): Json<Told>) -> StatusCode {
    let id = headers.get("webhook-id").and_then(|id| id.to_str().ok()).unwrap_or_default();
    let mut book = book.lock().unwrap_or_else(PoisonError::into_inner);
    if id.ends_with(['0', '8']) && book.refused.insert(id.to_owned()) {
        return StatusCode::SERVICE_UNAVAILABLE;
    }
    book.told.push(told);
    StatusCode::OK
}
