//! A private Postgres made from the binaries of this computer.
//!
//! It listens on a free port of the loopback and on a socket in its own folder, is owned by an account without
//! rights when we are root, asks for a password, and shuts down cleanly even when we are killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::account::Account;
use crate::folder::set_mode;
use crate::ports::free_port;
use crate::process::Process;
use crate::sql;

/// How long a server may take to be ready; it takes 50 ms on an idle computer.
const START: Duration = Duration::from_mins(1);
/// How long a fast shutdown may take.
const STOP: Duration = Duration::from_secs(30);

/// Whether a commit survives the power cord.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// As in production: what is measured is true.
    Full,
    /// No `fsync`: several times faster, for tests. A crash of the server still loses nothing, a crash of the computer does.
    Memory,
}

/// A running cluster; dropping it stops it. Its folder is whoever made it's to remove.
pub struct Postgres {
    programs: PathBuf,
    folder: PathBuf,
    account: Option<Account>,
    durability: Durability,
    password: String,
    port: u16,
    process: Option<Process>,
}

impl Postgres {
    /// Makes a cluster in the new folder `folder` and starts it; takes about a second.
    ///
    /// # Errors
    /// When Postgres is not installed, or its own words when it does not start.
    pub fn start(folder: &Path, durability: Durability) -> Result<Self> {
        let programs = xtask::tools::postgres().context(
            "no Postgres server found: run `cargo xtask setup`, or set PG_BIN to the folder with initdb and postgres",
        )?;
        let mut cluster = Self {
            programs,
            folder: folder.to_owned(),
            account: Account::unprivileged()?,
            durability,
            password: uuid::Uuid::new_v4().simple().to_string(),
            port: free_port()?,
            process: None,
        };
        cluster.init()?;
        cluster.resume()?;
        Ok(cluster)
    }

    /// The address of a database for the superuser, password included.
    pub fn url(&self, database: &str) -> String {
        self.url_as("postgres", &self.password, database)
    }

    /// The address of a database for another role.
    pub fn url_as(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Creates an empty database and returns its address.
    ///
    /// # Errors
    /// When it exists already.
    pub fn create_database(&self, name: &str) -> Result<String> {
        sql::execute(&self.url("postgres"), &format!("create database \"{name}\""))?;
        Ok(self.url(name))
    }

    /// Stops it the fast way: open transactions are rolled back, clients are cut.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(libc::SIGINT, STOP);
        }
    }

    /// Stops it as a crash does (SIGQUIT): the next start replays the log.
    pub fn crash(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.stop(libc::SIGQUIT, STOP);
        }
    }

    /// Starts it again, on the same port and with the same data.
    ///
    /// # Errors
    /// Its own words when it does not start.
    pub fn resume(&mut self) -> Result<()> {
        if self.process.is_some() {
            return Ok(());
        }
        let fsync = match self.durability {
            Durability::Full => "on",
            Durability::Memory => "off",
        };
        let mut command = self.command("postgres");
        command.arg("-D").arg(self.data()).arg("-k").arg(&self.folder).args(["-p", &self.port.to_string()]);
        for setting in [
            "listen_addresses=127.0.0.1",
            "max_connections=200",
            &format!("fsync={fsync}"),
            &format!("full_page_writes={fsync}"),
        ] {
            command.args(["-c", setting]);
        }
        // SIGINT asks Postgres for a fast shutdown, so even our violent death leaves clean data.
        let mut process = Process::start("postgres", command, &self.folder.join("log"), libc::SIGINT)?;
        let (file, id) = (self.data().join("postmaster.pid"), process.id().to_string());
        process.wait_until(START, || is_ready(&file, &id))?;
        self.process = Some(process);
        Ok(())
    }

    fn init(&self) -> Result<()> {
        std::fs::create_dir_all(&self.folder)?;
        set_mode(&self.folder, 0o700)?;
        let secret = self.folder.join("password");
        std::fs::write(&secret, &self.password)?;
        if let Some(account) = self.account {
            account.own(&self.folder)?;
            account.own(&secret)?;
        }
        let mut command = self.command("initdb");
        command.arg("-D").arg(self.data()).arg("--pwfile").arg(&secret);
        command.args([
            "--username=postgres",
            "--auth=scram-sha-256",
            "--encoding=UTF8",
            "--no-locale",
            "--no-sync",
        ]);
        let output = command.output().context("running initdb")?;
        std::fs::remove_file(&secret)?;
        ensure!(output.status.success(), "initdb: {}", String::from_utf8_lossy(&output.stderr));
        Ok(())
    }

    /// A program of Postgres, as the right account, with a clean environment.
    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.programs.join(program));
        command.current_dir(&self.folder).env_clear().env("LC_ALL", "C.UTF-8").env("PATH", "/usr/bin:/bin");
        command.stdin(Stdio::null());
        if let Some(account) = self.account {
            account.apply(&mut command);
        }
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.join("data")
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Whether the pid file is of the process `id`, and its eighth line says ready.
fn is_ready(pid_file: &Path, id: &str) -> bool {
    let text = std::fs::read_to_string(pid_file).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.next() == Some(id) && lines.nth(6) == Some("ready")
}
