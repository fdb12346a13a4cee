//! Signing in with a key, or as a user of the staff, and out again.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};

use super::failure::Failure;
use super::form::{Fields, Form};
use super::page;
use super::session::{self, Role, Session};
use crate::app::App;
use crate::token::Staff;

#[derive(Template)]
#[template(path = "sign_in.html")]
struct Page {
    next: String,
    wrong: bool,
    has_people: bool,
    version: &'static str,
}

impl Page {
    fn new(app: &App, next: String, wrong: bool) -> Self {
        Self { next, wrong, has_people: app.people.is_some(), version: super::assets::version() }
    }
}

/// The form.
pub async fn show(State(app): State<Arc<App>>, fields: Fields) -> Result<Response, Failure> {
    page::show(&Page::new(&app, inside(fields.get("next")), false))
}

/// Signs in.
pub async fn enter(
    State(app): State<Arc<App>>,
    headers: HeaderMap,
    Form(form): Form,
) -> Result<Response, Failure> {
    let next = inside(form.get("next"));
    let known = if let Some(email) = form.get("email").filter(|email| !email.is_empty()) {
        person(&app, email, form.get("password").unwrap_or_default()).await
    } else {
        let role = app.dashboard.role(form.get("key").unwrap_or_default());
        role.map(|role| (role, form.get("name").unwrap_or("somebody").to_owned()))
    };
    let cookie = known.and_then(|(role, name)| {
        let name: String = name.chars().filter(|letter| !letter.is_control()).take(40).collect();
        session::cookie(&app, &headers, role, &name)
    });
    if let Some(cookie) = cookie {
        return Ok(([cookie], Redirect::to(&next)).into_response());
    }
    tracing::warn!("somebody tried to sign in and is not known");
    let page = page::show(&Page::new(&app, next, true))?;
    Ok((StatusCode::UNAUTHORIZED, page).into_response())
}

/// What a user of the project may do here, and what the audit calls them; `None` for everybody who is not of the staff.
async fn person(app: &App, email: &str, password: &str) -> Option<(Role, String)> {
    let token = app.people.as_ref()?.token(email, password).await?;
    let person = app.auth.person(&token).await?;
    let role = match person.staff? {
        Staff::Ops => Role::Write,
        Staff::Finance => Role::Read,
    };
    Some((role, person.email.unwrap_or_else(|| person.id.to_string())))
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
