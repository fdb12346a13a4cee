//! The numbers behind the charts.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use chrono::{NaiveDate, NaiveTime};
use rust_decimal::prelude::ToPrimitive;
use serde::Serialize;
use store::board;
use store::costs::{self, By, Exact};

use super::failure::Failure;
use super::form::Fields;
use super::session::Session;
use crate::app::App;

/// The most lines in one chart; the rest is drawn together.
const MOST: usize = 7;

/// A chart: points in time, and a value of each series at each.
#[derive(Debug, Serialize)]
pub struct Chart {
    /// `lines`, or `bars` that are put on top of each other.
    kind: &'static str,
    /// What the values are.
    unit: &'static str,
    /// Seconds of the epoch.
    x: Vec<i64>,
    /// The series.
    series: Vec<Series>,
}

#[derive(Debug, Serialize)]
struct Series {
    label: String,
    values: Vec<f64>,
}

/// The chart of this name.
pub async fn series(
    State(app): State<Arc<App>>,
    _: Session,
    Path(name): Path<String>,
    fields: Fields,
) -> Result<Json<Chart>, Failure> {
    let by = match name.as_str() {
        "load" => return load(&app).await.map(Json),
        "spent" => By::Kind,
        "tiers" => By::Tier,
        "models" => By::Model,
        _ => return Err(Failure::NotFound),
    };
    let period = super::costs::period(&fields)?;
    let sums = costs::report(&app.db, period, &[By::Day, by], 10_000).await?;
    let mut days = BTreeSet::new();
    let mut amounts: BTreeMap<String, BTreeMap<NaiveDate, f64>> = BTreeMap::new();
    for sum in sums {
        let mut keys = sum.keys.into_iter().flatten();
        let Some(day) = keys.next().and_then(|day| day.parse::<NaiveDate>().ok()) else { continue };
        // Of models, what has none is machines, which have a chart of their own.
        let Some(label) = keys.next() else { continue };
        days.insert(day);
        *amounts.entry(label).or_default().entry(day).or_default() += float(sum.total_usd);
    }
    // Days on which nothing was spent are days too.
    if !days.is_empty() {
        let (first, last) = crate::costs::days(period);
        days.extend(first.iter_days().take_while(|day| *day <= last));
    }
    let total = |values: &BTreeMap<NaiveDate, f64>| values.values().sum::<f64>();
    let mut series: Vec<_> = amounts.into_iter().collect();
    series.sort_by(|(_, one), (_, other)| total(other).total_cmp(&total(one)));
    if series.len() > MOST {
        let mut rest = BTreeMap::new();
        for (day, amount) in series.drain(MOST - 1..).flat_map(|(_, values)| values) {
            *rest.entry(day).or_default() += amount;
        }
        series.push(("others".into(), rest));
    }
    let series = series.into_iter().map(|(label, values)| Series {
        label,
        values: days.iter().map(|day| values.get(day).copied().unwrap_or(0.0)).collect(),
    });
    let x = days.iter().map(|day| day.and_time(NaiveTime::MIN).and_utc().timestamp()).collect();
    Ok(Json(Chart { kind: "bars", unit: "$", series: series.collect(), x }))
}

#[expect(clippy::cast_precision_loss, reason = "a chart needs no more than 52 bits")]
async fn load(app: &App) -> Result<Chart, Failure> {
    let moments = board::moments(&app.db).await?;
    let line = |label: &str, value: fn(&board::Moment) -> i64| Series {
        label: label.to_owned(),
        values: moments.iter().map(|moment| value(moment) as f64).collect(),
    };
    Ok(Chart {
        kind: "lines",
        unit: "",
        x: moments.iter().map(|moment| moment.at.timestamp()).collect(),
        series: vec![
            line("capacity", |moment| moment.capacity),
            line("at work", |moment| moment.live),
            line("waiting", |moment| moment.pending),
        ],
    })
}

/// For a picture; nothing is computed from it.
fn float(amount: Exact) -> f64 {
    amount.0.to_f64().unwrap_or_default()
}
