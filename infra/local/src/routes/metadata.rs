//! `…/metadata`: words attached to a machine, changed without a restart.

use super::{Answer, Here, change};
use crate::{
    limits::Action,
    reply::{self, Refusal},
    world::World,
};
use axum::{
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Deserialize)]
struct Asked {
    metadata: BTreeMap<String, Option<String>>,
    machine_version: Option<String>,
}

#[derive(Deserialize)]
struct Value {
    value: String,
}

pub async fn get_all(State(world): Here, Path((app, id)): Path<(String, String)>) -> Answer {
    let metadata = begin(&world, &app, &id)?;
    Ok(reply::json(200, &metadata))
}

pub async fn put_all(
    world: Here,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    set(&world, &app, &id, &headers, &bytes, BTreeMap::new())
}

pub async fn patch_all(
    world: Here,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    let old = world.read(&app, &id, |slot| slot.record.config.metadata.clone())?;
    set(&world, &app, &id, &headers, &bytes, old)
}

pub async fn get_one(State(world): Here, Path((app, id, key)): Path<(String, String, String)>) -> Answer {
    let metadata = begin(&world, &app, &id)?;
    let value = metadata
        .get(&key)
        .ok_or_else(|| Refusal::error(404, "not_found: metadata key not found".to_owned()))?;
    Ok(reply::json(200, &json!({ "value": value })))
}

pub async fn set_one(
    State(world): Here,
    Path((app, id, key)): Path<(String, String, String)>,
    headers: HeaderMap,
    bytes: Bytes,
) -> Answer {
    begin(&world, &app, &id)?;
    change::check_lease(&world, &app, &id, &headers)?;
    let asked: Value = super::typed(&bytes, "main.upsertMetadataKeyRequest")?;
    world.update(&id, |slot| slot.record.config.metadata.insert(key, asked.value));
    Ok(reply::empty(204))
}

pub async fn delete_one(
    State(world): Here,
    Path((app, id, key)): Path<(String, String, String)>,
    headers: HeaderMap,
) -> Answer {
    begin(&world, &app, &id)?;
    change::check_lease(&world, &app, &id, &headers)?;
    world.update(&id, |slot| slot.record.config.metadata.remove(&key));
    Ok(reply::empty(204))
}

fn begin(world: &World, app: &str, id: &str) -> Result<BTreeMap<String, String>, Refusal> {
    world.check_app(app)?;
    let metadata = world.read(app, id, |slot| slot.record.config.metadata.clone())?;
    world.limit(Action::Metadata, id)?;
    Ok(metadata)
}

/// Puts what is asked over `metadata`; an empty or null value removes the key.
fn set(
    world: &World,
    app: &str,
    id: &str,
    headers: &HeaderMap,
    bytes: &Bytes,
    mut metadata: BTreeMap<String, String>,
) -> Answer {
    begin(world, app, id)?;
    change::check_lease(world, app, id, headers)?;
    let asked: Asked = super::typed(bytes, "main.updateMetadataRequest")?;
    for (key, value) in asked.metadata {
        match value.filter(|value| !value.is_empty()) {
            Some(value) => metadata.insert(key, value),
            None => metadata.remove(&key),
        };
    }
    let changed = world.update(id, |slot| {
        let current =
            asked.machine_version.as_ref().is_none_or(|version| *version == slot.record.instance_id);
        if current {
            slot.record.config.metadata = metadata;
        }
        current
    });
    if changed == Some(false) {
        return Err(Refusal::precondition("machine version does not match"));
    }
    Ok(reply::empty(204))
}
