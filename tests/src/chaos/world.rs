//! Everything that runs during a run, and the hands that break it.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use xtask::arguments::Chaos;

use super::facts::Call;
use super::faults;
use super::feed::Fed;
use super::recorder::Recorder;
use crate::leftovers::Found;
use crate::process::Process;
use crate::{Config, Part, Stack, client, folder, programs, sql};

/// What machines run.
pub(crate) const IMAGE: &str =
    "chaos/runner@sha256:0000000000000000000000000000000000000000000000000000000000000000";
/// How long a dispatcher gets to end by itself.
const GRACE: Duration = Duration::from_secs(30);

/// Something put off.
pub(super) enum Later {
    /// Start this dispatcher.
    Start(usize),
    /// Let this frozen process go on.
    Thaw(i32),
}

/// Everything that runs.
pub(super) struct World {
    pub(super) dispatchers: [Option<Process>; 2],
    pub(super) stack: Stack,
    pub(super) later: Vec<(Instant, Later)>,
    /// What was done, by its name, and how often.
    pub(super) done: BTreeMap<String, u64>,
    /// What the local Fly was asked before it was killed: it forgets that.
    calls: Vec<Call>,
    recorder: Recorder,
    place: tempfile::TempDir,
    settings: BTreeMap<&'static str, String>,
}

impl World {
    pub(super) async fn start(arguments: &Chaos) -> Result<Self> {
        let place = folder::scratch()?;
        let script = place.path().join("faults.json");
        std::fs::write(&script, serde_json::to_vec(&faults::script(arguments.seed))?)?;
        let mut fly: Vec<String> = [
            "--boot-delay-ms",
            "50",
            "--start-delay-ms",
            "30",
            "--create-rate",
            "30",
            "--create-burst",
            "30",
        ]
        .map(ToOwned::to_owned)
        .to_vec();
        fly.extend(["--faults".to_owned(), script.display().to_string()]);
        fly.extend(["--image".to_owned(), format!("{IMAGE}={}", programs::path("chaos-runner")?.display())]);
        let keep = arguments.output.clone().map(std::path::absolute).transpose()?;
        let mut stack = Stack::start(Config { keep, fly_arguments: fly, ..Config::default() }).await?;
        // Two of our own take the place of the stack's.
        for part in [Part::Dispatcher, Part::Api] {
            stack.terminate(part);
        }
        let settings = stack.exports().into_iter().collect();
        let mut world = Self {
            dispatchers: [None, None],
            later: Vec::new(),
            done: BTreeMap::new(),
            calls: Vec::new(),
            recorder: Recorder::start().await?,
            place,
            settings,
            stack,
        };
        world.write_tiers("{ min = 3, max = 6 }")?;
        for number in 0..2 {
            world.start_dispatcher(number)?;
        }
        Ok(world)
    }

    pub(super) fn recorder(&self) -> &Recorder {
        &self.recorder
    }

    pub(super) fn database_url(&self) -> String {
        self.stack.database_url()
    }

    /// The machines' processes.
    pub(super) fn machines(&self) -> Vec<Found> {
        let mut found = self.stack.runners();
        found.retain(|process| process.command.ends_with("chaos-runner"));
        found
    }

