//! What a dispatcher tells of a job's way, where a collector is told (`boot::trace`): that it was asked for and claimed, that its
//! machine was made, and that its callbacks were delivered.

use boot::trace::{Place, Span, is_on};
use domain::id::AttemptId;
use store::machines::Intent;
use store::outbox::Delivery;
use store::traces::Origin;
use store::{Db, Result};

/// Tells that the job of an attempt was claimed just now, and of a first attempt also how long its job was in line.
pub async fn claimed(db: &Db, attempt: AttemptId) {
    let Some((origin, begin)) = origin(db, attempt).await else { return };
    if origin.no == 1 {
        let mut span = Span::begin("enqueue", begin).about(origin.job_id.0).since(origin.created_at.into());
        span.set("gh.job_id", origin.job_id.to_string());
        span.set("gh.tier", origin.tier.clone());
        span.end_at(origin.claimed_at.into());
    }
    let place = begin.below(origin.job_id.0);
    let mut span = Span::begin("claim", place).about(attempt.0).since(origin.claimed_at.into());
    span.set("gh.job_id", origin.job_id.to_string());
    span.set("gh.attempt_id", attempt.to_string());
    span.set("gh.attempt", i64::from(origin.no));
    span.set("gh.tier", origin.tier);
    span.end();
}

/// The call that makes an attempt's machine, begun now, and where its runner's part belongs; `None` where nobody is told, and for
/// the pool's machines, which have no job yet.
pub async fn create(db: &Db, intent: &Intent) -> Option<(Span, Place)> {
    let attempt = intent.attempt?;
    let (origin, begin) = origin(db, attempt).await?;
    let above = begin.below(origin.job_id.0).below(attempt.0);
    let mut span = Span::begin("create", above).call();
    span.set("gh.attempt_id", attempt.to_string());
    span.set("gh.tier", intent.tier.clone());
    span.set("gh.posts", i64::from(intent.posts) + 1);
    Some((span, above))
}

/// What came of that call: Fly's id of the machine, if it made one.
pub fn created(mut span: Span, region: &str, machine: Option<&str>) {
    span.set("gh.region", region.to_owned());
    match machine {
        Some(id) => span.set("gh.machine_id", id.to_owned()),
        None => span.fail("no machine was made"),
    }
    span.end();
}

/// One delivery of a job's callback, begun now; `None` where nobody is told.
pub async fn callback(db: &Db, delivery: &Delivery) -> Option<Span> {
    if !is_on() {
        return None;
    }
    let job = delivery.job_id;
    let traceparent = read(store::traces::of_job(db, job).await)?;
    let above = Place::of_job(job.0, traceparent.as_deref()).below(job.0);
    let mut span = Span::begin("callback", above).call();
    span.set("gh.job_id", job.to_string());
    span.set("gh.event", delivery.event.clone());
    span.set("gh.tries", i64::from(delivery.tries));
    Some(span)
}

/// Whether it arrived.
pub fn called(mut span: Span, delivered: bool) {
    if !delivered {
        span.fail("not delivered");
    }
    span.end();
}

async fn origin(db: &Db, attempt: AttemptId) -> Option<(Origin, Place)> {
    if !is_on() {
        return None;
    }
    let origin = read(store::traces::of_attempt(db, attempt).await)??;
    let place = Place::of_job(origin.job_id.0, origin.traceparent.as_deref());
    Some((origin, place))
}

/// A trace is no reason to hold anything up.
fn read<T>(answer: Result<T>) -> Option<T> {
    answer.inspect_err(|error| tracing::debug!(error = %boot::chain(error), "a span is not told")).ok()
}
