//! What holds a job that is in the queue: the first of all that would have to give way, in the order in which a person would see to them.

use chrono::{DateTime, Utc};
use domain::tier::Tiers;
use domain::world::World;
use serde_json::json;
use store::notices::Breaker;
use store::ops::why::{Facts, Job};

use super::answer::{Answer, full_stop, message};
use crate::commands::report::{short, span};
use crate::commands::scale;

/// A due job is taken within a look or two; longer than this, and something is wrong that is not in the database.
const PATIENCE: i64 = 30;

/// What counts beyond the job itself.
pub struct Surroundings<'a> {
    /// Every tier's load.
    pub world: &'a World,
    /// The tiers in force.
    pub tiers: &'a Tiers,
    /// Why creating is pointless now, if it is.
    pub breaker: Option<&'a Breaker>,
}

/// Explains.
pub fn explain(facts: &Facts, around: &Surroundings) -> Answer {
    let (job, now) = (&facts.job, facts.now);
    not_yet(job, now)
        .or_else(|| other_job_of_application(facts))
        .or_else(|| bound_to_worker(job, now))
        .or_else(|| paused(job, around))
        .or_else(|| nobody_leads(facts))
        .or_else(|| breaker(job, around))
        .or_else(|| no_money(facts))
        .or_else(|| full(job, around))
        .or_else(|| user_cap(facts, around))
        .or_else(|| too_fast(facts))
        .unwrap_or_else(|| in_line(facts, around))
}

fn not_yet(job: &Job, now: DateTime<Utc>) -> Option<Answer> {
    let at = job.scheduled_at.filter(|at| *at > now)?;
    let seconds = (at - now).num_seconds() + 1;
    let stamp = at.format("%Y-%m-%d %H:%M:%S UTC");
    let failed = job.error_details.as_ref().filter(|details| details["retry"] == json!(true));
    let Some(failed) = failed else {
        let sentence = format!("It is scheduled for {stamp}, in {}.", span(seconds));
        return Some(Answer::new("scheduled", sentence, json!({ "scheduled_at": at, "seconds": seconds })));
    };
    let class = failed["class"].as_str().unwrap_or("retryable");
    let after = match class {
        "placement" => "no machine came up".to_owned(),
        _ => format!("an error, retry {} of {}", job.retry_count, job.max_retries),
    };
    let code = job.error_code.as_deref().map(|code| format!(" `{code}`")).unwrap_or_default();
    let words = message(job).map(|words| format!(": {}", short(&words, 300))).unwrap_or_default();
    let sentence =
        full_stop(format!("It is tried again in {} ({stamp}), after {after}{code}{words}", span(seconds)));
    let details = json!({ "scheduled_at": at, "seconds": seconds, "class": class, "error_code": job.error_code, "message": message(job),
        "retry_count": job.retry_count, "max_retries": job.max_retries });
    Some(Answer::new("backoff", sentence, details))
}

fn other_job_of_application(facts: &Facts) -> Option<Answer> {
    let holder = facts.application.as_ref()?;
    let (other, status) = (holder.job_id, holder.status.as_str());
    let (reason, sentence) = match holder.kind.as_str() {
        "sent" => (
            "application_already_sent",
            format!(
                "Job {other} ({status}) has sent this application, or may have: the job is about to be ended."
            ),
        ),
        _ => (
            "application_held",
            format!(
                "It waits for job {other} ({status}) of the same application: it starts when that has ended and was surely not sent."
            ),
        ),
    };
    Some(Answer::new(
        reason,
        sentence,
        json!({ "other_job_id": other, "other_status": status, "kind": holder.kind }),
    ))
}

fn bound_to_worker(job: &Job, now: DateTime<Utc>) -> Option<Answer> {
    let worker =
        job.target_worker_id.as_deref().filter(|_| job.worker_affinity.as_deref() == Some("strict"))?;
    let seen = job.target_seen_at.map_or_else(
        || "which is not registered".to_owned(),
        |at| format!("last heard of {} ago", span((now - at).num_seconds())),
    );
    let sentence = format!("It may run on worker `{worker}` only, {seen}, and waits to be fetched by it.");
    Some(Answer::new(
        "strict_worker",
        sentence,
        json!({ "target_worker_id": worker, "last_heartbeat": job.target_seen_at }),
    ))
}

fn paused(job: &Job, around: &Surroundings) -> Option<Answer> {
    let load = around.world.tiers.iter().find(|load| load.tier == job.tier)?;
    let sentence = format!("Tier {0} is paused: `dispatcher resume {0}` lets it start.", job.tier);
    load.paused.then(|| Answer::new("tier_paused", sentence, json!({ "tier": job.tier })))
}

fn nobody_leads(facts: &Facts) -> Option<Answer> {
    let (sentence, details) = match &facts.leader {
        Some(leader) if leader.leads => return None,
        Some(leader) => {
            let ago = (facts.now - leader.expires_at).num_seconds().max(0);
            let sentence = format!(
                "No dispatcher leads: the lease of {} ended {} ago. Start one.",
                leader.holder,
                span(ago)
            );
            (
                sentence,
                json!({ "last_holder": leader.holder, "term": leader.term, "expired_at": leader.expires_at }),
            )
        }
        None => ("No dispatcher has ever led this database. Start one.".to_owned(), json!({})),
    };
    Some(Answer::new("no_leader", sentence, details))
}

fn breaker(job: &Job, around: &Surroundings) -> Option<Answer> {
    let notice = around.breaker.filter(|notice| notice.stops(&job.tier))?;
    let of = if notice.tiers.is_empty() { String::new() } else { format!(" of tier {}", job.tier) };
    let (cause, words) = (&notice.cause, short(notice.says(), 300));
    let sentence =
        full_stop(format!("No machine{of} can be started until somebody sees to it ({cause}): {words}"));
    Some(Answer::new("breaker", sentence, json!(notice)))
}

