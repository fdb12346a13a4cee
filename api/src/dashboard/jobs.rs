//! `/jobs`: the jobs that fit, the newest first.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use chrono::DateTime;
use domain::job::JobStatus;
use domain::tier;
use store::board::{self, Filter, Place};

use super::failure::Failure;
use super::form::Fields;
use super::page::{self, Frame};
use super::session::Session;
use super::words;
use crate::app::App;
use crate::build::wall_clock;

/// Jobs on a page.
const PAGE: i64 = 50;

#[derive(Template)]
#[template(path = "jobs.html")]
struct Page {
    frame: Frame,
    text: String,
    statuses: Vec<Choice>,
    tiers: Vec<Choice>,
    job_type: String,
    error_code: String,
    here: String,
    next: Option<String>,
    first: Option<String>,
    done: Option<String>,
    rows: Vec<Row>,
}

struct Choice {
    value: &'static str,
    chosen: bool,
}

struct Row {
    id: String,
    short_id: String,
    status: String,
    tier: String,
    job_type: String,
    target: String,
    note: String,
    created: String,
    created_at: String,
    took: String,
    cost: String,
    retries: i32,
}

/// The page.
pub async fn show(
    State(app): State<Arc<App>>,
    session: Session,
    fields: Fields,
) -> Result<Response, Failure> {
    let text = |name| fields.get(name).map(str::to_owned);
    let filter = Filter {
        status: text("status"),
        tier: text("tier"),
        job_type: text("job_type"),
        error_code: text("error_code"),
        text: text("q"),
        after: fields.get("after").map(place).transpose()?,
    };
    let found = board::search(&app.db, &filter, PAGE).await?;
    let now = wall_clock();
    let rows = found.rows.into_iter().map(|row| Row {
        short_id: words::tail(&row.id.to_string()),
        id: row.id.to_string(),
        took: match (row.started_at, row.completed_at) {
            (Some(start), Some(end)) => words::span((end - start).num_seconds()),
            (Some(start), None) => format!("{} …", words::span((now - start).num_seconds())),
            _ => "–".into(),
        },
        note: words::short(
            row.error_code.as_deref().or(row.status_message.as_deref()).unwrap_or_default(),
            90,
        ),
        created: words::ago(row.created_at, now),
        created_at: words::moment(row.created_at),
        target: words::short(row.target_url.trim_start_matches("https://"), 60),
        cost: words::usd(row.cost_usd),
        status: row.status,
        tier: row.tier,
        job_type: row.job_type,
        retries: row.retry_count,
    });
    let choices = |values: &[&'static str], chosen: &Option<String>| {
        let is = |value: &&str| chosen.as_deref() == Some(*value);
        values.iter().map(|value| Choice { value, chosen: is(value) }).collect()
    };
    let statuses: Vec<&'static str> = JobStatus::ALL.iter().map(|status| status.as_str()).collect();
    let without_done = Fields::with(&fields, "/jobs", "done", "");
    page::show(&Page {
        next: found.next.map(|place| {
            fields.with("/jobs", "after", &format!("{}~{}", place.created_at.to_rfc3339(), place.id))
        }),
        first: fields.get("after").map(|_| fields.with("/jobs", "after", "")),
        done: text("done"),
        here: without_done,
        rows: rows.collect(),
        statuses: choices(&statuses, &filter.status),
        tiers: choices(&tier::NAMES, &filter.tier),
        text: filter.text.unwrap_or_default(),
        job_type: filter.job_type.unwrap_or_default(),
        error_code: filter.error_code.unwrap_or_default(),
        frame: Frame::new("Jobs", session),
    })
}

/// A place as the link to the next page says it.
fn place(text: &str) -> Result<Place, Failure> {
    let read = || {
        let (at, id) = text.split_once('~')?;
        Some(Place { created_at: DateTime::parse_from_rfc3339(at).ok()?.to_utc(), id: id.parse().ok()? })
    };
    read().ok_or_else(|| Failure::Unclear("`after` names no place in the list.".into()))
}
