use chrono::DateTime;
use rust_decimal::Decimal;

use super::super::facts::{DayBudget, Lead, Numbers};
use super::*;
use crate::costs::Exact;
use crate::notices::Breaker;

/// A fleet that does nothing, under a dispatcher.
fn calm() -> Facts {
    let lead = Lead { holder: "d".into(), expires_at: DateTime::UNIX_EPOCH, leads: true, silent_since: None };
    Facts { lead: Some(lead), queues: vec![queue("free", 0, 0), queue("pro", 0, 0)], ..Facts::default() }
}

fn queue(tier: &str, due: i64, seconds: i64) -> Queue {
    Queue { tier: tier.into(), capacity: Some(1), due, seconds, ..Queue::default() }
}

fn spent(name: &str, action: &str) -> DayBudget {
    let usd = |usd: i64| Exact(Decimal::from(usd));
    DayBudget { name: name.into(), action: action.into(), limit_usd: usd(10), spent_usd: usd(10) }
}

/// The facts as they are, changed.
fn with(change: impl FnOnce(&mut Facts)) -> Facts {
    let mut facts = calm();
    change(&mut facts);
    facts
}

fn leaderless(facts: &mut Facts) {
    if let Some(lead) = &mut facts.lead {
        lead.leads = false;
    }
}

fn stops(tiers: &[&str]) -> Breaker {
    Breaker {
        cause: "Auth".into(),
        tiers: tiers.iter().map(ToString::to_string).collect(),
        ..Breaker::default()
    }
}

fn numbers(change: impl FnOnce(&mut Numbers)) -> Facts {
    with(|facts| change(&mut facts.numbers))
}

/// A name, the facts, and what they raise with which count.
type Case = (&'static str, Facts, Vec<(&'static str, Severity, i64)>);

/// Where nothing is started.
fn standstills() -> Vec<Case> {
    vec![
        ("a calm fleet", calm(), vec![]),
        ("a new database", Facts::default(), vec![]),
        ("a dispatcher that is gone", with(leaderless), vec![("no_leader", Critical, 0)]),
        (
            "nobody leads and a job is due",
            with(|facts| {
                leaderless(facts);
                facts.queues[0].due = 2;
            }),
            vec![("no_leader", Critical, 2)],
        ),
        (
            "nobody ever led and a job is due",
            Facts { queues: vec![queue("free", 1, 0)], ..Facts::default() },
            vec![("no_leader", Critical, 1)],
        ),
        (
            "nobody leads and a machine works",
            with(|facts| {
                leaderless(facts);
                facts.live = 1;
            }),
            vec![("no_leader", Critical, 0)],
        ),
        (
            "a leader that says nothing",
            with(|facts| facts.lead.as_mut().expect("a lead").silent_since = Some(DateTime::UNIX_EPOCH)),
            vec![("dispatcher_silent", Warning, 0)],
        ),
        (
            "the breaker of all",
            with(|facts| facts.breaker = Some(stops(&[]))),
            vec![("breaker_open", Critical, 0)],
        ),
        (
            "the breaker of one tier",
            with(|facts| {
                facts.breaker = Some(stops(&["pro"]));
                (facts.queues[0].due, facts.queues[1].due) = (3, 4);
            }),
            vec![("breaker_open", Warning, 4)],
        ),
        (
            "a spent day, and jobs wait",
            with(|facts| {
                facts.spent = vec![spent("*", "defer")];
                facts.queues[0].due = 3;
            }),
            vec![("budget_used_up", Critical, 3)],
        ),
        (
            "a spent day, and jobs failed",
            with(|facts| {
                facts.spent = vec![spent("*", "block")];
                facts.refused = 2;
            }),
            vec![("budget_used_up", Critical, 2)],
        ),
        (
            "a spent day, and nothing is due",
            with(|facts| facts.spent = vec![spent("*", "defer")]),
            vec![("budget_used_up", Warning, 0)],
        ),
        (
            "a spent day of a tier",
            with(|facts| {
                facts.spent = vec![spent("pro", "defer")];
                (facts.queues[0].due, facts.queues[1].due) = (3, 4);
            }),
            vec![("budget_used_up", Warning, 4)],
        ),
        (
            "a spent day that only warns",
            with(|facts| facts.spent = vec![spent("*", "warn")]),
            vec![("budget_used_up", Info, 0)],
        ),
        (
            "a tier that takes none",
            with(|facts| facts.queues[0] = Queue { capacity: Some(0), ..queue("free", 1, 61) }),
            vec![("no_capacity", Critical, 1)],
        ),
        (
            "a tier nobody knows",
            with(|facts| facts.queues.push(Queue { capacity: None, ..queue("gold", 1, 61) })),
            vec![("no_capacity", Critical, 1)],
        ),
        (
            "a tier that takes none yet",
            with(|facts| facts.queues[0] = Queue { capacity: Some(0), ..queue("free", 1, 60) }),
            vec![],
        ),
    ]
}

