//! `/alerts`: what somebody should look at, budgets, and who changed what.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rust_decimal::Decimal;
use serde_json::Value;
use store::board::Spent;
use store::{board, notices, pulse};

use super::failure::Failure;
use super::page::{self, Frame};
use super::session::Session;
use super::words;
use crate::app::App;
use crate::build::wall_clock;
use crate::monitoring;

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
pub async fn problems(app: &App, spent: &Spent) -> Result<Vec<(&'static str, String)>, Failure> {
    let (hour, breaker, tiers, foreign) = tokio::try_join!(
        pulse::last_hour(&app.db),
        notices::get(&app.db, "breaker"),
        notices::get(&app.db, "tiers"),
        notices::get(&app.db, "foreign_machines")
    )?;
    let alerts = serde_json::to_value(monitoring::alerts(&hour, wall_clock())).unwrap_or_default();
    let mut found: Vec<(&'static str, String)> = alerts
        .as_array()
        .into_iter()
        .flatten()
        .map(|alert| {
            (if alert["severity"] == "critical" { "critical" } else { "warning" }, text(alert, "message"))
        })
        .collect();
    if !breaker.is_null() {
        found.push(("critical", format!("Machines cannot be started: {}", text(&breaker, "message"))));
    }
    if !tiers.is_null() {
        found.push((
            "warning",
            format!("The last edit of the tiers file was refused: {}", text(&tiers, "refused")),
        ));
    }
    if let Some(machines) = foreign.as_array().filter(|machines| !machines.is_empty()) {
        found.push(("warning", format!("{} machine(s) in the runner's app are not ours", machines.len())));
    }
    if spent.today_usd.0 >= Decimal::ONE && spent.today_usd.0 > spent.usual_usd.0 * Decimal::from(3) {
        let (today, usual) = (words::usd(spent.today_usd), words::usd(spent.usual_usd));
        found.push(("warning", format!("Today cost {today}; the median of the last seven days is {usual}")));
    }
    let unpriced = spent.unpriced;
    if unpriced > 0 {
        found.push(("warning", format!("{unpriced} line(s) of the ledger have no price: add it to infra/prices.toml, then `api costs backfill`")));
    }
    Ok(found)
}

fn text(notice: &Value, name: &str) -> String {
    notice[name].as_str().map_or_else(|| notice.to_string(), str::to_owned)
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, session: Session) -> Result<Response, Failure> {
    let (budgets, audit, spent) =
        tokio::try_join!(board::budgets(&app.db), board::audit(&app.db, 100), board::spent(&app.db))?;
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
        problems: problems(&app, &spent).await?,
        budgets: budgets.collect(),
        audit: audit.collect(),
        frame: Frame::new("Alerts", session),
    })
}
