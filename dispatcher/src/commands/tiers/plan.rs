//! What a tiers file would change, against the tiers in force.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use domain::money::MicroUsd;
use domain::tier::{NAMES, Tier, Tiers};
use domain::world::{Machine, World};
use serde::Serialize;
use store::ops::costs::{self, Usage};
use toml::Table;

use crate::commands::report::{Report, span};
use crate::commands::settings::Settings;

/// One field of a tier.
#[derive(Debug, Serialize)]
struct Change {
    field: String,
    before: Option<String>,
    after: Option<String>,
}

/// One tier.
#[derive(Debug, Serialize)]
struct Planned {
    tier: String,
    changes: Vec<Change>,
    /// Jobs that had a machine in the last 30 days.
    jobs: i64,
    machine_seconds: i64,
    /// What one of them cost, at the prices of today; nothing is said while a price is missing.
    per_job_before_micros: Option<MicroUsd>,
    per_job_after_micros: Option<MicroUsd>,
    total_before_micros: Option<MicroUsd>,
    total_after_micros: Option<MicroUsd>,
    /// Machines made ahead that would have to be made again, and how many there are.
    pool_replaced: usize,
    pool: usize,
}

/// Compares.
pub async fn run(text: &str, settings: &Settings) -> anyhow::Result<Report> {
    let in_force = settings.tiers_text()?;
    let (before, after) = (settings.tiers()?, Tiers::parse(text)?);
    let (rows_before, rows_after): (Table, Table) = (toml::from_str(&in_force)?, toml::from_str(text)?);
    let db = settings.db()?;
    let world = store::machines::world(&db).await?;
    let mut all = Vec::new();
    for name in NAMES {
        let (Some(old), Some(new)) = (before.get(name), after.get(name)) else { continue };
        let usage = costs::compare(&db, name, &old.guest, &new.guest).await?;
        let changes = changes(&rows_before["tiers"][name], &rows_after["tiers"][name]);
        all.push(planned(name, changes, &usage, pool(&world, name, old, new)));
    }
    let told: String = all.iter().map(tell).collect();
    Ok(Report::new(&all, told)?)
}

fn planned(
    tier: &str,
    changes: Vec<Change>,
    usage: &Usage,
    (pool, pool_replaced): (usize, usize),
) -> Planned {
    let per_job = |total: Option<MicroUsd>| Some(MicroUsd(total?.0.checked_div(usage.jobs)?));
    Planned {
        tier: tier.to_owned(),
        changes,
        jobs: usage.jobs,
        machine_seconds: usage.seconds,
        per_job_before_micros: per_job(usage.before),
        per_job_after_micros: per_job(usage.after),
        total_before_micros: usage.before,
        total_after_micros: usage.after,
        pool_replaced,
        pool,
    }
}

/// Field by field as they are written, so that a new field needs nothing here.
fn changes(before: &toml::Value, after: &toml::Value) -> Vec<Change> {
    let keys =
        |value: &toml::Value| value.as_table().map(|table| table.keys().cloned().collect::<BTreeSet<_>>());
    let fields: BTreeSet<String> = keys(before).into_iter().chain(keys(after)).flatten().collect();
    let changed = fields.into_iter().filter(|field| before.get(field) != after.get(field));
    changed
        .map(|field| Change {
            before: before.get(&field).map(ToString::to_string),
            after: after.get(&field).map(ToString::to_string),
            field,
        })
        .collect()
}

/// How many machines wait in the tier's pool, and how many of them are not what the new tier wants.
fn pool(world: &World, name: &str, old: &Tier, new: &Tier) -> (usize, usize) {
    let waits = |machine: &&Machine| machine.waits_in_pool() && machine.tier == name;
    let is_other = |machine: &&Machine| {
        // Without an image of its own a tier runs the release's, which is not this file's to say.
        let other_image = new.image.as_ref().map_or(old.image.is_some(), |image| *image != machine.image);
        machine.guest != new.guest || other_image
    };
    let waiting = || world.machines.iter().filter(waits);
    (waiting().count(), waiting().filter(is_other).count())
}

fn tell(tier: &Planned) -> String {
    if tier.changes.is_empty() {
        return format!("{}: no change\n", tier.tier);
    }
    let mut text = format!("{}:\n", tier.tier);
    let or_default = |value: &Option<String>| value.clone().unwrap_or_else(|| "(default)".to_owned());
    for change in &tier.changes {
        let (before, after) = (or_default(&change.before), or_default(&change.after));
        let _ = writeln!(text, "  {:<14} {before} -> {after}", change.field);
    }
    let cost = match (tier.jobs, tier.per_job_before_micros, tier.per_job_after_micros) {
        (0, ..) => "no job in the last 30 days".to_owned(),
        (jobs, Some(before), Some(after)) => {
            let total = tier.total_before_micros.zip(tier.total_after_micros);
            let total =
                total.map(|(before, after)| format!("; all of them {before} -> {after}")).unwrap_or_default();
            format!(
                "{jobs} jobs in the last 30 days, {} of machine: {before} -> {after} per job{total}",
                span(tier.machine_seconds)
            )
        }
        (jobs, ..) => {
            format!("{jobs} jobs in the last 30 days, but a price is missing for a region they ran in")
        }
    };
    let _ = writeln!(text, "  {:<14} {cost}", "machine cost");
    if tier.pool > 0 {
        let _ = writeln!(
            text,
            "  {:<14} {} of {} machines made ahead would be replaced",
            "pool", tier.pool_replaced, tier.pool
        );
    }
    text
}
