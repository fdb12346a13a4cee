//! The site that stand-ins apply on: it writes down who sent what, and never fails.

use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, State};
use axum::routing::post;
use tokio::task::JoinHandle;
use uuid::Uuid;

/// One application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Submission {
    pub(super) job: Uuid,
    pub(super) attempt: Uuid,
}

type Book = Arc<Mutex<Vec<Submission>>>;

/// The running site; dropping it ends it.
pub(crate) struct Recorder {
    url: String,
    book: Book,
    task: JoinHandle<std::io::Result<()>>,
}

impl Recorder {
    pub(crate) async fn start() -> Result<Self> {
        let book = Book::default();
        let router =
            Router::new().route("/submit/{job}/{attempt}", post(submit)).with_state(Arc::clone(&book));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = axum::serve(listener, router);
        Ok(Self { url, book, task: tokio::spawn(async move { serving.await }) })
    }

    pub(crate) fn url(&self) -> String {
        self.url.clone()
    }

    /// Everything received so far.
    pub(super) fn submissions(&self) -> Vec<Submission> {
        self.book.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn submit(State(book): State<Book>, Path((job, attempt)): Path<(Uuid, Uuid)>) {
    book.lock().unwrap_or_else(PoisonError::into_inner).push(Submission { job, attempt });
}
