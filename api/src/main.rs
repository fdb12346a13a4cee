//! `api serve` runs the service, `api migrate` brings the database to this version.

use std::sync::Arc;

use anyhow::Context;
use api::app::{App, router};
use api::config::Config;
use api::server::{self, Limits};
use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(version, about = "The REST service of GhostHands. Settings come from the environment.")]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Serve (the default).
    Serve,
    /// Print the OpenAPI description of every path.
    Openapi,
    /// Apply the migrations that are missing; a second run changes nothing, nor does one on a later release's database.
    Migrate,
    /// The ledger: reconcile it with an invoice, fill in prices that came late.
    #[command(subcommand)]
    Costs(api::costs::Command),
    /// The key that columns are sealed with.
    #[command(subcommand)]
    Keys(api::keys::Command),
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    if let Some(Command::Openapi) = cli.command {
        print!("{}", api::app::description()?);
        return Ok(());
    }
    boot::init_telemetry("api");
    let config: Config = boot::load("")?;
    match cli.command.unwrap_or(Command::Serve) {
        Command::Serve | Command::Openapi => serve(&config).await,
        Command::Migrate => {
            let newer = store::migrate(config.database()?, config.runner_password()).await?;
            if newer.is_empty() {
                tracing::info!("the database is at this version");
            } else {
                tracing::warn!(
                    migrations = newer.join(", "),
                    "the database is ahead of this version and stays as it is: a later release has migrated it"
                );
            }
            Ok(())
        }
        Command::Costs(command) => {
            let db = store::Db::open(config.database()?, "ghosthands-costs", 1)?;
            Ok(api::costs::run(command, &db).await?)
        }
        Command::Keys(command) => {
            let (text, all_open) = api::keys::run(&command, &config).await?;
            print!("{text}");
            anyhow::ensure!(
                all_open,
                "some values do not open: set the key they were sealed with as GH_ENCRYPTION_KEY_PREVIOUS"
            );
            Ok(())
        }
    }
}

async fn serve(config: &Config) -> anyhow::Result<()> {
    let stop = boot::shutdown()?;
    let db = store::Db::open(config.database()?, "ghosthands-api", config.connections())?;
    let addresses = config.listen();
    let listener =
        server::bind(&addresses).await.with_context(|| format!("cannot listen on {addresses:?}"))?;
    tracing::info!(address = %listener.local_addr()?, "listening");
    server::serve(listener, router(Arc::new(App::new(db.clone(), config)?)), Limits::default(), stop).await;
    db.close().await;
    tracing::info!("stopped");
    Ok(())
}
