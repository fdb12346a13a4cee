//! What people can ask a dispatcher's database, and tell it. One file per command.
//!
//! Every command prints a table or a sentence, or JSON with `--json`, and ends with 0 (well), 1 (a check failed, nothing
//! found, no answer) or 2 (asked for wrongly).

mod attempts;
mod callbacks;
mod doctor;
mod drain;
mod jobs;
mod machines;
mod pause;
mod pool;
mod reap;
mod report;
mod resume;
mod scale;
mod settings;
mod tiers;
mod why;

use std::collections::BTreeSet;
use std::process::ExitCode;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};
use serde_json::json;

use report::{Report, Usage};
use settings::Settings;
use store::notices::Breaker;

/// The command line.
#[derive(Parser)]
#[command(
    name = "dispatcher",
    version,
    about = "The dispatcher of GhostHands. Settings come from the environment."
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// What every command takes.
    #[command(flatten)]
    pub common: Common,
}

/// What every command takes.
#[derive(Args)]
pub struct Common {
    /// Print JSON.
    #[arg(long, global = true)]
    json: bool,
    /// Who does it; written beside every change.
    #[arg(long, global = true, env = "USER", default_value = "unknown", hide_env_values = true)]
    actor: String,
}

/// The commands.
#[derive(Subcommand)]
pub enum Command {
    /// Dispatch jobs (the default).
    Run,
    /// Say what holds a job back: one thing.
    Why(why::Ask),
    /// List jobs, the newest first.
    Jobs(jobs::Ask),
    /// List the attempts of a job.
    Attempts(attempts::Ask),
    /// List the machines that are still looked after.
    Machines(machines::Ask),
    /// Show what the dispatcher would do now.
    Reap(reap::Ask),
    /// The emergency stop: start nothing new, in one tier or in all.
    Pause(pause::Ask),
    /// Start jobs again.
    Resume(resume::Ask),
    /// Pause everything and wait until nothing runs.
    Drain(drain::Ask),
    /// Explain a tier's capacity, or set it.
    #[command(subcommand)]
    Scale(scale::Ask),
    /// Show the machines made ahead.
    Pool,
    /// List callbacks, or send some again.
    #[command(subcommand)]
    Callbacks(callbacks::Ask),
    /// Check everything a dispatcher needs.
    Doctor,
    /// Check a tiers file, or show what it would change.
    #[command(subcommand)]
    Tiers(tiers::Ask),
}

/// Carries out a command, prints what came of it, and returns the code to end with.
pub async fn run(command: Command, common: &Common) -> ExitCode {
    let report = match Settings::from_env() {
        Ok(settings) => carry_out(command, &settings, &common.actor).await,
        Err(error) => Err(Usage(error.to_string()).into()),
    };
    let report = report.unwrap_or_else(|error| {
        let text = error.chain().map(ToString::to_string).collect::<Vec<_>>().join(": ");
        eprintln!("dispatcher: {text}");
        let code = if error.is::<Usage>() { 2 } else { 1 };
        Report { json: json!({ "error": text }), text: String::new(), code }
    });
    report.print(common.json);
    ExitCode::from(report.code)
}

async fn carry_out(command: Command, settings: &Settings, actor: &str) -> anyhow::Result<Report> {
    match command {
        Command::Run => Ok(Report::new(&(), String::new())?), // main does that
        Command::Why(ask) => why::run(&ask, settings).await,
        Command::Jobs(ask) => jobs::run(ask, settings).await,
        Command::Attempts(ask) => attempts::run(&ask, settings).await,
        Command::Machines(ask) => machines::run(&ask, settings).await,
        Command::Reap(ask) => reap::run(&ask, settings).await,
        Command::Pause(ask) => pause::run(&ask, settings, actor).await,
        Command::Resume(ask) => resume::run(&ask, settings, actor).await,
        Command::Drain(ask) => drain::run(&ask, settings, actor).await,
        Command::Scale(ask) => scale::run(&ask, settings, actor).await,
        Command::Pool => pool::run(settings).await,
        Command::Callbacks(ask) => callbacks::run(ask, settings, actor).await,
        Command::Doctor => doctor::run(settings).await,
        Command::Tiers(ask) => tiers::run(&ask, settings).await,
    }
}

/// Accepts the name of a tier, and lists them all when it is none.
fn tier_name() -> PossibleValuesParser {
    PossibleValuesParser::new(domain::tier::NAMES)
}

/// The tiers whose machines cannot be made, by what is told of the breaker.
fn stopped(breaker: Option<&Breaker>) -> BTreeSet<String> {
    dispatcher::plan::stopped(|tier| breaker.is_some_and(|breaker| breaker.stops(tier)))
}

/// The tier that was named, or all of them.
fn named_or_all(tier: Option<&String>) -> Vec<&str> {
    tier.map_or_else(|| domain::tier::NAMES.to_vec(), |tier| vec![tier.as_str()])
}
