//! The smallest Machines API a dispatcher is content with, in this process: both ends of a measurement share one clock.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use anyhow::Result;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router, body};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::RemoteFly;

/// No create body is larger.
const BODY: usize = 1 << 20;

type Machines = Arc<Mutex<HashMap<String, Value>>>;

#[derive(Clone)]
struct Shared {
    machines: Machines,
    arrivals: mpsc::UnboundedSender<Instant>,
}

/// A running server; dropping it ends it.
pub(super) struct MachinesApi {
    url: String,
    machines: Machines,
    task: JoinHandle<std::io::Result<()>>,
}

impl MachinesApi {
    /// Starts it. The receiver gets the moment at which the head of each create request had been read.
    pub(super) async fn start() -> Result<(Self, mpsc::UnboundedReceiver<Instant>)> {
        let (arrivals, received) = mpsc::unbounded_channel();
        let machines = Machines::default();
        let shared = Shared { machines: Arc::clone(&machines), arrivals };
        let router = Router::new()
            .route("/v1/apps/{app}/machines", get(list).post(create))
            .route("/v1/apps/{app}/machines/{id}", get(read).delete(end))
            .route("/v1/apps/{app}/machines/{id}/stop", post(end))
            .with_state(shared);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}", listener.local_addr()?);
        let serving = axum::serve(listener, router);
        let task = tokio::spawn(async move { serving.await });
        Ok((Self { url, machines, task }, received))
    }

    /// What a stack needs to use it.
    pub(super) fn remote(&self) -> RemoteFly {
        RemoteFly {
            url: self.url.clone(),
            token: "bench".to_owned(),
            app: "bench".to_owned(),
            image: format!("bench/runner@sha256:{}", "0".repeat(64)),
        }
    }

    /// How many machines were made.
    pub(super) fn made(&self) -> usize {
        lock(&self.machines).len()
    }
}

impl Drop for MachinesApi {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn create(State(shared): State<Shared>, request: Request) -> Result<Json<Value>, StatusCode> {
    let arrived = Instant::now();
    // Nobody listens to what nobody measures.
    let _ = shared.arrivals.send(arrived);
    let bytes = body::to_bytes(request.into_body(), BODY).await.map_err(|_| StatusCode::BAD_REQUEST)?;
    let asked: Value = serde_json::from_slice(&bytes).map_err(|_| StatusCode::BAD_REQUEST)?;
    let id = uuid::Uuid::new_v4().simple().to_string()[..14].to_owned();
    let machine = json!({
        "id": id,
        "name": asked["name"],
        "state": "started",
        "region": "iad",
        "host_status": "ok",
        "config": { "image": asked["config"]["image"], "metadata": asked["config"]["metadata"] },
        "events": [{ "type": "start", "status": "started", "source": "flyd", "timestamp": 1_700_000_000_000_u64 }],
    });
    lock(&shared.machines).insert(id, machine.clone());
    Ok(Json(machine))
}

async fn list(State(shared): State<Shared>) -> Json<Vec<Value>> {
    Json(lock(&shared.machines).values().filter(|machine| machine["state"] != "destroyed").cloned().collect())
}

async fn read(
    State(shared): State<Shared>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, StatusCode> {
    lock(&shared.machines).get(&id).cloned().map(Json).ok_or(StatusCode::NOT_FOUND)
}

async fn end(
    State(shared): State<Shared>,
    Path((_, id)): Path<(String, String)>,
) -> Result<Json<Value>, StatusCode> {
    let mut machines = lock(&shared.machines);
    let machine = machines.get_mut(&id).ok_or(StatusCode::NOT_FOUND)?;
    machine["state"] = json!("destroyed");
    Ok(Json(json!({ "ok": true })))
}

fn lock(machines: &Machines) -> MutexGuard<'_, HashMap<String, Value>> {
    machines.lock().unwrap_or_else(PoisonError::into_inner)
}
