//! What this process counts, as Prometheus reads it on `GET /metrics`.
//!
//! Only what no row says: jobs, machines, capacity, money and leases are the api's to show, from the database.
//! Labels are words of ours, never ids.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The upper bounds of a look's time, in milliseconds: one takes 2 ms, and 10 s is the database's time limit.
const BOUNDS_MS: [u64; 9] = [1, 2, 5, 10, 25, 100, 500, 2_000, 10_000];

/// The counts of one dispatcher; clones count together.
#[derive(Clone, Debug, Default)]
pub struct Metrics(Arc<Mutex<Counts>>);

#[derive(Debug, Default)]
struct Counts {
    looks: BTreeMap<&'static str, u64>,
    look_buckets: [u64; BOUNDS_MS.len()],
    look_time: Duration,
    last_look_unix: u64,
    claimed: BTreeMap<String, u64>,
    creates: BTreeMap<&'static str, u64>,
    actions: BTreeMap<(&'static str, &'static str), u64>,
    closed: BTreeMap<&'static str, u64>,
    under_way: usize,
    machines: usize,
    leads: bool,
    listens: bool,
    tiers_hash: String,
}

impl Metrics {
    /// A look took so long, and ended well or not; `now_unix` is the time in seconds since 1970.
    pub fn looked(&self, took: Duration, ok: bool, now_unix: u64) {
        let mut counts = self.counts();
        *counts.looks.entry(if ok { "ok" } else { "failed" }).or_default() += 1;
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        for (bucket, bound) in counts.look_buckets.iter_mut().zip(BOUNDS_MS) {
            *bucket += u64::from(ms < bound);
        }
        counts.look_time += took;
        if ok {
            counts.last_look_unix = now_unix;
        }
    }

    /// A job of a tier was taken.
    pub fn claimed(&self, tier: &str) {
        *self.counts().claimed.entry(tier.to_owned()).or_default() += 1;
    }

    /// A create call had this outcome.
    pub fn create(&self, outcome: &'static str) {
        *self.counts().creates.entry(outcome).or_default() += 1;
    }

    /// An action was carried out, or not.
    pub fn acted(&self, action: &'static str, ok: bool) {
        *self.counts().actions.entry((action, if ok { "ok" } else { "failed" })).or_default() += 1;
    }

    /// An attempt was ended from outside.
    pub fn closed(&self, class: &'static str) {
        *self.counts().closed.entry(class).or_default() += 1;
    }

    /// How many machines are looked after, and how many actions are under way.
    pub fn holds(&self, machines: usize, under_way: usize) {
        let mut counts = self.counts();
        (counts.machines, counts.under_way) = (machines, under_way);
    }

    /// Whether this dispatcher leads.
    pub fn leads(&self, leads: bool) {
        self.counts().leads = leads;
    }

    /// Whether notices are heard.
    pub fn listens(&self, listens: bool) {
        self.counts().listens = listens;
    }

    /// The sha256 of the tiers file in force.
    pub fn tiers(&self, hash: &str) {
        hash.clone_into(&mut self.counts().tiers_hash);
    }

