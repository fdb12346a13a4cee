//! What the dispatcher reads from its environment.

use std::path::PathBuf;

use domain::tier::Tiers;
use secrecy::SecretString;
use serde::Deserialize;
use store::dispatch::App;
use store::seal::Sealer;

use crate::callbacks::{self, Reach};

/// What a dispatcher needs to know.
pub struct Config {
    /// A direct or session-mode address: notices do not pass a transaction-mode pooler.
    pub database_url: SecretString,
    /// Where the Machines API is, without a path.
    pub fly_url: String,
    /// A deploy token of the runner apps.
    pub fly_token: SecretString,
    /// The apps that machines are made in, with Fly's limit for each.
    pub apps: Vec<App>,
    /// What machines run, by digest.
    pub image: String,
    /// Which deployment this is; machines of another one are not touched.
    pub environment: String,
    /// The file the tiers are read from, again and again; none for the embedded one.
    pub tiers_file: Option<PathBuf>,
    /// The tiers in force.
    pub tiers: Tiers,
    /// Seals the attempts' tokens.
    pub sealer: Sealer,
    /// Where `/health` is served, when it is.
    pub port: Option<u16>,
    /// How callbacks are signed, and where they may go.
    pub callbacks: callbacks::Settings,
}

/// Why the environment does not make a dispatcher.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A variable is missing or malformed.
    #[error(transparent)]
    Variable(#[from] boot::ConfigError),
    /// No database address.
    #[error("neither DATABASE_URL nor SUPABASE_DIRECT_URL nor DATABASE_DIRECT_URL is set in the environment")]
    Database,
    /// The tiers file cannot be read.
    #[error("GH_TIERS_FILE {path}")]
    TiersFile {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The tiers file is wrong.
    #[error("tiers file")]
    Tiers(#[source] domain::tier::TierError),
    /// The key is malformed.
    #[error("GH_ENCRYPTION_KEY")]
    Key(#[source] store::seal::SealError),
}

#[derive(Deserialize)]
struct Database {
    database_url: Option<SecretString>,
    supabase_direct_url: Option<SecretString>,
    database_direct_url: Option<SecretString>,
}

#[derive(Deserialize)]
struct Fly {
    fly_api_hostname: Option<String>,
    fly_flaps_base_url: Option<String>,
    fly_api_token: SecretString,
}

#[derive(Deserialize)]
struct Own {
    #[serde(default = "default_app")]
    runner_app: String,
    runner_image: String,
    #[serde(default = "default_environment")]
    env: String,
    tiers_file: Option<PathBuf>,
    encryption_key: SecretString,
    #[serde(default = "default_key_id")]
    encryption_key_id: u16,
    encryption_key_previous: Option<SecretString>,
    #[serde(default)]
    encryption_key_previous_id: u16,
    dispatcher_port: Option<u16>,
    webhook_secret: Option<SecretString>,
    service_secret: Option<SecretString>,
    callback_key_hosts: Option<String>,
    allow_private_net: Option<String>,
    /// Fly's limit for creates per app and second is 1, burst 3 (Machines API documentation). A little below it: the network
    /// delivers calls closer together than they were sent, and at exactly 1 one of 60 was refused (measured).
    #[serde(default = "default_rate")]
    create_rate: f64,
    #[serde(default = "default_burst")]
    create_burst: f64,
}

impl Config {
    /// Reads the environment and the tiers file.
    ///
    /// # Errors
    /// [`ConfigError`], which names the variable.
    pub fn from_env() -> Result<Self, ConfigError> {
        let database: Database = boot::load("")?;
        let fly: Fly = boot::load("")?;
        let own: Own = boot::load("GH_")?;
        let tiers = match own.tiers_file.clone() {
            None => Tiers::default(),
            Some(path) => {
                let text = std::fs::read_to_string(&path)
                    .map_err(|source| ConfigError::TiersFile { path, source })?;
                Tiers::parse(&text).map_err(ConfigError::Tiers)?
            }
        };
        let mut sealer = Sealer::new(own.encryption_key_id, &own.encryption_key).map_err(ConfigError::Key)?;
        if let Some(previous) = &own.encryption_key_previous {
            sealer =
                sealer.with_previous(own.encryption_key_previous_id, previous).map_err(ConfigError::Key)?;
        }
        let apps = own.runner_app.split(',').map(str::trim).filter(|app| !app.is_empty());
        Ok(Self {
            database_url: database
                .database_url
                .or(database.supabase_direct_url)
                .or(database.database_direct_url)
                .ok_or(ConfigError::Database)?,
            fly_url: fly
                .fly_api_hostname
                .or(fly.fly_flaps_base_url)
                .unwrap_or_else(|| "https://api.machines.dev".into()),
            fly_token: fly.fly_api_token,
            apps: apps
                .map(|app| App { app: app.to_owned(), rate: own.create_rate, burst: own.create_burst })
                .collect(),
            image: own.runner_image,
            environment: own.env,
            tiers_file: own.tiers_file,
            tiers,
            sealer,
            port: own.dispatcher_port,
            callbacks: callbacks::Settings::new(
                own.webhook_secret.as_ref(),
                own.service_secret.as_ref(),
                own.callback_key_hosts.as_deref().unwrap_or_default(),
                if matches!(own.allow_private_net.as_deref(), Some("1" | "true" | "yes")) {
                    Reach::Anything
                } else {
                    Reach::Public
                },
            ),
        })
    }
}

fn default_app() -> String {
    "ghosthands-runner".into()
}

fn default_environment() -> String {
    "production".into()
}

fn default_key_id() -> u16 {
    1
}

fn default_rate() -> f64 {
    0.97
}

fn default_burst() -> f64 {
    3.0
}
