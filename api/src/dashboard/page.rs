//! How every page is sent.

use std::convert::Infallible;

use askama::Template;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{Html, IntoResponse, Response};
use futures::stream::{self, StreamExt};

use super::failure::Failure;
use super::session::Session;

/// What a page may load: nothing but our own files, and pictures of the store the screenshots lie in. No script and no style within the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: https:; connect-src 'self'; \
                      form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Up to here a page needs nothing that takes long.
const MARK: &str = "<!-- the ledger -->";

/// What all pages have around them.
#[derive(Clone)]
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

/// A page whose numbers take a while: `head`, the page without them, is sent up to the mark in its template, so that a browser paints
/// it at once; what follows the mark comes from the whole page. A refresh (htmx) has a page to show already, and waits.
pub async fn show_early<P: Template>(
    headers: &HeaderMap,
    head: &impl Template,
    whole: impl Future<Output = Result<P, Failure>> + Send + 'static,
) -> Result<Response, Failure> {
    if headers.contains_key("hx-request") {
        return show(&whole.await?);
    }
    let head = head.render()?;
    let Some((head, _)) = head.split_once(MARK) else { return show(&whole.await?) };
    let rest = async move {
        match whole.await.and_then(|page| Ok(page.render()?)) {
            Ok(page) => page.split_once(MARK).map(|(_, rest)| rest.to_owned()).unwrap_or_default(),
            Err(failure) => format!("<p class=\"alert\">{}</p></main></body></html>", failure.words()),
        }
    };
    let head = stream::once(std::future::ready(head.to_owned()));
    let body = Body::from_stream(head.chain(stream::once(rest)).map(Ok::<_, Infallible>));
    Ok((policy(), Html(body)).into_response())
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
