//! 6: the last word of a job is heard at least once by whoever wants to be told, and no other one.

use std::collections::{HashMap, HashSet};

use uuid::Uuid;

use super::super::facts::Facts;
use super::Broken;

/// Compares what was heard with how the jobs ended; the recorder takes everything in the end, so nothing may be left or parked.
pub(super) fn final_word_is_heard(facts: &Facts) -> Vec<Broken> {
    let mut broken = Vec::new();
    let mut heard: HashMap<Uuid, HashSet<&str>> = HashMap::new();
    for told in &facts.told {
        heard.entry(told.job).or_default().insert(&told.status);
    }
    for job in facts.jobs.iter().filter(|job| job.has_callback) {
        let heard = heard.get(&job.id);
        let last = if job.status == "expired" { "failed" } else { job.status.as_str() };
        if heard.is_none_or(|heard| !heard.contains(last)) {
            broken.push(Broken::new(6, job.id, format!("it is {last}, and only {heard:?} was heard")));
        }
        for other in ["completed", "failed", "cancelled"] {
            if other != last && heard.is_some_and(|heard| heard.contains(other)) {
                broken.push(Broken::new(6, job.id, format!("it is {last}, and {other} was heard")));
            }
        }
    }
    for callback in facts.callbacks.iter().filter(|callback| callback.delivered_at.is_none()) {
        let what = format!("{} was not delivered: {:?}", callback.event, callback.last_error);
        broken.push(Broken::new(6, callback.job_id, what));
    }
    broken
}
