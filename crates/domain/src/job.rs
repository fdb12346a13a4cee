//! Where a job is in its life, in the words VALET and its readers already use.

use serde::{Deserialize, Serialize};

/// The status of a job: `gh_automation_jobs.status`.
///
/// ```text
/// pending | queued ──claim──▶ queued ──start──▶ running ──▶ completed | failed
///    ▲                          │               │   ▲
///    └──────── retry ───────────┴───────────────┘   └──▶ paused | needs_human | awaiting_review
/// ```
/// `cancelled` can follow any status that is not final; `expired` only one that was never started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(type_name = "varchar", rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum JobStatus {
    /// Waits for a machine.
    Pending,
    /// Waits for a machine (VALET inserts with this word), or has one on its way.
    Queued,
    /// A runner works on it.
    Running,
    /// A runner waits for a person.
    Paused,
    /// A person has to answer something before the job can be tried again.
    NeedsHuman,
    /// Everything is filled in; a person has to look before it is sent.
    AwaitingReview,
    /// Done, with evidence.
    Completed,
    /// Will not be tried again by itself.
    Failed,
    /// Stopped by its user.
    Cancelled,
    /// Its time passed before it could start.
    Expired,
}

impl JobStatus {
    /// Every status, in the order of the contract.
    pub const ALL: [Self; 10] = [
        Self::Pending,
        Self::Queued,
        Self::Running,
        Self::Paused,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
        Self::Expired,
        Self::NeedsHuman,
        Self::AwaitingReview,
    ];

    /// Whether nothing follows this status by itself.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::Expired)
    }

    /// Whether a user may still cancel.
    pub const fn is_cancellable(self) -> bool {
        !self.is_terminal()
    }

    /// Whether a user may ask for another try.
    pub const fn is_retryable(self) -> bool {
        matches!(self, Self::Failed | Self::Cancelled | Self::NeedsHuman)
    }

    /// The word stored in the database and sent over REST.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::NeedsHuman => "needs_human",
            Self::AwaitingReview => "awaiting_review",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }
}

impl std::fmt::Display for JobStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for JobStatus {
    type Err = UnknownStatus;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownStatus(text.to_owned()))
    }
}

/// A word that is no job status.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is not a job status")]
pub struct UnknownStatus(pub String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_is_read_back_as_it_is_written() {
        for status in JobStatus::ALL {
            assert_eq!(status.as_str().parse(), Ok(status));
            assert_eq!(serde_json::json!(status), serde_json::json!(status.as_str()));
        }
        assert_eq!("resumed".parse::<JobStatus>(), Err(UnknownStatus("resumed".into())));
    }

    #[test]
    fn a_terminal_job_cannot_be_cancelled() {
        for status in JobStatus::ALL {
            assert_ne!(status.is_terminal(), status.is_cancellable(), "{status}");
        }
    }
}
