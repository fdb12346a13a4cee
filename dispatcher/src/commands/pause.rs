//! `pause`: the emergency stop. Nothing new starts; what runs goes on, or goes back to the queue. Nothing is lost.

use std::fmt::Write as _;

use clap::Args;
use serde_json::json;
use store::Db;
use store::ops::control::{self, Live, Pausing};

use super::report::Report;
use super::settings::Settings;

/// What to pause.
#[derive(Args)]
pub struct Ask {
    /// The tier; all when absent.
    #[arg(value_parser = super::tier_name())]
    tier: Option<String>,
    /// Also give what runs back to the queue; its machines are destroyed. What may have submitted is left to finish.
    #[arg(long)]
    stop_running: bool,
}

/// Pauses.
pub async fn run(ask: &Ask, settings: &Settings, actor: &str) -> anyhow::Result<Report> {
    let db = settings.db()?;
    let tiers = super::named_or_all(ask.tier.as_ref());
    let paused = pause(&db, settings, actor, &tiers).await?;
    let given = if ask.stop_running { control::give_back(&db, actor, &tiers).await? } else { Vec::new() };
    let left = control::live(&db, &tiers).await?;

    let mut text = format!("Paused: {}. Nothing new starts.\n", tiers.join(", "));
    for Live { job_id, attempt, tier, .. } in &given {
        let _ = writeln!(
            text,
            "  job {job_id} ({tier}, attempt {attempt}) is back in the queue; its machine goes"
        );
    }
    for Live { job_id, attempt, tier, permitted, .. } in &left {
        let why = if *permitted { " and may have submitted: it is left to finish" } else { "" };
        let _ = writeln!(text, "  job {job_id} ({tier}, attempt {attempt}) still runs{why}");
    }
    let value = json!({ "tiers": tiers, "paused_now": paused, "given_back": given, "still_running": left });
    Ok(Report::new(&value, text)?)
}

/// Pauses these tiers, those included that no dispatcher has seen yet.
pub async fn pause(db: &Db, settings: &Settings, actor: &str, tiers: &[&str]) -> anyhow::Result<Vec<String>> {
    // A broken tiers file must not keep anybody from stopping everything.
    let known = settings.tiers().unwrap_or_default();
    let least = |tier: &str| known.get(tier).map_or(0, |tier| tier.capacity.min);
    let pausing: Vec<Pausing> =
        tiers.iter().map(|tier| Pausing { tier: (*tier).to_owned(), capacity: least(tier) }).collect();
    Ok(control::pause(db, actor, &pausing).await?)
}
