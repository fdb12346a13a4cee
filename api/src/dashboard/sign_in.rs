//! Signing in with a key, and out again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::failure::Failure;
use super::form::{Fields, Form};
use super::page;
use super::session::{self, Session};
use crate::app::App;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    next: String,
    wrong: bool,
    version: &'static str,
}

/// The form.
pub async fn show(fields: Fields) -> Result<Response, Failure> {
    page::show(&Page { next: inside(fields.get("next")), wrong: false, version: super::assets::version() })
}

/// Signs in.
pub async fn enter(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Response, Failure> {
    let next = inside(form.get("next"));
    let name: String = form
        .get("name")
        .unwrap_or("somebody")
        .chars()
        .filter(|letter| !letter.is_control())
        .take(40)
        .collect();
    let cookie = app
        .dashboard
        .role(form.get("key").unwrap_or_default())
        .and_then(|role| session::cookie(&app, &headers, role, &name));
    if let Some(cookie) = cookie {
        return Ok(([cookie], Redirect::to(&next)).into_response());
    }
    tracing::warn!("somebody tried to sign in with a key that is none");
    let page = page::show(&Page { next, wrong: true, version: super::assets::version() })?;
    Ok((StatusCode::UNAUTHORIZED, page).into_response())
}

/// Whether the caller is signed in. A link from elsewhere arrives without the strict cookie; the sign-in page asks this, and goes on.
pub async fn check(State(app): State<Arc<App>>, headers: HeaderMap) -> StatusCode {
    if session::session(&app, &headers).is_some() { StatusCode::NO_CONTENT } else { StatusCode::OK }
}

/// Signs out.
pub async fn leave(session: Session, headers: HeaderMap, Form(form): Form) -> Result<Response, Failure> {
    if let Err(failure @ Failure::Stale) = session.require_change(form.get("token").unwrap_or_default()) {
        return Err(failure);
    }
    let cookie = session::no_cookie(&headers).ok_or(Failure::Broken)?;
    Ok(([cookie], Redirect::to("/sign-in")).into_response())
}

/// A path of ours, whatever the address says: never another site.
fn inside(next: Option<&str>) -> String {
    let next = next.unwrap_or("/");
    let is_ours = next.starts_with('/') && !next.starts_with("//") && !next.contains(['\\', '\r', '\n']);
    if is_ours { next.to_owned() } else { "/".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::inside;

    #[test]
    fn signing_in_leads_nowhere_else() {
        assert_eq!(inside(Some("/jobs?status=failed")), "/jobs?status=failed");
        for away in ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"] {
            assert_eq!(inside(Some(away)), "/", "{away}");
        }
    }
}
