//! `reap --dry-run`: what the plan is now, carried out by nobody.

use clap::Args;
use dispatcher::plan::{self, Action, Own};
use domain::world::{Machine, World};
use serde_json::json;
use uuid::Uuid;

use super::report::{Report, Usage, table};
use super::settings::Settings;

/// What to do.
#[derive(Args)]
pub struct Ask {
    /// Only show it.
    #[arg(long)]
    dry_run: bool,
}

/// Shows the plan.
pub async fn run(ask: &Ask, settings: &Settings) -> anyhow::Result<Report> {
    if !ask.dry_run {
        let why = "the dispatcher that leads does this every few seconds; say --dry-run to see what it would do now";
        return Err(Usage(why.into()).into());
    }
    let db = settings.db()?;
    let world = store::machines::world(&db).await?;
    let breaker = store::notices::breaker(&db).await?;
    // As a dispatcher would that has led for ever: no create call is suspected to be another's.
    let own = Own {
        stopped: super::stopped(breaker.as_ref()),
        image: settings.image().unwrap_or_default().to_owned(),
        ..Own::default()
    };
    let tiers = settings.tiers()?;
    let mut actions = plan::plan(&world, &tiers, &own).actions;
    if settings.image().is_none() {
        // Without it no pool machine seems to fit.
        actions.retain(|action| !matches!(action, Action::Retire(_)));
    }
    let told: Vec<_> = actions.iter().map(|action| tell(action, &world)).collect();
    let value: Vec<_> = told
        .iter()
        .map(|[action, subject, detail]| json!({ "action": action, "subject": subject, "detail": detail }))
        .collect();
    let text = table(["ACTION", "SUBJECT", "DETAIL"], &told, "nothing to do");
    Ok(Report::new(&json!({ "now": world.now, "actions": value }), text)?)
}

/// The action, what it is about, and more.
fn tell(action: &Action, world: &World) -> [String; 3] {
    let machine = |id: &Uuid| world.machines.iter().find(|machine| machine.id == *id);
    let about = |word: &str, id: &Uuid| {
        let found = machine(id);
        let name = found.map_or_else(|| id.to_string(), |machine| machine.name.clone());
        [word.to_owned(), name, found.map(condition).unwrap_or_default()]
    };
    match action {
        Action::Claim => ["claim".into(), "-".into(), "take due jobs that fit".into()],
        Action::Post(id) => about("create", id),
        Action::Start(id) => about("start", id),
        Action::MissPool(id) => about("replace", id),
        Action::Find(id) => about("look for", id),
        Action::Observe(id) => about("look at", id),
        Action::Stop(id) => about("stop", id),
        Action::Destroy(id) => about("destroy", id),
        Action::Retire(id) => about("retire", id),
        Action::Bill(id) => about("bill", id),
        Action::Refill(tier) => ["refill".into(), tier.clone(), "make one machine ahead".into()],
        Action::Close(id, verdict) => {
            let [word, name, _] = about("end attempt", id);
            [word, name, format!("{}: {}", verdict.class.as_str(), verdict.message)]
        }
        Action::Scale(scaling) => {
            let detail = format!(
                "capacity {} -> {}, pool {} ({})",
                scaling.from, scaling.to, scaling.pool_target, scaling.reason
            );
            ["scale".into(), scaling.tier.clone(), detail]
        }
        Action::Quiet(tier, Some(_)) => {
            ["note".into(), tier.clone(), "nothing is due or live from now on".into()]
        }
        Action::Quiet(tier, None) => ["note".into(), tier.clone(), "jobs are due or live again".into()],
        Action::Upkeep(upkeep) => ["upkeep".into(), "-".into(), format!("{upkeep:?}").to_lowercase()],
    }
}

fn condition(machine: &Machine) -> String {
    let fly = machine.fly_id.as_deref().unwrap_or("no Fly id");
    let seen = machine.seen.as_deref().or(machine.outcome.as_deref()).unwrap_or("not seen yet");
    format!("{fly}, {seen}")
}
