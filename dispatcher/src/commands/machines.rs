//! `machines`: what runs, for which attempt, for how long and at what cost; and what runs for nobody.

use clap::{Args, ValueEnum};
use serde_json::{Value, json};
use store::notices;
use store::ops::lists::{self, Machine};

use super::report::{Report, or_dash, span, table};
use super::settings::Settings;

/// Which machines to list.
#[derive(Args)]
pub struct Ask {
    /// Only those that run for nobody: ours that the database did not know, and those of others in our apps.
    which: Option<Which>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Which {
    Orphans,
}

/// Lists the machines.
pub async fn run(ask: &Ask, settings: &Settings) -> anyhow::Result<Report> {
    let db = settings.db()?;
    let orphans = ask.which.is_some();
    let machines = lists::machines(&db, orphans).await?;
    if !orphans {
        return Ok(Report::new(&machines, listed(&machines, "no machine"))?);
    }
    let foreign = match notices::get(&db, "foreign_machines").await? {
        Value::Array(foreign) => foreign,
        _ => Vec::new(),
    };
    let mut text = listed(&machines, "no orphan of ours");
    if !foreign.is_empty() {
        let cell = |machine: &Value, key: &str| machine[key].as_str().unwrap_or("-").to_owned();
        let rows: Vec<_> = foreign
            .iter()
            .map(|machine| [cell(machine, "app"), cell(machine, "machine_id"), cell(machine, "name")])
            .collect();
        text.push_str("\nNot ours, and left alone:\n");
        text.push_str(&table(["APP", "MACHINE", "NAME"], &rows, ""));
    }
    Ok(Report::new(&json!({ "orphans": machines, "foreign": foreign }), text)?)
}

fn listed(machines: &[Machine], nothing: &str) -> String {
    let rows: Vec<_> = machines
        .iter()
        .map(|machine| {
            let seen = machine.seen.as_deref().or(machine.outcome.as_deref()).unwrap_or("asked for");
            let seen_ago = machine.seen_seconds.map(|ago| format!(" {} ago", span(ago))).unwrap_or_default();
            let attempt = machine.attempt_state.and_then(|state| serde_json::to_value(state).ok());
            [
                machine.name.clone(),
                machine.kind.clone(),
                machine.tier.clone(),
                or_dash(machine.fly_id.as_ref()),
                machine.region.clone().unwrap_or_else(|| format!("({})", machine.regions)),
                format!("{seen}{seen_ago}"),
                or_dash(attempt.as_ref().and_then(Value::as_str)),
                or_dash(machine.job_id),
                span(machine.age_seconds),
                or_dash(machine.cost_micros),
            ]
        })
        .collect();
    let heads = ["NAME", "KIND", "TIER", "MACHINE", "REGION", "SEEN", "ATTEMPT", "JOB", "AGE", "COST"];
    table(heads, &rows, nothing)
}
