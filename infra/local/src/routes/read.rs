//! Reading one machine, many, or the events of one.

use super::{Answer, Here, Pairs, is_set, last};
use crate::{
    clock,
    faults::{Call, Fault},
    limits::Action,
    lock::lock,
    record::{Record, State as MachineState},
    reply::{self, Refusal},
};
use axum::extract::{Path, State};
use serde_json::{Value, json};

pub async fn get_machine(State(world): Here, Path((app, id)): Path<(String, String)>) -> Answer {
    world.check_app(&app)?;
    let name = world.read(&app, &id, |slot| slot.record.name.clone())?;
    world.limit(Action::Get, &id)?;
    let strike = world.strike(Call::Get, Some(&name)).await;
    strike.before()?;
    if let Some(Fault::NotPropagated { ms }) = strike.fault()
        && world.read(&app, &id, |slot| made_since(&slot.record, *ms))?
    {
        return Err(Refusal::machine_not_found());
    }
    let view = world.read(&app, &id, |slot| match strike.fault() {
        Some(Fault::HostUnreachable) => slot.record.view_unreachable(),
        Some(Fault::StaleDestroying { ms }) if gone_since(&slot.record, *ms) => {
            let mut view = slot.record.view();
            view["state"] = json!(MachineState::Destroying.word());
            view
        }
        _ => slot.record.view(),
    })?;
    Ok(reply::json(200, &view))
}

pub async fn list_machines(State(world): Here, Path(app): Path<String>, query: Pairs) -> Answer {
    world.check_app(&app)?;
    world.limit(Action::List, &app)?;
    let strike = world.strike(Call::List, None).await;
    strike.before()?;
    if strike.is(&Fault::EmptyList) {
        return Ok(reply::json(200, &json!([])));
    }
    let lag = match strike.fault() {
        Some(Fault::ListLag { ms }) => *ms,
        _ => 0,
    };
    let shown = |record: &&Record| {
        record.app == app && (lag == 0 || !made_since(record, lag)) && matches(record, &query)
    };
    let view = |record: &Record| -> Value {
        if is_set(&query, "summary") {
            Value::Object(record.outline())
        } else if strike.is(&Fault::HostUnreachable) {
            record.view_unreachable()
        } else {
            record.view()
        }
    };
    let machines = lock(&world.machines);
    let list: Vec<Value> = if is_set(&query, "include_deleted") {
        machines.all().filter(shown).map(view).collect()
    } else if lag > 0 {
        // A replica that lags still has those that are just gone.
        machines
            .all()
            .filter(|record| record.is_live() || gone_since(record, lag))
            .filter(shown)
            .map(view)
            .collect()
    } else {
        machines.live().filter(shown).map(view).collect()
    };
    drop(machines);
    Ok(reply::json(200, &list))
}

fn made_since(record: &Record, ms: u64) -> bool {
    record.created_ms.saturating_add_unsigned(ms) >= clock::now_ms()
}

fn gone_since(record: &Record, ms: u64) -> bool {
    !record.is_live() && record.updated_ms + i64::try_from(ms).unwrap_or(i64::MAX) >= clock::now_ms()
}

/// Whether a machine is what the query asks for.
fn matches(record: &Record, query: &Pairs) -> bool {
    let region = last(query, "region").is_none_or(|asked| asked == record.region);
    let state =
        last(query, "state").is_none_or(|asked| asked.split(',').any(|word| word == record.state.word()));
    let metadata = query.iter().all(|(name, value)| {
        name.strip_prefix("metadata.").is_none_or(|key| record.config.metadata.get(key) == Some(value))
    });
    region && state && metadata
}

pub async fn list_events(
    State(world): Here,
    Path((app, id)): Path<(String, String)>,
    query: Pairs,
) -> Answer {
    world.check_app(&app)?;
    world.read(&app, &id, |_| ())?;
    world.limit(Action::Events, &id)?;
    let limit = last(&query, "limit").and_then(|text| text.parse().ok()).unwrap_or(20).min(50);
    let events = world.read(&app, &id, |slot| slot.record.newest_events(limit))?;
    Ok(reply::json(200, &events))
}
