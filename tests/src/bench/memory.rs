//! How much memory each process needs, and how large the runner's program is.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use sqlx::{Connection as _, PgConnection};
use tokio::time::{Instant, sleep};

use super::figure::{Figure, Target};
use super::inserts;
use super::machines_api::MachinesApi;
use super::rig::{self, Rig};
use super::runner::Runner;
use crate::{Part, Stack, folder, programs};

const MACHINES: i32 = 1000;
/// Some rounds of looking at every machine.
const SETTLE: Duration = Duration::from_secs(15);
const LIMIT: Duration = Duration::from_mins(2);

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let mut figures = services().await?;
    figures.extend(runner().await?);
    let size = std::fs::metadata(programs::path("runner")?)?.len() / 1024;
    figures.push(figure("runner's program, stripped", mb(size)?, 20.0));
    Ok(figures)
}

async fn services() -> Result<Vec<Figure>> {
    let (api, _arrivals) = MachinesApi::start().await?;
    let place = folder::scratch()?;
    let stack = Stack::start(rig::stack(place.path(), 2000, Some(api.remote()))?).await?;
    sleep(Duration::from_secs(2)).await;
    let mut figures = vec![
        figure("api, idle", resident(&stack, Part::Api)?, 30.0),
        figure("dispatcher, idle", resident(&stack, Part::Dispatcher)?, 40.0),
    ];
    let mut connection = PgConnection::connect(&stack.database_url()).await?;
    inserts::many(&mut connection, MACHINES).await?;
    let until = Instant::now() + LIMIT;
    while api.made() < usize::try_from(MACHINES)? {
        ensure!(Instant::now() < until, "only {} machines were made", api.made());
        sleep(Duration::from_millis(50)).await;
    }
    sleep(SETTLE).await;
    let live: i64 = sqlx::query_scalar(
        "select count(*) from gh_job_attempts where state in ('claimed', 'launching', 'running')",
    )
    .fetch_one(&mut connection)
    .await?;
    ensure!(live == i64::from(MACHINES), "{live} attempts live, not {MACHINES}");
    figures.push(figure(
        &format!("dispatcher, {MACHINES} live machines"),
        resident(&stack, Part::Dispatcher)?,
        40.0,
    ));
    stack.stop().await;
    Ok(figures)
}

/// The most a runner needs, without its browser, for a whole application.
async fn runner() -> Result<Vec<Figure>> {
    let rig = Rig::start().await?;
    let mut connection = rig.connect().await?;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let site = site::serve(listener, site::sample_resume())?;
    let url = site.form_url(site::Brand::Northwind, "bench");
    let mut runner = Runner::start(&rig, &mut connection, &url, Some(site.resume_url())).await?;
    let (mut most, until) = (0, Instant::now() + LIMIT);
    while runner.process.is_running() {
        ensure!(Instant::now() < until, "the runner did not end:\n{}", runner.process.last_words());
        most = status(runner.process.id(), "VmHWM").unwrap_or(most);
        sleep(Duration::from_millis(10)).await;
    }
    ensure!(site.accepted("bench").len() == 1, "no application arrived:\n{}", runner.process.last_words());
    site.stop().await;
    rig.stop().await;
    Ok(vec![figure("runner's own, the most during a job", mb(most)?, 40.0)])
}

fn figure(what: &str, measured: f64, most: f64) -> Figure {
    Figure::new("memory", what, measured, "MB", Target::AtMost(most))
}

/// The resident memory of a part now.
fn resident(stack: &Stack, part: Part) -> Result<f64> {
    let ours = |found: &crate::leftovers::Found| {
        found.command.split(' ').next().is_some_and(|program| program.ends_with(&format!("/{}", part.name())))
    };
    let found = stack.processes().into_iter().find(ours).with_context(|| format!("no {}", part.name()))?;
    mb(status(found.id, "VmRSS").context("this kernel does not say how much memory a process has")?)
}

/// A line of `/proc/PID/status`, in kB.
pub(super) fn status(id: i32, name: &str) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{id}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

pub(super) fn mb(kb: u64) -> Result<f64> {
    Ok(f64::from(u32::try_from(kb)?) / 1024.0)
}
