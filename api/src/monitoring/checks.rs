//! Can jobs be done? Aggregates only: the page is open to everyone.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use serde::Serialize;
use store::ops::problems::{self, Problem, Severity};
use store::pulse;
use utoipa::ToSchema;

use crate::app::App;
use crate::build::{VERSION, wall_clock};

/// A check that takes longer has failed.
const PATIENCE: Duration = Duration::from_secs(5);
/// A database slower than this is degraded.
const SLOW: Duration = Duration::from_secs(2);

/// How well something does; the worst of all checks is the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// As it should.
    Healthy,
    /// It works, but someone should look.
    Degraded,
    /// It does not work.
    Unhealthy,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Check {
    name: &'static str,
    status: Condition,
    message: String,
    latency_ms: u64,
}

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MonitoringHealth)]
pub struct Health {
    /// The worst of the checks.
    pub status: Condition,
    version: &'static str,
    /// In milliseconds.
    uptime: u64,
    checks: Vec<Check>,
    timestamp: DateTime<Utc>,
}

/// Looks at everything a job needs.
pub async fn health(app: &App) -> Health {
    let checks = checks(app).await;
    let status = checks.iter().map(|check| check.status).max().unwrap_or(Condition::Healthy);
    Health { status, version: VERSION, uptime: app.build.uptime_ms(), checks, timestamp: wall_clock() }
}

async fn checks(app: &App) -> Vec<Check> {
    let start = Instant::now();
    let found = tokio::time::timeout(PATIENCE, pulse::read(&app.db)).await;
    let took = start.elapsed();
    let latency_ms = milliseconds(took);
    let check = |name, status, message: String| Check { name, status, message, latency_ms };
    let Ok(Ok(pulse)) = found else {
        return vec![check("database", Condition::Unhealthy, "Database does not answer".into())];
    };
    let database = if took > SLOW {
        check("database", Condition::Degraded, "Database is slow".into())
    } else {
        check("database", Condition::Healthy, "Database answers".into())
    };
    let heartbeat = if pulse.stale > 0 {
        check(
            "worker_heartbeat",
            Condition::Degraded,
            format!("{} running job(s) without a sign of life", pulse.stale),
        )
    } else {
        check("worker_heartbeat", Condition::Healthy, format!("{} running job(s), all alive", pulse.running))
    };
    let (failed, ended) = (pulse.without_model, pulse.ended);
    let models = if failed * 2 > ended {
        check(
            "llm_provider",
            Condition::Degraded,
            format!("Of {ended} job(s) that ended in the last hour, {failed} got no answer of a model"),
        )
    } else {
        check("llm_provider", Condition::Healthy, "Models answer, or were not asked in the last hour".into())
    };
    let start = Instant::now();
    let state = match &app.storage {
        Some(storage) => storage.state().await,
        None => Ok(()),
    };
    let latency_ms = milliseconds(start.elapsed());
    let storage = match (state, &app.storage) {
        (Err(why), _) => (Condition::Degraded, why),
        (Ok(()), Some(_)) => (Condition::Healthy, "The bucket of the screenshots is there".into()),
        (Ok(()), None) => {
            (Condition::Healthy, "Not watched: SUPABASE_URL with SUPABASE_SERVICE_KEY is not set".into())
        }
    };
    let storage = Check { name: "storage", status: storage.0, message: storage.1, latency_ms };
    let mut checks = vec![database, heartbeat, models, storage];
    checks.extend(fleet(app).await);
    checks
}

/// What keeps jobs from being done: the whole in one check, every problem in one of its own.
async fn fleet(app: &App) -> Vec<Check> {
    let start = Instant::now();
    let found = tokio::time::timeout(PATIENCE, problems::list(&app.db)).await;
    let latency_ms = milliseconds(start.elapsed());
    let check = |name, status, message: String| Check { name, status, message, latency_ms };
    let Ok(Ok(found)) = found else {
        let unread = "What keeps jobs from being done cannot be read: nothing is known of it";
        return vec![check("fleet", Condition::Degraded, unread.into())];
    };
    let mut checks = vec![tiers(&found, latency_ms)];
    if found.iter().all(|problem| problem.severity == Severity::Info) {
        checks.push(check("fleet", Condition::Healthy, "Nothing keeps jobs from being done".into()));
    }
    for problem in found.iter().filter(|problem| problem.id != TIERS_REFUSED) {
        checks.push(check(problem.id, condition(problem.severity), problem.text()));
    }
    checks
}

/// Never worse than degraded: this service works. A 503 would reach VALET as a 502 without the checks, and would keep the cure of an
/// open breaker from being deployed. How bad a problem is, its alert says.
const fn condition(severity: Severity) -> Condition {
    match severity {
        Severity::Info => Condition::Healthy,
        Severity::Warning | Severity::Critical => Condition::Degraded,
    }
}

/// The problem that has a check of its own, also when it is none.
const TIERS_REFUSED: &str = "tiers_refused";

/// Whether the last edit of the tiers file was refused, and why.
fn tiers(found: &[Problem], latency_ms: u64) -> Check {
    let refused = found.iter().find(|problem| problem.id == TIERS_REFUSED);
    let (status, message) = match refused {
        None => (Condition::Healthy, "The last edit of the tiers file was taken, or there was none".into()),
        Some(problem) => {
            let why = without_quotes(problem.detail.as_deref().unwrap_or_default());
            (condition(problem.severity), format!("{} {why}", problem.text()))
        }
    };
    Check { name: "tiers", status, message, latency_ms }
}

/// An error of TOML in one line. The lines of the file it quotes (`2 | image = …`) are left out: they may hold addresses.
fn without_quotes(error: &str) -> String {
    let kept: Vec<_> = error.lines().filter(|line| !is_quote(line)).collect();
    kept.join(": ")
}

fn is_quote(line: &str) -> bool {
    line.trim_start_matches(|letter: char| letter == ' ' || letter.is_ascii_digit()).starts_with('|')
}

fn milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
