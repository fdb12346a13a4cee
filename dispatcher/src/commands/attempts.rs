//! `attempts JOB`: every try at a job, how it ended and what it cost.

use clap::Args;
use domain::id::JobId;
use serde_json::json;
use store::ops::lists;

use super::report::{Report, or_dash, short, span, table};
use super::settings::Settings;

/// Which job.
#[derive(Args)]
pub struct Ask {
    /// The job's id.
    job: JobId,
}

/// Lists the attempts.
pub async fn run(ask: &Ask, settings: &Settings) -> anyhow::Result<Report> {
    let Some(attempts) = lists::attempts(&settings.db()?, ask.job).await? else {
        let text = format!("There is no job {}.", ask.job);
        return Ok(Report::new(&json!({ "error": text }), text)?.with_code(1));
    };
    let rows: Vec<_> = attempts
        .iter()
        .map(|attempt| {
            let state = serde_json::to_value(attempt.state).unwrap_or_default();
            [
                attempt.no.to_string(),
                attempt.id.to_string(),
                state.as_str().unwrap_or_default().to_owned(),
                or_dash(attempt.end_class.as_ref()),
                attempt.tier.clone(),
                or_dash(attempt.fly_id.as_ref()),
                or_dash(attempt.region.as_ref()),
                span(attempt.seconds),
                attempt.cost_micros.to_string(),
                if attempt.permitted { "yes" } else { "-" }.to_owned(),
                short(&error(attempt), 60),
            ]
        })
        .collect();
    let heads =
        ["NO", "ATTEMPT", "STATE", "END", "TIER", "MACHINE", "REGION", "TOOK", "COST", "PERMIT", "ERROR"];
    Ok(Report::new(&attempts, table(heads, &rows, "no attempt yet"))?)
}

fn error(attempt: &lists::Attempt) -> String {
    let parts = [attempt.error_code.as_deref(), attempt.error_message.as_deref()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(": ")
}
