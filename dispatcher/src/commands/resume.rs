//! `resume`: jobs start again.

use clap::Args;
use serde_json::json;
use store::ops::control;

use super::report::Report;
use super::settings::Settings;

/// What to resume.
#[derive(Args)]
pub struct Ask {
    /// The tier; all when absent.
    #[arg(value_parser = super::tier_name())]
    tier: Option<String>,
}

/// Resumes.
pub async fn run(ask: &Ask, settings: &Settings, actor: &str) -> anyhow::Result<Report> {
    let tiers = super::named_or_all(ask.tier.as_ref());
    let resumed = control::resume(&settings.db()?, actor, &tiers).await?;
    let text = if resumed.is_empty() {
        format!("Nothing was paused among {}.", tiers.join(", "))
    } else {
        format!("Resumed: {}. The dispatcher sees it within 5 s.", resumed.join(", "))
    };
    Ok(Report::new(&json!({ "tiers": tiers, "resumed_now": resumed }), text)?)
}
