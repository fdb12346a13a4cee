//! Every process of the system, started in order, stopped in reverse.

mod config;
mod parts;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::client::{Api, Machines, http};
use crate::folder::{scratch, set_mode};
use crate::guard::Guard;
use crate::leftovers::{self, Found};
use crate::postgres::Postgres;
use crate::process::{Process, pause};
use crate::programs;
use crate::sandbox;
pub(crate) use config::environment;
pub use config::{Config, RemoteFly};
pub use parts::Part;

/// How long a part may take until it answers.
const READY: Duration = Duration::from_mins(1);
/// How long a part gets to end by itself; a machine alone may use 30 s of it.
const GRACE: Duration = Duration::from_secs(40);
/// How long processes that lost their parent get to notice.
const SETTLE: Duration = Duration::from_secs(3);

/// The running system. [`Stack::stop`] ends it in order; dropping it ends it at once.
pub struct Stack {
    // Dropped in this order: what uses the database first, then whatever is left, the folder last.
    parts: BTreeMap<Part, Process>,
    site: site::Handle,
    postgres: Postgres,
    guard: Guard,
    settings: parts::Settings,
    output: PathBuf,
    folder: tempfile::TempDir,
}

impl Stack {
    /// Starts everything and waits until every part answers.
    ///
    /// # Errors
    /// When a program is missing or a part does not come up, with the last words of its log.
    pub async fn start(config: Config) -> Result<Self> {
        let folder = scratch()?;
        let output = config.keep.clone().unwrap_or_else(|| folder.path().join("output"));
        let shared = folder.path().join("tmp");
        for path in
            [&output.join("logs"), &output.join("artifacts"), &folder.path().join("machines"), &shared]
        {
            std::fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
        }
        set_mode(&shared, 0o1777)?;

        let (home, durability) = (folder.path().join("postgres"), config.durability);
        let probe = tokio::task::spawn_blocking(move || sandbox::works(&shared));
        let postgres = tokio::task::spawn_blocking(move || Postgres::start(&home, durability)).await??;
        postgres.create_database(parts::DATABASE)?;
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
        let resume = config.resume.clone().unwrap_or_else(site::sample_resume);
        let site = site::serve(listener, resume)?;

        let sandboxed = probe.await?;
        if !sandboxed {
            eprintln!("Chromium's sandbox does not work on this computer, so the browsers run without it");
        }
        let settings = parts::Settings::new(config, &postgres, folder.path(), &output, sandboxed)?;
        let guard = Guard::start(&settings.id, folder.path())?;
        let mut stack = Self { parts: BTreeMap::new(), site, postgres, guard, settings, output, folder };
        stack.migrate()?;
        for part in Part::ALL {
            stack.start_part(part).await?;
        }
        Ok(stack)
    }

    /// Starts a part that is not running, at the address it had before, and waits until it answers.
    ///
    /// # Errors
    /// When it does not come up, with the last words of its log. A Fly that is not ours is left alone.
    pub async fn start_part(&mut self, part: Part) -> Result<()> {
        let Some(command) = self.settings.command(part)? else { return Ok(()) };
        if self.is_running(part) {
            return Ok(());
        }
        let log = self.output.join("logs").join(format!("{}.log", part.name()));
        self.parts.insert(part, Process::start(part.name(), command, &log, libc::SIGKILL)?);
        self.wait_ready(part).await
    }

    /// Kills a part at once, as a crash does.
    pub fn kill(&mut self, part: Part) {
        if let Some(mut process) = self.parts.remove(&part) {
            process.kill();
        }
    }

    /// Asks a part to end (SIGTERM) and returns how it ended.
    pub fn terminate(&mut self, part: Part) -> Option<std::process::ExitStatus> {
        Some(self.parts.remove(&part)?.stop(libc::SIGTERM, GRACE))
    }

    /// Whether a part runs.
    pub fn is_running(&mut self, part: Part) -> bool {
        self.parts.get_mut(&part).is_some_and(Process::is_running)
    }

