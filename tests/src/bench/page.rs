//! From the start of a runner's process to a page that is ready, beside a bare Chromium with the same flags.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::figure::{Figure, Samples, Target, ms};
use super::rig::Rig;
use super::runner::Runner;
use crate::account::Account;
use crate::leftovers::Found;
use crate::process::Process;

const PAIRS: usize = 15;
const LIMIT: Duration = Duration::from_secs(30);
/// Tells us when it is ready.
const PAGE: &str = "<!doctype html><title>Apply</title><body onload=\"fetch('/ready')\">\
    <form method=post><label>First name <input name=first></label><label>Last name <input name=last></label><button>Apply</button></form>";

/// The page's server; each message is the moment a page was ready.
struct Site {
    url: String,
    ready: mpsc::UnboundedReceiver<Instant>,
}

pub(super) async fn measure() -> Result<Vec<Figure>> {
    let rig = Rig::start().await?;
    let mut connection = rig.connect().await?;
    let mut site = Site::start().await?;
    let (mut ours, mut bare, mut flags) = (Vec::new(), Vec::new(), None);
    for pair in 0..=PAIRS {
        let runner = Runner::start(&rig, &mut connection, &site.url, None).await?;
        let ready = site.ready().await.with_context(|| runner.process.last_words())?;
        let with_runner = ready.duration_since(runner.instant);
        let flags = flags.get_or_insert_with(|| flags_of_the_runner(&rig));
        runner.end(&rig, &mut connection).await?;
        let alone = chromium(&rig, &mut site, flags).await?;
        if pair > 0 {
            ours.push(ms(with_runner));
            bare.push(ms(alone)); // the first pair warms the disk's cache
        }
    }
    rig.stop().await;
    let ratios = Samples::new(ours.iter().zip(&bare).map(|(ours, bare)| ours / bare).collect());
    let (ours, bare) = (Samples::new(ours), Samples::new(bare));
    Ok(vec![
        Figure::new(
            "page",
            "runner's process → page ready, of a bare Chromium's time",
            ratios.median(),
            "×",
            Target::AtMost(1.15),
        ),
        Figure::aside(
            "page",
            format!("runner's process → page ready, median of {PAIRS}"),
            ours.median(),
            "ms",
        ),
        Figure::aside("page", format!("bare Chromium → page ready, median of {PAIRS}"), bare.median(), "ms"),
    ])
}

impl Site {
    async fn start() -> Result<Self> {
        let (sender, ready) = mpsc::unbounded_channel();
        let told = move || {
            // The last page may outlive the measurement.
            let _ = sender.send(Instant::now());
            std::future::ready("")
        };
        let router =
            Router::new().route("/", get(|| std::future::ready(Html(PAGE)))).route("/ready", get(told));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/", listener.local_addr()?);
        let serving = axum::serve(listener, router);
        tokio::spawn(async move { serving.await });
        Ok(Self { url, ready })
    }

    async fn ready(&mut self) -> Result<Instant> {
        timeout(LIMIT, self.ready.recv())
            .await
            .context("no page was ready in time")?
            .context("the site ended")
    }
}

/// What ties the runner's browser to its runner: its files, its pipe, its way to the network.
const TIES: [&str; 5] = [
    "--user-data-dir=",
    "--remote-debugging-pipe",
    "--proxy-server=",
    "--proxy-bypass-list=",
    "--host-resolver-rules=",
];

/// The command line the runner gives its browser, without what ties that browser to it.
fn flags_of_the_runner(rig: &Rig) -> Vec<String> {
    let is_browser =
        |found: &Found| found.command.contains("--user-data-dir=") && !found.command.contains("--type=");
    let browser = rig.processes().into_iter().find(is_browser);
    let command = browser.map(|found| found.command).unwrap_or_default();
    let own = |word: &&str| word.starts_with("--") && !TIES.iter().any(|tie| word.starts_with(tie));
    command.split(' ').filter(own).map(ToOwned::to_owned).collect()
}

async fn chromium(rig: &Rig, site: &mut Site, flags: &[String]) -> Result<Duration> {
    let profile = rig.folder().join("bare");
    std::fs::create_dir(&profile)?;
    let mut command = Command::new(xtask::tools::chromium().context("no Chromium")?);
    command
        .env_clear()
        .env("PATH", "/usr/local/bin:/usr/bin:/bin")
        .env("HOME", &profile)
        .env("TMPDIR", &profile);
    command.env("LANG", "C.UTF-8").current_dir(&profile);
    command.args(flags).arg(format!("--user-data-dir={}", profile.display())).arg(&site.url);
    if let Some(account) = Account::nobody() {
        account.own(&profile)?;
        account.apply(&mut command);
    }
    let began = Instant::now();
    let browser = Process::start("chromium", command, &rig.folder().join("bare.log"), libc::SIGKILL)?;
    let ready = site.ready().await.with_context(|| browser.last_words())?;
    let took = ready.duration_since(began);
    end(rig, browser, &profile).await?;
    Ok(took)
}

/// Ends a browser and its helpers.
async fn end(rig: &Rig, browser: Process, profile: &Path) -> Result<()> {
    drop(browser);
    for helper in rig.processes() {
        crate::process::send(helper.id, libc::SIGKILL);
    }
    rig.until_quiet().await?;
    std::fs::remove_dir_all(profile).with_context(|| format!("removing {}", profile.display()))
}
