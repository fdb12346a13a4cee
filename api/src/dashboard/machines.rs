//! `/machines`: those we look after, and the last that are gone.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rust_decimal::Decimal;
use store::board;
use store::costs::Exact;
use store::ops::lists;

use super::failure::Failure;
use super::page::{self, Frame};
use super::session::Session;
use super::words;
use crate::app::App;

#[derive(Template)]
#[template(path = "machines.html")]
struct Page {
    frame: Frame,
    open: Vec<Open>,
    closed: Vec<Closed>,
    running_cost: String,
}

struct Open {
    name: String,
    kind: String,
    tier: String,
    region: String,
    seen: String,
    attempt: String,
    job: Option<(String, String)>,
    age: String,
    running: String,
    cost: String,
}

struct Closed {
    name: String,
    kind: String,
    tier: String,
    region: String,
    job: Option<(String, String)>,
    ran: String,
    exit: String,
    closed: String,
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, session: Session) -> Result<Response, Failure> {
    let (machines, gone) =
        tokio::try_join!(lists::machines(&app.db, false), board::closed_machines(&app.db, 50))?;
    let dollars = |micros: i64| Exact(Decimal::new(micros, 6));
    let running: i64 = machines.iter().filter_map(|machine| machine.cost_micros).map(|cost| cost.0).sum();
    let open = machines.into_iter().map(|machine| Open {
        name: machine.fly_id.unwrap_or(machine.name),
        kind: machine.kind,
        tier: machine.tier,
        region: machine.region.unwrap_or_else(|| format!("({})", machine.regions)),
        seen: machine.seen.or(machine.outcome).unwrap_or_else(|| "asked for".into()),
        attempt: machine
            .attempt_state
            .map_or_else(|| "–".into(), |state| format!("{state:?}").to_lowercase()),
        job: machine.job_id.map(|job| (job.to_string(), words::tail(&job.to_string()))),
        age: words::span(machine.age_seconds),
        running: machine.running_seconds.map_or_else(|| "–".into(), words::span),
        cost: words::maybe_usd(machine.cost_micros.map(|cost| dollars(cost.0))),
    });
    let closed = gone.into_iter().map(|machine| Closed {
        ran: match (machine.started_at, machine.exited_at) {
            (Some(start), Some(end)) => words::span((end - start).num_seconds()),
            _ => "–".into(),
        },
        exit: match (machine.oom, machine.exit_code) {
            (Some(true), _) => "out of memory".into(),
            (_, Some(code)) => code.to_string(),
            _ => "–".into(),
        },
        name: machine.fly_id.unwrap_or(machine.name),
        kind: machine.kind,
        tier: machine.tier,
        region: machine.region.unwrap_or_else(|| "–".into()),
        job: machine.job_id.map(|job| (job.to_string(), words::tail(&job.to_string()))),
        closed: words::moment(machine.closed_at),
    });
    page::show(&Page {
        open: open.collect(),
        closed: closed.collect(),
        running_cost: words::usd(dollars(running)),
        frame: Frame::new("Machines", session),
    })
}
