//! Machines, apps and regions as Fly shows them.

use crate::{config::MachineConfig, event::Event, lenient};
use chrono::{DateTime, Utc};
use serde::Deserialize;
use std::fmt;

/// A machine. Only its id is certain; everything else may be missing in some answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Machine {
    /// Its id, never reused.
    pub id: String,
    /// Its name, free again once it is destroyed.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    /// Where it is in its life.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub state: State,
    /// Where it runs: what Fly chose, when several regions were given.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub region: String,
    /// Its version.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub instance_id: String,
    /// Its private address.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub private_ip: Option<String>,
    /// When it was made.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub created_at: Option<DateTime<Utc>>,
    /// When it last changed.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub updated_at: Option<DateTime<Utc>>,
    /// What it is made of; missing in summaries and while its host is unreachable.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub config: Option<MachineConfig>,
    /// What is known of that while its host is unreachable.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub incomplete_config: Option<MachineConfig>,
    /// Its image, resolved.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub image_ref: Option<ImageRef>,
    /// What happened to it, newest first.
    #[serde(default, deserialize_with = "lenient::members")]
    pub events: Vec<Event>,
    /// Whether its host answers. If not, its state is old news.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub host_status: HostStatus,
}

impl Machine {
    /// A word of its metadata, even while its host is unreachable.
    pub fn metadata(&self, key: &str) -> Option<&str> {
        let config = self.config.as_ref().or(self.incomplete_config.as_ref())?;
        config.metadata.get(key).map(String::as_str)
    }
}

/// Where a machine is in its life.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum State {
    /// Made; its image is being fetched.
    Created,
    /// Booting.
    Starting,
    /// Running, and billed.
    Started,
    /// Asked to stop.
    Stopping,
    /// Not running.
    Stopped,
    /// Asleep.
    Suspended,
    /// Could not be made to run.
    Failed,
    /// Could not be launched; it destroys itself.
    LaunchFailed,
    /// Being destroyed; on a dead host that may take until it returns.
    Destroying,
    /// Gone, though it can still be read for a while.
    Destroyed,
    /// Any other word of Fly's.
    Other(String),
    /// Not said.
    #[default]
    Unknown,
}

impl State {
    /// Fly's word for it.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Started => "started",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
            Self::Suspended => "suspended",
            Self::Failed => "failed",
            Self::LaunchFailed => "launch_failed",
            Self::Destroying => "destroying",
            Self::Destroyed => "destroyed",
            Self::Other(word) => word,
            Self::Unknown => "unknown",
        }
    }

    /// Whether it is on its way out, or out: nothing can be started in it any more.
    pub fn is_leaving(&self) -> bool {
        matches!(self, Self::Failed | Self::LaunchFailed | Self::Destroying | Self::Destroyed)
    }
}

impl From<&str> for State {
    fn from(word: &str) -> Self {
        let known = [
            Self::Created,
            Self::Starting,
            Self::Started,
            Self::Stopping,
            Self::Stopped,
            Self::Suspended,
            Self::Failed,
            Self::LaunchFailed,
            Self::Destroying,
            Self::Destroyed,
            Self::Unknown,
        ];
        known.into_iter().find(|state| state.as_str() == word).unwrap_or_else(|| Self::Other(word.to_owned()))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for State {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::from(String::deserialize(deserializer)?.as_str()))
    }
}

/// Whether a machine's host answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostStatus {
    /// It does, or nothing was said.
    #[default]
    Ok,
    /// It does not: the machine's state is old news.
    Unreachable,
    /// Fly does not know.
    #[serde(other)]
    Unknown,
}

/// An image, resolved.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ImageRef {
    /// Registry.
    #[serde(deserialize_with = "lenient::or_default")]
    pub registry: String,
    /// Repository.
    #[serde(deserialize_with = "lenient::or_default")]
    pub repository: String,
    /// Tag.
    #[serde(deserialize_with = "lenient::or_default")]
    pub tag: Option<String>,
    /// Digest.
    #[serde(deserialize_with = "lenient::or_default")]
    pub digest: Option<String>,
}

/// An app.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct App {
    /// Its name.
    #[serde(deserialize_with = "lenient::or_default")]
    pub name: String,
    /// Its network; a runner app should have its own.
    #[serde(deserialize_with = "lenient::or_default")]
    pub network: Option<String>,
    /// How many machines it has.
    #[serde(deserialize_with = "lenient::or_default")]
    pub machine_count: u64,
}

/// A region.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Region {
    /// Its code, as `ams`.
    pub code: String,
    /// Its name.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub name: String,
    /// Whether Fly is closing it.
    #[serde(default, deserialize_with = "lenient::or_default")]
    pub deprecated: bool,
}
