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

impl Failure {
    /// The reason in a sentence; nothing in it comes from outside but what a form said wrong.
    pub fn words(&self) -> &str {
        match self {
            Self::NotFound => "There is no such page or job.",
            Self::Stale => "This form is from an earlier sign-in. Go back, reload the page and try again.",
            Self::ReadOnly => "The key you signed in with lets you look, not change.",
            Self::Unclear(why) => why,
            Self::Unavailable => "The database does not answer. Try again in a moment.",
            Self::Broken => "Something broke here; the log has it under this request's id.",
        }
    }

    const fn status(&self) -> StatusCode {
        match self {
            Self::NotFound => StatusCode::NOT_FOUND,
            Self::Stale | Self::ReadOnly => StatusCode::FORBIDDEN,
            Self::Unclear(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::Broken => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let page = Message { status: self.status().as_u16(), text: self.words().to_owned() };
        (self.status(), page::bare(&page)).into_response()
    }
}
