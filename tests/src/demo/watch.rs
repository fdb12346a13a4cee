//! Follows jobs and says what happens to them.

use std::time::Duration;

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::Instant;

use super::jobs::Job;
use crate::{Stack, sql};

/// How often we look.
const EVERY: Duration = Duration::from_millis(150);
/// What a job does not leave by itself.
const FINAL: [&str; 5] = ["completed", "failed", "cancelled", "expired", "needs_human"];

/// What was told of a job so far.
struct Told {
    events: usize,
    status: String,
}

/// Prints every change until each job is in a state it does not leave by itself.
pub(super) async fn until_final(stack: &mut Stack, jobs: &[Job], limit: Instant) -> Result<()> {
    let (api, started) = (stack.api()?, Instant::now());
    let mut told: Vec<Told> = jobs.iter().map(|_| Told { events: 0, status: String::new() }).collect();
    loop {
        let mut open = 0;
        for (job, told) in jobs.iter().zip(&mut told) {
            let row = api.job(&job.id).await?;
            for event in api.events(&job.id, told.events).await? {
                told.events += 1;
                if event["event_type"] != "status_change" {
                    say(job, started, &sentence(&event)); // the row itself tells of its status
                }
            }
            let status = text(&row["status"]);
            if status != told.status {
                let message = text(&row["status_message"]);
                say(job, started, format!("{status}: {message}").trim_end_matches(": "));
                told.status.clone_from(&status);
            }
            open += usize::from(!FINAL.contains(&status.as_str()));
        }
        if open == 0 {
            return Ok(());
        }
        if let Some(part) = stack.ended() {
            bail!("{} ended while jobs were open", part.name());
        }
        if Instant::now() > limit {
            bail!("{open} of {} jobs did not come to an end in time", jobs.len());
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// Waits until every machine of the jobs is gone and its interval is in the ledger.
pub(super) async fn until_billed(stack: &Stack, jobs: &[Job], limit: Instant) -> Result<()> {
    #[derive(Deserialize)]
    struct Row {
        open: u64,
    }
    let query = format!(
        "select count(*) as open from gh_machines m join gh_job_attempts a on a.id = m.attempt_id \
         where m.closed_at is null and a.job_id in ({})",
        jobs.iter().map(|job| sql::quote(&job.id)).collect::<Vec<_>>().join(", ")
    );
    loop {
        let rows: Vec<Row> = sql::rows(&stack.database_url(), &query)?;
        let open = rows.first().map_or(0, |row| row.open);
        if open == 0 {
            return Ok(());
        }
        if Instant::now() > limit {
            bail!("{open} machines are still there, or were not billed");
        }
        tokio::time::sleep(EVERY).await;
    }
}

fn say(job: &Job, started: Instant, what: &str) {
    eprintln!("{:<7} {:>6.1}s  {what}", job.channel.name(), started.elapsed().as_secs_f64());
}

fn sentence(event: &Value) -> String {
    let metadata = &event["metadata"];
    let words = [text(&event["message"]), text(&metadata["description"]), text(&metadata["step"])];
    let detail = words.into_iter().find(|word| !word.is_empty()).unwrap_or_default();
    let percent = metadata["progress_pct"].as_f64().map_or_else(String::new, |done| format!(" {done:.0} %"));
    format!("  {}{percent} {detail}", text(&event["event_type"])).trim_end().to_owned()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}
