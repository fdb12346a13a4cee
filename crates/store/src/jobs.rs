//! Jobs as VALET and the api see them: rows of `gh_automation_jobs`.
//!
//! Every function takes a [`Scope`]: whose jobs the caller may touch. A job outside it does not exist for that caller.

mod change;
mod insert;
mod read;
mod row;

pub use change::{Cancellation, Retry, cancel, retry};
pub use insert::{Allowance, Clash, Created, Creation, NewJob, SentBefore, create};
pub use read::{JobPage, ListFilter, Sort, SortBy, get, list, status};
#[cfg(feature = "openapi")]
pub use row::Status;
pub use row::{Document, Job, JobProgress};

use domain::id::UserId;

/// Whose jobs a caller may read and change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Everyone's: a service that acts for its users.
    Everyone,
    /// Those of one user.
    User(UserId),
}

impl Scope {
    /// The user to compare with, or `None` for everyone; bound as `$n::uuid is null or user_id = $n`.
    pub const fn user(self) -> Option<UserId> {
        match self {
            Self::Everyone => None,
            Self::User(id) => Some(id),
        }
    }
}
