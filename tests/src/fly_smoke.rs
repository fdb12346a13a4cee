//! The open questions about Fly's Machines API, put to Fly itself on a throw-away app, or to the local one.
//!
//! Nothing is asserted about the answers: they are facts to read and to put into `infra/local`. What fails is a step that
//! the dispatcher depends on, or something that is left behind.

mod account;
mod questions;

use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use serde::Serialize;
use serde_json::Value;

use crate::folder::scratch;
use crate::ports::free_port;
use crate::process::Process;
use crate::programs;
use crate::stack::environment;
use account::Account;

/// An image with a shell and curl.
const IMAGE: &str = "docker.io/curlimages/curl:8.10.1";
/// Where Fly is.
const FLY: &str = "https://api.machines.dev";
/// The smallest guest, in millionths of a dollar per second: $1.94 a month of 2,592,000 s.
const MICROS_PER_SECOND: f64 = 0.75;
/// What one run may cost, in millionths of a dollar: ten cents.
const LIMIT_MICROS: f64 = 100_000.0;

/// One question and what was seen.
#[derive(Debug, Serialize)]
pub struct Answer {
    /// What was asked.
    pub question: &'static str,
    /// What was seen.
    pub seen: Value,
}

/// What a run found.
#[derive(Debug, Serialize)]
struct Report {
    /// Where.
    fly: String,
    /// The questions, in order.
    answers: Vec<Answer>,
    /// Seconds that machines ran, all together.
    machine_seconds: f64,
    /// What that costs at most, in dollars.
    cost_usd: f64,
    /// Machines that are still there after the end.
    left: usize,
}

/// Asks every question and cleans up.
///
/// # Errors
/// When a step fails that the dispatcher depends on, when something is left, or when it cost more than ten cents.
pub async fn run(arguments: xtask::arguments::FlySmoke) -> Result<()> {
    let folder = scratch()?;
    let (mut local, account) = if let Some(token) = environment("FLY_API_TOKEN") {
        let url = environment("FLY_API_HOSTNAME").or_else(|| environment("FLY_FLAPS_BASE_URL"));
        let org = environment("FLY_ORG").unwrap_or_else(|| "personal".to_owned());
        let app = format!("ghosthands-smoke-{}", &uuid::Uuid::now_v7().simple().to_string()[..12]);
        (None, Account::new(url.as_deref().unwrap_or(FLY), &token, &app, Some(&org), IMAGE)?)
    } else {
        eprintln!("FLY_API_TOKEN is not set: asking the local Fly");
        let (process, url) = start_local(folder.path()).await?;
        (Some(process), Account::new(&url, "smoke", "ghosthands-smoke", None, IMAGE)?)
    };
    account.open().await?;
    let asked = tokio::select! {
        asked = questions::ask(&account) => asked,
        _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
    };
    // Whatever happened: nothing may stay behind and cost.
    let left = account.close().await;
    let machine_seconds = account.seconds();
    if let Some(process) = &mut local {
        process.stop(libc::SIGTERM, Duration::from_secs(10));
    }
    let (answers, left) = (asked?, left?);
    let micros = machine_seconds * MICROS_PER_SECOND;
    let report =
        Report { fly: account.url().to_owned(), answers, machine_seconds, cost_usd: micros / 1e6, left };
    print(&report, arguments.json)?;
    ensure!(left == 0, "{left} machines of {} are still there", account.app());
    ensure!(micros < LIMIT_MICROS, "it cost more than ten cents: {machine_seconds} s of machine");
    Ok(())
}

/// A local Fly whose one image is this computer's shell.
async fn start_local(folder: &std::path::Path) -> Result<(Process, String)> {
    let listen = format!("127.0.0.1:{}", free_port()?);
    let mut command = std::process::Command::new(programs::path("local-fly")?);
    command.args(["--listen", &listen, "--token", "smoke", "--app", "ghosthands-smoke"]);
    command.args(["--image", &format!("{IMAGE}=/bin/sh")]).arg("--state-dir").arg(folder.join("machines"));
    let mut process = Process::start("local-fly", command, &folder.join("local-fly.log"), libc::SIGKILL)?;
    let url = format!("http://{listen}");
    let until = std::time::Instant::now() + Duration::from_secs(20);
    let http = crate::client::http()?;
    while http.get(format!("{url}/v1/platform/regions")).send().await.is_err() {
        process.expect_alive(until)?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Ok((process, url))
}

fn print(report: &Report, json: bool) -> Result<()> {
    use std::io::Write as _;
    let mut out = std::io::stdout();
    if json {
        writeln!(out, "{}", serde_json::to_string_pretty(report)?)?;
        return Ok(());
    }
    for answer in &report.answers {
        writeln!(out, "{}\n    {}", answer.question, answer.seen)?;
    }
    writeln!(
        out,
        "{}: {:.1} s of machine, at most ${:.6}; {} left",
        report.fly, report.machine_seconds, report.cost_usd, report.left
    )?;
    Ok(())
}

/// The text at a place of an answer; the answer itself in the error.
fn text<'a>(value: &'a Value, name: &str) -> Result<&'a str> {
    match value[name].as_str() {
        Some(text) => Ok(text),
        None => bail!("no {name} in {value}"),
    }
}

/// Milliseconds since `start`, for an answer.
fn elapsed(start: tokio::time::Instant) -> Result<u64> {
    u64::try_from(start.elapsed().as_millis()).context("it took ages")
}
