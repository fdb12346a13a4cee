//! Money on its way out: a JSON number of dollars, exact to the millionth, without a float on the way.

use domain::money::MicroUsd;
use serde::{Serialize, Serializer};
use serde_json::value::RawValue;

/// Dollars in a reply.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usd(pub MicroUsd);

impl Usd {
    /// From the whole cents of the old columns.
    pub fn from_cents(cents: i32) -> Self {
        Self(MicroUsd(i64::from(cents) * 10_000))
    }
}

impl Serialize for Usd {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let micros = self.0.0.unsigned_abs();
        let sign = if self.0.0 < 0 { "-" } else { "" };
        let text = format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
        let text = text.trim_end_matches('0').trim_end_matches('.').to_owned();
        RawValue::from_string(text).map_err(serde::ser::Error::custom)?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dollars_are_numbers_to_the_millionth() {
        for (micros, text) in
            [(0, "0"), (1, "0.000001"), (4_000, "0.004"), (25_000_000, "25"), (-1_500_000, "-1.5")]
        {
            assert_eq!(serde_json::to_string(&Usd(MicroUsd(micros))).expect("a number"), text);
        }
        assert_eq!(serde_json::to_string(&Usd::from_cents(37)).expect("a number"), "0.37");
    }
}
