//! `/local/…`: what only a local Fly can tell, and its fault script. No token is asked.

use super::{Answer, Here};
use crate::{
    faults::{Rule, Script},
    lock::lock,
    reply::{self, Refusal},
};
use axum::{body::Bytes, extract::State};

pub async fn get_bill(State(world): Here) -> Answer {
    Ok(reply::json(200, &world.bill()))
}

pub async fn get_log(State(world): Here) -> Answer {
    Ok(reply::json(200, &world.requests.list()))
}

pub async fn get_processes(State(world): Here) -> Answer {
    let found = tokio::task::spawn_blocking(move || world.processes()).await.unwrap_or_default();
    Ok(reply::json(200, &found))
}

pub async fn get_faults(State(world): Here) -> Answer {
    Ok(reply::json(200, &lock(&world.script).played()))
}

pub async fn set_faults(State(world): Here, bytes: Bytes) -> Answer {
    let rules: Vec<Rule> = serde_json::from_slice(&bytes)
        .map_err(|error| Refusal::error(400, format!("not a fault script: {error}")))?;
    *lock(&world.script) = Script::new(rules);
    Ok(reply::ok())
}
