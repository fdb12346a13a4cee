//! What people see when a page cannot be shown.

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::page::{self, Message};

/// Why there is no page.
#[derive(Debug)]
pub enum Failure {
    /// There is no such thing.
    NotFound,
    /// The form was made before the last sign-in.
    Stale,
    /// The key that was signed in with lets one only look.
    ReadOnly,
    /// The address or the form says something that cannot be.
    Unclear(String),
    /// The database does not answer.
    Unavailable,
    /// A fault of ours; the log has it.
    Broken,
}

impl From<store::Error> for Failure {
    /// Logged here, once.
    fn from(error: store::Error) -> Self {
        let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
        if error.is_transient() {
            tracing::warn!(%error, cause, "the database did not answer");
            Self::Unavailable
        } else {
            tracing::error!(%error, cause, "the database refused");
            Self::Broken
        }
    }
}

impl From<askama::Error> for Failure {
    fn from(error: askama::Error) -> Self {
        tracing::error!(%error, "a page could not be written");
        Self::Broken
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let (status, text) = match self {
            Self::NotFound => (StatusCode::NOT_FOUND, "There is no such page or job.".to_owned()),
            Self::Stale => (
                StatusCode::FORBIDDEN,
                "This form is from an earlier sign-in. Go back, reload the page and try again.".to_owned(),
            ),
            Self::ReadOnly => {
                (StatusCode::FORBIDDEN, "The key you signed in with lets you look, not change.".to_owned())
            }
            Self::Unclear(why) => (StatusCode::UNPROCESSABLE_ENTITY, why),
            Self::Unavailable => (
                StatusCode::SERVICE_UNAVAILABLE,
                "The database does not answer. Try again in a moment.".to_owned(),
            ),
            Self::Broken => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "Something broke here; the log has it under this request's id.".to_owned(),
            ),
        };
        let page = Message { status: status.as_u16(), text };
        (status, page::bare(&page)).into_response()
    }
}
