//! What a stack can be told.

use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::postgres::Durability;

/// How a stack is to be. `Config::default()` is what a test wants: fast, private, nothing kept.
pub struct Config {
    /// Whether commits are flushed to disk.
    pub durability: Durability,
    /// Where logs and screenshots go; a folder removed at the end when absent.
    pub keep: Option<PathBuf>,
    /// Another file of tiers than the embedded one.
    pub tiers: Option<PathBuf>,
    /// The api's port; a free one when absent.
    pub api_port: Option<u16>,
    /// Another Machines API instead of a local one.
    pub fly: Option<RemoteFly>,
    /// Further arguments of the local Fly, such as `--faults FILE`.
    pub fly_arguments: Vec<String>,
    /// Further environment of the dispatcher.
    pub dispatcher: Vec<(String, String)>,
    /// Further environment of the api.
    pub api: Vec<(String, String)>,
    /// Further secrets of the runner app, and so environment of every machine.
    pub runner: Vec<(String, String)>,
    /// The résumé the career site offers; the sample when absent.
    pub resume: Option<Vec<u8>>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            durability: Durability::Memory,
            keep: None,
            tiers: None,
            api_port: None,
            fly: None,
            fly_arguments: Vec::new(),
            dispatcher: Vec::new(),
            api: Vec::new(),
            runner: Vec::new(),
            resume: None,
        }
    }
}

/// A Machines API that somebody else runs.
#[derive(Clone, Debug)]
pub struct RemoteFly {
    /// Its address, without a path.
    pub url: String,
    /// A token for it.
    pub token: String,
    /// The app the machines belong to.
    pub app: String,
    /// The image of the runner, by digest.
    pub image: String,
}

impl RemoteFly {
    /// The API at `url`, with the rest from the environment.
    ///
    /// # Errors
    /// Names the variable that is missing.
    pub fn from_environment(url: &str) -> Result<Self> {
        let read =
            |name: &str| environment(name).with_context(|| format!("--fly needs {name} in the environment"));
        Ok(Self {
            url: url.trim_end_matches('/').to_owned(),
            token: read("FLY_API_TOKEN")?,
            app: environment("GH_RUNNER_APP").unwrap_or_else(|| "ghosthands-runner".to_owned()),
            image: read("GH_RUNNER_IMAGE")?,
        })
    }
}

/// A variable of our own environment that is set to something.
#[expect(clippy::disallowed_methods, reason = "a tool for people reads its environment by hand")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
