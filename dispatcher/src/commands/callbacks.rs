//! `callbacks ls` and `callbacks redrive`.

use clap::builder::PossibleValuesParser;
use clap::{Args, Subcommand};
use domain::id::JobId;
use serde_json::json;
use store::ops::callbacks::{self, Again, Filter};
use uuid::Uuid;

use super::report::{Report, or_dash, short, span, table};
use super::settings::Settings;

/// What to do.
#[derive(Subcommand)]
pub enum Ask {
    /// List callbacks, the newest first: those that were given up unless another state is named.
    Ls(List),
    /// Send callbacks again, for another 24 hours.
    Redrive(Redrive),
}

/// Which to list.
#[derive(Args)]
pub struct List {
    /// In this state.
    #[arg(long, default_value = "parked", value_parser = PossibleValuesParser::new(["parked", "waiting", "delivered", "all"]))]
    state: String,
    /// Of this job, in whatever state.
    #[arg(long)]
    job: Option<JobId>,
    /// At most this many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i64).range(1..=1000))]
    limit: i64,
}

/// Which to send again.
#[derive(Args)]
#[group(required = true, multiple = false)]
pub struct Redrive {
    /// These, also when they arrived.
    ids: Vec<Uuid>,
    /// All of this job that were given up.
    #[arg(long)]
    job: Option<JobId>,
    /// All that were given up.
    #[arg(long)]
    parked: bool,
}

/// Lists, or sends again.
pub async fn run(ask: Ask, settings: &Settings, actor: &str) -> anyhow::Result<Report> {
    match ask {
        Ask::Ls(ask) => list(ask, settings).await,
        Ask::Redrive(ask) => redrive(ask, settings, actor).await,
    }
}

async fn list(ask: List, settings: &Settings) -> anyhow::Result<Report> {
    let state = (ask.state != "all" && ask.job.is_none()).then_some(ask.state);
    let callbacks =
        callbacks::list(&settings.db()?, &Filter { state, job: ask.job, limit: ask.limit }).await?;
    let rows: Vec<_> = callbacks
        .iter()
        .map(|callback| {
            [
                callback.id.to_string(),
                callback.event.clone(),
                callback.state.clone(),
                span(callback.age_seconds),
                callback.tries.to_string(),
                callback.job_id.to_string(),
                short(&callback.url, 60),
                short(&or_dash(callback.last_error.as_ref()), 100),
            ]
        })
        .collect();
    let heads = ["CALLBACK", "EVENT", "STATE", "AGE", "TRIES", "JOB", "TO", "ERROR"];
    Ok(Report::new(&callbacks, table(heads, &rows, "no such callback"))?)
}

async fn redrive(ask: Redrive, settings: &Settings, actor: &str) -> anyhow::Result<Report> {
    let again = match (ask.job, ask.parked) {
        (Some(job), _) => Again::OfJob(job),
        (None, true) => Again::Parked,
        (None, false) => Again::These(ask.ids),
    };
    let redriven = callbacks::redrive(&settings.db()?, actor, &again).await?;
    let text = match redriven.len() {
        0 => "There was nothing to send again.".to_owned(),
        1 => "1 callback is sent again.".to_owned(),
        many => format!("{many} callbacks are sent again."),
    };
    let code = u8::from(redriven.is_empty());
    Ok(Report::new(&json!({ "redriven": redriven }), text)?.with_code(code))
}
