//! Numbers and times as people read them.

use chrono::{DateTime, Utc};
use rust_decimal::Decimal;
use store::costs::Exact;

/// Dollars: to the cent when there are many, else with the digits that matter.
pub fn usd(amount: Exact) -> String {
    let value = amount.0;
    let digits = if value.abs() >= Decimal::ONE || value.is_zero() {
        2
    } else if value.abs() >= Decimal::new(1, 2) {
        4
    } else {
        6
    };
    let sign = if value.is_sign_negative() && !value.is_zero() { "−" } else { "" };
    format!("{sign}${:.digits$}", value.abs().round_dp(u32::try_from(digits).unwrap_or(2)))
}

/// As [`usd`], or a dash.
pub fn maybe_usd(amount: Option<Exact>) -> String {
    amount.map_or_else(|| "–".to_owned(), usd)
}

/// A span of time in its two largest units.
pub fn span(seconds: i64) -> String {
    let seconds = seconds.max(0);
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min {} s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{} d {} h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// How long ago.
pub fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    format!("{} ago", span((now - at).num_seconds()))
}

/// A moment, to the second.
pub fn moment(at: DateTime<Utc>) -> String {
    at.format("%Y-%m-%d %H:%M:%S").to_string()
}

/// As [`moment`], or a dash.
pub fn maybe_moment(at: Option<DateTime<Utc>>) -> String {
    at.map_or_else(|| "–".to_owned(), moment)
}

/// The end of an id, which differs where its start may be a time.
pub fn tail(id: &str) -> String {
    format!("…{}", &id[id.len().saturating_sub(8)..])
}

/// The start of a text.
pub fn short(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let start: String = text.chars().take(most.saturating_sub(1)).collect();
    format!("{start}…")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_amounts_keep_their_digits() {
        for (amount, text) in [
            ("0", "$0.00"),
            ("12.5", "$12.50"),
            ("0.0123", "$0.0123"),
            ("0.00136904", "$0.001369"),
            ("-2", "−$2.00"),
        ] {
            assert_eq!(usd(Exact(amount.parse().expect("a number"))), text);
        }
    }

    #[test]
    fn spans_have_two_units() {
        assert_eq!([5, 65, 3_700, 90_000].map(span), ["5 s", "1 min 5 s", "1 h 1 min", "1 d 1 h"]);
    }
}
