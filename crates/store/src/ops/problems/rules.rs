//! Which facts are a problem, and how bad each is.
//!
//! | problem | critical: jobs cannot be done | warning: somebody should look | info |
//! |---|---|---|---|
//! | `no_leader` | always, but for a new database with nothing due or under way, where it is none | | |
//! | `breaker_open` | for all tiers | for some | |
//! | `budget_used_up` | of all tiers, and jobs wait or fail for it | of a tier, or nothing is due | nothing is held back (`warn`) |
//! | `no_capacity` | jobs are due for a minute in a tier that takes none | | |
//! | `tier_paused` | | jobs wait in it | none do |
//! | `jobs_wait` | | for more than five minutes | |
//! | all others | | always | |

use super::facts::{Facts, Queue};
use super::{Problem, Severity};

/// How long a due job may wait before somebody should look, in seconds.
const LONG: i64 = 300;
/// How long one may wait for a tier that takes none, in seconds: the scaling rule acts within ten.
const UNSERVED: i64 = 60;

use Severity::{Critical, Info, Warning};

/// What is wrong, the worst first.
pub fn found(facts: &Facts) -> Vec<Problem> {
    let mut found: Vec<Problem> = [
        no_leader(facts),
        silent(facts),
        breaker(facts),
        budget(facts),
        no_capacity(facts),
        paused(facts),
        waiting(facts),
    ]
    .into_iter()
    .flatten()
    .chain(counted(facts))
    .collect();
    found.sort_by_key(|problem| std::cmp::Reverse(problem.severity));
    found
}

/// A problem of which nothing more is known.
fn problem(
    id: &'static str,
    of: &'static str,
    severity: Severity,
    says: String,
    remedy: &'static str,
) -> Problem {
    Problem { id, of, severity, says, remedy, count: 0, since: None, detail: None }
}

fn no_leader(facts: &Facts) -> Option<Problem> {
    let due: i64 = facts.queues.iter().map(|queue| queue.due).sum();
    let (says, since, detail) = match &facts.lead {
        Some(lead) if lead.leads => return None,
        Some(lead) => {
            let ended = lead.expires_at.format("%F %T UTC");
            let detail = format!("the lease of {} ended then", lead.holder);
            (format!("No dispatcher leads since {ended}"), Some(lead.expires_at), Some(detail))
        }
        None if due == 0 && facts.live == 0 => return None,
        None => ("No dispatcher has ever led this database".to_owned(), None, None),
    };
    let says =
        format!("{says}: {}, and {} under way are looked after by nobody.", jobs_wait(due), facts.live);
    let remedy = "Start a dispatcher, or read the log of the one that should run.";
    Some(Problem { count: due, since, detail, ..problem("no_leader", "leader", Critical, says, remedy) })
}

fn silent(facts: &Facts) -> Option<Problem> {
    let lead = facts.lead.as_ref().filter(|lead| lead.leads)?;
    let since = lead.silent_since?;
    let says =
        format!("The dispatcher that leads has told nothing of itself since {}.", since.format("%F %T UTC"));
    let remedy = "Read its log, and restart it: it keeps the lease, and may do nothing else.";
    let detail = Some(lead.holder.clone());
    Some(Problem {
        since: Some(since),
        detail,
        ..problem("dispatcher_silent", "dispatchers", Warning, says, remedy)
    })
}

fn breaker(facts: &Facts) -> Option<Problem> {
    let breaker = facts.breaker.as_ref()?;
    let stopped = |queue: &&Queue| breaker.stops(&queue.tier);
    let due: i64 = facts.queues.iter().filter(stopped).map(|queue| queue.due).sum();
    let (of, severity) = match breaker.tiers.as_slice() {
        [] => (String::new(), Critical),
        tiers => (format!(" of {}", tiers.join(", ")), Warning),
    };
    let says = format!("Machines{of} cannot be started: {}.", jobs_wait(due));
    let remedy = "See to the cause, which `dispatcher doctor` names; jobs stay pending and start by themselves afterwards.";
    let detail = match (breaker.cause.as_str(), breaker.says()) {
        (cause, says) if cause == says => cause.to_owned(),
        (cause, says) => format!("{cause}: {says}"),
    };
    let detail = Some(detail);
    Some(Problem { count: due, detail, ..problem("breaker_open", "breaker", severity, says, remedy) })
}

