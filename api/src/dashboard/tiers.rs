//! `/tiers`: what each tier's jobs run on, what that costs, and what it did in 30 days.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use domain::tier::{CpuKind, Guest, Tiers};
use serde_json::Value;
use store::{board, notices};

use super::failure::Failure;
use super::page::{self, Frame};
use super::session::Session;
use super::words;
use crate::app::App;

#[derive(Template)]
#[template(path = "tiers.html")]
struct Page {
    frame: Frame,
    refused: Option<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    guest: String,
    regions: String,
    model: String,
    budget: String,
    capacity: String,
    live: i64,
    pool: String,
    price: String,
    paused: bool,
    jobs: i64,
    completed: i64,
    hours: String,
    machine: String,
    llm: String,
    per_job: String,
    memory: String,
    crashes: i64,
}

/// The page.
pub async fn show(
    State(app): State<Arc<App>>,
    session: Session,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let frame = Frame::new("Tiers", session);
    let head = Page { frame: frame.clone(), refused: None, rows: Vec::new() };
    page::show_early(&headers, &head, whole(app, frame)).await
}

async fn whole(app: Arc<App>, frame: Frame) -> Result<Page, Failure> {
    let (loads, months, notice, in_force) = tokio::try_join!(
        board::loads(&app.db),
        board::last_month(&app.db),
        notices::get(&app.db, "tiers"),
        notices::get(&app.db, "tiers_in_force")
    )?;
    let mut rows = Vec::new();
    for (name, tier) in Tiers::default().iter() {
        // The dispatcher's word goes before the file this program was built with.
        let guest = serde_json::from_value::<Guest>(in_force[name]["guest"].clone())
            .unwrap_or_else(|_| tier.guest.clone());
        let load = loads.iter().find(|load| load.tier == name);
        let month = months.iter().find(|month| month.tier == name);
        let region = tier.regions.first().map_or("iad", String::as_str);
        let price = board::price_per_hour(&app.db, &guest, region).await?;
        let spent = month.map(|month| store::costs::Exact(month.machine_usd.0 + month.llm_usd.0));
        rows.push(Row {
            name: name.to_owned(),
            guest: words_of(&guest),
            regions: tier.regions.join(", "),
            model: tier.model.clone().unwrap_or_else(|| "rules only".into()),
            budget: words::usd(store::costs::Exact(rust_decimal::Decimal::new(tier.budget_micros, 6))),
            capacity: format!(
                "{} ({}–{})",
                load.map_or(tier.capacity.min, |load| load.capacity),
                tier.capacity.min,
                tier.capacity.max
            ),
            live: load.map_or(0, |load| load.live),
            pool: load.map_or(0, |load| load.pool_target).to_string(),
            price: words::maybe_usd(price),
            paused: load.is_some_and(|load| load.paused),
            jobs: month.map_or(0, |month| month.jobs),
            completed: month.map_or(0, |month| month.completed),
            hours: month.map_or_else(|| "0".into(), |month| month.hours.to_string()),
            machine: words::maybe_usd(month.map(|month| month.machine_usd)),
            llm: words::maybe_usd(month.map(|month| month.llm_usd)),
            per_job: words::maybe_usd(month.zip(spent).filter(|(month, _)| month.completed > 0).map(
                |(month, spent)| store::costs::Exact(spent.0 / rust_decimal::Decimal::from(month.completed)),
            )),
            memory: month
                .and_then(|month| month.peak_rss_mb)
                .map_or_else(|| "–".into(), |peak| format!("{peak} of {} MB", guest.memory_mb)),
            crashes: month.map_or(0, |month| month.crashes),
        });
    }
    let order = |row: &Row| domain::tier::NAMES.iter().position(|name| *name == row.name);
    rows.sort_by_key(order);
    let refused = notice.get("refused").and_then(Value::as_str).map(str::to_owned);
    Ok(Page { frame, refused, rows })
}

fn words_of(guest: &Guest) -> String {
    let kind = if guest.cpu_kind == CpuKind::Shared { "shared" } else { "performance" };
    format!("{kind} {}×, {} MB", guest.cpus, guest.memory_mb)
}
