//! What a question about costs may say: a time, groups, a format.

use axum::http::{HeaderMap, header};
use chrono::{DateTime, Datelike, NaiveDate, NaiveTime, TimeDelta, Utc};
use store::costs::{By, Period};

use crate::build::wall_clock;
use crate::error::ApiError;
use crate::fields::FieldError;
use crate::query::Query;

/// How it is to be answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One object.
    Json,
    /// A table of the groups.
    Csv,
    /// Every line, as FOCUS 1.2 wants it.
    Focus,
}

/// `from` and `to`: days, or moments with their offset. Without them, the month that is under way.
pub fn period(query: &mut Query) -> Result<Period, ApiError> {
    let today = wall_clock();
    let from = moment(query, "from")?.unwrap_or_else(|| first_of_month(today));
    let to = moment(query, "to")?.unwrap_or(today + TimeDelta::days(1));
    if to <= from {
        return Err(fault("to", "must be after `from`", "too_small"));
    }
    Ok(Period { from, to })
}

/// A period as two days, for people and the names of files.
pub fn days(period: Period) -> (NaiveDate, NaiveDate) {
    (period.from.date_naive(), (period.to - TimeDelta::nanoseconds(1)).date_naive())
}

/// `group_by`: up to three words, separated by commas.
pub fn groups(query: &mut Query) -> Result<Vec<By>, ApiError> {
    let text = query.text("group_by").unwrap_or_else(|| "day".into());
    let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
    let by = words
        .map(str::parse)
        .collect::<Result<Vec<By>, _>>()
        .map_err(|error| fault("group_by", &error.to_string(), "invalid_enum_value"))?;
    if (1..=3).contains(&by.len()) {
        Ok(by)
    } else {
        Err(fault("group_by", "must name one to three", "too_big"))
    }
}

/// `format`, else what `Accept` names first.
pub fn format(query: &mut Query, headers: &HeaderMap) -> Result<Format, ApiError> {
    match query.text("format").as_deref() {
        Some("json") => Ok(Format::Json),
        Some("csv") => Ok(Format::Csv),
        Some("focus") => Ok(Format::Focus),
        Some(_) => Err(fault("format", "must be json, csv or focus", "invalid_enum_value")),
        None => {
            let accept = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
            let is_csv = accept.is_some_and(|accept| accept.trim_start().starts_with("text/csv"));
            Ok(if is_csv { Format::Csv } else { Format::Json })
        }
    }
}

fn moment(query: &mut Query, name: &str) -> Result<Option<DateTime<Utc>>, ApiError> {
    let Some(text) = query.text(name) else { return Ok(None) };
    if let Ok(day) = text.parse::<NaiveDate>() {
        return Ok(Some(day.and_time(NaiveTime::MIN).and_utc()));
    }
    match DateTime::parse_from_rfc3339(&text) {
        Ok(moment) => Ok(Some(moment.to_utc())),
        Err(_) => Err(fault(
            name,
            "must be a day (2026-11-01) or a moment (2026-11-01T00:00:00Z)",
            "invalid_string",
        )),
    }
}

fn first_of_month(moment: DateTime<Utc>) -> DateTime<Utc> {
    let day = moment.date_naive();
    day.with_day(1).unwrap_or(day).and_time(NaiveTime::MIN).and_utc()
}

fn fault(field: &str, message: &str, code: &'static str) -> ApiError {
    ApiError::invalid(&[FieldError::new(field, message, code)])
}