/// Where some is done, or all.
fn shortcomings() -> Vec<Case> {
    vec![
        ("a paused tier", with(|facts| facts.queues[1].paused = true), vec![("tier_paused", Info, 0)]),
        (
            "a paused tier with jobs",
            with(|facts| {
                facts.queues[1] = Queue { paused: true, capacity: Some(0), ..queue("pro", 5, 4000) }
            }),
            vec![("tier_paused", Warning, 5)],
        ),
        (
            "a long wait",
            with(|facts| facts.queues[1] = queue("pro", 5, 301)),
            vec![("jobs_wait", Warning, 5)],
        ),
        ("a short wait", with(|facts| facts.queues[1] = queue("pro", 5, 300)), vec![]),
        ("a parked callback", numbers(|it| it.parked = 1), vec![("callbacks_parked", Warning, 1)]),
        ("a late callback", numbers(|it| it.late = 2), vec![("callbacks_late", Warning, 2)]),
        ("a machine past its job", numbers(|it| it.lingering = 1), vec![("machines_left", Warning, 1)]),
        ("a machine of somebody", numbers(|it| it.foreign = 1), vec![("foreign_machines", Warning, 1)]),
        ("a missing price", numbers(|it| it.unpriced = 7), vec![("prices_missing", Warning, 7)]),
        ("one file of tiers", numbers(|it| it.tiers_files = 1), vec![]),
        ("two files of tiers", numbers(|it| it.tiers_files = 2), vec![("tiers_differ", Warning, 2)]),
        (
            "a dear day",
            numbers(|it| (it.today_cents, it.usual_cents) = (100, 33)),
            vec![("unusual_spending", Warning, 1)],
        ),
        ("a usual day", numbers(|it| (it.today_cents, it.usual_cents) = (100, 34)), vec![]),
        (
            "a refused edit",
            with(|facts| facts.tiers_refused = Some("why".into())),
            vec![("tiers_refused", Warning, 0)],
        ),
    ]
}

#[test]
fn each_problem_has_its_severity_and_nothing_short_of_it_is_one() {
    for (name, facts, expected) in standstills().into_iter().chain(shortcomings()) {
        let found = found(&facts);
        let brief: Vec<_> = found.iter().map(|it| (it.id, it.severity, it.count)).collect();
        assert_eq!(brief, expected, "{name}: {found:?}");
        for problem in &found {
            assert!(problem.says.ends_with('.') && problem.remedy.ends_with('.'), "{problem:?}");
        }
    }
}

#[test]
fn the_worst_comes_first() {
    let facts = with(|facts| {
        facts.queues[1].paused = true;
        facts.numbers.parked = 1;
        facts.breaker = Some(stops(&[]));
    });
    let order: Vec<_> = found(&facts).iter().map(|problem| problem.severity).collect();
    assert_eq!(order, [Critical, Warning, Info]);
}
