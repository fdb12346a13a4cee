//! Why a job is not running, in one sentence. `dispatcher why` knows more: it also has the tiers file.

use store::board::Load;
use store::notices::Breaker;
use store::ops::why::Facts;

use super::words::{moment, span};

/// The one thing that holds it, or what goes on; `None` for a job that is over.
pub fn sentence(facts: &Facts, loads: &[Load], breaker: Option<&Breaker>) -> Option<String> {
    let (job, now) = (&facts.job, facts.now);
    if let Some(live) = &facts.live {
        let machine = live.fly_id.as_deref().or(live.machine.as_deref()).unwrap_or("no machine yet");
        return Some(match live.started_at {
            Some(started) => format!(
                "Attempt {} runs on {machine} since {}.",
                live.no,
                span((now - started).num_seconds())
            ),
            None => format!(
                "Attempt {} waits for its machine ({machine}, {}) since {}.",
                live.no,
                live.seen.as_deref().or(live.outcome.as_deref()).unwrap_or("asked for"),
                span((now - live.claimed_at).num_seconds())
            ),
        });
    }
    let status = job.status.as_str();
    if matches!(status, "paused" | "needs_human" | "awaiting_review") {
        let kind = job.interaction_type.as_deref().unwrap_or("a person");
        let since =
            job.paused_at.map(|at| format!(" since {}", span((now - at).num_seconds()))).unwrap_or_default();
        return Some(format!("It waits for a person{since}: {kind}."));
    }
    if !matches!(status, "pending" | "queued") {
        return None;
    }
    if let Some(at) = job.scheduled_at.filter(|at| *at > now) {
        let why = if job.retry_count > 0 || job.error_code.is_some() {
            "It is tried again"
        } else {
            "It is scheduled"
        };
        return Some(format!("{why} at {} UTC, in {}.", moment(at), span((at - now).num_seconds())));
    }
    if let Some(worker) = job.worker_id.as_deref() {
        return Some(format!("Worker {worker} holds it."));
    }
    if let (Some(worker), Some("strict")) = (job.target_worker_id.as_deref(), job.worker_affinity.as_deref())
    {
        return Some(format!("It may run on worker {worker} only, and waits to be fetched by it."));
    }
    if let Some(holder) = &facts.application {
        let (other, status) = (holder.job_id, holder.status.as_str());
        return Some(if holder.kind == "sent" {
            format!(
                "Job {other} ({status}) has sent this application, or may have: the job is about to be ended."
            )
        } else {
            format!("It waits for job {other} ({status}) of the same application.")
        });
    }
    let load = loads.iter().find(|load| load.tier == job.tier);
    if load.is_some_and(|load| load.paused) {
        return Some(format!("Tier {0} is paused: `dispatcher resume {0}` lets it start.", job.tier));
    }
    if !facts.leader.as_ref().is_some_and(|leader| leader.leads) {
        return Some("No dispatcher leads. Start one.".into());
    }
    if let Some(breaker) = breaker.filter(|breaker| breaker.stops(&job.tier)) {
        return Some(format!("Machines cannot be started: {}.", breaker.says().trim_end_matches('.')));
    }
    if let Some(budget) = &facts.budget {
        let whose = match budget.scope.as_str() {
            "user_month" => "Its user's budget of the month",
            "tier_day" => "Its tier's budget of the day",
            _ => "The budget of the day",
        };
        return Some(format!(
            "{whose} has no room: {} of {} is spent, {} is reserved, and the job may need {}.",
            budget.spent, budget.limit, budget.reserved, budget.wanted
        ));
    }
    if let Some(load) = load.filter(|load| load.live >= i64::from(load.capacity)) {
        let ahead = facts.line.ahead;
        return Some(format!(
            "Tier {} is full: {} of {} machines work; {ahead} jobs go first.",
            job.tier, load.live, load.capacity
        ));
    }
    if facts.line.user_live > 0 {
        return Some(format!(
            "Its user has {} jobs under way; the tier's cap per user may hold it. {} jobs go first.",
            facts.line.user_live, facts.line.ahead
        ));
    }
    let waited = span((now - job.scheduled_at.unwrap_or(job.created_at)).num_seconds());
    Some(format!("It is in line since {waited}; {} jobs go first.", facts.line.ahead))
}
