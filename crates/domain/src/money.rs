//! Money in whole micro-dollars, so that no amount is ever a float.

use std::fmt;

/// An amount in millionths of a US dollar.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[cfg_attr(feature = "sqlx", derive(sqlx::Type), sqlx(transparent))]
#[serde(transparent)]
pub struct MicroUsd(pub i64);

impl MicroUsd {
    /// No money.
    pub const ZERO: Self = Self(0);

    /// The sum, or `None` when it does not fit.
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// The price of `tokens` at `self` per million tokens, rounded up to a whole micro-dollar.
    ///
    /// Rounded up because its users reserve money before they spend it.
    pub fn per_million(self, tokens: u64) -> Option<Self> {
        let tokens = i128::from(tokens);
        let micros = (i128::from(self.0) * tokens + 999_999) / 1_000_000;
        i64::try_from(micros).ok().map(Self)
    }
}

impl fmt::Display for MicroUsd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let micros = self.0.unsigned_abs();
        write!(f, "{sign}${}.{:06}", micros / 1_000_000, micros % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reservation_is_never_below_the_price() {
        let price = MicroUsd(150_000); // $0.15 per million tokens
        assert_eq!(price.per_million(1_000_000), Some(MicroUsd(150_000)));
        assert_eq!(price.per_million(1), Some(MicroUsd(1)));
        assert_eq!(price.per_million(0), Some(MicroUsd::ZERO));
        assert_eq!(MicroUsd(i64::MAX).per_million(u64::MAX), None);
    }

    #[test]
    fn amounts_print_as_dollars() {
        assert_eq!(MicroUsd(1_370).to_string(), "$0.001370");
        assert_eq!(MicroUsd(-2_500_000).to_string(), "-$2.500000");
    }
}
