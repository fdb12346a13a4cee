//! Reads what became of the jobs: from their rows, their attempts, the ledger and Fly.

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::jobs::Job;
use super::report::{Line, Report};
use crate::{Stack, sql};

/// One job as the database has it. Money comes as text, so that every digit of the ledger is kept.
#[derive(Deserialize)]
struct Row {
    status: String,
    attempts: u64,
    queue_ms: Option<i64>,
    boot_ms: Option<i64>,
    run_ms: Option<i64>,
    machine_usd: String,
    llm_usd: String,
    screenshot_urls: Vec<String>,
}

/// Everything but the processes that are left, which only the stop can tell.
pub(super) async fn report(stack: &Stack, jobs: &[Job]) -> Result<Report> {
    #[derive(Deserialize)]
    struct Count {
        started: u64,
    }
    let url = stack.database_url();
    let lines = jobs.iter().map(|job| line(&url, job)).collect::<Result<_>>()?;
    let counts: Vec<Count> =
        sql::rows(&url, "select count(*) as started from gh_machines where started_at is not null")?;
    Ok(Report {
        jobs: lines,
        machines_started: counts.first().map_or(0, |count| count.started),
        machines_left: stack.machines()?.alive().await?.len(),
        processes_left: 0,
    })
}

fn line(url: &str, job: &Job) -> Result<Line> {
    let query = format!(
        "select j.status, \
           (select count(*) from gh_job_attempts n where n.job_id = j.id) as attempts, \
           (extract(epoch from a.claimed_at - j.created_at) * 1000)::bigint as queue_ms, \
           (extract(epoch from a.started_at - coalesce(a.launched_at, a.claimed_at)) * 1000)::bigint as boot_ms, \
           (extract(epoch from a.ended_at - a.started_at) * 1000)::bigint as run_ms, \
           coalesce(trim_scale(c.machine_usd), 0)::text as machine_usd, \
           coalesce(trim_scale(c.llm_usd), 0)::text as llm_usd, \
           coalesce(j.screenshot_urls, '[]') as screenshot_urls \
         from gh_automation_jobs j \
         left join gh_job_costs c on c.job_id = j.id \
         left join lateral (select * from gh_job_attempts n where n.job_id = j.id order by n.fence desc limit 1) a on true \
         where j.id = {}",
        sql::quote(&job.id)
    );
    let row = sql::rows::<Row>(url, &query)?.pop().context("the job is gone")?;
    Ok(Line {
        id: job.id.clone(),
        channel: job.channel,
        status: row.status,
        attempts: row.attempts,
        queue_ms: row.queue_ms,
        boot_ms: row.boot_ms,
        run_ms: row.run_ms,
        machine_cost_usd: RawValue::from_string(row.machine_usd)?,
        llm_cost_usd: RawValue::from_string(row.llm_usd)?,
        screenshots: row.screenshot_urls,
    })
}