fn no_money(facts: &Facts) -> Option<Answer> {
    let budget = facts.budget.as_ref()?;
    let (whose, next) = match budget.scope.as_str() {
        "user_month" => ("Its user's budget of the month".to_owned(), "month"),
        "tier_day" => (format!("Tier {}'s budget of the day", facts.job.tier), "day"),
        _ => ("The budget of the day".to_owned(), "day"),
    };
    // Spent money does not come back before the next month or day; reserved money may, when attempts end.
    let is_spent = budget.limit.0 - budget.spent.0 < budget.wanted.0.max(1);
    let then = match (is_spent, budget.action.as_str()) {
        (false, _) => "it starts when enough of the reserved comes back".to_owned(),
        (true, "block") => "it is about to be failed with `budget_exceeded`".to_owned(),
        (true, _) => format!("it waits for the next {next}"),
    };
    let sentence = format!(
        "{whose} has no room: {} of {} is spent and {} is reserved, the job may need {}; {then}. A change of `gh_budgets` counts at once.",
        budget.spent, budget.limit, budget.reserved, budget.wanted
    );
    let details = json!({ "scope": budget.scope, "action": budget.action, "limit": budget.limit, "spent": budget.spent,
        "reserved": budget.reserved, "wanted": budget.wanted });
    Some(Answer::new("no_budget", sentence, details))
}

fn full(job: &Job, around: &Surroundings) -> Option<Answer> {
    let tier = &job.tier;
    let Some(load) = around.world.tiers.iter().find(|load| load.tier == *tier) else {
        let sentence = format!("Tier {tier} has no capacity: no dispatcher has seen it yet.");
        return Some(Answer::new("at_capacity", sentence, json!({ "tier": tier, "live": 0, "capacity": 0 })));
    };
    if load.live < i64::from(load.capacity) {
        return None;
    }
    let max = around.tiers.get(tier).map_or(load.capacity, |tier| tier.capacity.max);
    let next = scale::next(load, around.world, around.tiers, None);
    let rule = if next > load.capacity {
        format!("the rule raises it to {next} with {} due", load.pending)
    } else if load.capacity >= max {
        format!("that is its maximum; {} due", load.pending)
    } else {
        let longest = around.tiers.get(tier).map_or(10, |tier| tier.max_wait_seconds);
        format!(
            "the rule raises it when more than {} are due, now {}, or one has waited {longest} s",
            load.capacity.saturating_mul(2),
            load.pending
        )
    };
    let sentence = format!("Tier {tier} is at capacity, {} of {}: {rule}.", load.live, load.capacity);
    let details = json!({ "tier": tier, "live": load.live, "capacity": load.capacity, "max": max, "next": next, "pending": load.pending });
    Some(Answer::new("at_capacity", sentence, details))
}

fn user_cap(facts: &Facts, around: &Surroundings) -> Option<Answer> {
    let cap = around.tiers.get(&facts.job.tier)?.per_user;
    let (live, first) = (facts.line.user_live, facts.line.user_ahead);
    let more = if first > 0 { format!(" and {first} more before it") } else { String::new() };
    let sentence =
        format!("Its user has {live} of {cap} jobs running{more}: it starts when enough of them end.");
    let details = json!({ "user_id": facts.job.user_id, "live": live, "ahead": first, "per_user": cap });
    (live + first >= i64::from(cap)).then(|| Answer::new("user_cap", sentence, details))
}

fn too_fast(facts: &Facts) -> Option<Answer> {
    let none_left = !facts.rates.is_empty()
        && facts.rates.iter().all(|rate| rate.tokens < 1 || rate.frozen_until.is_some());
    if !none_left || facts.line.ready > 0 {
        return None;
    }
    let details = json!({ "apps": facts.rates.iter().map(|rate| json!({ "app": rate.app, "frozen_until": rate.frozen_until })).collect::<Vec<_>>(),
        "ahead": facts.line.ahead });
    if let Some(thaw) = facts.rates.iter().filter_map(|rate| rate.frozen_until).min() {
        let left = span((thaw - facts.now).num_seconds() + 1);
        let sentence = format!("Fly said that we create too fast: it goes on in {left}.");
        return Some(Answer::new("rate_frozen", sentence, details));
    }
    let sentence =
        format!("Fly allows no further machine in this second; {} jobs go first.", facts.line.ahead);
    Some(Answer::new("no_create_token", sentence, details))
}

fn in_line(facts: &Facts, around: &Surroundings) -> Answer {
    let (job, ahead) = (&facts.job, facts.line.ahead);
    let load = around.world.tiers.iter().find(|load| load.tier == job.tier);
    let free = load.map_or(0, |load| i64::from(load.capacity) - load.live);
    let due = (facts.now - job.scheduled_at.unwrap_or(job.created_at).max(job.created_at)).num_seconds();
    let details = json!({ "ahead": ahead, "free": free, "due_seconds": due });
    if ahead >= free {
        let sentence = format!("{ahead} jobs of tier {} go first, and {free} may start now.", job.tier);
        return Answer::new("in_line", sentence, details);
    }
    let sentence = if due > PATIENCE {
        format!(
            "Nothing that the database knows holds it back, though it has been due for {}: run `dispatcher doctor` and read the dispatcher's log.",
            span(due)
        )
    } else {
        "Nothing holds it back: the dispatcher takes it at its next look, within 5 s.".to_owned()
    };
    Answer::new("due", sentence, details)
}
