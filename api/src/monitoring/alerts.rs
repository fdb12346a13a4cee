//! What someone should look at now: the problems of the fleet, and what the last hour shows (doc 14 section 9.2).

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use store::ops::problems::{self, Problem};
use store::pulse::{self, LastHour};
use utoipa::ToSchema;

use crate::app::App;
use crate::build::wall_clock;

/// Something to look at.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Alert {
    /// The same for as long as it lasts.
    pub id: &'static str,
    name: &'static str,
    /// `critical`, `warning` or `info`.
    pub severity: &'static str,
    /// What happened and what to do.
    pub message: String,
    triggered_at: DateTime<Utc>,
    metadata: Value,
}

impl Alert {
    fn of(problem: &Problem, now: DateTime<Utc>) -> Self {
        Self {
            id: problem.id,
            name: problem.id,
            severity: problem.severity.as_str(),
            message: problem.text(),
            triggered_at: problem.since.unwrap_or(now),
            metadata: json!({ "count": problem.count, "detail": problem.detail }),
        }
    }

    /// What only operators see of it.
    pub fn detail(&self) -> Option<&str> {
        self.metadata["detail"].as_str()
    }
}

/// The alerts there are now, the fleet's first.
///
/// # Errors
/// When the database cannot be reached: an empty list would say that all is well.
pub async fn alerts(app: &App) -> store::Result<Vec<Alert>> {
    let (problems, hour) = tokio::try_join!(problems::list(&app.db), pulse::last_hour(&app.db))?;
    let now = wall_clock();
    let of_the_fleet = problems.iter().map(|problem| Alert::of(problem, now));
    Ok(of_the_fleet.chain(of_the_hour(&hour, now)).collect())
}

/// The alerts that these numbers raise.
fn of_the_hour(hour: &LastHour, now: DateTime<Utc>) -> Vec<Alert> {
    let mut found = Vec::new();
    let mut raise = |id, severity, message, metadata| {
        found.push(Alert { id, name: id, severity, message, triggered_at: now, metadata });
    };
    if hour.stuck > 0 {
        let severity = if hour.stuck > 3 { "critical" } else { "warning" };
        let message = format!("{} running job(s) without a heartbeat for five minutes", hour.stuck);
        raise("stuck_jobs_db", severity, message, json!({ "count": hour.stuck }));
    }
    let ended = hour.completed + hour.failed;
    if ended >= 10 && hour.completed * 10 < ended * 7 {
        let message =
            format!("{} of {ended} jobs of the last hour completed; at least 70 % should", hour.completed);
        raise(
            "low_completion_rate",
            "warning",
            message,
            json!({ "completed": hour.completed, "ended": ended }),
        );
    }
    if let (Some(code), true) = (&hour.top_error, ended >= 10 && hour.top_error_count * 10 > ended * 3) {
        let message = format!("{} of {ended} jobs of the last hour ended with {code}", hour.top_error_count);
        raise(
            "frequent_error",
            "warning",
            message,
            json!({ "error_code": code, "count": hour.top_error_count }),
        );
    }
    if let Some(p95) = hour.p95_seconds.filter(|p95| *p95 > 300.0) {
        let message = format!("95 of 100 jobs of the last hour took up to {p95:.0} s; 300 s is the limit");
        raise("slow_jobs", "warning", message, json!({ "p95_seconds": p95 }));
    }
    if hour.costly > 0 {
        let message = format!("{} job(s) of the last hour spent more than 50 cents on models", hour.costly);
        raise("costly_jobs", "warning", message, json!({ "count": hour.costly }));
    }
    let cents = hour.llm_cost.0 / 10_000;
    if cents > 1000 {
        let severity = if cents > 2000 { "critical" } else { "warning" };
        raise(
            "high_cost",
            severity,
            format!("Models cost {cents} cents in the last hour"),
            json!({ "cents": cents }),
        );
    }
    let has_waited = hour.waiting_since.is_some_and(|since| now - since > TimeDelta::minutes(5));
    if hour.waiting > 20 && has_waited {
        let message = format!("{} jobs wait, the oldest for more than five minutes", hour.waiting);
        raise("queue_depth", "warning", message, json!({ "waiting": hour.waiting }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::money::MicroUsd;

    fn ids(hour: &LastHour) -> Vec<&'static str> {
        of_the_hour(hour, DateTime::UNIX_EPOCH + TimeDelta::hours(1)).iter().map(|alert| alert.id).collect()
    }

    #[test]
    fn each_threshold_raises_its_alert_and_nothing_below_it_does() {
        let calm = LastHour::default();
        assert_eq!(ids(&calm), Vec::<&str>::new());
        let waiting = LastHour { waiting: 21, waiting_since: Some(DateTime::UNIX_EPOCH), ..calm.clone() };
        let cases: [(LastHour, &[&str]); 9] = [
            (waiting.clone(), &["queue_depth"]),
            (LastHour { waiting: 20, ..waiting }, &[]),
            (LastHour { llm_cost: MicroUsd(10_010_000), ..calm.clone() }, &["high_cost"]),
            (LastHour { stuck: 1, ..calm.clone() }, &["stuck_jobs_db"]),
            (LastHour { completed: 6, failed: 4, ..calm.clone() }, &["low_completion_rate"]),
            (LastHour { completed: 7, failed: 3, ..calm.clone() }, &[]),
            (LastHour { p95_seconds: Some(301.0), ..calm.clone() }, &["slow_jobs"]),
            (LastHour { costly: 1, ..calm.clone() }, &["costly_jobs"]),
            (
                LastHour {
                    completed: 16,
                    failed: 7,
                    top_error: Some("timeout".into()),
                    top_error_count: 7,
                    ..calm.clone()
                },
                &["low_completion_rate", "frequent_error"],
            ),
        ];
        for (hour, expected) in cases {
            assert_eq!(ids(&hour), expected, "{hour:?}");
        }
    }
}
