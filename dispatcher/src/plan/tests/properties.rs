//! What holds for any machine and any load.

use proptest::prelude::*;

use super::*;

fn any_machine() -> impl Strategy<Value = Machine> {
    let states = prop_oneof![
        Just(None),
        Just(Some(AttemptState::Claimed)),
        Just(Some(AttemptState::Launching)),
        Just(Some(AttemptState::Running)),
        Just(Some(AttemptState::Succeeded)),
        Just(Some(AttemptState::Lost)),
        Just(Some(AttemptState::Cancelled)),
    ];
    let seen = prop_oneof![
        Just(None),
        Just(Some("created")),
        Just(Some("started")),
        Just(Some("stopped")),
        Just(Some("destroyed")),
        Just(Some("absent"))
    ];
    let host = prop_oneof![Just(None), Just(Some("ok")), Just(Some("unreachable"))];
    (states, seen, host, any::<bool>(), 0..400_i64, 0..400_i64, -300..300_i64).prop_map(
        |(state, seen, host, known, beat, seen_at, deadline)| Machine {
            seen: seen.map(Into::into),
            host_status: host.map(Into::into),
            fly_id: known.then(|| "m1".into()),
            beat_at: ago(beat),
            seen_at: ago(seen_at),
            hard_deadline: ago(deadline),
            boot_deadline: ago(deadline),
            ..machine(state)
        },
    )
}

proptest! {
    #[test]
    fn a_live_attempts_machine_is_never_stopped_nor_destroyed(machine in any_machine()) {
        let live = machine.live_attempt().is_some();
        for action in only(machine) {
            prop_assert!(!(live && matches!(action, Action::Stop(_) | Action::Destroy(_) | Action::Bill(_))), "{action:?}");
        }
    }

    #[test]
    fn what_fly_denies_ends_nothing_by_itself_within_the_grace_nor_under_a_heart_that_beats(
        machine in any_machine(), since in 0..400_i64, seen_at in 0..400_i64, beat in 0..100_i64,
    ) {
        let known = Machine {
            seen: Some("started".into()),
            boot_deadline: ago(-50),
            hard_deadline: ago(-50),
            fly_id: Some("m1".into()),
            beat_at: ago(beat),
            seen_at: ago(seen_at),
            ..machine
        };
        let denied = Machine { missing_since: ago(since.max(seen_at)), ..known };
        let proven = since - seen_at >= 30 && denied.state != Some(AttemptState::Running);
        for action in only(denied) {
            prop_assert!(proven || !matches!(action, Action::Close(..) | Action::Bill(_)), "{action:?}");
        }
    }

    #[test]
    fn what_is_over_is_never_started_or_closed_again(machine in any_machine()) {
        let live = machine.live_attempt().is_some();
        for action in only(machine) {
            prop_assert!(live || !matches!(action, Action::Post(_) | Action::Close(..)), "{action:?}");
        }
    }

    #[test]
    fn no_call_names_a_machine_that_was_never_posted_or_known(machine in any_machine()) {
        let known = machine.fly_id.is_some();
        for action in only(machine) {
            prop_assert!(known || !matches!(action, Action::Stop(_) | Action::Destroy(_) | Action::Observe(_)), "{action:?}");
        }
    }

    #[test]
    fn capacity_stays_within_its_bounds(pending in 0..2000_i64, capacity in 0..100_i32, zero in proptest::option::of(0..2000_i64)) {
        let world = World { tiers: vec![load(pending, capacity, zero.and_then(ago))], ..world(vec![]) };
        for action in plan(&world, &Tiers::default(), &own()).actions {
            if let Action::Scale(Scaling { to, .. }) = action {
                prop_assert!((2..=20).contains(&to), "{to}");
            }
        }
    }
}
