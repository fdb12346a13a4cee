//! What keeps jobs from being done, or will: one list with one text each, which `doctor`, `/monitoring` and the dashboard show alike.

mod facts;
mod rules;

use chrono::{DateTime, Utc};
use serde::Serialize;

pub use facts::{DayBudget, Facts, Lead, Numbers, Queue, read};
pub use rules::found;

use crate::{Db, Result};

/// How bad a problem is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Somebody meant it, and no job waits for it: good to know.
    Info,
    /// Jobs are done, but somebody should look.
    Warning,
    /// Jobs cannot be done.
    Critical,
}

impl Severity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// One problem. Its text names no job, no user and no address: parts of it are shown to everybody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The same for as long as it lasts.
    pub id: &'static str,
    /// What it is a problem of: the check of `doctor` that shows it.
    pub of: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What happened, and to how many jobs or machines.
    pub says: String,
    /// What to do about it.
    pub remedy: &'static str,
    /// How many it is about.
    pub count: i64,
    /// Since when, where that is known.
    pub since: Option<DateTime<Utc>>,
    /// What only operators see: Fly's words, the id of a job.
    pub detail: Option<String>,
}

impl Problem {
    /// What happened and what to do.
    pub fn text(&self) -> String {
        format!("{} {}", self.says, self.remedy)
    }
}

/// The problems there are now, the worst first.
///
/// # Errors
/// When the database cannot be reached: then nothing is known, which is not the same as nothing found.
pub async fn list(db: &Db) -> Result<Vec<Problem>> {
    Ok(found(&read(db).await?))
}
