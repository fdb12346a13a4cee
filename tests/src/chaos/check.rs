//! The promises of docs/ARCHITECTURE.md, each checked against everything that is left after a run.
//!
//! Times are those of the transactions' starts, so two that follow each other may seem to overlap by as long as one
//! may wait for a lock: that is the [`SLACK`].

mod callbacks;
mod fly;
mod money;

use std::collections::{BTreeMap, HashMap, HashSet};

use chrono::TimeDelta;
use uuid::Uuid;

use super::facts::{Attempt, Facts, Job};

/// No statement of a dispatcher waits longer for a lock.
const SLACK: TimeDelta = TimeDelta::seconds(2);
/// How long a machine may outlive its job.
const LINGER: TimeDelta = TimeDelta::minutes(15);
/// What a job does not leave.
const TERMINAL: [&str; 4] = ["completed", "failed", "cancelled", "expired"];

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    /// Its number in docs/ARCHITECTURE.md.
    pub(super) promise: u8,
    /// For which job, when it is about one.
    pub(super) job: Option<Uuid>,
    /// How.
    pub(super) what: String,
}

impl Broken {
    fn new(promise: u8, job: impl Into<Option<Uuid>>, what: impl Into<String>) -> Self {
        Self { promise, job: job.into(), what: what.into() }
    }
}

/// Everything that was broken.
pub(super) fn all(facts: &Facts) -> Vec<Broken> {
    let mut broken = never_lost(facts);
    broken.extend(one_at_a_time(facts));
    broken.extend(one_permit(facts));
    broken.extend(tried_until_over(facts));
    broken.extend(no_machine_left(facts));
    broken.extend(fly::only_what_is_on_record(facts));
    broken.extend(callbacks::final_word_is_heard(facts));
    broken.extend(money::every_interval_once(facts));
    broken
}

/// 1: each job is there, at rest, and came once to an end that somebody chose.
fn never_lost(facts: &Facts) -> Vec<Broken> {
    let rows: HashMap<Uuid, &Job> = facts.jobs.iter().map(|job| (job.id, job)).collect();
    let mut ends: HashMap<Uuid, u32> = HashMap::new();
    for event in &facts.events {
        if event.kind == "status_change"
            && event.to_status.as_deref().is_some_and(|to| TERMINAL.contains(&to))
        {
            *ends.entry(event.job_id).or_default() += 1;
        }
    }
    let mut broken = Vec::new();
    for id in &facts.put_in {
        let Some(job) = rows.get(id) else {
            broken.push(Broken::new(1, *id, "it was committed and is gone"));
            continue;
        };
        let (ended, terminal) = (ends.get(id).copied().unwrap_or(0), TERMINAL.contains(&job.status.as_str()));
        if !terminal && job.status != "needs_human" {
            broken.push(Broken::new(1, *id, format!("it never came to an end: {}", job.status)));
        }
        let chosen = match job.status.as_str() {
            "cancelled" => facts.cancels.contains(id),
            "needs_human" => facts
                .attempts
                .iter()
                .any(|attempt| attempt.job_id == *id && attempt.end_class.as_deref() == Some("needs_human")),
            // No job here is to start at a time, or bound to a worker.
            "expired" => false,
            _ => true,
        };
        if !chosen {
            broken.push(Broken::new(1, *id, format!("nobody made it {}", job.status)));
        }
        if ended != u32::from(terminal) {
            broken.push(Broken::new(1, *id, format!("it came to an end {ended} times")));
        }
    }
    broken
}

/// 2: no two attempts of a job live at a time, and nothing is written for one that is over.
fn one_at_a_time(facts: &Facts) -> Vec<Broken> {
    let mut broken = Vec::new();
    for (job, attempts) in by_job(facts) {
        for pair in attempts.windows(2) {
            let [earlier, later] = pair else { continue };
            if earlier.ended_at.is_none_or(|ended| later.claimed_at + SLACK < ended) {
                broken.push(Broken::new(
                    2,
                    job,
                    format!("attempt {} began while {} lived", later.no, earlier.no),
                ));
            }
        }
        if let Some(live) = attempts.iter().find(|attempt| attempt.ended_at.is_none()) {
            broken.push(Broken::new(2, job, format!("attempt {} is still {}", live.no, live.state)));
        }
    }
    let ended: HashMap<Uuid, _> =
        facts.attempts.iter().filter_map(|attempt| Some((attempt.id, attempt.ended_at?))).collect();
    for event in facts.events.iter().filter(|event| event.kind == "chaos_step") {
        let late =
            event.attempt_id.and_then(|id| ended.get(&id)).is_some_and(|ended| event.at > *ended + SLACK);
        if late {
            broken.push(Broken::new(2, event.job_id, "an attempt wrote after its end"));
        }
    }
    broken
}

