//! `runner fill`: the same agent on any page, without a database.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use domain::money::MicroUsd;
use serde_json::{Map, Value};
use store::runner::Permit;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::artifacts::Artifacts;
use crate::browser::{Ahead, BrowserConfig};
use crate::decide::model::Model;
use crate::desk::Desk;
use crate::job::{self, Input, Submit, Tools};
use crate::net::Reach;
use crate::note::Note;
use crate::report;
use crate::resume::{ResumeAccess, ResumeSource};

/// Fill in the form behind an address and report every field of it.
#[derive(Clone, Debug, clap::Args)]
pub struct FillArgs {
    /// The page to start from.
    #[arg(long)]
    pub url: String,
    /// The candidate: a JSON object as in `input_data.user_data`.
    #[arg(long)]
    pub profile: PathBuf,
    /// The résumé: PDF or Word.
    #[arg(long)]
    pub resume: Option<PathBuf>,
    /// Answers by question: a JSON object as in `input_data.qa_overrides`.
    #[arg(long)]
    pub answers: Option<PathBuf>,
    /// Fill in everything, send nothing: a wizard ends at its first step that would send answers.
    #[arg(long)]
    pub no_submit: bool,
    /// With `--no-submit`: let the steps of a wizard be sent, all but the last.
    #[arg(long, requires = "no_submit")]
    pub allow_steps: bool,
    /// Where the report goes.
    #[arg(long)]
    pub report: PathBuf,
    /// The folder for screenshots.
    #[arg(long)]
    pub screenshots: Option<PathBuf>,
    /// How long it may take.
    #[arg(long, default_value_t = 300)]
    pub timeout_seconds: u64,
    /// The model for what rules leave, by alias; needs its provider's key in the environment.
    #[arg(long, env = "GH_MODEL")]
    pub model: Option<String>,
    /// What models may cost, in millionths of a dollar.
    #[arg(long, default_value_t = 500_000)]
    pub budget_micros: i64,
}

/// Runs the subcommand; `true` when the form was completed (and sent, unless told not to).
///
/// # Errors
/// When a file cannot be read or written, or no browser is found.
pub async fn fill(
    args: FillArgs,
    lookup: impl Fn(&str) -> Option<String>,
    stop: CancellationToken,
) -> Result<bool> {
    let user_data: Map<String, Value> = read(&args.profile)?;
    let user_data = match user_data.get("user_data") {
        Some(Value::Object(inner)) => inner.clone(),
        _ => user_data,
    };
    let answers: BTreeMap<String, String> =
        args.answers.as_deref().map(read).transpose()?.unwrap_or_default();
    let tools = Tools {
        browser: BrowserConfig::from_lookup(&lookup)?,
        ahead: Ahead::default(),
        artifacts: args.screenshots.clone().map_or(Artifacts::Nowhere, Artifacts::Flat),
        resumes: ResumeAccess { any_file: true, reach: Reach::Anything, ..ResumeAccess::default() },
        reach: Reach::Anything,
        model: args.model.as_deref().map(|name| Model::from_lookup(name, &lookup)).transpose()?,
    };
    let resume = args.resume.as_deref().map(std::path::absolute).transpose()?;
    let input = Input {
        job_id: "fill".into(),
        job_type: "fill_form".into(),
        task: String::new(),
        schema: None,
        target_url: args.url.clone(),
        user_data,
        qa_overrides: answers,
        resume: resume.map(ResumeSource::File),
        mode: job::Mode::Auto,
        submit: match (args.no_submit, args.allow_steps) {
            (false, _) => Submit::Send,
            (true, false) => Submit::HoldBack,
            (true, true) => Submit::Steps,
        },
        allowed_hosts: None,
        budget: MicroUsd(args.budget_micros),
        deadline: tokio::time::Instant::now() + Duration::from_secs(args.timeout_seconds),
    };
    let (notes, inbox) = mpsc::channel(64);
    let listening = tokio::spawn(listen(inbox));
    let (outcome, record) = job::run(input, tools, Desk::default(), notes, stop).await;
    let _ = listening.await;
    let report = report::report(&args.url, &outcome, &record.get());
    let text = serde_json::to_string_pretty(&report)?;
    std::fs::write(&args.report, text).with_context(|| format!("writing {}", args.report.display()))?;
    tracing::info!(outcome = ?outcome.class, code = outcome.code, message = outcome.message, "done");
    Ok(outcome.code.is_none())
}

/// Shows what happens, and grants the permit.
async fn listen(mut inbox: mpsc::Receiver<Note>) {
    while let Some(note) = inbox.recv().await {
        match note {
            Note::Progress(progress) => {
                tracing::info!("{}", progress["status_message"].as_str().unwrap_or_default());
            }
            Note::Event { kind, message, .. } => tracing::info!(kind, "{message}"),
            Note::Usage(usage) => tracing::info!(usage.model, usage.input, usage.output, "model call"),
            Note::Permit(answer) => {
                tracing::info!("permit granted");
                drop(answer.send(Permit::Granted));
            }
            Note::Return(evidence, answer) => {
                tracing::info!(%evidence, "permit given back");
                let _ = answer.send(true);
            }
        }
    }
}

fn read<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{} is not the JSON expected", path.display()))
}
