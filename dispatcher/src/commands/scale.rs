//! `scale`: why a tier's capacity is what it is, and setting it by hand.

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use dispatcher::plan::{self, Action, Own};
use domain::tier::{Bounds, Tiers};
use domain::world::{TierLoad, World};
use serde::Serialize;
use serde_json::json;
use store::notices::Breaker;
use store::ops::scale::{self, Decision};

use super::report::{Report, Usage, span, table};
use super::settings::Settings;

/// How many decisions are shown of each tier.
const DECISIONS: i64 = 10;

/// What to do.
#[derive(Subcommand)]
pub enum Ask {
    /// Show what the rule sees now, what it would do, and what it did.
    Explain(Explain),
    /// Set a capacity; the rule goes on from there.
    Set(Set),
}

/// What to explain.
#[derive(Args)]
pub struct Explain {
    /// The tier; all when absent.
    #[arg(value_parser = super::tier_name())]
    tier: Option<String>,
}

/// What to set.
#[derive(Args)]
pub struct Set {
    /// The tier.
    #[arg(value_parser = super::tier_name())]
    tier: String,
    /// How many jobs may have a machine at once, within the tier's bounds.
    capacity: i32,
}

/// Explains or sets.
pub async fn run(ask: &Ask, settings: &Settings, actor: &str) -> anyhow::Result<Report> {
    match ask {
        Ask::Explain(ask) => explain(ask, settings).await,
        Ask::Set(ask) => set(ask, settings, actor).await,
    }
}

/// What the rule would make of a tier's capacity at this moment.
pub fn next(load: &TierLoad, world: &World, tiers: &Tiers, breaker: Option<&Breaker>) -> i32 {
    let only = World { machines: Vec::new(), tiers: vec![load.clone()], ..*world };
    let own = Own { stopped: super::stopped(breaker), ..Own::default() };
    let moved = plan::plan(&only, tiers, &own).actions.into_iter().find_map(|action| match action {
        Action::Scale(scaling) => Some(scaling.to),
        _ => None,
    });
    moved.unwrap_or(load.capacity)
}

#[derive(Debug, Serialize)]
struct Explained {
    tier: String,
    pending: i64,
    live: i64,
    capacity: i32,
    min: i32,
    max: i32,
    pool_target: i32,
    paused: bool,
    quiet_seconds: Option<i64>,
    next: i32,
    decisions: Vec<Decision>,
}

async fn explain(ask: &Explain, settings: &Settings) -> anyhow::Result<Report> {
    let (db, tiers) = (settings.db()?, settings.tiers()?);
    let world = store::machines::world(&db).await?;
    let breaker = store::notices::breaker(&db).await?;
    let named = super::named_or_all(ask.tier.as_ref());
    let mut all = Vec::new();
    for load in world.tiers.iter().filter(|load| named.contains(&load.tier.as_str())) {
        let Bounds { min, max } = tiers.get(&load.tier).map(|tier| tier.capacity).unwrap_or_default();
        all.push(Explained {
            tier: load.tier.clone(),
            pending: load.pending,
            live: load.live,
            capacity: load.capacity,
            min,
            max,
            pool_target: load.pool_target,
            paused: load.paused,
            quiet_seconds: load.zero_since.map(|since| (world.now - since).num_seconds()),
            next: next(load, &world, &tiers, breaker.as_ref()),
            decisions: scale::decisions(&db, Some(&load.tier), DECISIONS).await?,
        });
    }
    let text =
        if all.is_empty() { "No dispatcher has seen this tier yet.".into() } else { told(&all, world.now) };
    Ok(Report::new(&all, text)?)
}

fn told(all: &[Explained], now: chrono::DateTime<chrono::Utc>) -> String {
    let mut text = String::new();
    for tier in all {
        let quiet = tier.quiet_seconds.map(|seconds| format!(", nothing due or live for {}", span(seconds)));
        let paused = if tier.paused { ", paused" } else { "" };
        let next = if tier.next == tier.capacity {
            "The rule leaves it there.".to_owned()
        } else {
            format!("The rule makes it {}.", tier.next)
        };
        let _ = writeln!(
            text,
            "{}: P = {} due, C = {} ({} to {}), {} live, pool of {}{}{paused}. {next}",
            tier.tier,
            tier.pending,
            tier.capacity,
            tier.min,
            tier.max,
            tier.live,
            tier.pool_target,
            quiet.unwrap_or_default(),
        );
        let rows: Vec<_> = tier
            .decisions
            .iter()
            .map(|decision| {
                [
                    format!("  {} ago", span((now - decision.at).num_seconds())),
                    decision.pending.to_string(),
                    decision.live.to_string(),
                    format!("{} -> {}", decision.capacity_from, decision.capacity_to),
                    decision.pool_target.to_string(),
                    decision.reason.clone(),
                ]
            })
            .collect();
        text.push_str(&table(["  WHEN", "P", "LIVE", "C", "POOL", "WHY"], &rows, "  no decision yet"));
    }
    text
}

async fn set(ask: &Set, settings: &Settings, actor: &str) -> anyhow::Result<Report> {
    let (Set { tier, capacity }, tiers) = (ask, settings.tiers()?);
    let Bounds { min, max } = tiers.get(tier).map(|tier| tier.capacity).unwrap_or_default();
    if *capacity < min || *capacity > max {
        let why = format!(
            "{capacity} is not within {min} to {max}, the bounds of {tier}; they are set in the tiers file"
        );
        return Err(Usage(why).into());
    }
    let Some(before) = scale::set(&settings.db()?, actor, tier, *capacity).await? else {
        let text = format!("No dispatcher has seen {tier} yet.");
        return Ok(Report::new(&json!({ "error": text }), text)?.with_code(1));
    };
    let text = format!("{tier}: capacity {before} -> {capacity}. The rule goes on from there.");
    Ok(Report::new(&json!({ "tier": tier, "from": before, "to": capacity }), text)?)
}
