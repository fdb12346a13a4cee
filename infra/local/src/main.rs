//! `local-fly`: the Machines API on this computer, as a program of its own.

use anyhow::{Context, bail};
use clap::Parser;
use local::{Limits, Options, Orphans, Rate, Run};
use secrecy::SecretString;
use std::{
    collections::BTreeMap,
    io::{IsTerminal, Write},
    net::SocketAddr,
    path::PathBuf,
    time::Duration,
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// A server that speaks the Fly Machines API and runs each machine as a process group of this computer.
#[derive(Parser)]
#[command(name = "local-fly")]
struct Args {
    /// Address to listen on; port 0 picks a free one, the first line printed names it.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// The only token accepted. Any is, when this is absent.
    #[arg(long)]
    token: Option<SecretString>,
    /// An app that exists (repeatable). Every name does, when this is absent.
    #[arg(long = "app", value_name = "NAME")]
    apps: Vec<String>,
    /// The program that runs for an image (repeatable). Any other image is an unknown manifest.
    #[arg(long = "image", value_name = "IMAGE=PROGRAM")]
    images: Vec<String>,
    /// An app secret: in the environment of every machine (repeatable).
    #[arg(long = "secret", value_name = "NAME=VALUE")]
    secrets: Vec<String>,
    /// Milliseconds from created to started.
    #[arg(long, default_value_t = 300)]
    boot_delay_ms: u64,
    /// Milliseconds from a start call to started.
    #[arg(long, default_value_t = 100)]
    start_delay_ms: u64,
    /// Milliseconds that a create call takes.
    #[arg(long, default_value_t = 0)]
    create_delay_ms: u64,
    /// Creates a second per app.
    #[arg(long, default_value_t = 1)]
    create_rate: u32,
    /// Creates at once per app.
    #[arg(long, default_value_t = 3)]
    create_burst: u32,
    /// Lets every call through.
    #[arg(long)]
    no_limits: bool,
    /// Says in a 429 when to come back.
    #[arg(long)]
    retry_after: bool,
    /// A fault script: a JSON list of rules.
    #[arg(long, value_name = "FILE")]
    faults: Option<PathBuf>,
    /// Keeps machines and their logs here, so that a later server finds them again.
    #[arg(long, value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Starts no processes: machines only pretend to run, until stopped.
    #[arg(long)]
    no_spawn: bool,
    /// With --no-spawn: machines end by themselves after so many milliseconds.
    #[arg(long, requires = "no_spawn")]
    run_ms: Option<u64>,
    /// The region of a machine that names none.
    #[arg(long, default_value = "iad")]
    region: String,
    /// The longest that machines may take to stop when this server is told to end, in milliseconds.
    #[arg(long, default_value_t = 5000)]
    stop_grace_ms: u64,
}

impl Args {
    fn options(self) -> anyhow::Result<Options> {
        let faults = match &self.faults {
            None => Vec::new(),
            Some(path) => {
                let text = std::fs::read(path).with_context(|| path.display().to_string())?;
                serde_json::from_slice(&text)
                    .with_context(|| format!("{} is not a fault script", path.display()))?
            }
        };
        let per_app = Rate { per_second: self.create_rate, burst: self.create_burst };
        let limits = if self.no_limits { Limits::NONE } else { Limits { per_app, ..Limits::default() } };
        Ok(Options {
            listen: self.listen,
            token: self.token,
            apps: self.apps,
            images: pairs("--image", &self.images, |text| text.rsplit_once('='))?,
            secrets: pairs("--secret", &self.secrets, |text| text.split_once('='))?,
            state_dir: self.state_dir,
            boot_delay: Duration::from_millis(self.boot_delay_ms),
            start_delay: Duration::from_millis(self.start_delay_ms),
            create_delay: Duration::from_millis(self.create_delay_ms),
            limits: Limits { retry_after: self.retry_after, ..limits },
            run: if self.no_spawn {
                Run::Pretend(self.run_ms.map(Duration::from_millis))
            } else {
                Run::Processes
            },
            faults,
            region: self.region,
            stop_grace: Duration::from_millis(self.stop_grace_ms),
            orphans: Orphans::Buried,
        })
    }
}

fn pairs<T: From<String>>(
    flag: &str,
    texts: &[String],
    split: impl Fn(&str) -> Option<(&str, &str)>,
) -> anyhow::Result<BTreeMap<String, T>> {
    let mut found = BTreeMap::new();
    for text in texts {
        // The value may be a secret, so the message does not repeat it.
        let Some((name, value)) = split(text) else { bail!("{flag} wants NAME=VALUE") };
        found.insert(name.to_owned(), T::from(value.to_owned()));
    }
    Ok(found)
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_ansi(colours).with_writer(std::io::stderr).init();
    let options = Args::parse().options()?;
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let handle = local::serve(options).await?;
    let mut out = std::io::stdout();
    writeln!(out, "listening on {}", handle.base_url())?;
    out.flush()?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping every machine");
    handle.stop().await;
    Ok(())
}
