//! `GET /apps/{app}` and `GET /platform/regions`.

use super::{Answer, Here};
use crate::{lock::lock, regions, reply};
use axum::extract::{Path, State};
use serde_json::json;

pub async fn get_app(State(world): Here, Path(app): Path<String>) -> Answer {
    world.check_app(&app)?;
    let count = lock(&world.machines).live().filter(|record| record.app == app).count();
    let body = json!({
        "id": app, "name": app, "status": "deployed", "network": "default", "machine_count": count, "volume_count": 0,
        "internal_numeric_id": 1, "organization": { "name": "local", "slug": "local", "internal_numeric_id": 1 },
    });
    Ok(reply::json(200, &body))
}

pub async fn list_regions(State(world): Here) -> Answer {
    Ok(reply::json(200, &regions::view(&world.options.region)))
}