fn budget(facts: &Facts) -> Option<Problem> {
    let spent: Vec<_> =
        facts.spent.iter().map(|budget| (budget, budget.name == "*", budget.action != "warn")).collect();
    let (_, of_all, holds) = spent.iter().max_by_key(|(_, of_all, holds)| (*holds, *of_all))?;
    let counts = |queue: &&Queue| {
        spent.iter().any(|(budget, of_all, holds)| *holds && (*of_all || budget.name == queue.tier))
    };
    let due: i64 = facts.queues.iter().filter(counts).map(|queue| queue.due).sum();
    let named = |(budget, of_all, _): &(&super::DayBudget, bool, bool)| {
        let of = if *of_all { "all tiers" } else { budget.name.as_str() };
        format!("of {of} {:.2} of {:.2} USD", budget.spent_usd.0, budget.limit_usd.0)
    };
    let each = spent.iter().map(named).collect::<Vec<_>>().join(", ");
    let (severity, effect) = match (holds, of_all) {
        (false, _) => (Info, "nothing is held back".to_owned()),
        (true, true) if due + facts.refused > 0 => (Critical, held(due, facts.refused)),
        (true, _) => (Warning, held(due, facts.refused)),
    };
    let says = format!("The budget of the day is used up ({each}): {effect}.");
    let remedy = "Raise it in gh_budgets (docs/COSTS.md), or wait until 00:00 UTC.";
    Some(Problem {
        count: due + facts.refused,
        ..problem("budget_used_up", "budget", severity, says, remedy)
    })
}

fn held(due: i64, refused: i64) -> String {
    match refused {
        0 => jobs_wait(due),
        refused => format!("{} and {refused} failed for it today", jobs_wait(due)),
    }
}

/// Not where nobody leads, machines cannot be made, or the day's money is spent: then that is the cause.
fn no_capacity(facts: &Facts) -> Option<Problem> {
    facts.lead.as_ref().filter(|lead| lead.leads)?;
    let is_stopped = |tier: &str| {
        facts.breaker.as_ref().is_some_and(|breaker| breaker.stops(tier))
            || facts
                .spent
                .iter()
                .any(|budget| budget.action != "warn" && ["*", tier].contains(&budget.name.as_str()))
    };
    let unserved = |queue: &&Queue| {
        let is_late = queue.due > 0 && queue.seconds > UNSERVED;
        is_late && queue.capacity.unwrap_or(0) == 0 && !queue.paused && !is_stopped(&queue.tier)
    };
    let (tiers, due) = summed(facts.queues.iter().filter(unserved))?;
    let says = format!("The capacity of {tiers} is 0: {}.", jobs_wait(due));
    let remedy = "`dispatcher scale explain` shows what the rule sees; a tier that is not in the tiers file is never served.";
    Some(Problem { count: due, ..problem("no_capacity", "capacity", Critical, says, remedy) })
}

fn paused(facts: &Facts) -> Option<Problem> {
    let (tiers, due) = summed(facts.queues.iter().filter(|queue| queue.paused))?;
    let says = format!("Paused: {tiers}; {}.", jobs_wait(due));
    let severity = if due > 0 { Warning } else { Info };
    let remedy = "`dispatcher resume` when it is over.";
    Some(Problem { count: due, ..problem("tier_paused", "paused", severity, says, remedy) })
}

