//! `/jobs/{id}`: everything about one job.

use std::sync::Arc;

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use domain::id::JobId;
use domain::tier::Tiers;
use serde_json::Value;
use store::jobs::Scope;
use store::ops::{lists, why as facts};
use store::{board, costs, notices};

use super::failure::Failure;
use super::page::{self, Frame};
use super::session::Session;
use super::shots::{self, Shot};
use super::{why, words};
use crate::app::App;
use crate::build::wall_clock;
use crate::costs::get_job_cost::JobCost;

#[derive(Template)]
#[template(path = "job.html")]
struct Page {
    frame: Frame,
    id: String,
    status: String,
    is_over: bool,
    can_cancel: bool,
    can_retry: bool,
    why: Option<String>,
    facts: Vec<(&'static str, String)>,
    error: Option<String>,
    attempts: Vec<Attempt>,
    events: Vec<Event>,
    shots: Vec<Shot>,
    fields: Vec<Field>,
    sources: Vec<(String, String)>,
    states: Vec<(String, String)>,
    questions: Vec<Question>,
    cost: [(&'static str, String); 4],
    unpriced: usize,
    lines: Vec<Line>,
}

struct Attempt {
    no: i32,
    state: String,
    end: String,
    machine: String,
    region: String,
    claimed: String,
    started: String,
    took: String,
    cost: String,
    permitted: bool,
}

struct Event {
    at: String,
    kind: String,
    message: String,
    actor: String,
}

struct Field {
    page: String,
    question: String,
    kind: String,
    source: String,
    state: String,
}

struct Question {
    question: String,
    kind: String,
    required: bool,
    state: String,
}

struct Line {
    at: String,
    kind: String,
    what: String,
    quantity: String,
    price: String,
    cost: String,
    note: String,
}

/// The page.
pub async fn show(
    State(app): State<Arc<App>>,
    session: Session,
    Path(id): Path<String>,
) -> Result<Response, Failure> {
    let id: JobId = id.parse().map_err(|_| Failure::NotFound)?;
    let job = store::jobs::get(&app.db, Scope::Everyone, id).await?.ok_or(Failure::NotFound)?;
    let (attempts, events) = tokio::try_join!(lists::attempts(&app.db, id), board::timeline(&app.db, id))?;
    let (lines, loads) = tokio::try_join!(costs::of_job(&app.db, id), board::loads(&app.db))?;
    let status = job.status.as_str();
    let is_over = matches!(status, "completed" | "failed" | "cancelled" | "expired");
    let why = if is_over {
        None
    } else {
        let tiers = Tiers::default();
        let (facts, breaker) =
            tokio::try_join!(facts::facts(&app.db, id, &tiers, (1.0, 3.0)), notices::breaker(&app.db))?;
        facts.and_then(|facts| why::sentence(&facts, &loads, breaker.as_ref()))
    };
    let result = job
        .result_data
        .as_ref()
        .and_then(|data| serde_json::from_str::<Value>(data.0.get()).ok())
        .unwrap_or_default();
    let cost = JobCost::of(id, lines.unwrap_or_default());
    let sums = cost.sums();
    let now = wall_clock();
    let maybe = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".into());
    let facts = vec![
        ("Target", job.target_url.clone()),
        ("Task", words::short(&job.task_description, 300)),
        ("Type", job.job_type.clone()),
        ("Tier", maybe(&job.tier)),
        ("User", job.user_id.to_string()),
        ("VALET task", maybe(&job.valet_task_id)),
        ("Message", maybe(&job.status_message)),
        ("Created", format!("{} ({})", words::moment(job.created_at), words::ago(job.created_at, now))),
        ("Started", words::maybe_moment(job.started_at)),
        ("Ended", words::maybe_moment(job.completed_at)),
        ("Retries", format!("{} of {}", job.retry_count, job.max_retries)),
        ("Last heartbeat", words::maybe_moment(job.last_heartbeat)),
        ("Actions", job.action_count.unwrap_or(0).to_string()),
        ("Tokens", job.total_tokens.unwrap_or(0).to_string()),
    ];
    let details =
        job.error_details.as_ref().and_then(|details| serde_json::from_str::<Value>(details.0.get()).ok());
    let error = job.error_code.as_ref().map(|code| {
        let message = details.as_ref().and_then(|details| details["message"].as_str()).unwrap_or_default();
        format!("{code}: {}", words::short(message, 500))
    });
    page::show(&Page {
        frame: Frame::new("Jobs", session),
        id: id.to_string(),
        status: status.to_owned(),
        is_over,
        can_cancel: !is_over,
        can_retry: matches!(status, "failed" | "cancelled" | "needs_human"),
        why,
        facts,
        error,
        attempts: attempts.unwrap_or_default().into_iter().map(attempt).collect(),
        events: events.into_iter().rev().map(event).collect(),
        shots: shots::of_job(&app, id, &job),
        fields: fields(&result["fields"]["each"]),
        sources: counts(&result["fields"]["by_source"]),
        states: counts(&result["fields"]["by_state"]),
        questions: questions(&result["open_questions"]),
        cost: sums,
        unpriced: cost.unpriced(),
        lines: cost.lines().iter().map(line).collect(),
    })
}

fn attempt(attempt: lists::Attempt) -> Attempt {
    let end = [
        attempt.end_class,
        attempt.error_code,
        attempt.exit_code.map(|code| format!("exit {code}")),
        attempt.oom.filter(|oom| *oom).map(|_| "out of memory".into()),
    ];
    Attempt {
        no: attempt.no,
        state: format!("{:?}", attempt.state).to_lowercase(),
        end: end.into_iter().flatten().collect::<Vec<_>>().join(" · "),
        machine: attempt.fly_id.or(attempt.machine).unwrap_or_else(|| "–".into()),
        region: attempt.region.unwrap_or_else(|| "–".into()),
        claimed: words::moment(attempt.claimed_at),
        started: words::maybe_moment(attempt.started_at),
        took: words::span(attempt.seconds),
        cost: words::usd(store::costs::Exact(rust_decimal::Decimal::new(attempt.cost_micros.0, 6))),
        permitted: attempt.permitted,
    }
}

fn event(event: board::Event) -> Event {
    let metadata = event.metadata.unwrap_or_default();
    let step =
        metadata["progress_pct"].as_f64().map(|percent| format!(" ({percent:.0} %)")).unwrap_or_default();
    Event {
        at: words::moment(event.created_at),
        kind: event.event_type.replace('_', " "),
        message: words::short(&format!("{}{step}", event.message.unwrap_or_default()), 400),
        actor: event.actor,
    }
}

/// Where each field's answer came from; runners before this version tell only how many.
fn fields(value: &Value) -> Vec<Field> {
    let text = |field: &Value, name: &str| field[name].as_str().unwrap_or("–").replace('_', " ");
    let read = |field: &Value| Field {
        page: field["page"].to_string(),
        question: words::short(field["question"].as_str().unwrap_or("–"), 120),
        kind: text(field, "kind"),
        source: text(field, "source"),
        state: text(field, "state"),
    };
    value.as_array().into_iter().flatten().map(read).collect()
}

fn counts(value: &Value) -> Vec<(String, String)> {
    value
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, count)| (name.replace('_', " "), count.to_string()))
        .collect()
}

fn questions(value: &Value) -> Vec<Question> {
    let text = |question: &Value, name: &str| question[name].as_str().unwrap_or("–").to_owned();
    let read = |question: &Value| Question {
        question: text(question, "question"),
        kind: text(question, "kind"),
        required: question["required"].as_bool().unwrap_or(false),
        state: text(question, "state").replace('_', " "),
    };
    value.as_array().into_iter().flatten().map(read).collect()
}

fn line(line: &costs::Line) -> Line {
    let notes = [
        line.purpose.clone(),
        line.overhead.clone(),
        line.corrects.map(|id| format!("corrects line {id}")),
        line.wasted.then(|| "came to nothing".into()),
    ];
    Line {
        at: words::moment(line.period_start.unwrap_or(line.at)),
        kind: line.kind.clone(),
        what: [Some(line.sku.as_str()), line.region.as_deref()]
            .into_iter()
            .flatten()
            .collect::<Vec<_>>()
            .join(" · "),
        quantity: format!("{} {}s", line.quantity, line.unit),
        price: line.unit_price.map_or_else(|| "unknown".into(), |price| format!("${price}")),
        cost: line.cost_usd.map_or_else(|| "–".into(), |cost| format!("${cost}")),
        note: notes.into_iter().flatten().collect::<Vec<_>>().join(" · "),
    }
}
