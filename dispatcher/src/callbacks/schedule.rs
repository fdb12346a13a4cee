//! When a callback that did not arrive is sent again: contract section 5, then ever more rarely for a day.

use std::time::Duration;

/// After this long a callback is parked.
pub const GIVE_UP: Duration = Duration::from_hours(24);
/// The longest wait: a receiver that comes back has heard everything an hour later.
const LONGEST: Duration = Duration::from_hours(1);

/// How long to wait after `tries` tries in vain over `age`; `None` to give up. The first three waits are the contract's;
/// then they double, give or take a fifth as `chance` (0 to 1) says. The last try is made when the day is over.
pub fn wait_after(tries: u32, age: Duration, chance: f64) -> Option<Duration> {
    let left = GIVE_UP.checked_sub(age).filter(|left| !left.is_zero())?;
    let wait = match tries {
        0 | 1 => Duration::from_secs(1),
        2 => Duration::from_secs(3),
        3 => Duration::from_secs(10),
        _ => {
            let doubled = Duration::from_secs(10) * 2_u32.pow((tries - 3).min(16));
            doubled.min(LONGEST).mul_f64(0.8 + 0.4 * chance.clamp(0.0, 1.0))
        }
    };
    Some(wait.min(left))
}

/// Somewhere between 0 and 1.
pub(super) fn chance() -> f64 {
    let [a, b, ..] = uuid::Uuid::new_v4().into_bytes();
    f64::from(u16::from_be_bytes([a, b])) / f64::from(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_waits_are_the_contract_s_then_they_double() {
        let waits: Vec<u64> = (1..=8)
            .filter_map(|tries| wait_after(tries, Duration::ZERO, 0.5))
            .map(|wait| wait.as_secs())
            .collect();
        assert_eq!(waits, [1, 3, 10, 20, 40, 80, 160, 320]);
        assert_eq!(wait_after(40, Duration::ZERO, 0.5), Some(LONGEST));
        let (low, high) = (wait_after(5, Duration::ZERO, 0.0), wait_after(5, Duration::ZERO, 1.0));
        assert_eq!((low, high), (Some(Duration::from_secs(32)), Some(Duration::from_secs(48))));
    }

    #[test]
    fn it_goes_on_for_a_day_and_then_ends() {
        let (mut age, mut tries) = (Duration::ZERO, 1);
        while let Some(wait) = wait_after(tries, age, 0.5) {
            (age, tries) = (age + wait, tries + 1);
        }
        assert_eq!(age, GIVE_UP, "the last try is at the end of the day");
        assert!((30..40).contains(&tries), "{tries}");
    }
}
