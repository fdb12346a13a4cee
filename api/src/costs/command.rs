//! `api costs`: the ledger's chores.

use std::path::PathBuf;

use chrono::{DateTime, Datelike, Months, NaiveDate, NaiveTime, Utc};
use clap::Subcommand;
use rust_decimal::Decimal;
use store::Db;
use store::costs::{self, Period};

use super::invoice::{self, InvoiceError};
use super::reconcile;
use crate::build::wall_clock;

/// What can be done with the ledger.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Prints the ledger beside an invoice, and the gap by name; fails when the gap is larger than the tolerance.
    Reconcile {
        /// The invoice: CSV, or lines that end in an amount.
        #[arg(long, value_name = "FILE")]
        invoice: PathBuf,
        /// The month of the invoice (2026-11); the last whole one when absent.
        #[arg(long, value_name = "MONTH")]
        month: Option<String>,
        /// Whose invoice it is, as in gh_prices.
        #[arg(long, default_value = "fly")]
        provider: String,
        /// The gap that is still none, in dollars: invoices are rounded to cents.
        #[arg(long, default_value = "0.01", value_name = "USD")]
        tolerance: Decimal,
    },
    /// Gives lines without a price the one that is known by now.
    Backfill,
}

/// Why a chore was not done.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The file is not there, or is no text.
    #[error("{} cannot be read", .0.display())]
    File(PathBuf, #[source] std::io::Error),
    /// The file is no invoice.
    #[error("{} is no invoice", .0.display())]
    Invoice(PathBuf, #[source] InvoiceError),
    /// The month is none.
    #[error("`{0}` is no month; 2026-11 is one")]
    Month(String),
    /// The ledger could not be read or written.
    #[error(transparent)]
    Database(#[from] store::Error),
    /// The two differ.
    #[error("the invoice and the ledger differ by {gap} USD; {tolerance} are tolerated")]
    Gap {
        /// The invoice less the ledger.
        gap: Decimal,
        /// What was to be tolerated.
        tolerance: Decimal,
    },
}

/// Does it.
///
/// # Errors
/// [`CommandError`], which says what to do.
pub async fn run(command: Command, db: &Db) -> Result<(), CommandError> {
    match command {
        Command::Backfill => {
            let done = costs::backfill(db).await?;
            println!(
                "{} line(s) have a price now, {} USD together; {} still have none",
                done.filled, done.usd, done.missing
            );
            Ok(())
        }
        Command::Reconcile { invoice: file, month, provider, tolerance } => {
            let text = match std::fs::read_to_string(&file) {
                Ok(text) => text,
                Err(error) => return Err(CommandError::File(file, error)),
            };
            let invoice = invoice::read(&text).map_err(|error| CommandError::Invoice(file, error))?;
            let period = period(month.as_deref(), wall_clock())?;
            let parts = costs::ledger_parts(db, &provider, period).await?;
            let found = reconcile::compare(&parts, &invoice);
            println!("{provider}, {} to {} (UTC)\n{}", period.from, period.to, found.text);
            if found.gap.abs() > tolerance {
                return Err(CommandError::Gap { gap: found.gap, tolerance });
            }
            Ok(())
        }
    }
}

/// The month that is named, else the last whole one.
fn period(month: Option<&str>, now: DateTime<Utc>) -> Result<Period, CommandError> {
    let wrong = || CommandError::Month(month.unwrap_or_default().to_owned());
    let first = match month {
        Some(month) => format!("{month}-01").parse::<NaiveDate>().ok(),
        None => now.date_naive().with_day(1).and_then(|day| day.checked_sub_months(Months::new(1))),
    };
    let first = first.ok_or_else(wrong)?;
    let next = first.checked_add_months(Months::new(1)).ok_or_else(wrong)?;
    let start = |day: NaiveDate| day.and_time(NaiveTime::MIN).and_utc();
    Ok(Period { from: start(first), to: start(next) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_month_the_last_whole_one_is_meant() {
        let now = "2026-01-15T12:00:00Z".parse().expect("a time");
        let last = period(None, now).expect("a month");
        assert_eq!(
            (last.from.to_rfc3339(), last.to.to_rfc3339()),
            ("2025-12-01T00:00:00+00:00".into(), "2026-01-01T00:00:00+00:00".into())
        );
        assert_eq!(period(Some("2025-12"), now).expect("a month"), last);
        assert!(period(Some("12/2025"), now).is_err());
    }
}
