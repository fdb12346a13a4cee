//! `GET …/wait`: until a machine is in one of some states, or the time is up.

use super::{Answer, Here, Pairs, last};
use crate::{
    faults::Call,
    limits::Action,
    record::{Record, State as MachineState},
    reply::{self, Refusal},
};
use axum::extract::{Path, State};
use serde_json::{Value, json};
use std::time::Duration;

/// The states that can be waited for.
const STATES: &[&str] = &["started", "stopped", "suspended", "destroyed", "failed", "settled"];

pub async fn wait_machine(
    State(world): Here,
    Path((app, id)): Path<(String, String)>,
    query: Pairs,
) -> Answer {
    world.check_app(&app)?;
    let name = world.read(&app, &id, |slot| slot.record.name.clone())?;
    world.limit(Action::Wait, &id)?;
    let strike = world.strike(Call::Wait, Some(&name)).await;
    strike.before()?;
    let (asked, timeout) = (states(&query)?, timeout(&query)?);
    let mut changed = world.read(&app, &id, |slot| slot.changed.subscribe())?;
    let reached = async {
        loop {
            changed.mark_unchanged();
            let (state, view) =
                world.read(&app, &id, |slot| (slot.record.state, reached_view(&slot.record)))?;
            if asked.iter().any(|word| state.satisfies(word)) {
                return Ok(view);
            }
            // A machine that is gone will not come into any other state.
            if state == MachineState::Destroyed || changed.changed().await.is_err() {
                return Err(Refusal::machine_not_found());
            }
        }
    };
    tokio::select! {
        result = reached => Ok(reply::json(200, &result?)),
        () = tokio::time::sleep(timeout) => {
            Err(too_late(&asked, world.read(&app, &id, |slot| slot.record.state)?))
        }
        () = world.closing.cancelled() => Err(Refusal::error(503, "unavailable: this server is ending".to_owned())),
    }
}

fn reached_view(record: &Record) -> Value {
    json!({
        "ok": true,
        "state": record.state.word(),
        "event_id": record.events.last().map(|event| event.id.clone()).unwrap_or_default(),
        "version": record.instance_id,
    })
}

fn too_late(asked: &[String], current: MachineState) -> Refusal {
    let (wanted, current) = (asked.join(", "), current.word());
    let text =
        format!("deadline_exceeded: machine failed to reach desired state, {wanted}, currently {current}");
    Refusal::error(408, text)
}

fn states(query: &Pairs) -> Result<Vec<String>, Refusal> {
    let given = query.iter().filter(|(name, _)| name == "state").flat_map(|(_, value)| value.split(','));
    let mut states: Vec<String> = given.filter(|word| !word.is_empty()).map(str::to_owned).collect();
    if states.is_empty() {
        states.push("started".to_owned());
    }
    match states.iter().find(|state| !STATES.contains(&state.as_str())) {
        Some(other) => Err(Refusal::error(400, format!("invalid_argument: invalid state {other:?}"))),
        None => Ok(states),
    }
}

fn timeout(query: &Pairs) -> Result<Duration, Refusal> {
    let Some(text) = last(query, "timeout") else { return Ok(Duration::from_mins(1)) };
    let seconds =
        text.strip_suffix('s').unwrap_or(text).parse().ok().filter(|seconds| (1..=60).contains(seconds));
    let bad = "invalid_argument: invalid WaitMachineRequest.Timeout: value must be inside range [1s, 1m0s]";
    seconds.map(Duration::from_secs).ok_or_else(|| Refusal::error(400, bad.to_owned()))
}
