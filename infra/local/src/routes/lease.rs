//! `…/lease`: taking, refreshing, reading and giving back a lease.

use super::{Answer, Here, Pairs, change, last};
use crate::{
    lease::{Lease, NONCE_HEADER},
    limits::Action,
    reply::{self, Refusal},
};
use axum::{
    body::Bytes,
    extract::{Path, State},
    http::HeaderMap,
};
use serde::Deserialize;
use serde_json::json;

/// How long a lease lasts that does not say.
const TTL: i64 = 30;

#[derive(Deserialize)]
struct Asked {
    ttl: Option<i64>,
    #[serde(default)]
    description: String,
}

pub async fn create_lease(
    State(world): Here,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
    query: Pairs,
    bytes: Bytes,
) -> Answer {
    world.check_app(&app)?;
    world.read(&app, &id, |_| ())?;
    world.limit(Action::Lease, &id)?;
    change::check_lease(&world, &app, &id, &headers)?;
    let asked: Asked = super::typed(&bytes, "main.createLeaseRequest")?;
    let ttl = asked.ttl.or_else(|| last(&query, "ttl")?.parse().ok()).unwrap_or(TTL);
    let nonce = headers.get(NONCE_HEADER).and_then(|value| value.to_str().ok());
    let view = world.update(&id, |slot| {
        let mut lease = Lease::new(ttl, asked.description);
        if let Some(held) = slot.record.lease.take().filter(|held| held.holds() && nonce == Some(&held.nonce))
        {
            lease = Lease { expires_ms: lease.expires_ms, ..held };
        }
        let view = lease.view();
        slot.record.lease = Some(lease);
        view
    });
    Ok(reply::json(201, &view))
}

pub async fn get_lease(State(world): Here, Path((app, id)): Path<(String, String)>) -> Answer {
    world.check_app(&app)?;
    world.limit(Action::Lease, &id)?;
    let view = world
        .read(&app, &id, |slot| slot.record.lease.as_ref().filter(|lease| lease.holds()).map(Lease::view))?;
    view.map(|view| reply::json(200, &view)).ok_or_else(none)
}

pub async fn delete_lease(
    State(world): Here,
    Path((app, id)): Path<(String, String)>,
    headers: HeaderMap,
) -> Answer {
    world.check_app(&app)?;
    world.limit(Action::Lease, &id)?;
    change::check_lease(&world, &app, &id, &headers)?;
    let held = world.update(&id, |slot| slot.record.lease.take()).flatten();
    held.filter(Lease::holds).ok_or_else(none)?;
    Ok(reply::json(200, &json!({ "status": "success", "data": { "ok": true } })))
}

fn none() -> Refusal {
    Refusal::error(404, "not_found: lease not found".to_owned())
}
