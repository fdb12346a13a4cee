//! Which build of the service this is.

use chrono::{DateTime, Utc};
use serde::Serialize;
use std::time::{Instant, SystemTime};
use utoipa::ToSchema;

/// The name every reader of the health page knows.
pub const SERVICE: &str = "ghosthands";
/// The version of this package.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What was built, from what, and since when it runs.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[expect(clippy::struct_field_names, reason = "the names are the contract's")]
pub struct Build {
    /// `development`, `staging` or `production`.
    pub environment: String,
    /// The commit it was built from.
    pub commit_sha: String,
    /// The tag of its image.
    pub image_tag: String,
    /// When it was built.
    pub build_time: String,
    /// What `NODE_ENV` says.
    pub node_env: String,
    /// When it started.
    #[serde(skip)]
    pub started: Instant,
}

impl Build {
    /// For how long it has been up.
    pub fn uptime_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }
}

/// The time of this computer, for pages people read; rules use the database's.
pub fn wall_clock() -> DateTime<Utc> {
    SystemTime::now().into()
}
