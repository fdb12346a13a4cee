//! What a stand-in does with its attempt, decided by the seed, the job's number and the attempt's; or by a job that wants calm.

use std::time::Duration;

use serde_json::{Value, json};

use super::dice::Dice;

/// The input of a job whose stand-in works for `work`, applies, and is never in trouble.
pub(crate) fn calm_job(tier: &str, number: u64, work: Duration, recorder: &str) -> Value {
    let calm_ms = u64::try_from(work.as_millis()).unwrap_or(u64::MAX);
    json!({ "tier": tier, "chaos": { "seed": 0, "number": number, "recorder": recorder, "calm_ms": calm_ms } })
}

/// How an attempt goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It works, asks, sends, and tells.
    Apply,
    /// It is killed before it does anything.
    DieAtWork,
    /// It ends by itself and tells nobody.
    Leave(u8),
    /// It is killed between the permit and the submission.
    DieWithPermit,
    /// It is killed between the submission and the telling.
    DieAfterSubmit,
    /// It was given the permit, sends nothing, and says so.
    HoldBack,
    /// It ends with an error that another try may not meet.
    Fail,
    /// It ends with an error that every try would meet.
    FailForGood,
    /// It needs a person.
    AskPerson,
    /// It gives the job back.
    GiveBack,
    /// It falls silent for longer than anybody waits, then goes on as if nothing had been.
    FallSilent,
    /// It beats, and never ends.
    Hang,
}

/// The share of each, of a thousand.
const SHARES: [(u64, Role); 11] = [
    (770, Role::Apply),
    (45, Role::DieAtWork),
    (15, Role::Leave(70)),
    (10, Role::Leave(0)),
    (10, Role::Leave(77)),
    (25, Role::DieWithPermit),
    (25, Role::DieAfterSubmit),
    (15, Role::HoldBack),
    (45, Role::Fail),
    (10, Role::FailForGood),
    (30, Role::GiveBack),
];

/// How many jobs are between two that fall silent or hang: each costs minutes.
const SLOW_EVERY: u64 = 80;
/// The first of them, so that a short run has none.
const SLOW_FIRST: u64 = 70;
/// No later job is slow: by the time the last jobs are put in, the slow ones are given up or nearly so.
const SLOW_UNTIL: u64 = 500;

/// The role of attempt `attempt` at job `number`.
pub(super) fn of(seed: u64, number: u64, attempt: u64) -> Role {
    let mut dice = Dice::new(seed, 1_000_000 + number * 64 + attempt.min(63));
    if attempt == 1 && number < SLOW_UNTIL && number % SLOW_EVERY == SLOW_FIRST {
        return if (number / SLOW_EVERY).is_multiple_of(2) { Role::FallSilent } else { Role::Hang };
    }
    if dice.below(100) == 0 {
        return Role::AskPerson;
    }
    dice.weighted(&SHARES).unwrap_or(Role::Apply)
}

/// How long it works before it asks, and again before it tells.
pub(super) fn work(seed: u64, number: u64, attempt: u64) -> (Duration, Duration) {
    let mut dice = Dice::new(seed, 500_000_000 + number * 64 + attempt.min(63));
    (Duration::from_millis(30 + dice.below(300)), Duration::from_millis(20 + dice.below(150)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_role_is_played_and_few_of_them_are_slow() {
        let roles: Vec<Role> = (0..2000).map(|number| of(7, number, 1)).collect();
        for (_, role) in SHARES {
            assert!(roles.contains(&role), "{role:?}");
        }
        let slow = roles.iter().filter(|role| matches!(role, Role::FallSilent | Role::Hang)).count();
        assert_eq!(slow, 6);
        assert!((1000..1700).contains(&roles.iter().filter(|role| **role == Role::Apply).count()));
        assert!((0..500).all(|number| !matches!(of(7, number, 2), Role::FallSilent | Role::Hang)));
    }
}
