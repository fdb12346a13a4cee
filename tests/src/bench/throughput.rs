//! How many jobs a second get a machine when nobody holds the dispatcher back.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection};
use tokio::time::timeout;

use super::figure::{Figure, Target};
use super::machines_api::MachinesApi;
use super::{inserts, rig};
use crate::{Stack, folder};

const JOBS: i32 = 3000;
/// At a tenth of the target it would take half of this.
const LIMIT: Duration = Duration::from_mins(2);

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let (api, mut arrivals) = MachinesApi::start().await?;
    let place = folder::scratch()?;
    let stack = Stack::start(rig::stack(place.path(), 5000, Some(api.remote()))?).await?;
    let mut connection = PgConnection::connect(&stack.database_url()).await?;
    inserts::many(&mut connection, JOBS).await?;
    let began = Instant::now(); // from the moment the jobs can be seen
    let all = async {
        let mut last = began;
        for _ in 0..JOBS {
            last = arrivals.recv().await.context("the server ended")?;
        }
        anyhow::Ok(last)
    };
    let last = timeout(LIMIT, all)
        .await
        .with_context(|| format!("{} of {JOBS} jobs got a machine", api.made()))??;
    let rate = f64::from(JOBS) / last.duration_since(began).as_secs_f64();
    stack.stop().await;
    Ok(vec![Figure::new(
        "throughput",
        format!("{JOBS} jobs inserted at once, create requests"),
        rate,
        "jobs/s",
        Target::AtLeast(500.0),
    )])
}
