//! What was spent, as the ledger says: sums by anything, each line, files for spreadsheets, and the ledger's repairs.

mod export;
mod lines;
mod reconcile;
mod repair;
mod report;

pub use export::{Export, Pages};
pub use lines::{Line, of_job};
pub use reconcile::{Charge, Part, ledger_parts};
pub use repair::{Backfill, backfill};
pub use report::{By, Forecast, Period, Sums, forecast, report, total};

use rust_decimal::Decimal;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// An amount with every digit the ledger has; a JSON number on its way out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, sqlx::Type)]
#[sqlx(transparent)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(value_type = f64))]
pub struct Exact(pub Decimal);

impl std::fmt::Display for Exact {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.normalize().fmt(f)
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        RawValue::from_string(self.to_string()).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_a_number_with_all_its_digits() {
        for (amount, text) in [("0.0013690400", "0.00136904"), ("0.0000000000", "0"), ("-12.50", "-12.5")] {
            let amount = Exact(amount.parse().expect("a number"));
            assert_eq!(serde_json::to_string(&amount).expect("JSON"), text);
        }
    }
}
