//! What holds a job that is over, that somebody has, or that waits for a person.

use chrono::{DateTime, Utc};
use domain::attempt::AttemptState;
use domain::job::JobStatus;
use serde_json::{Value, json};
use store::ops::why::{Facts, Job, Live};

use crate::commands::report::{short, span};

/// The one thing.
#[derive(Debug)]
pub struct Answer {
    /// Its name, for programs.
    pub reason: &'static str,
    /// One sentence.
    pub sentence: String,
    /// The numbers behind it.
    pub details: Value,
}

impl Answer {
    /// An answer.
    pub fn new(reason: &'static str, sentence: String, details: Value) -> Self {
        Self { reason, sentence, details }
    }
}

/// The answer for a job that is not in the queue; `None` for one that is.
pub fn held(facts: &Facts) -> Option<Answer> {
    let (job, now) = (&facts.job, facts.now);
    if job.status.is_terminal() {
        return Some(over(job, now));
    }
    if matches!(job.status, JobStatus::Paused | JobStatus::NeedsHuman | JobStatus::AwaitingReview) {
        return Some(waits_for_person(job, facts.live.as_ref(), now));
    }
    if let Some(live) = &facts.live {
        return Some(if live.state == AttemptState::Running {
            running(live, now)
        } else {
            launching(live, now)
        });
    }
    match &job.worker_id {
        Some(worker) => Some(foreign(job, worker, now)),
        None if job.status == JobStatus::Running => Some(Answer::new(
            "stranded",
            "Its status is `running`, but no attempt has it: set its status to `pending` to let it start again.".into(),
            json!({ "last_heartbeat": job.last_heartbeat }),
        )),
        None => None,
    }
}

fn over(job: &Job, now: DateTime<Utc>) -> Answer {
    let ago =
        job.completed_at.map(|at| format!(" {} ago", span((now - at).num_seconds()))).unwrap_or_default();
    let message = message(job);
    let code = job.error_code.as_deref().map(|code| format!(" with `{code}`")).unwrap_or_default();
    let words = message.as_deref().map(|words| format!(": {}", short(words, 300))).unwrap_or_default();
    let sentence = match job.status {
        JobStatus::Completed => format!("It is done: completed{ago}{words}"),
        JobStatus::Failed => format!("It failed{ago}{code} and is not tried again by itself{words}"),
        JobStatus::Cancelled => format!("It was cancelled{ago}{words}"),
        _ => format!("It expired{ago}{words}"),
    };
    let details =
        json!({ "completed_at": job.completed_at, "error_code": job.error_code, "message": message });
    Answer::new("terminal", full_stop(sentence), details)
}

/// What its row says of how it ended, or of why it is tried again.
pub(super) fn message(job: &Job) -> Option<String> {
    let error = job.error_details.as_ref().and_then(|details| details["message"].as_str());
    let summary = if job.status == JobStatus::Completed { job.result_summary.as_deref() } else { error };
    summary.or(job.status_message.as_deref()).map(ToOwned::to_owned)
}

fn waits_for_person(job: &Job, live: Option<&Live>, now: DateTime<Utc>) -> Answer {
    let since =
        job.paused_at.map(|at| format!(" for {}", span((now - at).num_seconds()))).unwrap_or_default();
    let kind = job.interaction_type.as_deref().or(job.error_code.as_deref());
    // Only these: answers of the old system lie in the same column.
    let asked = job.interaction_data.as_ref().and_then(|data| {
        ["question", "message", "details", "description"].iter().find_map(|key| data[*key].as_str())
    });
    let error = job.error_details.as_ref().and_then(|details| details["message"].as_str());
    let question = asked.or(error).or(job.status_message.as_deref());
    let kind_said = kind.map(|kind| format!(" ({kind})")).unwrap_or_default();
    let words = question.map(|words| format!(": {}", short(words, 300))).unwrap_or_default();
    let machine = if live.is_some() { ", and a machine waits with it" } else { "" };
    Answer::new(
        "needs_human",
        full_stop(format!("It has waited for a person{since}{kind_said}{machine}{words}")),
        json!({ "paused_at": job.paused_at, "interaction_type": kind, "question": question, "machine": live.and_then(|live| live.machine.clone()) }),
    )
}

