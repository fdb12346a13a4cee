//! One try at a job, and how it may end.

use serde::{Deserialize, Serialize};

/// Where an attempt is: `gh_job_attempts.state`.
///
/// ```text
/// claimed ──▶ launching ──▶ running ──▶ succeeded | failed | cancelled | lost
/// ```
/// The first three are live. A job has at most one live attempt, by a partial unique index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum AttemptState {
    /// Chosen; its machine's intent row is written; Fly has not answered yet.
    Claimed,
    /// Its machine exists.
    Launching,
    /// Its runner started and holds the job's data.
    Running,
    /// The job's work is done.
    Succeeded,
    /// The runner said what went wrong.
    Failed,
    /// The job was cancelled under it.
    Cancelled,
    /// It stopped without a word, or never began.
    Lost,
}

impl AttemptState {
    /// Whether the attempt holds its job.
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Claimed | Self::Launching | Self::Running)
    }
}

/// Why an attempt ended; decides what happens to its job (`gh_close_attempt` in the migrations).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(type_name = "text", rename_all = "snake_case"))]
#[serde(rename_all = "snake_case")]
pub enum EndClass {
    /// The work is done and proven.
    Completed,
    /// The runner failed in a way that another try may cure; counts as a retry.
    Retryable,
    /// The runner failed in a way that another try cannot cure.
    Final,
    /// A person is needed; the machine is gone.
    NeedsHuman,
    /// The runner was told to stop and gave the job back; counts for nothing.
    Released,
    /// The machine died under a running job; two of these quarantine the job.
    Crash,
    /// The machine never came up; counts for nothing but has its own cap.
    Placement,
    /// The job was cancelled.
    Cancelled,
    /// The time of the job ran out.
    Deadline,
}

impl EndClass {
    /// The word stored in the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Retryable => "retryable",
            Self::Final => "final",
            Self::NeedsHuman => "needs_human",
            Self::Released => "released",
            Self::Crash => "crash",
            Self::Placement => "placement",
            Self::Cancelled => "cancelled",
            Self::Deadline => "deadline",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stored_word_is_the_serialised_one() {
        for class in [EndClass::Completed, EndClass::NeedsHuman, EndClass::Placement, EndClass::Deadline] {
            assert_eq!(serde_json::json!(class), serde_json::json!(class.as_str()));
        }
    }

    #[test]
    fn only_the_first_three_states_hold_a_job() {
        use AttemptState::{Cancelled, Claimed, Failed, Launching, Lost, Running, Succeeded};
        assert!([Claimed, Launching, Running].iter().all(|state| state.is_live()));
        assert!(![Succeeded, Failed, Cancelled, Lost].iter().any(|state| state.is_live()));
    }
}
