//! `/alerts`: what somebody should look at, budgets, and who changed what.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use store::board;

use super::failure::Failure;
use super::page::{self, Frame};
use super::session::Session;
use super::words;
use crate::app::App;
use crate::monitoring::{self, Alert};

#[derive(Template)]
#[template(path = "alerts.html")]
struct Page {
    frame: Frame,
    problems: Vec<(&'static str, String)>,
    budgets: Vec<Budget>,
    audit: Vec<Audit>,
}

struct Budget {
    scope: String,
    name: String,
    user: String,
    action: String,
    limit: String,
    spent: String,
    reserved: String,
    level: i32,
}

struct Audit {
    at: String,
    actor: String,
    action: String,
    subject: String,
    is_job: bool,
    detail: String,
}

/// What is wrong now: how bad, and a sentence.
pub async fn problems(app: &App) -> Result<Vec<(&'static str, String)>, Failure> {
    let shown = |alert: Alert| {
        let detail = alert.detail().map(|detail| format!(" ({detail})")).unwrap_or_default();
        (alert.severity, format!("{}{detail}", alert.message))
    };
    Ok(monitoring::alerts(app).await?.into_iter().map(shown).collect())
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, session: Session) -> Result<Response, Failure> {
    let (budgets, audit) = tokio::try_join!(board::budgets(&app.db), board::audit(&app.db, 100))?;
    let budgets = budgets.into_iter().map(|budget| Budget {
        scope: budget.scope.replace('_', ", each "),
        name: budget.name,
        user: budget.user_id.map_or_else(|| "–".into(), |user| user.to_string()),
        action: budget.action,
        limit: words::usd(budget.limit_usd),
        spent: words::usd(budget.spent_usd),
        reserved: words::usd(budget.reserved_usd),
        level: budget.level,
    });
    let audit = audit.into_iter().map(|change| {
        let subject = change.subject.unwrap_or_default();
        Audit {
            at: words::moment(change.at),
            actor: change.actor,
            action: change.action.replace('_', " "),
            is_job: subject.len() == 36,
            subject,
            detail: words::short(&change.detail.to_string(), 120),
        }
    });
    page::show(&Page {
        problems: problems(&app).await?,
        budgets: budgets.collect(),
        audit: audit.collect(),
        frame: Frame::new("Alerts", session),
    })
}