fn waiting(facts: &Facts) -> Option<Problem> {
    let open: Vec<_> = facts.queues.iter().filter(|queue| !queue.paused && queue.due > 0).collect();
    let first = open.iter().max_by_key(|queue| queue.seconds).filter(|queue| queue.seconds > LONG)?;
    let due = open.iter().map(|queue| queue.due).sum();
    let says = format!("{}, the oldest for {}.", jobs_wait(due), span(first.seconds));
    let remedy = "`dispatcher why` with the id of the oldest names the one thing that holds it back.";
    let detail = first.oldest.map(|job| format!("the oldest is {job}"));
    Some(Problem { count: due, detail, ..problem("jobs_wait", "waiting", Warning, says, remedy) })
}

/// What is a problem as soon as there is one of it.
fn counted(facts: &Facts) -> impl Iterator<Item = Problem> {
    let numbers = &facts.numbers;
    let of = |id, of, count: i64, says: String, remedy| {
        (count > 0).then(|| Problem { count, ..problem(id, of, Warning, says, remedy) })
    };
    let parked = of(
        "callbacks_parked",
        "callbacks",
        numbers.parked,
        format!("{} callback(s) were given up: VALET was not told how these jobs ended.", numbers.parked),
        "`dispatcher callbacks ls` shows the answers; `dispatcher callbacks redrive --parked` sends them again.",
    );
    let late = of(
        "callbacks_late",
        "callbacks",
        numbers.late,
        format!("{} callback(s) should have been sent more than ten minutes ago.", numbers.late),
        "Nobody sends them: read the log of the dispatcher that leads.",
    );
    let lingering = of(
        "machines_left",
        "machines",
        numbers.lingering,
        format!(
            "{} machine(s) are still there 15 minutes after their job, and cost money.",
            numbers.lingering
        ),
        "`dispatcher machines` lists them; `dispatcher reap --dry-run` shows what is done about them.",
    );
    let foreign = of(
        "foreign_machines",
        "machines",
        numbers.foreign,
        format!("{} machine(s) in the runners' app are not ours.", numbers.foreign),
        "`dispatcher machines orphans` lists them; what made them must use another app.",
    );
    let unpriced = of(
        "prices_missing",
        "prices",
        numbers.unpriced,
        format!("{} line(s) of the ledger have no price.", numbers.unpriced),
        "Add it to infra/prices.toml, then `api costs backfill`.",
    );
    let files = of(
        "tiers_differ",
        "dispatchers",
        if numbers.tiers_files > 1 { numbers.tiers_files } else { 0 },
        format!("The dispatchers go by {} different tiers files.", numbers.tiers_files),
        "Give all the same file; its sha256 is what `sha256sum` says.",
    );
    let refused = facts.tiers_refused.as_ref().map(|why| {
        let says = "The last edit of the tiers file was refused, the one before is in force.".to_owned();
        let remedy = "`dispatcher tiers check FILE` shows every error with its line.";
        Problem { detail: Some(why.clone()), ..problem("tiers_refused", "tiers edit", Warning, says, remedy) }
    });
    let (today, usual) = (numbers.today_cents, numbers.usual_cents);
    let spending = of(
        "unusual_spending",
        "spending",
        i64::from(today >= 100 && today > usual * 3),
        format!("Today cost {}; the median of the last seven days is {}.", usd(today), usd(usual)),
        "`api costs` shows what for; a budget of the day (docs/COSTS.md) stops it.",
    );
    [parked, late, lingering, foreign, unpriced, files, refused, spending].into_iter().flatten()
}

fn summed<'a>(queues: impl Iterator<Item = &'a Queue>) -> Option<(String, i64)> {
    let (tiers, due): (Vec<&str>, Vec<i64>) = queues.map(|queue| (queue.tier.as_str(), queue.due)).unzip();
    (!tiers.is_empty()).then(|| (tiers.join(", "), due.iter().sum()))
}

fn jobs_wait(due: i64) -> String {
    match due {
        0 => "no job waits".to_owned(),
        1 => "1 job waits".to_owned(),
        due => format!("{due} jobs wait"),
    }
}

fn usd(cents: i64) -> String {
    format!("${}.{:02}", cents / 100, cents % 100)
}

fn span(seconds: i64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        seconds => format!("{} h", seconds / 3_600),
    }
}

#[cfg(test)]
mod tests;
