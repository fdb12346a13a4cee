//! `/`: how it goes, at a glance.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use domain::tier;
use store::{board, costs};

use super::failure::Failure;
use super::page::{self, Frame};
use super::session::Session;
use super::words;
use crate::app::App;
use crate::build::wall_clock;

/// The columns of the table, as they are shown.
const STATUSES: [(&str, &str); 9] = [
    ("pending", "pending"),
    ("queued", "queued"),
    ("running", "running"),
    ("paused", "paused"),
    ("needs_human", "needs human"),
    ("awaiting_review", "review"),
    ("completed", "completed"),
    ("failed", "failed"),
    ("live", "machines"),
];

#[derive(Template)]
#[template(path = "overview.html")]
struct Page {
    frame: Frame,
    tiles: Vec<Tile>,
    statuses: Vec<&'static str>,
    rows: Vec<Row>,
    problems: Vec<(&'static str, String)>,
}

struct Tile {
    label: &'static str,
    value: String,
    note: String,
    link: &'static str,
}

struct Row {
    tier: String,
    cells: Vec<Cell>,
    limit: String,
}

struct Cell {
    status: &'static str,
    jobs: i64,
    link: String,
}

/// The page.
pub async fn show(State(app): State<Arc<App>>, session: Session) -> Result<Response, Failure> {
    let (counts, loads, spent, forecast) = tokio::try_join!(
        board::counts(&app.db),
        board::loads(&app.db),
        board::spent(&app.db),
        costs::forecast(&app.db)
    )?;
    let now = wall_clock();
    let mut by_tier: BTreeMap<(&str, &str), i64> = BTreeMap::new();
    for count in &counts {
        *by_tier.entry((&count.tier, &count.status)).or_default() += count.jobs;
    }
    for load in &loads {
        by_tier.insert((&load.tier, "live"), load.live);
    }
    let sum = |status: &str| {
        by_tier.iter().filter(|((_, known), _)| *known == status).map(|(_, jobs)| jobs).sum::<i64>()
    };
    let oldest = counts.iter().filter_map(|count| count.oldest).min();
    let (capacity, live): (i64, i64) = loads
        .iter()
        .fold((0, 0), |(capacity, live), load| (capacity + i64::from(load.capacity), live + load.live));
    let (completed, failed) = (sum("completed"), sum("failed"));
    let percent = (completed * 100).checked_div(completed + failed);
    let tiles = vec![
        Tile {
            label: "Waiting",
            value: (sum("pending") + sum("queued")).to_string(),
            note: oldest.map_or_else(
                || "nobody is in line".into(),
                |at| format!("the oldest for {}", words::span((now - at).num_seconds())),
            ),
            link: "/jobs?status=pending",
        },
        Tile {
            label: "Running",
            value: sum("running").to_string(),
            note: format!("{live} of {capacity} machines"),
            link: "/jobs?status=running",
        },
        Tile {
            label: "Waiting for a person",
            value: (sum("needs_human") + sum("paused") + sum("awaiting_review")).to_string(),
            note: "captcha, login, review".into(),
            link: "/jobs?status=needs_human",
        },
        Tile {
            label: "Completed, 24 h",
            value: completed.to_string(),
            note: percent.map_or_else(
                || format!("{failed} failed"),
                |percent| format!("{percent} % · {failed} failed"),
            ),
            link: "/jobs?status=completed",
        },
        Tile {
            label: "Spent today",
            value: words::usd(spent.today_usd),
            note: format!("{} yesterday", words::usd(spent.yesterday_usd)),
            link: "/costs",
        },
        Tile {
            label: "This month",
            value: words::usd(forecast.spent_usd),
            note: format!("about {} at its end", words::usd(forecast.forecast_usd)),
            link: "/costs",
        },
    ];
    let rows = tier::NAMES.iter().map(|name| {
        let load = loads.iter().find(|load| load.tier == *name);
        Row {
            tier: (*name).to_owned(),
            cells: STATUSES
                .iter()
                .map(|(status, _)| Cell {
                    status,
                    jobs: by_tier.get(&(*name, *status)).copied().unwrap_or(0),
                    link: if *status == "live" {
                        "/machines".into()
                    } else {
                        format!("/jobs?status={status}&tier={name}")
                    },
                })
                .collect(),
            limit: load.map_or_else(
                || "–".into(),
                |load| if load.paused { "paused".into() } else { load.capacity.to_string() },
            ),
        }
    });
    let rows = rows.collect();
    let problems = super::alerts::problems(&app).await?;
    let statuses = STATUSES.iter().map(|(_, shown)| *shown).collect();
    page::show(&Page { frame: Frame::new("Overview", session), tiles, statuses, rows, problems })
}
