//! `POST /apps/{app}/machines`.

use super::{Answer, Here};
use crate::{
    config::{self, Config},
    events::ExitShape,
    faults::{Call, Fault, Shortage},
    guest,
    lease::Lease,
    limits::Action,
    lock::lock,
    options::Run,
    record::Record,
    regions,
    reply::{self, Named, Refusal},
    world::World,
};
use axum::{
    body::Bytes,
    extract::{Path, State},
};
use serde::Deserialize;
use serde_json::{Value, json};

const KNOWN: &[&str] = &[
    "config",
    "lease_ttl",
    "lsvd",
    "min_secrets_version",
    "name",
    "region",
    "skip_launch",
    "skip_secrets",
    "skip_service_registration",
];

#[derive(Deserialize)]
struct Asked {
    name: Option<String>,
    region: Option<String>,
    #[serde(default)]
    config: Value,
    #[serde(default)]
    skip_launch: bool,
    #[serde(default)]
    skip_secrets: bool,
    lease_ttl: Option<i64>,
}

pub async fn create_machine(State(world): Here, Path(app): Path<String>, bytes: Bytes) -> Answer {
    world.check_app(&app)?;
    let asked = read(&bytes)?;
    let mut answer = create(&world, &app, &asked).await;
    if let (Ok(reply), Some(name)) = (&mut answer, asked.name) {
        reply.extensions_mut().insert(Named(name));
    }
    answer
}

async fn create(world: &std::sync::Arc<World>, app: &str, asked: &Asked) -> Answer {
    world.limit(Action::Create, app)?;
    let name = asked.name.as_deref().unwrap_or_default();
    let strike = world.strike(Call::Create, asked.name.as_deref()).await;
    strike.before()?;
    let bad = |text: String| Refusal::error(400, text);
    let config = Config::parse(asked.config.clone()).map_err(bad)?;
    guest::check(&config.guest).map_err(bad)?;
    config.stop(None, None).map_err(bad)?;
    check_image(world, &config.image)?;
    let region = place(world, name, asked.region.as_deref())?;
    tokio::time::sleep(world.options.create_delay).await;

    let mut record = Record::new(app, asked.name.clone(), region, config);
    record.skip_launch = asked.skip_launch;
    record.skip_secrets = asked.skip_secrets;
    record.lease = asked.lease_ttl.filter(|ttl| *ttl > 0).map(|ttl| Lease::new(ttl, String::new()));
    mark(&mut record, strike.fault());
    let (id, mut view) = (record.id.clone(), record.view());
    if let Some(lease) = &record.lease {
        view["nonce"] = json!(lease.nonce);
    }
    lock(&world.machines).insert(record).map_err(|holder| clash(name, &holder))?;
    world.update(&id, |_| ());
    world.boot(&id, world.options.boot_delay);
    strike.after(reply::json(200, &view)).await
}

fn read(bytes: &Bytes) -> Result<Asked, Refusal> {
    let mut fields: serde_json::Map<String, Value> = super::typed(bytes, "main.createMachineRequest")?;
    config::drop_unknown("request", &mut fields, KNOWN);
    serde_json::from_value(Value::Object(fields))
        .map_err(|error| Refusal::error(400, format!("json: {error}")))
}

fn clash(name: &str, holder: &str) -> Refusal {
    let what = "unique machine name violation";
    let text = format!("already_exists: {what}, machine ID {holder} already exists with name \"{name}\"");
    Refusal::error(409, text)
}

fn check_image(world: &World, image: &str) -> Result<(), Refusal> {
    let images = &world.options.images;
    let any = images.is_empty() && world.options.run != Run::Processes;
    if any || images.contains_key(image) {
        return Ok(());
    }
    Err(Refusal::error(404, format!("failed to get manifest {image}: manifest unknown")))
}

/// The first region asked for that has room.
fn place(world: &World, name: &str, asked: Option<&str>) -> Result<String, Refusal> {
    let regions = regions::named(asked, &world.options.region).map_err(|text| Refusal::error(400, text))?;
    let mut refusal = None;
    for region in regions {
        match world.shortage(Call::Create, name, &region) {
            None => return Ok(region),
            Some(shortage) => refusal = Some(no_room(shortage, &region)),
        }
    }
    Err(refusal.unwrap_or_else(Refusal::machine_not_found))
}

/// A shortage in Fly's words.
pub fn no_room(shortage: Shortage, region: &str) -> Refusal {
    match shortage {
        Shortage::Region => Refusal::Error {
            code: 422,
            text: "insufficient_capacity: could not find a candidate host with enough available resources".to_owned(),
            status: Some("insufficient_capacity"),
        },
        Shortage::Host => Refusal::error(
            409,
            "aborted: could not reserve resource for machine: insufficient memory available to fulfill request on the \
             current host"
                .to_owned(),
        ),
        Shortage::NoCapacity => {
            Refusal::error(409, "aborted: insufficient resources available to fulfill request".to_owned())
        }
        Shortage::Quota => Refusal::error(
            403,
            format!(
                "organization \"local\" is using 1970176 MB of memory in {region} which is over the allowed quota. \
                 please consider other regions"
            ),
        ),
    }
}

/// Notes what the script has for the machine's later life.
pub fn mark(record: &mut Record, fault: Option<&Fault>) {
    match fault {
        Some(Fault::StuckCreated) => record.marks.never_boots = true,
        Some(Fault::LaunchFailed) => record.marks.launch_fails = true,
        Some(Fault::HostUnreachable) => record.marks.unreachable = true,
        Some(Fault::MonitorEvent) => record.marks.exit_shape = ExitShape::Monitor,
        Some(Fault::Oom) => record.marks.oom_after_ms = Some(0),
        Some(Fault::OomAfter { ms }) => record.marks.oom_after_ms = Some(*ms),
        _ => {}
    }
}
