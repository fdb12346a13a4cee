//! What a caller can do about a database error.

/// The result of every call of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// A database error, sorted by what the caller can do about it.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The database did not answer in time; nothing is known of the statement. Try again later.
    #[error("the database is not reachable")]
    Unavailable(#[source] sqlx::Error),
    /// A named constraint refused the write.
    #[error("the write breaks {constraint}")]
    Conflict {
        /// The name of the constraint, as in the migrations.
        constraint: String,
        /// What the database said.
        #[source]
        source: sqlx::Error,
    },
    /// Another dispatcher leads; stop starting things.
    #[error("another dispatcher leads")]
    NotLeader,
    /// A sealed column could not be opened, or a key is not usable.
    #[error(transparent)]
    Seal(#[from] crate::seal::SealError),
    /// A file of settings to be loaded into the database is not usable.
    #[error("{0}")]
    Settings(String),
    /// The migrations could not be applied.
    #[error("the migrations could not be applied")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// The migrations of the database and of this program do not follow from each other.
    #[error(
        "the database and this program are not of one history: {0}. Nothing was changed; run `api migrate` of the release that has them all"
    )]
    History(String),
    /// A row or reply that does not have the shape this version expects.
    #[error("the database answered `{what}` in an unexpected shape")]
    Shape {
        /// Which reply.
        what: &'static str,
        /// Why it could not be read.
        #[source]
        source: serde_json::Error,
    },
    /// Anything else: a defect of ours.
    #[error("the database refused the statement")]
    Refused(#[source] sqlx::Error),
}

impl Error {
    /// Whether the same call may succeed later without anybody doing anything.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_))
    }

    /// Whether no connection of the pool became free in time: all are in use, or wait for an answer that never comes.
    pub fn is_starved(&self) -> bool {
        matches!(self, Self::Unavailable(sqlx::Error::PoolTimedOut))
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            sqlx::Error::Database(db) => {
                let code = db.code().unwrap_or_default();
                if code == "GH001" {
                    Self::NotLeader
                } else if let Some(constraint) = db.constraint() {
                    Self::Conflict { constraint: constraint.to_owned(), source: error }
                } else if is_transient_code(&code) {
                    Self::Unavailable(error)
                } else {
                    Self::Refused(error)
                }
            }
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

/// Connection failures (08), no room (53), the operator stopped it (57), deadlock and serialisation (40), lock and statement time-outs (55P03).
fn is_transient_code(code: &str) -> bool {
    ["08", "40", "53", "57"].iter().any(|class| code.starts_with(class)) || code == "55P03"
}

#[cfg(test)]
mod tests {
    use super::is_transient_code;

    #[test]
    fn a_restarting_server_is_worth_another_try() {
        assert!(is_transient_code("57P03") && is_transient_code("08006") && is_transient_code("40P01"));
        assert!(!is_transient_code("23505") && !is_transient_code("42P01"));
    }
}
