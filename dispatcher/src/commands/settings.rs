//! What commands read from the environment: the dispatcher's own variables, but only those a command needs.

use std::path::PathBuf;

use anyhow::Context as _;
use domain::tier::Tiers;
use secrecy::SecretString;
use serde::Deserialize;
use store::Db;

use super::report::Usage;

/// The environment of a command.
pub struct Settings {
    database_url: Option<SecretString>,
    own: Own,
}

#[derive(Deserialize)]
struct Database {
    database_url: Option<SecretString>,
    supabase_direct_url: Option<SecretString>,
    database_direct_url: Option<SecretString>,
}

#[derive(Deserialize)]
struct Own {
    runner_image: Option<String>,
    tiers_file: Option<PathBuf>,
    create_rate: Option<f64>,
    create_burst: Option<f64>,
}

impl Settings {
    /// Reads the environment; what is missing is only missed by who needs it.
    pub fn from_env() -> Result<Self, boot::ConfigError> {
        let database: Database = boot::load("")?;
        let database_url =
            database.database_url.or(database.supabase_direct_url).or(database.database_direct_url);
        Ok(Self { database_url, own: boot::load("GH_")? })
    }

    /// The address of the database.
    pub fn database_url(&self) -> anyhow::Result<&SecretString> {
        let missing =
            || Usage("neither DATABASE_URL nor SUPABASE_DIRECT_URL nor DATABASE_DIRECT_URL is set".into());
        Ok(self.database_url.as_ref().ok_or_else(missing)?)
    }

    /// A connection to the database.
    pub fn db(&self) -> anyhow::Result<Db> {
        Ok(Db::open(self.database_url()?, "ghosthands-command", 2)?)
    }

    /// The text of the tiers file in force.
    pub fn tiers_text(&self) -> anyhow::Result<String> {
        match &self.own.tiers_file {
            None => Ok(domain::tier::DEFAULT.to_owned()),
            Some(path) => {
                std::fs::read_to_string(path).with_context(|| format!("GH_TIERS_FILE {}", path.display()))
            }
        }
    }

    /// The tiers in force.
    pub fn tiers(&self) -> anyhow::Result<Tiers> {
        Tiers::parse(&self.tiers_text()?).context("the tiers in force: see `dispatcher tiers check`")
    }

    /// What machines run whose tier names no image.
    pub fn image(&self) -> Option<&str> {
        self.own.runner_image.as_deref()
    }

    /// Fly's limit of creates per app: so many a second, so many at once.
    pub fn create_limit(&self) -> (f64, f64) {
        (self.own.create_rate.unwrap_or(1.0), self.own.create_burst.unwrap_or(3.0))
    }
}
