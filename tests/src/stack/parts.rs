//! The parts of a stack, and the command line and environment of each.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;
use base64::Engine as _;

use super::config::{Config, RemoteFly, environment};
use crate::ports::free_port;
use crate::postgres::Postgres;
use crate::programs;

/// The database of the system.
pub(super) const DATABASE: &str = "ghosthands";
/// The image the local Fly runs our runner for; by digest, as the dispatcher demands.
const IMAGE: &str = "local/runner@sha256:0000000000000000000000000000000000000000000000000000000000000000";
/// What a part may see of our environment. Nothing else: a developer's shell may point at a real database.
const INHERITED: [&str; 7] =
    ["PATH", "HOME", "LANG", "RUST_LOG", "RUST_BACKTRACE", "SSL_CERT_FILE", "SSL_CERT_DIR"];
/// What the runner sees of our environment: the model keys, whether and where to show its browser, how to log and whom to trust.
const FOR_RUNNER: [&str; 11] = [
    "OPENAI_API_KEY",
    "GOOGLE_API_KEY",
    "ANTHROPIC_API_KEY",
    "GH_OPENAI_BASE_URL",
    "GH_HEADLESS",
    "DISPLAY",
    "XAUTHORITY",
    "RUST_LOG",
    "RUST_BACKTRACE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
];

/// A process of ours, in the order they are started.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Part {
    /// The local Machines API; its machines outlive it, as on Fly.
    Fly,
    /// What starts machines for jobs.
    Dispatcher,
    /// What VALET talks to.
    Api,
}

impl Part {
    /// All of them, in the order they are started.
    pub const ALL: [Self; 3] = [Self::Fly, Self::Dispatcher, Self::Api];

    /// The name of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fly => "local-fly",
            Self::Dispatcher => "dispatcher",
            Self::Api => "api",
        }
    }
}

/// Everything the parts have to agree on.
pub(super) struct Settings {
    /// In the environment of every process, so that they can be found.
    pub(super) id: String,
    pub(super) service_secret: String,
    pub(super) runner_password: String,
    pub(super) runner_database_url: String,
    pub(super) fly: RemoteFly,
    database_url: String,
    encryption_key: String,
    api_port: u16,
    dispatcher_port: u16,
    folder: PathBuf,
    artifacts: PathBuf,
    sandboxed: bool,
    config: Config,
}