    pub(super) fn count(&mut self, what: &str) {
        *self.done.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn start_dispatcher(&mut self, number: usize) -> Result<()> {
        if self.dispatchers[number].is_some() {
            return Ok(());
        }
        let mut command = Command::new(programs::path("dispatcher")?);
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("RUST_LOG", "info,dispatcher=debug")
            .current_dir(self.place.path());
        command.envs(&self.settings).env("GH_ENV", "chaos").env("GH_RUNNER_IMAGE", IMAGE);
        command
            .env("GH_TIERS_FILE", self.tiers_file())
            .env("GH_ALLOW_PRIVATE_NET", "true") // the recorder is on this computer
            .env("GH_CREATE_RATE", "25")
            .env("GH_CREATE_BURST", "25");
        let log = self.stack.output().join(format!("logs/dispatcher-{number}.log"));
        self.dispatchers[number] = Some(Process::start("dispatcher", command, &log, libc::SIGKILL)?);
        Ok(())
    }

    /// Does what was put off and is due; all of it when `all`.
    pub(super) fn catch_up(&mut self, all: bool) -> Result<()> {
        let now = Instant::now();
        let (due, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.later).into_iter().partition(|(at, _)| all || *at <= now);
        self.later = later;
        for (_, what) in due {
            match what {
                Later::Start(number) => self.start_dispatcher(number)?,
                Later::Thaw(id) => crate::process::send(id, libc::SIGCONT),
            }
        }
        Ok(())
    }

    /// Ends the faults and starts what is not running.
    pub(super) async fn mend(&mut self) -> Result<()> {
        self.catch_up(true)?;
        self.stack.start_part(Part::Fly).await?;
        for number in 0..2 {
            self.start_dispatcher(number)?;
        }
        self.note_faults().await;
        client::http()?
            .post(format!("{}/local/faults", self.stack.fly_url()))
            .body("[]")
            .send()
            .await?
            .error_for_status()?;
        self.write_tiers("{ min = 0, max = 0 }") // an empty pool, so that no machine waits for a job that never comes
    }

    /// Waits until every job has come to an end and was told of, and every machine is gone and billed; false when that takes too long.
    pub(super) async fn rest(&mut self, limit: Duration) -> Result<bool> {
        #[derive(Debug, Default, Deserialize)]
        struct Open {
            jobs: u64,
            machines: u64,
            callbacks: u64,
        }
        let query = "select (select count(*) from gh_automation_jobs where status in ('pending', 'queued', 'running', 'paused')) as jobs,
                            (select count(*) from gh_machines where closed_at is null) as machines,
                            (select count(*) from gh_outbox where delivered_at is null and parked_at is null) as callbacks";
        let (url, until, machines) = (self.database_url(), Instant::now() + limit, self.stack.machines()?);
        let mut told = Instant::now();
        loop {
            let open: Open = sql::rows(&url, query)?.pop().unwrap_or_default();
            let alive = machines.alive().await?.len();
            if (open.jobs, open.machines, open.callbacks, alive) == (0, 0, 0, 0) {
                return Ok(true);
            }
            if told.elapsed() > Duration::from_secs(20) {
                eprintln!(
                    "  {} jobs, {} machines, {alive} at Fly, {} callbacks",
                    open.jobs, open.machines, open.callbacks
                );
                told = Instant::now();
            }
            if Instant::now() > until {
                return Ok(false);
            }
            sleep(Duration::from_millis(500)).await;
        }
    }

    /// Something the local Fly says of itself.
    pub(super) async fn fly(&self, what: &str) -> Result<Value> {
        let reply = client::http()?.get(format!("{}/local/{what}", self.stack.fly_url())).send().await?;
        Ok(reply.error_for_status()?.json().await?)
    }

    /// Kills the local Fly, whose machines live on; what it would forget is noted before.
    pub(super) async fn kill_fly(&mut self) {
        self.note_faults().await;
        if let Ok(calls) = self.calls().await {
            self.calls = calls;
        }
        self.stack.kill(Part::Fly);
    }

    /// Adds what the local Fly did wrong so far; a new script makes it forget that.
    async fn note_faults(&mut self) {
        let Ok(rules) = self.fly("faults").await else { return };
        for rule in rules.as_array().into_iter().flatten() {
            let struck = rule["struck"].as_u64().unwrap_or(0);
            if struck > 0 {
                *self.done.entry(faults::name(rule)).or_default() += struck;
            }
        }
    }

    /// Every call the local Fly received in all its lives.
    pub(super) async fn calls(&self) -> Result<Vec<Call>> {
        let latest: Vec<Call> =
            serde_json::from_value(self.fly("log").await?).context("the local Fly's log")?;
        Ok(self.calls.iter().cloned().chain(latest).collect())
    }

    /// Everything that was done, those who put jobs in included.
    pub(super) fn tally(&self, fed: &Fed) -> BTreeMap<String, u64> {
        let mut tally = self.done.clone();
        tally.insert("job cancelled".to_owned(), fed.cancelled);
        tally.insert("job handed back by hand".to_owned(), fed.handed_back);
        tally
    }

    /// A setting of the stack.
    pub(super) fn setting(&self, name: &str) -> Result<&str> {
        self.settings.get(name).map(String::as_str).with_context(|| format!("the stack has no {name}"))
    }

    /// Ends everything and returns the processes that were left.
    pub(super) async fn stop(mut self) -> Vec<Found> {
        for dispatcher in self.dispatchers.iter_mut().flatten() {
            dispatcher.stop(libc::SIGTERM, GRACE);
        }
        self.stack.stop().await
    }

    fn tiers_file(&self) -> std::path::PathBuf {
        self.place.path().join("tiers.toml")
    }

    /// The shipped tiers, narrow enough that caps are felt and impatient enough that a run ends; one has a pool.
    fn write_tiers(&self, pool: &str) -> Result<()> {
        let mut tier = String::new();
        let mut text = String::new();
        for line in domain::tier::DEFAULT.lines() {
            let name = line.split(" =").next().unwrap_or_default();
            if let Some(rest) = line.strip_prefix("[tiers.") {
                rest.trim_end_matches(']').clone_into(&mut tier);
            }
            let changed = match name {
                "capacity" => "capacity = { min = 6, max = 16 }",
                "per_user" => "per_user = 3",
                "boot_seconds" => "boot_seconds = 10",
                "pool" | "oom_tier" => continue,
                _ => line,
            };
            text.push_str(changed);
            text.push('\n');
            match (name, tier.as_str()) {
                ("per_user", "enterprise") => text.extend(["pool = ", pool, "\n"]),
                ("per_user", "starter") => text.push_str("oom_tier = \"pro\"\n"),
                _ => {}
            }
        }
        std::fs::write(self.tiers_file(), text)?;
        Ok(())
    }
}
