//! The time a machine has to be paid for.

use crate::{event::Event, machine::Machine};
use chrono::{DateTime, Utc};

/// The last run of a machine, as its events tell it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interval {
    /// When it became `started`.
    pub started_at: DateTime<Utc>,
    /// When its main process ended; absent while it runs.
    pub exited_at: Option<DateTime<Utc>>,
    /// Its exit code; absent while it runs, and when it went without an exit event.
    pub exit_code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// Whether the guest ran out of memory.
    pub oom_killed: bool,
    /// Whether it was asked to stop.
    pub requested_stop: bool,
}

impl Machine {
    /// Its last run: from the newest start (or launch) to the newest exit after it. `None` if it never ran.
    ///
    /// A machine that was destroyed without an exit event ended when it was destroyed.
    pub fn interval(&self) -> Option<Interval> {
        let newest_start =
            self.events.iter().position(|event| matches!(event.kind.as_str(), "start" | "launch"))?;
        let since = &self.events[..newest_start];
        let exit = since.iter().find_map(Event::exit);
        let destroyed = since.iter().find(|event| event.kind == "destroy" && event.status == "destroyed");
        let start = &self.events[newest_start];
        // Booting is not running: `launch created` and `start starting` count only when an exit proves that it ran.
        if start.status != "started" && exit.is_none() {
            return None;
        }
        let started_at = start.at();
        let exited_at = exit.as_ref().map(|exit| exit.at).or_else(|| destroyed.map(Event::at));
        Some(Interval {
            started_at,
            // Two clocks wrote these, so the end is never let before the start.
            exited_at: exited_at.map(|at| at.max(started_at)),
            exit_code: exit.as_ref().map(|exit| exit.code),
            signal: exit.as_ref().and_then(|exit| exit.signal),
            oom_killed: exit.as_ref().is_some_and(|exit| exit.oom_killed),
            requested_stop: exit.as_ref().is_some_and(|exit| exit.requested_stop),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn machine(events: &Value) -> Machine {
        serde_json::from_value(json!({"id": "m", "events": events})).unwrap()
    }

    fn event(kind: &str, status: &str, timestamp: i64) -> Value {
        json!({"type": kind, "status": status, "timestamp": timestamp, "request": null})
    }

    fn exit(code: i32, timestamp: i64) -> Value {
        let request = json!({"exit_event": {"exit_code": code, "exited_at": timestamp}});
        json!({"type": "exit", "status": "stopped", "timestamp": timestamp + 50, "request": request})
    }

    fn span(events: &Value) -> Option<(i64, Option<i64>, Option<i32>)> {
        let interval = machine(events).interval()?;
        let ms = |at: DateTime<Utc>| at.timestamp_millis();
        Some((ms(interval.started_at), interval.exited_at.map(ms), interval.exit_code))
    }

    #[test]
    fn a_run_goes_from_started_to_the_exit_after_it() {
        let events = json!([
            event("destroy", "destroyed", 90),
            exit(3, 80),
            event("start", "started", 20),
            event("launch", "created", 10)
        ]);
        assert_eq!(span(&events), Some((20, Some(80), Some(3))));
    }

    #[test]
    fn an_exit_of_an_earlier_run_does_not_end_this_one() {
        let events = json!([event("start", "started", 60), exit(1, 40), event("start", "started", 20)]);
        assert_eq!(span(&events), Some((60, None, None)));
    }

    #[test]
    fn a_machine_that_never_started_owes_nothing() {
        assert_eq!(span(&json!([event("destroy", "destroyed", 90), event("launch", "created", 10)])), None);
        assert_eq!(span(&json!([event("start", "starting", 20), event("launch", "created", 10)])), None);
        assert_eq!(span(&json!([])), None);
    }

    #[test]
    fn an_exit_with_no_start_event_is_counted_from_the_launch() {
        assert_eq!(
            span(&json!([exit(0, 80), event("launch", "created", 10)])),
            Some((10, Some(80), Some(0)))
        );
    }

    #[test]
    fn a_machine_destroyed_without_an_exit_ended_then() {
        let events = json!([
            event("destroy", "destroyed", 90),
            event("start", "started", 20),
            event("launch", "created", 10)
        ]);
        assert_eq!(span(&events), Some((20, Some(90), None)));
    }

    #[test]
    fn an_end_before_the_start_is_the_start() {
        assert_eq!(span(&json!([exit(0, 15), event("start", "started", 20)])), Some((20, Some(20), Some(0))));
    }
}
