//! The paths of the Machines API, and `/local/…` for tests.

mod apps;
mod change;
mod create;
mod lease;
mod local;
mod metadata;
mod read;
mod wait;

use crate::{
    clock, ids,
    reply::{self, Named, Refusal, Reply},
    requests::Request as Logged,
    wire::Scissors,
    world::World,
};
use axum::{
    Router,
    body::Bytes,
    extract::{ConnectInfo, Request, State},
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::IntoResponse,
    routing::{get, post},
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{sync::Arc, time::Instant};

/// What every handler answers.
type Answer = Result<Reply, Refusal>;

/// The world, as handlers get it.
type Here = State<Arc<World>>;

/// Every path this server has.
pub fn router(world: Arc<World>) -> Router {
    let machine = Router::new()
        .route("/", get(read::get_machine).delete(change::delete_machine))
        .route("/start", post(change::start_machine))
        .route("/stop", post(change::stop_machine))
        .route("/signal", post(change::signal_machine))
        .route("/wait", get(wait::wait_machine))
        .route("/events", get(read::list_events))
        .route("/lease", get(lease::get_lease).post(lease::create_lease).delete(lease::delete_lease))
        .route("/metadata", get(metadata::get_all).put(metadata::put_all).patch(metadata::patch_all))
        .route(
            "/metadata/{key}",
            get(metadata::get_one).post(metadata::set_one).delete(metadata::delete_one),
        );
    let api = Router::new()
        .route("/apps/{app}", get(apps::get_app))
        .route("/apps/{app}/machines", get(read::list_machines).post(create::create_machine))
        .nest("/apps/{app}/machines/{id}", machine)
        .route_layer(middleware::from_fn_with_state(Arc::clone(&world), authenticate))
        .route("/platform/regions", get(apps::list_regions));
    let local = Router::new()
        .route("/bill", get(local::get_bill))
        .route("/log", get(local::get_log))
        .route("/processes", get(local::get_processes))
        .route("/faults", get(local::get_faults).post(local::set_faults));
    Router::new()
        .nest("/v1", api)
        .nest("/local", local)
        .fallback(not_found)
        .method_not_allowed_fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&world), observe))
        .with_state(world)
}

async fn not_found() -> Reply {
    reply::text(404, "404 page not found")
}

/// Refuses calls without the token: Fly's two services that answer here do so in two shapes.
async fn authenticate(State(world): Here, request: Request, next: Next) -> Reply {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token =
        header.and_then(|value| value.strip_prefix("Bearer ").or_else(|| value.strip_prefix("FlyV1 ")));
    if world.accepts(token) {
        return next.run(request).await;
    }
    if request.uri().path().contains("/machines") {
        return Refusal::error(401, "Authenticate: token validation error".to_owned()).into_response();
    }
    reply::json(401, &serde_json::json!({ "message": "Unauthorized" }))
}

/// Gives every answer Fly's headers, writes the request down, and resets the connection where a fault asks for it.
async fn observe(
    State(world): Here,
    ConnectInfo(scissors): ConnectInfo<Scissors>,
    request: Request,
    next: Next,
) -> Reply {
    let (time_us, start) = (clock::now_us(), Instant::now());
    let method = request.method().to_string();
    let path = request.uri().path_and_query().map_or_else(String::new, ToString::to_string);
    let mut reply = next.run(request).await;
    let id = format!("{}-loc", ids::ulid());
    if let Ok(value) = HeaderValue::from_str(&id) {
        reply.headers_mut().insert(HeaderName::from_static("fly-request-id"), value);
    }
    reply.headers_mut().insert(header::SERVER, HeaderValue::from_static("Fly/local"));
    let status = if scissors.apply(&reply) { 0 } else { reply.status().as_u16() };
    let ms = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    tracing::debug!(%method, path, status, duration_ms = ms, "request");
    world.requests.push(Logged {
        method,
        path,
        status,
        time: clock::rfc3339(i64::try_from(time_us / 1000).unwrap_or_default()),
        time_us,
        ms,
        name: reply.extensions().get::<Named>().map(|named| named.0.clone()),
    });
    reply
}

/// Reads a JSON body; an empty one is `{}`.
fn body(bytes: &Bytes) -> Result<Value, Refusal> {
    if bytes.is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    serde_json::from_slice(bytes).map_err(|error| Refusal::error(400, format!("json: {error}")))
}

/// Reads a JSON body of a known shape.
fn typed<T: DeserializeOwned>(bytes: &Bytes, go_type: &str) -> Result<T, Refusal> {
    let value = body(bytes)?;
    if value.is_array() {
        return Err(Refusal::error(
            400,
            format!("json: cannot unmarshal array into Go value of type {go_type}"),
        ));
    }
    serde_json::from_value(value).map_err(|error| Refusal::error(400, format!("json: {error}")))
}

/// A query in order, repeats and all.
type Pairs = axum::extract::Query<Vec<(String, String)>>;

/// The last value of a query parameter.
fn last<'a>(pairs: &'a Pairs, name: &str) -> Option<&'a str> {
    pairs.iter().rev().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// Whether a query parameter is `true` or `1`.
fn is_set(pairs: &Pairs, name: &str) -> bool {
    matches!(last(pairs, name), Some("true" | "1"))
}
