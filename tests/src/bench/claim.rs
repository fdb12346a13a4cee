//! How long a claim takes when many jobs wait.

use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use domain::tier::Tiers;
use sqlx::PgConnection;

use super::figure::{Figure, Samples, Target, ms};
use super::rig::Rig;

/// What Fly's limit lets one app create at once, and a batch with jobs of several tiers or of pool machines.
const BATCHES: [usize; 2] = [3, 10];
const CLAIMS: usize = 200;
const USERS: i32 = 500;
/// The lengths of the queue.
const PENDING: [i64; 2] = [20_000, 1_000_000];

pub(super) async fn measure() -> Result<Vec<Figure>> {
    // On a thread that waits for its own answers, as the one does that the dispatcher's loop is on.
    let measured = tokio::task::spawn_blocking(|| {
        tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(measure_here())
    });
    measured.await?
}

async fn measure_here() -> Result<Vec<Figure>> {
    let rig = Rig::start().await?;
    let mut connection = rig.connect().await?;
    sqlx::query("update gh_capacity set capacity = 1000").execute(&mut connection).await?;
    let (mut figures, mut there) = (Vec::new(), 0);
    for pending in PENDING {
        let began = Instant::now();
        seed(&mut connection, pending - there).await?;
        there = pending;
        eprintln!("  {pending} jobs wait, after {:.0} s", began.elapsed().as_secs_f64());
        for batch in BATCHES {
            let samples = Samples::new(claims(&rig, &mut connection, batch).await?);
            let what = |which| format!("claim of {batch} with {pending} jobs waiting, {which}");
            figures.push(Figure::new("claim", what("median"), samples.median(), "ms", Target::AtMost(2.0)));
            figures.push(Figure::aside("claim", what("p99"), samples.percentile(99), "ms"));
        }
    }
    let samples = Samples::new(commits(&mut connection).await?);
    for (which, value) in [("median", samples.median()), ("p99", samples.percentile(99))] {
        let what = format!("  of which the disk: an update of one row, {which}");
        figures.push(Figure::aside("claim", what, value, "ms"));
    }
    rig.stop().await;
    Ok(figures)
}

/// Jobs of 500 users, without the triggers: the last million of them may be quick.
async fn seed(connection: &mut PgConnection, count: i64) -> Result<()> {
    sqlx::raw_sql("set session_replication_role = replica").execute(&mut *connection).await?;
    sqlx::query(
        "insert into gh_automation_jobs (user_id, job_type, target_url, tier, status, created_at)
         select lpad((n % $2)::text, 32, '0')::uuid, 'apply', 'https://example.com/apply', 'starter', 'queued',
                now() - make_interval(secs => n * 0.001)
         from generate_series(1, $1) n",
    )
    .bind(count)
    .bind(USERS)
    .execute(&mut *connection)
    .await?;
    sqlx::raw_sql("set session_replication_role = origin").execute(&mut *connection).await?;
    sqlx::raw_sql("vacuum analyze").execute(&mut *connection).await?;
    Ok(())
}

/// How long the least takes that is committed for sure: no claim can be faster.
async fn commits(connection: &mut PgConnection) -> Result<Vec<f64>> {
    let mut times = Vec::new();
    for _ in 0..CLAIMS {
        let began = Instant::now();
        sqlx::query("update gh_leader set holder = holder").execute(&mut *connection).await?;
        times.push(ms(began.elapsed()));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(times)
}

/// The time of each claim; between two of them the jobs of the earlier one end, so that users get their turns back.
async fn claims(rig: &Rig, connection: &mut PgConnection, batch: usize) -> Result<Vec<f64>> {
    let (tiers, mut times) = (Tiers::default(), Vec::new());
    for number in 0..CLAIMS + 10 {
        let began = Instant::now();
        let claimed = rig.claim(&tiers, batch).await?;
        let took = began.elapsed();
        ensure!(claimed.len() == batch, "only {} jobs were claimed", claimed.len());
        if number >= 10 {
            times.push(ms(took));
        }
        let jobs: Vec<uuid::Uuid> = claimed.iter().map(|claimed| claimed.job_id.0).collect();
        sqlx::query("update gh_automation_jobs set status = 'completed' where id = any ($1)")
            .bind(jobs)
            .execute(&mut *connection)
            .await?;
        sqlx::query("update gh_machines set closed_at = now() where closed_at is null")
            .execute(&mut *connection)
            .await?;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    Ok(times)
}
