//! How every page is sent.

use askama::Template;
use axum::http::{HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};

use super::failure::Failure;
use super::session::Session;

/// What a page may load: nothing but our own files, and pictures of the store the screenshots lie in. No script and no style within the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// What all pages have around them.
pub struct Frame {
    /// The title, and what the navigation marks.
    pub title: &'static str,
    /// Who looks.
    pub session: Session,
    /// Tells browsers to fetch a file again when it changed.
    pub version: &'static str,
}

impl Frame {
    /// The frame of one page.
    pub fn new(title: &'static str, session: Session) -> Self {
        Self { title, session, version: super::assets::version() }
    }

    /// `page` to the navigation's link of the page that is shown.
    pub fn current(&self, title: &str) -> &'static str {
        if self.title == title { "page" } else { "false" }
    }
}

/// A sentence instead of a page.
#[derive(Template)]
#[template(path = "message.html")]
pub struct Message {
    /// The status, for those who report it.
    pub status: u16,
    /// What happened.
    pub text: String,
}

/// A page as it is sent.
pub fn show(page: &impl Template) -> Result<Response, Failure> {
    Ok((policy(), Html(page.render()?)).into_response())
}

/// A page that cannot fail: a template that does not render gives its error as text.
pub fn bare(page: &impl Template) -> Response {
    let text = page.render().unwrap_or_else(|error| error.to_string());
    (policy(), Html(text)).into_response()
}

fn policy() -> [(HeaderName, HeaderValue); 2] {
    [
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        // The pages are one's own; nobody learns from which of them somebody came.
        (header::REFERRER_POLICY, HeaderValue::from_static("same-origin")),
    ]
}
