//! How much of what Fly's limits allow is used.

use std::time::Duration;

use anyhow::{Result, ensure};
use serde::Deserialize;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use super::figure::{Figure, Target};
use super::{inserts, rig};
use crate::{Config, Stack, client, folder};

const JOBS: i32 = 200;
/// Fly's bucket for creates, per app: so many at once, so many a second.
const BURST: f64 = 3.0;
const RATE: f64 = 1.0;
const LIMIT: Duration = Duration::from_mins(6);

/// A request the local Fly received.
#[derive(Deserialize)]
struct Request {
    method: String,
    path: String,
    status: u16,
    time_us: u64,
}

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let place = folder::scratch()?;
    let config = rig::stack(place.path(), 1000, None)?;
    let stack = Stack::start(Config { fly_arguments: vec!["--no-spawn".to_owned()], ..config }).await?;
    let mut connection = PgConnection::connect(&stack.database_url()).await?;
    inserts::many(&mut connection, JOBS).await?;
    let until = Instant::now() + LIMIT;
    let creates = loop {
        let creates = creates(&stack.fly_url()).await?;
        let made = creates.iter().filter(|request| request.status == 200).count();
        if made >= usize::try_from(JOBS)? {
            break creates;
        }
        ensure!(Instant::now() < until, "{made} of {JOBS} machines were made in time");
        sleep(Duration::from_millis(200)).await;
    };
    stack.stop().await;
    Ok(figures(&creates))
}

fn figures(creates: &[Request]) -> Vec<Figure> {
    let made: Vec<u64> =
        creates.iter().filter(|request| request.status == 200).map(|request| request.time_us).collect();
    let window = made.iter().max().zip(made.iter().min()).map_or(0, |(last, first)| last - first);
    let allowed = BURST + RATE * Duration::from_micros(window).as_secs_f64();
    let refused = creates.iter().filter(|request| request.status == 429).count();
    let share = f64::from(JOBS) / allowed * 100.0;
    let refused = f64::from(u32::try_from(refused).unwrap_or(u32::MAX));
    vec![
        Figure::new(
            "limits",
            format!("creates of {JOBS} jobs, of what 1/s burst 3 allows"),
            share,
            "%",
            Target::AtLeast(95.0),
        ),
        Figure::new("limits", "create calls refused with 429", refused, "calls", Target::AtMost(0.0)),
    ]
}

/// The create calls so far.
async fn creates(fly: &str) -> Result<Vec<Request>> {
    let reply = client::http()?.get(format!("{fly}/local/log")).send().await?.error_for_status()?;
    let mut requests: Vec<Request> = reply.json().await?;
    requests.retain(|request| request.method == "POST" && request.path.ends_with("/machines"));
    Ok(requests)
}
