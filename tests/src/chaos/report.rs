//! What happened, for people.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::check::{Broken, by_job};
use super::facts::Facts;

/// How many jobs' histories are told.
const HISTORIES: usize = 5;
/// How many broken promises are told.
const MOST: usize = 40;

/// The whole run.
pub(super) fn text(facts: &Facts, done: &BTreeMap<String, u64>, took: Duration) -> String {
    let attempts = by_job(facts);
    let mut text = format!("\n{} jobs in {:.0} s, by how they ended\n", facts.jobs.len(), took.as_secs_f64());
    table(
        &mut text,
        &counts(facts.jobs.iter().map(|job| match &job.error_code {
            Some(code) if job.status == "failed" => format!("failed: {code}"),
            _ => job.status.clone(),
        })),
    );
    text.push_str("\nattempts per job\n");
    table(
        &mut text,
        &counts(facts.jobs.iter().map(|job| format!("{:>2}", attempts.get(&job.id).map_or(0, Vec::len)))),
    );
    text.push_str("\nattempts, by how they ended\n");
    table(
        &mut text,
        &counts(facts.attempts.iter().map(|attempt| attempt.end_class.clone().unwrap_or_default())),
    );
    text.push_str("\nfaults, by kind\n");
    table(&mut text, done);
    let machines = facts.bill.len();
    let _ = writeln!(
        text,
        "\n{machines} machines ran; {} applications and {} callbacks arrived",
        facts.submissions.len(),
        facts.told.len()
    );
    if let Some((recovery, job)) = longest_recovery(facts) {
        let _ = writeln!(text, "longest recovery {:.1} s, of job {job}", seconds(recovery));
    }
    text
}

/// What was broken, and the history of the jobs it was broken for.
pub(super) fn broken(facts: &Facts, broken: &[Broken]) -> String {
    let mut text = String::from("\nbroken promises, and how often\n");
    table(&mut text, &counts(broken.iter().map(|broken| broken.promise.to_string())));
    text.push_str("\nthe first of them\n");
    for broken in broken.iter().take(MOST) {
        let job = broken.job.map_or_else(|| "–".to_owned(), |job| job.to_string());
        let _ = writeln!(text, "  {}  job {job}: {}", broken.promise, broken.what);
    }
    let mut jobs: Vec<Uuid> = broken.iter().filter_map(|broken| broken.job).collect();
    jobs.dedup();
    for job in jobs.into_iter().take(HISTORIES) {
        let _ = write!(text, "\nhistory of job {job}\n{}", history(facts, job));
    }
    text
}

/// From the end of an attempt's machine, or of the attempt, to the start of the next attempt.
fn longest_recovery(facts: &Facts) -> Option<(TimeDelta, Uuid)> {
    let exits: BTreeMap<Uuid, DateTime<Utc>> =
        facts.machines.iter().filter_map(|machine| Some((machine.attempt_id?, machine.exited_at?))).collect();
    let gaps = by_job(facts).into_iter().flat_map(|(job, attempts)| {
        let gap = |pair: &[&super::facts::Attempt]| {
            let [earlier, later] = pair else { return None };
            let ended = earlier.ended_at?;
            let dead = exits.get(&earlier.id).map_or(ended, |exit| ended.min(*exit));
            Some((later.started_at? - dead, job))
        };
        attempts.windows(2).filter_map(gap).collect::<Vec<_>>()
    });
    gaps.max_by_key(|(gap, _)| *gap)
}

/// Everything known of a job, in order.
fn history(facts: &Facts, job: Uuid) -> String {
    let mut lines: Vec<(DateTime<Utc>, String)> = Vec::new();
    for event in facts.events.iter().filter(|event| event.job_id == job) {
        let words =
            [event.to_status.as_deref(), event.message.as_deref()].map(Option::unwrap_or_default).join(" ");
        lines.push((event.at, format!("{} {words}", event.kind)));
    }
    let attempts: Vec<_> = facts.attempts.iter().filter(|attempt| attempt.job_id == job).collect();
    for attempt in &attempts {
        let name = format!("attempt {} ({})", attempt.no, attempt.id);
        lines.push((attempt.claimed_at, format!("{name} claimed, fence {}", attempt.fence)));
        lines.extend(attempt.started_at.map(|at| (at, format!("{name} started"))));
        lines.extend(
            attempt.ended_at.map(|at| (at, format!("{name} {} ({:?})", attempt.state, attempt.end_class))),
        );
    }
    for permit in facts.permits.iter().filter(|permit| permit.job_id == job) {
        lines.push((
            permit.granted_at,
            format!("permit to {}, outcome {:?}", permit.attempt_id, permit.outcome),
        ));
    }
    for machine in &facts.machines {
        if attempts.iter().any(|attempt| Some(attempt.id) == machine.attempt_id) {
            let what = format!("machine {} ({:?}, {:?})", machine.name, machine.fly_id, machine.outcome);
            lines.extend(machine.exited_at.map(|at| (at, format!("{what} exited"))));
            lines.extend(machine.closed_at.map(|at| (at, format!("{what} closed"))));
        }
    }
    for billed in &facts.bill {
        if attempts.iter().any(|attempt| billed.name.contains(&attempt.id.to_string())) {
            let what = format!(
                "Fly: {} ({}) ran {} ms until then",
                billed.machine_id, billed.name, billed.milliseconds
            );
            lines.extend(billed.exited_at.map(|at| (at, what)));
        }
    }
    lines.sort();
    let mut text = String::new();
    for (at, what) in lines {
        let _ = writeln!(text, "  {}  {what}", at.format("%H:%M:%S%.3f"));
    }
    for submission in facts.submissions.iter().filter(|submission| submission.job == job) {
        let _ = writeln!(text, "  sent by attempt {}", submission.attempt);
    }
    text
}

fn counts(words: impl Iterator<Item = String>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for word in words {
        *counts.entry(word).or_default() += 1;
    }
    counts
}

fn table(text: &mut String, counts: &BTreeMap<String, u64>) {
    for (what, count) in counts {
        let _ = writeln!(text, "  {what:<40} {count:>6}");
    }
}

fn seconds(span: TimeDelta) -> f64 {
    span.to_std().unwrap_or_default().as_secs_f64()
}