    /// All of it in Prometheus' text format.
    pub fn text(&self) -> String {
        let counts = self.counts();
        let mut text = String::new();
        head(&mut text, "gh_dispatcher_looks_total", "counter", "Looks at the database, by how they ended");
        for (result, count) in &counts.looks {
            let _ = writeln!(text, "gh_dispatcher_looks_total{{result=\"{result}\"}} {count}");
        }
        head(&mut text, "gh_dispatcher_look_seconds", "histogram", "How long a look and its plan take");
        let all: u64 = counts.looks.values().sum();
        for (bucket, bound) in counts.look_buckets.iter().zip(BOUNDS_MS) {
            let seconds = Duration::from_millis(bound).as_secs_f64();
            let _ = writeln!(text, "gh_dispatcher_look_seconds_bucket{{le=\"{seconds}\"}} {bucket}");
        }
        let _ = writeln!(text, "gh_dispatcher_look_seconds_bucket{{le=\"+Inf\"}} {all}");
        let _ = writeln!(text, "gh_dispatcher_look_seconds_sum {}", counts.look_time.as_secs_f64());
        let _ = writeln!(text, "gh_dispatcher_look_seconds_count {all}");
        let name = "gh_loop_last_success_timestamp_seconds";
        head(&mut text, name, "gauge", "When a look last succeeded, in seconds since 1970");
        let _ = writeln!(text, "{name}{{loop=\"dispatch\"}} {}", counts.last_look_unix);
        head(&mut text, "gh_dispatcher_claimed_total", "counter", "Jobs taken, by tier");
        for (tier, count) in &counts.claimed {
            let _ = writeln!(text, "gh_dispatcher_claimed_total{{tier=\"{tier}\"}} {count}");
        }
        head(&mut text, "gh_fly_create_outcome_total", "counter", "Create calls, by what became of them");
        for (outcome, count) in &counts.creates {
            let _ = writeln!(text, "gh_fly_create_outcome_total{{outcome=\"{outcome}\"}} {count}");
        }
        head(
            &mut text,
            "gh_dispatcher_actions_total",
            "counter",
            "Actions of the plan, by whether they were done",
        );
        for ((action, result), count) in &counts.actions {
            let _ = writeln!(
                text,
                "gh_dispatcher_actions_total{{action=\"{action}\",result=\"{result}\"}} {count}"
            );
        }
        head(
            &mut text,
            "gh_dispatcher_attempts_ended_total",
            "counter",
            "Attempts ended from outside, by class",
        );
        for (class, count) in &counts.closed {
            let _ = writeln!(text, "gh_dispatcher_attempts_ended_total{{class=\"{class}\"}} {count}");
        }
        for (name, value, meaning) in [
            ("gh_dispatcher_machines", counts.machines, "Machines looked after in the last look"),
            ("gh_dispatcher_actions_under_way", counts.under_way, "Actions and calls under way"),
            ("gh_dispatcher_leads", usize::from(counts.leads), "Whether this dispatcher holds the lease"),
            ("gh_listen_ok", usize::from(counts.listens), "Whether notices of the database are heard"),
        ] {
            head(&mut text, name, "gauge", meaning);
            let _ = writeln!(text, "{name} {value}");
        }
        head(
            &mut text,
            "gh_dispatcher_info",
            "gauge",
            "What this dispatcher runs: its version and its tiers file",
        );
        let (version, hash) = (env!("CARGO_PKG_VERSION"), &counts.tiers_hash);
        let _ = writeln!(text, "gh_dispatcher_info{{version=\"{version}\",tiers_sha256=\"{hash}\"}} 1");
        text
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn head(text: &mut String, name: &str, kind: &str, meaning: &str) {
    let _ = writeln!(text, "# HELP {name} {meaning}.\n# TYPE {name} {kind}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_counted_is_told_and_buckets_add_up() {
        let metrics = Metrics::default();
        metrics.looked(Duration::from_millis(3), true, 1_800_000_000);
        metrics.looked(Duration::from_mins(1), false, 1_800_000_060);
        metrics.claimed("pro");
        metrics.create("made");
        metrics.tiers("abc");
        let text = metrics.text();
        for line in [
            "gh_dispatcher_looks_total{result=\"failed\"} 1",
            "gh_dispatcher_look_seconds_bucket{le=\"0.002\"} 0",
            "gh_dispatcher_look_seconds_bucket{le=\"0.005\"} 1",
            "gh_dispatcher_look_seconds_bucket{le=\"10\"} 1",
            "gh_dispatcher_look_seconds_bucket{le=\"+Inf\"} 2",
            "gh_loop_last_success_timestamp_seconds{loop=\"dispatch\"} 1800000000",
            "gh_dispatcher_claimed_total{tier=\"pro\"} 1",
            "gh_fly_create_outcome_total{outcome=\"made\"} 1",
            "gh_dispatcher_leads 0",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in\n{text}");
        }
        assert!(text.contains("tiers_sha256=\"abc\""));
    }
}
