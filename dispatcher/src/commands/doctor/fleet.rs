//! The checks that `/monitoring` and the dashboard share: `store::ops::problems`, and what is to be said where there is none.

use store::Db;
use store::dispatchers::Running;
use store::ops::health;
use store::ops::problems::{self, Facts};

use super::check::Check;
use super::database::unread;
use crate::commands::report::span;

/// Every problem, and one check for each subject that has none.
pub async fn checks(db: &Db) -> Vec<Check> {
    let facts = match problems::read(db).await {
        Ok(facts) => facts,
        Err(error) => return vec![unread("fleet", &error)],
    };
    let found = problems::found(&facts);
    let mut checks = Vec::new();
    for (of, well) in well(db, &facts).await {
        let before = checks.len();
        checks.extend(found.iter().filter(|problem| problem.of == of).map(Check::problem));
        if checks.len() == before {
            checks.push(well);
        }
    }
    let known: Vec<_> = checks.iter().map(|check| check.name.clone()).collect();
    checks
        .extend(found.iter().filter(|problem| !known.iter().any(|of| of == problem.of)).map(Check::problem));
    checks
}

/// What is said of each subject without a problem.
async fn well(db: &Db, facts: &Facts) -> Vec<(&'static str, Check)> {
    let ok = |of, says: String| (of, Check::ok(of, says));
    let due: i64 = facts.queues.iter().map(|queue| queue.due).sum();
    let longest = facts.queues.iter().map(|queue| queue.seconds).max().unwrap_or(0);
    let waiting = if due == 0 {
        "no due job".to_owned()
    } else {
        format!("{due} due, the oldest for {}", span(longest))
    };
    vec![
        ("leader", leader(db).await),
        ("dispatchers", dispatchers(db).await),
        ok("waiting", waiting),
        ok("capacity", "every tier with due jobs takes some".into()),
        ok("paused", "no tier".into()),
        ok("breaker", "machines can be made".into()),
        ok("budget", "no budget of the day is used up".into()),
        ok("callbacks", "none was given up or is late".into()),
        ok("machines", "none is left behind".into()),
        ok("prices", "every line of the ledger has one".into()),
    ]
}

async fn leader(db: &Db) -> Check {
    match health::leader(db).await {
        Ok(Some(leader)) => Check::ok("leader", format!("{} leads, term {}", leader.holder, leader.term)),
        Ok(None) => Check::info("leader", "no dispatcher has ever led this database", "start a dispatcher"),
        Err(error) => unread("leader", &error),
    }
}

async fn dispatchers(db: &Db) -> Check {
    let running = match store::dispatchers::running(db).await {
        Ok(running) => running,
        Err(error) => return unread("dispatchers", &error),
    };
    let each = |running: &Running| {
        let hash = running.tiers_hash.get(..12).unwrap_or_default();
        let file = running.tiers_file.as_deref().unwrap_or("built in");
        format!("{} by tiers {hash} ({file})", running.holder)
    };
    match running.as_slice() {
        [] => Check::ok("dispatchers", "none has told of itself in the last minute"),
        running => Check::ok("dispatchers", running.iter().map(each).collect::<Vec<_>>().join(", ")),
    }
}
