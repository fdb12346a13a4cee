//! From the INSERT call of an idle day to the create request on the wire.

use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::figure::{Figure, Samples, Target, ms};
use super::machines_api::MachinesApi;
use super::{inserts, rig};
use crate::{Stack, folder};

const SAMPLES: usize = 500;
/// A request that takes longer is lost.
const LOST: Duration = Duration::from_secs(10);

/// One sample, and where its time went.
struct Sample {
    total: f64,
    /// Until the database had the statement.
    to_database: f64,
    /// From there to the claim: commit, notice, look.
    to_claim: f64,
    /// From there to the request: claim, call.
    to_request: f64,
}

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let (api, mut arrivals) = MachinesApi::start().await?;
    let place = folder::scratch()?;
    let stack = Stack::start(rig::stack(place.path(), 100, Some(api.remote()))?).await?;
    let mut connection = PgConnection::connect(&stack.database_url()).await?;
    let mut samples = Vec::new();
    for number in 0..SAMPLES + 10 {
        let (began, clock) = (Instant::now(), SystemTime::now());
        let job = inserts::one(&mut connection, "https://example.com/apply").await?;
        let arrived = timeout(LOST, arrivals.recv()).await?.context("the server ended")?;
        let total = arrived.duration_since(began);
        // Whatever follows a create call (its answer, the first look at the machine) is over by then.
        sleep(Duration::from_millis(40)).await;
        let (inserted, claimed) = moments(&mut connection, job).await?;
        let clock = ms(clock.duration_since(SystemTime::UNIX_EPOCH)?);
        finish(&mut connection, job).await?;
        sleep(jitter(number)).await;
        if number >= 10 {
            samples.push(Sample {
                total: ms(total),
                to_database: inserted - clock,
                to_claim: claimed - inserted,
                to_request: clock + ms(total) - claimed,
            });
        }
    }
    stack.stop().await;
    Ok(figures(&samples))
}

fn figures(samples: &[Sample]) -> Vec<Figure> {
    let of = |part: fn(&Sample) -> f64| Samples::new(samples.iter().map(part).collect());
    let total = of(|sample| sample.total);
    let name = "latency";
    let mut figures = vec![
        Figure::new(
            name,
            format!("INSERT call → create request, p50 of {}", samples.len()),
            total.median(),
            "ms",
            Target::AtMost(3.0),
        ),
        Figure::new(
            name,
            "INSERT call → create request, p99",
            total.percentile(99),
            "ms",
            Target::AtMost(8.0),
        ),
    ];
    for (what, part) in [
        ("  of which until the database has it", of(|sample| sample.to_database)),
        ("  of which commit, notice and look until the claim", of(|sample| sample.to_claim)),
        ("  of which claim and call until the request", of(|sample| sample.to_request)),
    ] {
        figures.push(Figure::aside(name, format!("{what}, p50"), part.median(), "ms"));
        figures.push(Figure::aside(name, format!("{what}, p99"), part.percentile(99), "ms"));
    }
    figures
}

/// When the insert and the claim of a job began, in milliseconds of the clock we share with the database.
async fn moments(connection: &mut PgConnection, job: Uuid) -> Result<(f64, f64)> {
    let query = "select (extract(epoch from j.created_at) * 1000)::float8, (extract(epoch from a.claimed_at) * 1000)::float8
                 from gh_automation_jobs j join gh_job_attempts a on a.job_id = j.id where j.id = $1";
    Ok(sqlx::query_as(query).bind(job).fetch_one(connection).await?)
}

/// Ends the job and its machine, so that the dispatcher has nothing to do.
async fn finish(connection: &mut PgConnection, job: Uuid) -> Result<()> {
    let mut transaction = connection.begin().await?;
    sqlx::query("update gh_machines set closed_at = now() where closed_at is null")
        .execute(&mut *transaction)
        .await?;
    sqlx::query("update gh_automation_jobs set status = 'cancelled' where id = $1")
        .bind(job)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Between two samples; never the same, so that no clock of the dispatcher's is met or missed each time.
fn jitter(number: usize) -> Duration {
    Duration::from_millis(30 + u64::try_from(number * 7_919 % 37).unwrap_or(0))
}
