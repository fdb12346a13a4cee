//! The scaling rule on a trace that is quiet, has a burst, and is quiet again: real dispatcher, real local Fly under Fly's
//! limits, machines that are processes. Drawn to docs/scaling.svg.

mod picture;

use std::time::Duration;

use anyhow::{Result, ensure};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, interval};

use super::figure::{Figure, Target};
use crate::chaos::recorder::Recorder;
use crate::chaos::{IMAGE, calm_job};
use crate::{Config, Stack, programs};

/// The trace: so many seconds without a job, then so many jobs, evenly over so many seconds.
const QUIET: Duration = Duration::from_mins(1);
const JOBS: u32 = 180;
const BURST: Duration = Duration::from_mins(1);
/// How long each job works.
const WORK: Duration = Duration::from_secs(25);
/// The rule gives a limit back after ten minutes without a due job; then a little more, for the eye.
const LIMIT: Duration = Duration::from_mins(20);
const AFTER: Duration = Duration::from_secs(30);
const EVERY: Duration = Duration::from_millis(500);

/// What was seen at one moment.
#[derive(Clone, Copy, Debug, sqlx::FromRow)]
struct Sample {
    /// Seconds since the beginning.
    #[sqlx(skip)]
    at: f64,
    pending: i64,
    capacity: i64,
    machines: i64,
    done: i64,
}

/// A decision of the rule.
#[derive(Clone, Debug, sqlx::FromRow)]
struct Decision {
    /// Seconds since the beginning.
    at: f64,
    capacity_from: i32,
    capacity_to: i32,
    reason: String,
}

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let recorder = Recorder::start().await?;
    let config = Config {
        fly_arguments: vec![
            "--image".into(),
            format!("{IMAGE}={}", programs::path("chaos-runner")?.display()),
        ],
        dispatcher: vec![("GH_RUNNER_IMAGE".into(), IMAGE.into())],
        ..Config::default()
    };
    let stack = Stack::start(config).await?;
    let mut connection = PgConnection::connect(&stack.database_url()).await?;
    let began: f64 = sqlx::query_scalar("select extract(epoch from clock_timestamp())::float8")
        .fetch_one(&mut connection)
        .await?;
    let samples = trace(&mut connection, &recorder.url()).await?;
    let decisions: Vec<Decision> = sqlx::query_as(
        "select (extract(epoch from at) - $1)::float8 as at, capacity_from, capacity_to, reason from gh_scale_log
         where tier = 'starter' and capacity_from <> capacity_to order by id",
    )
    .bind(began)
    .fetch_all(&mut connection)
    .await?;
    let path = xtask::workspace().join("docs/scaling.svg");
    std::fs::write(&path, picture::draw(&samples, &decisions))?;
    eprintln!("  drawn to {}", path.display());
    let figures = figures(&samples, &decisions);
    stack.stop().await;
    figures
}

/// Plays the trace and looks twice a second.
async fn trace(connection: &mut PgConnection, recorder: &str) -> Result<Vec<Sample>> {
    let (began, mut tick) = (Instant::now(), interval(EVERY));
    let (mut samples, mut put_in, mut over): (Vec<Sample>, u32, Option<Instant>) = (Vec::new(), 0, None);
    while over.is_none_or(|over| over.elapsed() < AFTER) {
        tick.tick().await;
        ensure!(began.elapsed() < LIMIT, "the limit was not given back: {:?}", samples.last());
        let due = began.elapsed().saturating_sub(QUIET).div_duration_f64(BURST) * f64::from(JOBS);
        while f64::from(put_in) < due.min(f64::from(JOBS)) {
            sqlx::query(
                "insert into gh_automation_jobs (user_id, job_type, target_url, input_data) values (gen_random_uuid(), 'apply', $1, $2)",
            )
            .bind(recorder)
            .bind(calm_job("starter", u64::from(put_in), WORK, recorder))
            .execute(&mut *connection)
            .await?;
            put_in += 1;
        }
        let mut sample = look(connection).await?;
        sample.at = began.elapsed().as_secs_f64();
        let worked = samples.iter().any(|sample| sample.capacity > 2);
        if over.is_none() && worked && sample.done == i64::from(JOBS) && sample.capacity == 2 {
            over = Some(Instant::now());
        }
        samples.push(sample);
    }
    Ok(samples)
}

async fn look(connection: &mut PgConnection) -> Result<Sample> {
    Ok(sqlx::query_as(
        "select (select count(*) from gh_automation_jobs where status in ('pending', 'queued') and worker_id is null) as pending,
                coalesce((select capacity::bigint from gh_capacity where tier = 'starter'), 0) as capacity,
                (select count(*) from gh_machines where closed_at is null and fly_id is not null and exited_at is null) as machines,
                (select count(*) from gh_automation_jobs where status = 'completed') as done",
    )
    .fetch_one(connection)
    .await?)
}

fn figures(samples: &[Sample], decisions: &[Decision]) -> Result<Vec<Figure>> {
    let most = |of: fn(&Sample) -> i64| samples.iter().map(of).max().unwrap_or(0);
    let number = |value: i64| -> Result<f64> { Ok(f64::from(i32::try_from(value)?)) };
    let last_due = samples.iter().rev().find(|sample| sample.pending > 0).map_or(0.0, |sample| sample.at);
    let given_back =
        decisions.iter().find(|decision| decision.reason == "quiet").map_or(f64::NAN, |it| it.at);
    Ok(vec![
        Figure::aside("scaling", "most jobs pending", number(most(|sample| sample.pending))?, "jobs"),
        Figure::aside("scaling", "highest capacity", number(most(|sample| sample.capacity))?, "jobs"),
        Figure::aside("scaling", "most live machines", number(most(|sample| sample.machines))?, "machines"),
        Figure::new(
            "scaling",
            "last due job → capacity given back",
            given_back - last_due,
            "s",
            Target::AtMost(620.0),
        ),
    ])
}