    /// A part that ended although nobody asked it to.
    pub fn ended(&mut self) -> Option<Part> {
        self.parts.iter_mut().find_map(|(part, process)| (!process.is_running()).then_some(*part))
    }

    /// Everything a part wrote, over all its lives.
    pub fn log(&self, part: Part) -> String {
        let log = self.output.join("logs").join(format!("{}.log", part.name()));
        std::fs::read_to_string(log).unwrap_or_default()
    }

    /// The database server, to stop, crash and resume.
    pub fn postgres(&mut self) -> &mut Postgres {
        &mut self.postgres
    }

    /// The career site.
    pub fn site(&self) -> &site::Handle {
        &self.site
    }

    /// The address of the database for its owner.
    pub fn database_url(&self) -> String {
        self.postgres.url(parts::DATABASE)
    }

    /// The address of the database for the runner's role.
    pub fn runner_database_url(&self) -> String {
        self.settings.runner_database_url.clone()
    }

    /// The address of the api, without a path.
    pub fn api_url(&self) -> String {
        self.settings.api_url()
    }

    /// The address of the dispatcher's own pages, without a path.
    pub fn dispatcher_url(&self) -> String {
        self.settings.dispatcher_url()
    }

    /// The address of the Machines API, without a path.
    pub fn fly_url(&self) -> String {
        self.settings.fly.url.clone()
    }

    /// Our REST API, with the key.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn api(&self) -> Result<Api> {
        Api::new(&self.api_url(), &self.settings.service_secret)
    }

    /// The Machines API, with the token.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn machines(&self) -> Result<Machines> {
        Machines::new(&self.settings.fly.url, &self.settings.fly.token, &self.settings.fly.app)
    }

    /// Where logs and screenshots are.
    pub fn output(&self) -> &Path {
        &self.output
    }

    /// What another program needs in its environment to talk to this stack.
    pub fn exports(&self) -> Vec<(&'static str, String)> {
        self.settings.exports()
    }

    /// The runners alive on this computer.
    pub fn runners(&self) -> Vec<Found> {
        self.processes().into_iter().filter(|found| found.machine().is_some()).collect()
    }

    /// The browsers alive on this computer, without their helpers.
    pub fn browsers(&self) -> Vec<Found> {
        let mut found = self.processes();
        found.retain(|process| {
            process.command.contains("--user-data-dir=") && !process.command.contains("--type=")
        });
        found
    }

    /// Every process of this stack but our own.
    pub fn processes(&self) -> Vec<Found> {
        leftovers::find(&self.settings.id, self.folder.path())
    }

    /// Ends every part in order, then looks for what is left, kills it and returns it: nothing, when all is well.
    pub async fn stop(mut self) -> Vec<Found> {
        for part in Part::ALL.into_iter().rev() {
            self.terminate(part);
        }
        self.site.stop().await;
        self.postgres.stop();
        let until = Instant::now() + SETTLE;
        loop {
            let left = leftovers::find(&self.settings.id, self.folder.path());
            if left.is_empty() || Instant::now() > until {
                drop(self.guard); // kills what is left
                return left;
            }
            pause();
        }
    }

    fn migrate(&self) -> Result<()> {
        let mut command = Command::new(programs::path("api")?);
        self.settings.common(&mut command);
        command
            .arg("migrate")
            .env("DATABASE_URL", self.database_url())
            .env("GH_RUNNER_DB_PASSWORD", &self.settings.runner_password)
            .stdin(Stdio::null());
        let output = command.output().context("running api migrate")?;
        let words = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(output.status.success(), "api migrate ended with {}:\n{words}", output.status);
        Ok(())
    }

    async fn wait_ready(&mut self, part: Part) -> Result<()> {
        let (http, url) = (http()?, self.settings.ready_url(part));
        let until = Instant::now() + READY;
        loop {
            let request = http.get(&url).bearer_auth(&self.settings.fly.token).send();
            if request.await.is_ok_and(|reply| reply.status().is_success()) {
                return Ok(());
            }
            let process = self.parts.get_mut(&part).context("it was stopped while it started")?;
            process.expect_alive(until)?;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}
