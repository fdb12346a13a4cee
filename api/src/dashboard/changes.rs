//! Cancelling and retrying, one job or many.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::response::{IntoResponse, Redirect, Response};
use store::board::{self, Action};
use uuid::Uuid;

use super::failure::Failure;
use super::form::{Fields, Form};
use super::session::Session;
use crate::app::App;

/// The most jobs in one form: a page of the list.
const MOST: usize = 200;

/// Changes the jobs that were chosen in the list.
pub async fn many(
    State(app): State<Arc<App>>,
    session: Session,
    Form(form): Form,
) -> Result<Response, Failure> {
    let jobs: Vec<Uuid> = form.all("job").filter_map(|id| id.parse().ok()).take(MOST).collect();
    if jobs.is_empty() {
        return Err(Failure::Unclear("No job was chosen.".into()));
    }
    let done = change(&app, &session, &form, &jobs).await?;
    // Back to the list as it was filtered, with what came of it.
    let back = form.get("back").filter(|back| back.starts_with("/jobs")).unwrap_or("/jobs");
    let sign = if back.contains('?') { '&' } else { '?' };
    Ok(Redirect::to(&format!("{back}{sign}done={done}")).into_response())
}

/// Changes one job.
pub async fn one(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
    Form(form): Form,
) -> Result<Response, Failure> {
    let id: Uuid = id.parse().map_err(|_| Failure::NotFound)?;
    change(&app, &session, &form, &[id]).await?;
    Ok(Redirect::to(&format!("/jobs/{id}")).into_response())
}

async fn change(app: &App, session: &Session, form: &Fields, jobs: &[Uuid]) -> Result<usize, Failure> {
    session.require_change(form.get("token").unwrap_or_default())?;
    let action = match form.get("action") {
        Some("cancel") => Action::Cancel,
        Some("retry") => Action::Retry,
        _ => return Err(Failure::Unclear("Jobs can be cancelled or retried.".into())),
    };
    let change = board::act(&app.db, &session.actor(), action, jobs).await?;
    tracing::info!(
        actor = session.actor(),
        ?action,
        done = change.done,
        left = change.left,
        "jobs changed by hand"
    );
    Ok(change.done)
}
