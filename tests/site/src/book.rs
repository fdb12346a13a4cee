//! The book in which the site writes every visit and every application it was sent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use axum::body::Bytes;
use chrono::{DateTime, Utc};
use serde::Serialize;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use crate::practice::Delivery;

/// Whose form it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Brand {
    /// The classic multipart form.
    Northwind,
    /// The wizard in JavaScript.
    Contoso,
}

/// One post of a form, whether it was accepted or not.
#[derive(Clone, Debug, Serialize)]
pub struct Submission {
    /// 1 for the first post this site received, 2 for the next.
    pub number: usize,
    /// When the whole body had arrived.
    pub received_at: DateTime<Utc>,
    /// The form that was posted.
    pub brand: Brand,
    /// The `ref` of the page's query: which job this application belongs to.
    pub reference: Option<String>,
    /// True when nothing was wrong; only accepted posts are applications.
    pub accepted: bool,
    /// What was wrong, by field name.
    pub problems: BTreeMap<String, String>,
    /// Every field that is not a file, by name.
    pub fields: BTreeMap<String, String>,
    /// Every file.
    pub files: Vec<Upload>,
}

/// A file as it arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Upload {
    /// Name of the form field.
    pub field: String,
    /// Name of the file as the browser told it.
    pub name: String,
    /// Length of the content.
    pub size_bytes: usize,
    /// SHA-256 of the content, in hex.
    pub sha256: String,
}

impl Upload {
    /// Describes `content` without keeping it.
    pub(crate) fn of(field: &str, name: &str, content: &[u8]) -> Self {
        let sha256 = Sha256::digest(content).iter().fold(String::new(), |mut hex, byte| {
            let _ = write!(hex, "{byte:02x}");
            hex
        });
        Self { field: field.to_owned(), name: name.to_owned(), size_bytes: content.len(), sha256 }
    }
}

/// One look at a form's page.
#[derive(Clone, Debug, Serialize)]
pub struct Visit {
    /// When the page was asked for.
    pub at: DateTime<Utc>,
    /// The form that was asked for.
    pub brand: Brand,
    /// The `ref` of the query.
    pub reference: Option<String>,
}

/// Everything the site remembers, and what its pages wait on.
pub(crate) struct Book {
    entries: Mutex<Entries>,
    /// Counts changes, so that a reader can wait for the next one.
    changes: watch::Sender<u64>,
    /// Posts up to this number are answered even if they were told to hang.
    released: watch::Sender<usize>,
    /// The résumé offered at `/resume.pdf`.
    pub(crate) resume: Bytes,
}

#[derive(Default)]
struct Entries {
    submissions: Vec<Submission>,
    visits: Vec<Visit>,
    deliveries: Vec<Delivery>,
}

impl Book {
    pub(crate) fn new(resume: Bytes) -> Self {
        Self {
            entries: Mutex::default(),
            changes: watch::Sender::new(0),
            released: watch::Sender::new(0),
            resume,
        }
    }

    /// Writes a post down, gives it its number and returns it as written.
    pub(crate) fn write(&self, mut submission: Submission) -> Submission {
        let mut entries = self.entries();
        submission.number = entries.submissions.len() + 1;
        entries.submissions.push(submission.clone());
        drop(entries);
        self.changes.send_modify(|count| *count += 1);
        submission
    }

    pub(crate) fn visit(&self, brand: Brand, reference: Option<String>) {
        self.entries().visits.push(Visit { at: now(), brand, reference });
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn submissions(&self) -> Vec<Submission> {
        self.entries().submissions.clone()
    }

    pub(crate) fn visits(&self) -> Vec<Visit> {
        self.entries().visits.clone()
    }

    pub(crate) fn deliver(&self, delivery: Delivery) {
        self.entries().deliveries.push(delivery);
        self.changes.send_modify(|count| *count += 1);
    }

    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.entries().deliveries.clone()
    }

    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Lets the answer of every post written so far go.
    pub(crate) fn release(&self) {
        let count = self.entries().submissions.len();
        self.released.send_modify(|released| *released = count);
    }

    /// Returns once the post with this number was let go.
    pub(crate) async fn released(&self, number: usize) {
        // An error means that the book is gone, and with it the site: nothing is held any more.
        let _ = self.released.subscribe().wait_for(|released| *released >= number).await;
    }

    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The time of the site's clock.
#[expect(clippy::disallowed_methods, reason = "a site outside the system, with a clock of its own")]
pub(crate) fn now() -> DateTime<Utc> {
    Utc::now()
}
