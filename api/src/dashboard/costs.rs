//! `/costs`: what was spent, in charts, a table and files.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use chrono::{NaiveDate, NaiveTime, TimeDelta};
use store::costs::{self, By, Export, Period, Sums};

use super::failure::Failure;
use super::form::Fields;
use super::page::{self, Frame};
use super::session::Session;
use super::words;
use crate::app::App;
use crate::build::wall_clock;
use crate::costs::{days, stream};

/// What the table can be grouped by here; the REST service knows more.
const GROUPS: [By; 11] = [
    By::Day,
    By::Tier,
    By::Model,
    By::JobType,
    By::Platform,
    By::User,
    By::Outcome,
    By::Region,
    By::Sku,
    By::Overhead,
    By::Job,
];

#[derive(Template)]
#[template(path = "costs.html")]
struct Page {
    frame: Frame,
    from: NaiveDate,
    until: NaiveDate,
    groups: Vec<(&'static str, bool)>,
    group: &'static str,
    total: Vec<(&'static str, String)>,
    rows: Vec<Row>,
    charts: String,
    csv: String,
    focus: String,
}

struct Row {
    key: String,
    link: Option<String>,
    machine: String,
    llm: String,
    overhead: String,
    total: String,
    jobs: i64,
    completed: i64,
    per_success: String,
    wasted: String,
    p95: String,
    unpriced: i64,
}

/// The days that are asked for, both included; the last thirty when none are.
pub fn period(fields: &Fields) -> Result<Period, Failure> {
    let today = wall_clock().date_naive();
    let day = |name: &str, default: NaiveDate| match fields.get(name) {
        Some(text) => {
            text.parse().map_err(|_| Failure::Unclear(format!("`{name}` is no day; 2026-11-01 is one.")))
        }
        None => Ok(default),
    };
    let (from, until) = (day("from", today - TimeDelta::days(29))?, day("until", today)?);
    let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    match until.succ_opt() {
        Some(next) if from <= until && (until - from).num_days() < 3_700 => {
            Ok(Period { from: start(from), to: start(next) })
        }
        _ => {
            Err(Failure::Unclear("The last day must not be before the first, nor ten years after it.".into()))
        }
    }
}

fn group(fields: &Fields) -> By {
    let asked = fields.get("by").and_then(|word| word.parse().ok());
    asked.filter(|by| GROUPS.contains(by)).unwrap_or(By::Day)
}

/// The page.
pub async fn show(
    State(app): State<Arc<App>>,
    session: Session,
    headers: HeaderMap,
    fields: Fields,
) -> Result<Response, Failure> {
    let (period, by) = (period(&fields)?, group(&fields));
    let head = Page::without_numbers(session, period, by);
    let whole = Page::without_numbers(head.frame.session.clone(), period, by).filled(app, period, by);
    page::show_early(&headers, &head, whole).await
}

impl Page {
    fn without_numbers(session: Session, period: Period, by: By) -> Self {
        let (from, until) = days(period);
        let file = |format: &str| {
            format!("/costs/download?from={from}&until={until}&by={}&format={format}", by.as_str())
        };
        Self {
            frame: Frame::new("Costs", session),
            groups: GROUPS.iter().map(|known| (known.as_str(), *known == by)).collect(),
            group: by.as_str(),
            total: Vec::new(),
            rows: Vec::new(),
            charts: format!("from={from}&until={until}"),
            csv: file("csv"),
            focus: file("focus"),
            from,
            until,
        }
    }

    async fn filled(mut self, app: Arc<App>, period: Period, by: By) -> Result<Self, Failure> {
        let by_one = [by];
        let (sums, total, forecast) = tokio::try_join!(
            costs::report(&app.db, period, &by_one, 100),
            costs::total(&app.db, period),
            costs::forecast(&app.db)
        )?;
        self.total = match total {
            Some(total) => vec![
                ("Total", words::usd(total.total_usd)),
                ("Machines", words::usd(total.machine_usd)),
                ("Models", words::usd(total.llm_usd)),
                ("Overhead", words::usd(total.overhead_usd)),
                ("Per application", words::maybe_usd(total.per_success_usd)),
                ("Came to nothing", words::usd(total.wasted_usd)),
                ("Job, median", words::maybe_usd(total.p50_usd)),
                ("Job, 95 %", words::maybe_usd(total.p95_usd)),
                ("Dearest job", words::maybe_usd(total.max_usd)),
                ("Month's end, about", words::usd(forecast.forecast_usd)),
            ],
            None => {
                vec![("Total", "$0.00".into()), ("Month's end, about", words::usd(forecast.forecast_usd))]
            }
        };
        self.rows = sums.into_iter().map(|sums| row(sums, by)).collect();
        Ok(self)
    }
}

fn row(sums: Sums, by: By) -> Row {
    let key = sums.keys.into_iter().next().flatten();
    Row {
        link: key.as_ref().filter(|_| by == By::Job).map(|id| format!("/jobs/{id}")),
        key: key.unwrap_or_else(|| "–".into()),
        machine: words::usd(sums.machine_usd),
        llm: words::usd(sums.llm_usd),
        overhead: words::usd(sums.overhead_usd),
        total: words::usd(sums.total_usd),
        jobs: sums.jobs,
        completed: sums.completed,
        per_success: words::maybe_usd(sums.per_success_usd),
        wasted: words::usd(sums.wasted_usd),
        p95: words::maybe_usd(sums.p95_usd),
        unpriced: sums.unpriced,
    }
}

/// The table as a file, or every line in FOCUS.
pub async fn download(State(app): State<Arc<App>>, _: Session, fields: Fields) -> Result<Response, Failure> {
    let period = period(&fields)?;
    let export = if fields.get("format") == Some("focus") {
        Export::Focus
    } else {
        Export::Report(vec![group(&fields)])
    };
    stream::download(&app.db, export, period).await.map_err(|_| Failure::Unavailable)
}