/// 3: one permit, one submission by the one who has it, and no work after it.
fn one_permit(facts: &Facts) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut permits = HashMap::new();
    for permit in &facts.permits {
        if permits.insert(permit.job_id, permit).is_some() {
            broken.push(Broken::new(3, permit.job_id, "two permits were given"));
        }
    }
    let mut sent: HashMap<Uuid, u32> = HashMap::new();
    for submission in &facts.submissions {
        *sent.entry(submission.job).or_default() += 1;
        if permits.get(&submission.job).is_none_or(|permit| permit.attempt_id != submission.attempt) {
            broken.push(Broken::new(3, submission.job, "it was sent by an attempt without the permit"));
        }
    }
    for job in &facts.jobs {
        let (count, permit) = (sent.get(&job.id).copied().unwrap_or(0), permits.get(&job.id));
        if count > 1 {
            broken.push(Broken::new(3, job.id, format!("it was sent {count} times")));
        }
        let outcome = permit.and_then(|permit| permit.outcome.as_deref());
        if job.status == "completed" && (count != 1 || outcome != Some("submitted")) {
            broken.push(Broken::new(
                3,
                job.id,
                format!("it is completed, was sent {count} times, and the permit says {outcome:?}"),
            ));
        }
        if count == 1 && outcome == Some("not_submitted") {
            broken.push(Broken::new(3, job.id, "it was sent, and the permit says not_submitted"));
        }
        // What became of the permit is what the job says.
        let said = match (job.status.as_str(), job.error_code.as_deref()) {
            ("completed", _) => outcome == Some("submitted"),
            ("failed", Some("submission_unknown")) => outcome == Some("unknown"),
            // Its permit was given, and the answer never arrived: it sent nothing and does not know that it might have.
            ("failed", Some("permit_refused")) => outcome == Some("unknown") && count == 0,
            ("failed", _) => outcome == Some("not_submitted"),
            _ => outcome == Some("unknown"),
        };
        if permit.is_some() && !said {
            let (status, code) = (&job.status, job.error_code.as_deref().unwrap_or("no code"));
            broken.push(Broken::new(
                3,
                job.id,
                format!("it is {status} ({code}), and the permit says {outcome:?}"),
            ));
        }
    }
    for attempt in &facts.attempts {
        let Some(permit) = permits.get(&attempt.job_id).filter(|permit| permit.attempt_id != attempt.id)
        else {
            continue;
        };
        if attempt.started_at.is_some_and(|started| started > permit.granted_at + SLACK) {
            broken.push(Broken::new(
                3,
                attempt.job_id,
                format!("attempt {} worked after another one had the permit", attempt.no),
            ));
        }
    }
    broken
}

/// 4: a job that failed before anybody had the permit was tried as often as it may be.
fn tried_until_over(facts: &Facts) -> Vec<Broken> {
    let permitted: HashSet<Uuid> = facts.permits.iter().map(|permit| permit.job_id).collect();
    let attempts = by_job(facts);
    let failed = facts.jobs.iter().filter(|job| job.status == "failed" && !permitted.contains(&job.id));
    failed
        .filter_map(|job| {
            let classes: Vec<&str> = attempts
                .get(&job.id)
                .into_iter()
                .flatten()
                .filter_map(|attempt| attempt.end_class.as_deref())
                .collect();
            let count = |wanted: &[&str]| classes.iter().filter(|class| wanted.contains(class)).count();
            let tries = usize::try_from(job.max_retries).unwrap_or(0) + 1;
            let over = count(&["final"]) > 0
                || count(&["crash"]) >= 2
                || count(&["retryable", "crash", "deadline"]) >= tries
                || count(&["placement"]) >= 20;
            (!over).then(|| {
                Broken::new(4, job.id, format!("it failed ({:?}) after {classes:?}", job.error_code))
            })
        })
        .collect()
}

/// 5: every machine is gone, known, and went soon after its attempt.
fn no_machine_left(facts: &Facts) -> Vec<Broken> {
    let mut broken = Vec::new();
    if facts.alive > 0 {
        broken.push(Broken::new(5, None, format!("{} machines are still there", facts.alive)));
    }
    let attempts: HashMap<Uuid, &Attempt> =
        facts.attempts.iter().map(|attempt| (attempt.id, attempt)).collect();
    for machine in &facts.machines {
        let attempt = machine.attempt_id.and_then(|id| attempts.get(&id));
        let job = attempt.map(|attempt| attempt.job_id);
        if machine.closed_at.is_none() {
            broken.push(Broken::new(
                5,
                job,
                format!("{} was not seen gone ({:?})", machine.name, machine.outcome),
            ));
        }
        let ended = attempt.and_then(|attempt| attempt.ended_at);
        if let (Some(exited), Some(ended)) = (machine.exited_at, ended)
            && exited > ended + LINGER
        {
            broken.push(Broken::new(
                5,
                job,
                format!("{} outlived its attempt by {}", machine.name, exited - ended),
            ));
        }
    }
    broken
}

/// Attempts by job, in the order of their fences.
pub(super) fn by_job(facts: &Facts) -> BTreeMap<Uuid, Vec<&Attempt>> {
    let mut jobs: BTreeMap<Uuid, Vec<&Attempt>> = BTreeMap::new();
    for attempt in &facts.attempts {
        jobs.entry(attempt.job_id).or_default().push(attempt);
    }
    for attempts in jobs.values_mut() {
        attempts.sort_by_key(|attempt| attempt.fence);
    }
    jobs
}

#[cfg(test)]
mod tests;
