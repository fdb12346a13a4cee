//! `why JOB`: the one thing that holds a job back.

mod answer;
mod waiting;

use clap::Args;
use domain::id::JobId;
use serde_json::json;
use store::ops::why;

use super::report::Report;
use super::settings::Settings;
use answer::Answer;
use waiting::Surroundings;

/// Which job.
#[derive(Args)]
pub struct Ask {
    /// The job's id.
    job: JobId,
}

/// Says why.
pub async fn run(ask: &Ask, settings: &Settings) -> anyhow::Result<Report> {
    let db = settings.db()?;
    let tiers = settings.tiers()?;
    let Some(facts) = why::facts(&db, ask.job, &tiers, settings.create_limit()).await? else {
        let answer = Answer::new("unknown", format!("There is no job {}.", ask.job), json!({}));
        return told(ask.job, None, &answer, 1);
    };
    let world = store::machines::world(&db).await?;
    let breaker = store::notices::breaker(&db).await?;
    let answer = answer::held(&facts).unwrap_or_else(|| {
        waiting::explain(&facts, &Surroundings { world: &world, tiers: &tiers, breaker: breaker.as_ref() })
    });
    told(ask.job, Some(&facts), &answer, 0)
}

fn told(job: JobId, facts: Option<&why::Facts>, answer: &Answer, code: u8) -> anyhow::Result<Report> {
    let value = json!({
        "job": job,
        "status": facts.map(|facts| facts.job.status),
        "tier": facts.map(|facts| &facts.job.tier),
        "reason": answer.reason,
        "sentence": answer.sentence,
        "details": answer.details,
    });
    Ok(Report::new(&value, answer.sentence.clone())?.with_code(code))
}
