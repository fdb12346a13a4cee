//! What a local Fly can be told: where to listen, what an image is, how slow and how strict to be.

use crate::faults::Rule;
use secrecy::SecretString;
use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

/// Everything a local Fly can be told. `Options::default()` accepts any app and any token, and limits as Fly does.
#[derive(Clone, Debug)]
pub struct Options {
    /// Address to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The only token accepted; any is when absent.
    pub token: Option<SecretString>,
    /// The apps that exist; every name does when empty.
    pub apps: Vec<String>,
    /// Image reference to the program that runs for it. Any other image is an unknown manifest.
    pub images: BTreeMap<String, PathBuf>,
    /// App secrets: in the environment of every machine.
    pub secrets: BTreeMap<String, SecretString>,
    /// Where machines are kept, with their logs, so that a restart finds them again; a folder removed at the end when absent.
    pub state_dir: Option<PathBuf>,
    /// From `created` to `started`.
    pub boot_delay: Duration,
    /// From a `start` call to `started`.
    pub start_delay: Duration,
    /// How long a create call takes to answer.
    pub create_delay: Duration,
    /// How many calls are let through.
    pub limits: Limits,
    /// What a machine is.
    pub run: Run,
    /// The fault script at start; `POST /local/faults` replaces it.
    pub faults: Vec<Rule>,
    /// The region of a machine that names none.
    pub region: String,
    /// The longest that [`crate::Handle::stop`] waits for machines before it kills them.
    pub stop_grace: Duration,
    /// Who buries a machine's orphans.
    pub orphans: Orphans,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            token: None,
            apps: Vec::new(),
            images: BTreeMap::new(),
            secrets: BTreeMap::new(),
            state_dir: None,
            boot_delay: Duration::from_millis(300),
            start_delay: Duration::from_millis(100),
            create_delay: Duration::ZERO,
            limits: Limits::default(),
            run: Run::Processes,
            faults: Vec::new(),
            region: "iad".to_owned(),
            stop_grace: Duration::from_secs(5),
            orphans: Orphans::LeftToInit,
        }
    }
}

/// Who buries processes whose parent, in a machine, ended before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Orphans {
    /// The init of this computer.
    LeftToInit,
    /// This process: for a program that is a local Fly and nothing else, because it takes every child for a machine's.
    Buried,
}

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Run {
    /// A process group of this computer.
    Processes,
    /// Nothing at all: it "runs" until stopped, or for this long, and exits 0. For benchmarks.
    Pretend(Option<Duration>),
}

/// How many calls per second are let through, per action and per app or machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Create and list, per app.
    pub per_app: Rate,
    /// Every other action but get, per machine.
    pub per_machine: Rate,
    /// Reading one machine, per machine.
    pub get: Rate,
    /// Whether a 429 carries `Retry-After`. Whether Fly's does is not known, so a client must bear both.
    pub retry_after: bool,
}

impl Default for Limits {
    /// Fly's documented numbers: 1 a second with a burst of 3; 5 and 10 for reading a machine.
    fn default() -> Self {
        let slow = Rate { per_second: 1, burst: 3 };
        Self { per_app: slow, per_machine: slow, get: Rate { per_second: 5, burst: 10 }, retry_after: false }
    }
}

impl Limits {
    /// No limit on anything.
    pub const NONE: Self =
        Self { per_app: Rate::FREE, per_machine: Rate::FREE, get: Rate::FREE, retry_after: false };
}

/// A token bucket: so many a second, so many at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Tokens that come back each second; 0 means no limit.
    pub per_second: u32,
    /// Tokens in a full bucket.
    pub burst: u32,
}

impl Rate {
    /// No limit.
    pub const FREE: Self = Self { per_second: 0, burst: 0 };
}