impl Settings {
    pub(super) fn new(
        config: Config,
        postgres: &Postgres,
        folder: &Path,
        output: &Path,
        sandboxed: bool,
    ) -> Result<Self> {
        let runner_password = secret();
        let key = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()].concat();
        let fly = match &config.fly {
            Some(fly) => fly.clone(),
            None => RemoteFly {
                url: format!("http://127.0.0.1:{}", free_port()?),
                token: secret(),
                app: "ghosthands-runner".to_owned(),
                image: IMAGE.to_owned(),
            },
        };
        Ok(Self {
            id: uuid::Uuid::new_v4().to_string(),
            service_secret: secret(),
            runner_database_url: postgres.url_as("gh_runner", &runner_password, DATABASE),
            runner_password,
            fly,
            database_url: postgres.url(DATABASE),
            encryption_key: base64::engine::general_purpose::STANDARD.encode(key),
            api_port: config.api_port.map_or_else(free_port, Ok)?,
            dispatcher_port: free_port()?,
            folder: folder.to_owned(),
            artifacts: std::path::absolute(output.join("artifacts"))?,
            sandboxed,
            config,
        })
    }

    pub(super) fn api_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.api_port)
    }

    pub(super) fn dispatcher_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.dispatcher_port)
    }

    /// Where a part answers 200 once it is ready.
    pub(super) fn ready_url(&self, part: Part) -> String {
        match part {
            Part::Fly => format!("{}/v1/apps/{}/machines", self.fly.url, self.fly.app),
            Part::Dispatcher => format!("{}/health", self.dispatcher_url()),
            Part::Api => format!("{}/health", self.api_url()),
        }
    }

    /// How a part is started; `None` for a Fly that is not ours.
    pub(super) fn command(&self, part: Part) -> Result<Option<Command>> {
        if part == Part::Fly && self.config.fly.is_some() {
            return Ok(None);
        }
        let mut command = Command::new(programs::path(part.name())?);
        self.common(&mut command);
        match part {
            Part::Fly => self.fly_arguments(&mut command)?,
            Part::Dispatcher => self.dispatcher_environment(&mut command)?,
            Part::Api => {
                command
                    .env("DATABASE_URL", &self.database_url)
                    .env("GH_SERVICE_SECRET", &self.service_secret)
                    .env("GH_ENCRYPTION_KEY", &self.encryption_key);
                command.env("GH_API_HOST", "127.0.0.1").env("GH_API_PORT", self.api_port.to_string());
                command.env("GH_ALLOW_PRIVATE_NET", "true").env("GH_ARTIFACTS_DIR", &self.artifacts);
                command.envs(self.config.api.iter().cloned());
            }
        }
        Ok(Some(command))
    }

    /// The environment of everything: little of ours, and our mark.
    pub(super) fn common(&self, command: &mut Command) {
        command.env_clear();
        for name in INHERITED {
            if let Some(value) = environment(name) {
                command.env(name, value);
            }
        }
        command.env("GH_STACK_ID", &self.id).env("TMPDIR", self.folder.join("tmp"));
    }

    fn fly_arguments(&self, command: &mut Command) -> Result<()> {
        let listen = self.fly.url.trim_start_matches("http://");
        command.args(["--listen", listen, "--token", &self.fly.token, "--app", &self.fly.app]);
        command.arg("--image").arg(format!("{}={}", self.fly.image, programs::path("runner")?.display()));
        command.arg("--state-dir").arg(self.folder.join("machines"));
        for (name, value) in self.runner_secrets() {
            command.arg("--secret").arg(format!("{name}={value}"));
        }
        command.args(&self.config.fly_arguments);
        Ok(())
    }

    /// What a machine gets from its app and not from the dispatcher.
    fn runner_secrets(&self) -> Vec<(String, String)> {
        let path = |path: &Path| path.display().to_string();
        let mut secrets = vec![
            ("DATABASE_URL", self.runner_database_url.clone()),
            ("GH_ARTIFACTS_DIR", path(&self.artifacts)),
            ("GH_ALLOW_PRIVATE_NET", "true".to_owned()),
            ("GH_STACK_ID", self.id.clone()),
        ];
        if !self.sandboxed {
            secrets.push(("GH_CHROMIUM_NO_SANDBOX", "1".to_owned()));
        }
        secrets.extend(xtask::tools::chromium().map(|program| ("GH_CHROMIUM", path(&program))));
        secrets.extend(FOR_RUNNER.into_iter().filter_map(|name| Some((name, environment(name)?))));
        let mut secrets: Vec<_> = secrets.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        secrets.extend(self.config.runner.iter().cloned());
        secrets
    }

    fn dispatcher_environment(&self, command: &mut Command) -> Result<()> {
        command
            .env("DATABASE_URL", &self.database_url)
            .env("FLY_API_HOSTNAME", &self.fly.url)
            .env("FLY_API_TOKEN", &self.fly.token)
            .env("GH_RUNNER_APP", &self.fly.app)
            .env("GH_RUNNER_IMAGE", &self.fly.image)
            .env("GH_ENV", "local")
            .env("GH_SERVICE_SECRET", &self.service_secret)
            .env("GH_ALLOW_PRIVATE_NET", "true")
            .env("GH_ENCRYPTION_KEY", &self.encryption_key)
            .env("GH_DISPATCHER_PORT", self.dispatcher_port.to_string());
        if let Some(tiers) = &self.config.tiers {
            command.env("GH_TIERS_FILE", std::path::absolute(tiers)?);
        }
        command.envs(self.config.dispatcher.iter().cloned());
        Ok(())
    }

    /// What another program needs to talk to this stack.
    pub(super) fn exports(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DATABASE_URL", self.database_url.clone()),
            ("GH_RUNNER_DATABASE_URL", self.runner_database_url.clone()),
            ("GHOSTHANDS_API_URL", self.api_url()),
            ("GH_SERVICE_SECRET", self.service_secret.clone()),
            ("FLY_API_HOSTNAME", self.fly.url.clone()),
            ("FLY_API_TOKEN", self.fly.token.clone()),
            ("GH_RUNNER_APP", self.fly.app.clone()),
            ("GH_RUNNER_IMAGE", self.fly.image.clone()),
            ("GH_ENCRYPTION_KEY", self.encryption_key.clone()),
        ]
    }
}

fn secret() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}
