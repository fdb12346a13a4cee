//! `jobs`: which jobs there are.

use clap::Args;
use domain::id::UserId;
use domain::job::JobStatus;
use store::ops::lists::{self, Filter};

use super::report::{Report, or_dash, short, span, table};
use super::settings::Settings;

/// Which jobs to list.
#[derive(Args)]
pub struct Ask {
    /// In this status.
    #[arg(long)]
    status: Option<JobStatus>,
    /// Of this tier.
    #[arg(long, value_parser = super::tier_name())]
    tier: Option<String>,
    /// Of this user.
    #[arg(long)]
    user: Option<UserId>,
    /// At most this many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Lists jobs.
pub async fn run(ask: Ask, settings: &Settings) -> anyhow::Result<Report> {
    let filter = Filter { status: ask.status, tier: ask.tier, user: ask.user, limit: ask.limit };
    let jobs = lists::jobs(&settings.db()?, &filter).await?;
    let rows: Vec<_> = jobs
        .iter()
        .map(|job| {
            [
                job.id.to_string(),
                job.status.to_string(),
                or_dash(job.tier.as_ref()),
                span(job.age_seconds),
                job.attempts.to_string(),
                job.user_id.to_string(),
                or_dash(job.error_code.as_ref()),
                short(job.status_message.as_deref().unwrap_or_default(), 50),
            ]
        })
        .collect();
    let heads = ["JOB", "STATUS", "TIER", "AGE", "TRIES", "USER", "ERROR", "MESSAGE"];
    Ok(Report::new(&jobs, table(heads, &rows, "no such job"))?)
}
