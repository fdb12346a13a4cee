//! Starting, stopping, signalling and destroying a machine.

use super::{Answer, Here, Pairs, create, is_set};
use crate::{
    faults::{Call, Fault},
    lease::NONCE_HEADER,
    life::{self, Boots, Destroy},
    limits::Action,
    reply::{self, Refusal},
    signal,
    strike::Strike,
    world::World,
};
use axum::{
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What every change begins with: the machine is there, nobody else holds it, the limit and the script let it through.
async fn begin(
    world: &World,
    (app, id): (&str, &str),
    action: Action,
    call: Option<Call>,
    headers: &HeaderMap,
) -> Result<Strike, Refusal> {
    world.check_app(app)?;
    let name = world.read(app, id, |slot| slot.record.name.clone())?;
    world.limit(action, id)?;
    let strike = match call {
        Some(call) => world.strike(call, Some(&name)).await,
        None => Strike::new(None),
    };
    strike.before()?;
    check_lease(world, app, id, headers)?;
    Ok(strike)
}

/// Refuses those who have not got the nonce of the machine's lease.
pub fn check_lease(world: &World, app: &str, id: &str, headers: &HeaderMap) -> Result<(), Refusal> {
    let nonce = headers.get(NONCE_HEADER).and_then(|value| value.to_str().ok());
    world.read(app, id, |slot| match &slot.record.lease {
        Some(lease) if lease.holds() && nonce != Some(&lease.nonce) => {
            Err(Refusal::error(409, lease.refusal(id)))
        }
        _ => Ok(()),
    })?
}

pub async fn start_machine(
    State(world): Here,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    let strike = begin(&world, (&app, &id), Action::Start, Some(Call::Start), &headers).await?;
    let (name, region) =
        world.read(&app, &id, |slot| (slot.record.name.clone(), slot.record.region.clone()))?;
    if let Some(shortage) = world.shortage(Call::Start, &name, &region) {
        return Err(create::no_room(shortage, &region));
    }
    world.update(&id, |slot| create::mark(&mut slot.record, strike.fault()));
    let boots = if strike.is(&Fault::StartWithoutBoot) { Boots::Never } else { Boots::Yes };
    let previous = world.start(&id, boots)?;
    let body = json!({ "previous_state": previous.word(), "migrated": false, "new_host": "" });
    strike.after(reply::json(200, &body)).await
}

#[derive(Deserialize)]
struct StopAsked {
    signal: Option<String>,
    timeout: Option<Value>,
}

pub async fn stop_machine(
    State(world): Here,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let strike = begin(&world, (&app, &id), Action::Stop, Some(Call::Stop), &headers).await?;
    let asked: StopAsked = super::typed(&bytes, "main.stopRequest")?;
    let (number, timeout) = world
        .read(&app, &id, |slot| slot.record.config.stop(asked.signal.as_deref(), asked.timeout.as_ref()))?
        .map_err(|text| Refusal::error(400, text))?;
    world.stop(&id, number, timeout)?;
    strike.after(reply::ok()).await
}

#[derive(Deserialize)]
struct SignalAsked {
    signal: Value,
}

pub async fn signal_machine(
    State(world): Here,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    begin(&world, (&app, &id), Action::Signal, None, &headers).await?;
    let asked: SignalAsked = super::typed(&bytes, "main.signalRequest")?;
    let name = asked.signal.as_str().map_or_else(|| asked.signal.to_string(), str::to_owned);
    let bad = || Refusal::error(400, format!("invalid_argument: invalid signal {name}"));
    let number = signal::number(&name).ok_or_else(bad)?;
    world.update(&id, |slot| life::deliver(slot, number));
    Ok(reply::ok())
}

pub async fn delete_machine(
    State(world): Here,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    query: Pairs,
) -> Answer {
    let strike = begin(&world, (&app, &id), Action::Delete, Some(Call::Delete), &headers).await?;
    let force = is_set(&query, "force") || is_set(&query, "kill");
    let how = if strike.is(&Fault::DestroyAckOnly) {
        Destroy::AckOnly
    } else if force {
        Destroy::Force
    } else {
        Destroy::Idle
    };
    world.destroy(&id, how)?;
    strike.after(reply::ok()).await
}
