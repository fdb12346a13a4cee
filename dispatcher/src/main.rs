//! `dispatcher`: hears of jobs, starts their machines, and cleans up after them; and the commands by which people look on.

use std::process::ExitCode;

use clap::Parser as _;

mod commands;

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = commands::Cli::parse();
    match cli.command {
        None | Some(commands::Command::Run) => {
            dispatcher::serve::run().await?;
            Ok(ExitCode::SUCCESS)
        }
        Some(command) => Ok(commands::run(command, &cli.common).await),
    }
}
