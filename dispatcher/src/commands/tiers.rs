//! `tiers check` and `tiers plan`: whether a tiers file is right, and what it would change.

mod faults;
mod plan;

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use clap::{Args, Subcommand};
use serde_json::json;

use super::report::Report;
use super::settings::Settings;
use faults::Fault;

/// What to do.
#[derive(Subcommand)]
pub enum Ask {
    /// Show every error with its line and what is allowed.
    Check(File),
    /// Show what would change, what jobs would cost, and which pool machines would be replaced.
    Plan(File),
}

/// Which file.
#[derive(Args)]
pub struct File {
    /// The tiers file.
    file: PathBuf,
}

/// Checks or plans.
pub async fn run(ask: &Ask, settings: &Settings) -> anyhow::Result<Report> {
    let (Ask::Check(File { file }) | Ask::Plan(File { file })) = ask;
    let text = std::fs::read_to_string(file).with_context(|| file.display().to_string())?;
    let faults = faults::find(&text);
    if !faults.is_empty() {
        return wrong(file, &faults);
    }
    match ask {
        Ask::Plan(_) => plan::run(&text, settings).await,
        Ask::Check(_) => {
            let said = format!("{}: right, all {} tiers.", file.display(), domain::tier::NAMES.len());
            Ok(Report::new(&json!({ "ok": true, "errors": [] }), said)?)
        }
    }
}

fn wrong(file: &Path, faults: &[Fault]) -> anyhow::Result<Report> {
    let name = file.display();
    let lines: Vec<String> = faults
        .iter()
        .map(|fault| {
            let place = if fault.place.is_empty() { String::new() } else { format!("{}: ", fault.place) };
            format!("{name}:{}: {place}{}\n", fault.line, fault.why)
        })
        .collect();
    let value = json!({ "ok": false, "file": name.to_string(), "errors": faults });
    Ok(Report::new(&value, lines.concat())?.with_code(1))
}