fn launching(live: &Live, now: DateTime<Utc>) -> Answer {
    let machine = live.machine.as_deref().unwrap_or("that has no row");
    let waited = (now - live.claimed_at).num_seconds().max(0);
    let limit = (live.boot_deadline - live.claimed_at).num_seconds();
    let at = match (&live.fly_id, live.seen.as_deref(), live.outcome.as_deref()) {
        (Some(id), Some(seen), _) => format!("{id}, {seen}"),
        (Some(id), None, _) => format!("{id}, not seen yet"),
        (None, _, Some(outcome)) => {
            format!(
                "not made yet: {outcome} after {} calls, regions left: {}",
                live.posts.unwrap_or(0),
                live.regions.as_deref().unwrap_or("none")
            )
        }
        (None, ..) => "asked for, not answered yet".to_owned(),
    };
    let late = if waited > limit { "; the dispatcher gives it up at its next look" } else { "" };
    Answer::new(
        "launching",
        format!("Its machine {machine} ({at}) is starting: {waited} s of the {limit} s it may take{late}."),
        json!({ "attempt": live.no, "attempt_id": live.id, "machine": live.machine, "fly_id": live.fly_id, "seen": live.seen,
            "region": live.region, "outcome": live.outcome, "posts": live.posts, "waited_seconds": waited, "boot_seconds": limit }),
    )
}

fn running(live: &Live, now: DateTime<Utc>) -> Answer {
    let seconds = |at: Option<DateTime<Utc>>| at.map(|at| (now - at).num_seconds());
    let (since, beat) = (seconds(live.started_at), seconds(live.beat_at.or(live.started_at)));
    let left = live.hard_deadline.map(|at| (at - now).num_seconds());
    let machine = live.fly_id.as_deref().or(live.machine.as_deref()).unwrap_or("a machine without a row");
    let deadline = match left {
        Some(left) if left < 0 => format!("its deadline passed {} ago", span(-left)),
        Some(left) => format!("{} left", span(left)),
        None => "no deadline".into(),
    };
    let host = match live.host_status.as_deref() {
        None | Some("ok") => String::new(),
        Some(status) => format!(", its host is {status}"),
    };
    Answer::new(
        "running",
        format!(
            "It runs: attempt {} on {machine} for {}, last heartbeat {} ago, {deadline}{host}.",
            live.no,
            span(since.unwrap_or(0)),
            span(beat.unwrap_or(0)),
        ),
        json!({ "attempt": live.no, "attempt_id": live.id, "machine": live.machine, "fly_id": live.fly_id, "seen": live.seen, "region": live.region,
            "started_at": live.started_at, "running_seconds": since, "heartbeat_seconds": beat, "deadline": live.hard_deadline, "remaining_seconds": left }),
    )
}

fn foreign(job: &Job, worker: &str, now: DateTime<Utc>) -> Answer {
    let heard = job.last_heartbeat.map_or_else(
        || "never gave a sign of life".to_owned(),
        |at| format!("gave its last sign of life {} ago", span((now - at).num_seconds())),
    );
    Answer::new(
        "foreign_worker",
        format!(
            "`{worker}` holds it, which is no attempt of ours, and {heard}: set worker_id to null and status to `pending` to take it back."
        ),
        json!({ "worker_id": worker, "last_heartbeat": job.last_heartbeat }),
    )
}

/// A sentence ends with one full stop.
pub(super) fn full_stop(sentence: String) -> String {
    if sentence.ends_with(['.', '?', '!', '…']) { sentence } else { sentence + "." }
}
