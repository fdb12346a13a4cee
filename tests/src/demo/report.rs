//! The result of the demo, for people and for programs.

use std::fmt::Write as _;

use serde::Serialize;
use serde_json::value::RawValue;

use super::jobs::Channel;

/// What became of everything.
#[derive(Serialize)]
pub(super) struct Report {
    pub(super) jobs: Vec<Line>,
    pub(super) machines_started: u64,
    pub(super) machines_left: usize,
    pub(super) processes_left: usize,
}

/// What became of one job. The costs are JSON numbers with every digit of the ledger.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) id: String,
    pub(super) channel: Channel,
    pub(super) status: String,
    pub(super) attempts: u64,
    pub(super) queue_ms: Option<i64>,
    pub(super) boot_ms: Option<i64>,
    pub(super) run_ms: Option<i64>,
    pub(super) machine_cost_usd: Box<RawValue>,
    pub(super) llm_cost_usd: Box<RawValue>,
    pub(super) screenshots: Vec<String>,
}

impl Report {
    /// Why this is not a success; empty when it is.
    pub(super) fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        for job in &self.jobs {
            let channel = job.channel.name();
            if job.status != "completed" {
                complaints.push(format!("the {channel} job is {}, not completed", job.status));
            }
            if job.attempts != 1 {
                complaints.push(format!("the {channel} job took {} attempts, not one", job.attempts));
            }
            if job.machine_cost_usd.get() == "0" {
                complaints.push(format!("the {channel} job has no machine cost in the ledger"));
            }
        }
        if self.machines_started != self.jobs.len() as u64 {
            complaints.push(format!(
                "{} machines started for {} jobs",
                self.machines_started,
                self.jobs.len()
            ));
        }
        if self.machines_left + self.processes_left > 0 {
            complaints.push(format!(
                "{} machines and {} processes were left",
                self.machines_left, self.processes_left
            ));
        }
        complaints
    }

    /// The result as text of fixed width.
    pub(super) fn table(&self) -> String {
        let mut text = String::from(
            "channel  status      attempts    queue      boot       run   machine USD       LLM USD\n\
             ───────  ──────────  ────────  ───────  ────────  ────────  ────────────  ────────────\n",
        );
        for job in &self.jobs {
            let _ = writeln!(
                text,
                "{:<7}  {:<10}  {:>8}  {:>7}  {:>8}  {:>8}  {:>12}  {:>12}",
                job.channel.name(),
                job.status,
                job.attempts,
                duration(job.queue_ms),
                duration(job.boot_ms),
                duration(job.run_ms),
                job.machine_cost_usd.get(),
                job.llm_cost_usd.get(),
            );
        }
        for job in &self.jobs {
            let _ = writeln!(text, "\n{} job {}", job.channel.name(), job.id);
            for path in &job.screenshots {
                let _ = writeln!(text, "  {path}");
            }
        }
        let _ = writeln!(
            text,
            "\nmachines started {}, left {}; processes left {}",
            self.machines_started, self.machines_left, self.processes_left
        );
        text
    }
}

fn duration(milliseconds: Option<i64>) -> String {
    milliseconds.map_or_else(|| "–".to_owned(), |count| format!("{count} ms"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(status: &str, attempts: u64, cost: &str) -> Report {
        let number = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let line = Line {
            id: "0190".into(),
            channel: Channel::Rest,
            status: status.into(),
            attempts,
            queue_ms: Some(4),
            boot_ms: None,
            run_ms: Some(5210),
            machine_cost_usd: number(cost),
            llm_cost_usd: number("0"),
            screenshots: vec!["/shots/1.png".into()],
        };
        Report { jobs: vec![line], machines_started: 1, machines_left: 0, processes_left: 0 }
    }

    #[test]
    fn one_completed_attempt_that_cost_something_and_left_nothing_is_a_success() {
        assert!(report("completed", 1, "0.0000417").complaints().is_empty());
    }

    #[test]
    fn anything_else_is_a_complaint() {
        assert_eq!(report("failed", 1, "0.1").complaints().len(), 1);
        assert_eq!(report("completed", 2, "0.1").complaints().len(), 1);
        assert_eq!(report("completed", 1, "0").complaints().len(), 1);
        let left = |machines_left, processes_left| Report {
            machines_left,
            processes_left,
            ..report("completed", 1, "0.1")
        };
        assert_eq!(left(1, 0).complaints().len(), 1);
        assert_eq!(left(0, 1).complaints().len(), 1);
        assert_eq!(Report { machines_started: 2, ..left(0, 0) }.complaints().len(), 1);
    }

    #[test]
    fn money_keeps_every_digit_in_the_json() {
        let json = serde_json::to_string(&report("completed", 1, "0.00004170000000001")).unwrap();
        assert!(json.contains(r#""machine_cost_usd":0.00004170000000001,"#), "{json}");
        assert!(json.ends_with(r#""machines_started":1,"machines_left":0,"processes_left":0}"#), "{json}");
    }
}
