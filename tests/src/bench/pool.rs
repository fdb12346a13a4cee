//! How soon machines that were made ahead are at work, under Fly's limits.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use super::figure::{Figure, Target};
use super::{inserts, rig};
use crate::{Config, Stack, client, folder};

/// The size of the pool, and how many jobs come at once.
const MACHINES: i32 = 50;
/// Made at one a second, as Fly allows.
const FILLED: Duration = Duration::from_mins(4);
const STARTED: Duration = Duration::from_mins(2);

/// A machine's run, on the local Fly's bill.
#[derive(Deserialize)]
struct Run {
    started_at: DateTime<Utc>,
}

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let place = folder::scratch()?;
    let config = rig::stack(place.path(), 200, None)?;
    let tiers = place.path().join("tiers.toml");
    let text = std::fs::read_to_string(&tiers)?;
    let pool = format!("[tiers.starter]\npool = {{ min = {MACHINES}, max = {MACHINES} }}");
    std::fs::write(&tiers, text.replace("[tiers.starter]", &pool))?;
    let stack = Stack::start(Config { fly_arguments: vec!["--no-spawn".to_owned()], ..config }).await?;
    let mut connection = PgConnection::connect(&stack.database_url()).await?;

    let began = Instant::now();
    let ready =
        "select count(*) from gh_machines where kind = 'pool' and seen = 'stopped' and closed_at is null";
    loop {
        let count: i64 = sqlx::query_scalar(ready).fetch_one(&mut connection).await?;
        if count == i64::from(MACHINES) {
            break;
        }
        ensure!(began.elapsed() < FILLED, "{count} of {MACHINES} machines were made ahead");
        sleep(Duration::from_millis(100)).await;
    }
    let filled = began.elapsed().as_secs_f64();
    let inserted: DateTime<Utc> =
        sqlx::query_scalar("select clock_timestamp()").fetch_one(&mut connection).await?;
    inserts::many(&mut connection, MACHINES).await?;
    let until = Instant::now() + STARTED;
    let runs = loop {
        let runs = runs(&stack.fly_url()).await?;
        if runs.len() >= usize::try_from(MACHINES)? {
            break runs;
        }
        ensure!(Instant::now() < until, "{} of {MACHINES} machines started", runs.len());
        sleep(Duration::from_millis(50)).await;
    };
    stack.stop().await;
    let mut after: Vec<f64> = runs
        .iter()
        .map(|run| (run.started_at - inserted).to_std().unwrap_or_default().as_secs_f64())
        .collect();
    after.sort_by(f64::total_cmp);
    let last = *after.get(usize::try_from(MACHINES)? - 1).context("too few machines")?;
    Ok(vec![
        Figure::new(
            "pool",
            format!("{MACHINES} jobs at once → {MACHINES} machines started"),
            last,
            "s",
            Target::AtMost(5.0),
        ),
        Figure::aside("pool", "the first of them started", after[0], "s"),
        Figure::aside("pool", format!("making {MACHINES} machines ahead"), filled, "s"),
    ])
}

async fn runs(fly: &str) -> Result<Vec<Run>> {
    let reply = client::http()?.get(format!("{fly}/local/bill")).send().await?.error_for_status()?;
    Ok(reply.json().await?)
}
