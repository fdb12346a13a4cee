//! Numbers of the fleet for Prometheus, beside those of the contract: read from rows, and how long this service takes to answer.

use std::fmt::Write;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use store::board::{self, Sample};
use tokio::sync::Mutex;

/// For how long what was read is shown again: the page is open to everyone.
const FRESH: Duration = Duration::from_secs(10);

/// The bounds of the histogram of answers, in milliseconds.
const BOUNDS: [u64; 10] = [5, 10, 25, 50, 100, 250, 500, 1000, 2000, 5000];

/// Name, kind and meaning of each family, in the order of their names.
const FAMILIES: [(&str, &str, &str); 27] = [
    ("gh_attempts_live", "gauge", "Attempts that have a machine or are about to"),
    ("gh_breaker_open", "gauge", "Whether no machine can be started, by cause"),
    ("gh_budget_used_ratio", "gauge", "Spent and reserved over the limit, of the fullest budget of a scope"),
    ("gh_callbacks_parked", "gauge", "Callbacks that were given up"),
    ("gh_callbacks_pending", "gauge", "Callbacks that are still to be delivered"),
    ("gh_capacity", "gauge", "Jobs of a tier that may have a machine at once"),
    ("gh_cost_lines_unpriced", "gauge", "Lines of the ledger without a price"),
    ("gh_cost_usd_today", "gauge", "What was spent since midnight, UTC, in dollars"),
    ("gh_cost_usd_total", "counter", "What was spent, in dollars"),
    ("gh_cost_usd_usual_day", "gauge", "The median of the last seven days, in dollars"),
    (
        "gh_fenced_writes_total",
        "counter",
        "Calls of runners that were refused: the attempt was over, or not theirs",
    ),
    ("gh_heartbeat_age_seconds", "gauge", "The oldest last heartbeat of a running job"),
    ("gh_job_llm_cost_cents_max", "gauge", "What the dearest job of the last hour spent on models"),
    ("gh_job_queue_seconds", "gauge", "From due to claimed, of jobs that started in the last hour"),
    ("gh_job_run_seconds", "gauge", "From start to end, of jobs that ended in the last hour"),
    (
        "gh_job_start_seconds",
        "gauge",
        "From due to the runner's first call, of jobs that started in the last hour",
    ),
    ("gh_jobs", "gauge", "Jobs that are not over"),
    ("gh_jobs_ended_last_hour", "gauge", "Jobs that ended in the last hour"),
    (
        "gh_jobs_failed_last_hour",
        "gauge",
        "Jobs that failed in the last hour, by the twenty most frequent codes",
    ),
    ("gh_jobs_finished_total", "counter", "Attempts that ended, by how"),
    ("gh_leader", "gauge", "Whether a dispatcher leads"),
    ("gh_machine_after_job_seconds", "gauge", "For how long a machine has outlived its job, or any use"),
    ("gh_machines", "gauge", "Machines that are looked after, by Fly's word for their state"),
    ("gh_oldest_pending_seconds", "gauge", "For how long the oldest due job of a tier waits"),
    ("gh_pool_ready", "gauge", "Machines that are kept ready"),
    ("gh_table_dead_tuples", "gauge", "Dead rows of a table"),
    ("gh_tier_paused", "gauge", "Whether nothing new of a tier starts"),
];

/// What was read last, and how long answers took.
#[derive(Debug, Default)]
pub struct FleetMetrics {
    kept: Mutex<Option<(Instant, Vec<Sample>)>>,
    buckets: [AtomicU64; BOUNDS.len()],
    count: AtomicU64,
    micros: AtomicU64,
}

impl FleetMetrics {
    /// Counts one answer.
    pub fn answered(&self, took: Duration) {
        let micros = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            if micros <= bound * 1000 {
                bucket.fetch_add(1, Ordering::Relaxed);
            }
        }
        self.count.fetch_add(1, Ordering::Relaxed);
        self.micros.fetch_add(micros, Ordering::Relaxed);
    }

    /// The numbers as Prometheus reads them; those of rows are left out while the database does not give them.
    pub async fn exposition(&self, db: &store::Db) -> String {
        let mut text = String::new();
        let samples = self.samples(db).await;
        for (name, kind, meaning) in FAMILIES {
            let mut found = samples.iter().filter(|sample| sample.name == name).peekable();
            if found.peek().is_none() {
                continue;
            }
            let _ = writeln!(text, "# HELP {name} {meaning}.\n# TYPE {name} {kind}");
            for sample in found {
                let labels =
                    if sample.labels.is_empty() { String::new() } else { format!("{{{}}}", sample.labels) };
                let _ = writeln!(text, "{name}{labels} {}", sample.value);
            }
        }
        self.answers(&mut text);
        text
    }

    fn answers(&self, text: &mut String) {
        let name = "gh_api_response_seconds";
        let _ = writeln!(text, "# HELP {name} How long answers take.\n# TYPE {name} histogram");
        let count = self.count.load(Ordering::Relaxed);
        for (bucket, bound) in self.buckets.iter().zip(BOUNDS) {
            let seconds = Duration::from_millis(bound).as_secs_f64();
            let _ = writeln!(
                text,
                "{name}_bucket{{le=\"{seconds}\"}} {}",
                bucket.load(Ordering::Relaxed).min(count)
            );
        }
        let sum = Duration::from_micros(self.micros.load(Ordering::Relaxed)).as_secs_f64();
        let _ =
            writeln!(text, "{name}_bucket{{le=\"+Inf\"}} {count}\n{name}_sum {sum}\n{name}_count {count}");
    }

    async fn samples(&self, db: &store::Db) -> Vec<Sample> {
        let mut kept = self.kept.lock().await;
        if let Some((at, samples)) = &*kept
            && at.elapsed() < FRESH
        {
            return samples.clone();
        }
        let samples = board::fleet(db).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the fleet cannot be counted");
            Vec::new()
        });
        *kept = Some((Instant::now(), samples.clone()));
        samples
    }
}
