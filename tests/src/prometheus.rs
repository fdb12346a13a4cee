//! A real Prometheus, for tests that want to know what it makes of our numbers and rules.

use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use crate::folder::scratch;
use crate::ports::free_port;
use crate::process::Process;

/// A running Prometheus; it ends with this.
pub struct Prometheus {
    address: String,
    client: reqwest::Client,
    _process: Process,
    _home: tempfile::TempDir,
}

impl Prometheus {
    /// Starts one with this configuration and these rules (`rules.yml` beside it); `None` when it is not installed.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(config: &str, rules: &str) -> Result<Option<Self>> {
        let Some(program) = xtask::tools::program("prometheus") else {
            eprintln!("skipped: prometheus is not installed (`cargo xtask test` fetches it)");
            return Ok(None);
        };
        let home = scratch()?;
        std::fs::write(home.path().join("prometheus.yml"), config)?;
        std::fs::write(home.path().join("rules.yml"), rules)?;
        let address = format!("127.0.0.1:{}", free_port()?);
        let mut command = Command::new(program);
        command.current_dir(home.path()).args(["--config.file=prometheus.yml", "--storage.tsdb.path=data"]);
        command.arg(format!("--web.listen-address={address}"));
        let process = Process::start("prometheus", command, &home.path().join("log"), libc::SIGKILL)?;
        let client = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
        Ok(Some(Self { address, client, _process: process, _home: home }))
    }

    /// The `data` of an answer to `path` below `/api/v1`; null while there is none, as when it is still starting.
    pub async fn ask(&self, path: &str) -> Value {
        let answer = self.client.get(format!("http://{}/api/v1/{path}", self.address)).send().await;
        let Ok(answer) = answer else { return Value::Null };
        answer.json::<Value>().await.map(|mut body| body["data"].take()).unwrap_or_default()
    }
}
