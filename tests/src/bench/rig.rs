//! What a figure is measured on: a durable Postgres of our own, and what a runner or a claim needs.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use base64::Engine as _;
use domain::tier::{DEFAULT, Tiers};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection};
use store::Db;
use store::dispatch::{App, Claimed, Lease};
use store::seal::Sealer;
use tokio::time::Instant;

use crate::folder::{scratch, set_mode};
use crate::guard::Guard;
use crate::leftovers::{self, Found};
use crate::postgres::{Durability, Postgres};
use crate::{Config, RemoteFly, programs, sandbox};

/// The release's image, for claims that nobody launches.
const IMAGE: &str = "bench/runner@sha256:0000000000000000000000000000000000000000000000000000000000000000";

/// A migrated database, and the lease of a dispatcher that is us.
pub(super) struct Rig {
    // Dropped in this order.
    postgres: Postgres,
    guard: Guard,
    id: String,
    runner_password: String,
    sandboxed: bool,
    db: Db,
    lease: Lease,
    sealer: Sealer,
    folder: tempfile::TempDir,
}

impl Rig {
    pub(super) async fn start() -> Result<Self> {
        let folder = scratch()?;
        let shared = folder.path().join("tmp");
        std::fs::create_dir(&shared)?;
        set_mode(&shared, 0o1777)?;
        let postgres = Postgres::start(&folder.path().join("postgres"), Durability::Full)?;
        let url = SecretString::from(postgres.create_database("ghosthands")?);
        let runner_password = uuid::Uuid::new_v4().simple().to_string();
        store::migrate(&url, Some(&runner_password.clone().into())).await?;
        let db = Db::open(&url, "ghosthands-bench", 5)?;
        store::dispatch::seed_capacity(&db, &Tiers::default()).await?;
        let lease = store::dispatch::lead(&db, "bench", 24 * 3600).await?.context("somebody else leads")?;
        let id = uuid::Uuid::new_v4().to_string();
        let key = base64::engine::general_purpose::STANDARD.encode([7_u8; 32]);
        Ok(Self {
            guard: Guard::start(&id, folder.path())?,
            sandboxed: sandbox::works(&shared),
            sealer: Sealer::new(1, &key.into())?,
            postgres,
            id,
            runner_password,
            db,
            lease,
            folder,
        })
    }

    /// A connection for the owner.
    pub(super) async fn connect(&self) -> Result<PgConnection> {
        Ok(PgConnection::connect(&self.postgres.url("ghosthands")).await?)
    }

    /// A folder of the rig's own that everybody may write to.
    pub(super) fn folder(&self) -> PathBuf {
        self.folder.path().join("tmp")
    }

    /// Claims up to `most` due jobs, as the dispatcher does; `tiers` are in force.
    pub(super) async fn claim(&self, tiers: &Tiers, most: usize) -> Result<Vec<Claimed>> {
        let apps = [App { app: "bench".to_owned(), rate: 1e6, burst: 1e6 }];
        Ok(store::dispatch::claim(&self.db, &self.lease, tiers, IMAGE, &apps, &self.sealer, most).await?)
    }

    /// The command of a runner that does the claimed job, and nothing else in its environment.
    pub(super) fn runner(&self, claimed: &Claimed) -> Result<Command> {
        let mut command = Command::new(programs::path("runner")?);
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").current_dir(self.folder());
        command.env("TMPDIR", self.folder()).env("HOME", self.folder()).env("GH_STACK_ID", &self.id);
        let url = self.postgres.url_as("gh_runner", &self.runner_password, "ghosthands");
        command.env("DATABASE_URL", url).env("GH_ATTEMPT_ID", claimed.attempt_id.to_string());
        command
            .env("GH_ATTEMPT_TOKEN", claimed.token.expose_secret())
            .env("FLY_MACHINE_ID", claimed.attempt_id.to_string());
        command.env("GH_ALLOW_PRIVATE_NET", "true").env("GH_ARTIFACTS_DIR", self.folder());
        if !self.sandboxed {
            command.env("GH_CHROMIUM_NO_SANDBOX", "1");
        }
        if let Some(chromium) = xtask::tools::chromium() {
            command.env("GH_CHROMIUM", chromium);
        }
        Ok(command)
    }

    /// The processes of the rig but its Postgres.
    pub(super) fn processes(&self) -> Vec<Found> {
        leftovers::find(&self.id, &self.folder())
    }

    /// Waits until no process of a runner is left.
    pub(super) async fn until_quiet(&self) -> Result<()> {
        let until = Instant::now() + Duration::from_secs(20);
        while !self.processes().is_empty() {
            if Instant::now() > until {
                bail!("a runner left {:?}", self.processes());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Ends everything.
    pub(super) async fn stop(self) {
        self.db.close().await;
        drop(self.guard);
    }
}

/// The shipped tiers, with room for `capacity` jobs at once and machines that may take ten minutes to come up.
pub(super) fn wide_tiers(capacity: u32) -> String {
    let wide = |line: &str| match line.split_once(" = ") {
        Some(("capacity", _)) => format!("capacity = {{ min = {capacity}, max = {capacity} }}"),
        Some(("per_user", _)) => "per_user = 1000".to_owned(),
        Some(("boot_seconds", _)) => "boot_seconds = 600".to_owned(),
        _ => line.to_owned(),
    };
    DEFAULT.lines().map(wide).collect::<Vec<_>>().join("\n")
}

/// A stack that commits for sure, with [`wide_tiers`] written into `folder`; nothing holds its dispatcher back.
pub(super) fn stack(folder: &Path, capacity: u32, fly: Option<RemoteFly>) -> Result<Config> {
    let tiers = folder.join("tiers.toml");
    std::fs::write(&tiers, wide_tiers(capacity))?;
    let mut dispatcher = Vec::new();
    if fly.is_some() {
        dispatcher = ["GH_CREATE_RATE", "GH_CREATE_BURST"]
            .map(|name| (name.to_owned(), "1000000".to_owned()))
            .to_vec();
    }
    Ok(Config { durability: Durability::Full, tiers: Some(tiers), fly, dispatcher, ..Config::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_tiers_are_tiers() {
        let tiers = Tiers::parse(&wide_tiers(5000)).unwrap();
        assert!(tiers.iter().all(|(_, tier)| tier.capacity.min == 5000 && tier.boot_seconds == 600));
    }
}
