//! `stack`: the program behind `cargo xtask up` and `cargo xtask demo`.

use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser;
use e2e::postgres::{Durability, Postgres};
use tokio::signal::unix::{SignalKind, signal};

/// The whole system on this computer.
#[derive(Parser)]
enum Arguments {
    Up(xtask::arguments::Up),
    Demo(xtask::arguments::Demo),
    Bench(xtask::arguments::Bench),
    Chaos(xtask::arguments::Chaos),
    FlySmoke(xtask::arguments::FlySmoke),
    /// Waits for the end of the stack that started it; not for people.
    #[command(hide = true)]
    Guard,
    /// Fails when Chromium's sandbox does not work here; not for people.
    #[command(hide = true)]
    Sandbox,
    /// Runs a command with a fast private Postgres whose address is in its DATABASE_URL.
    WithPostgres {
        /// The command and its arguments.
        #[arg(trailing_var_arg = true, required = true)]
        command: Vec<String>,
    },
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Arguments::parse() {
        Arguments::Up(arguments) => e2e::up::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Arguments::Demo(arguments) => e2e::demo::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Arguments::Bench(arguments) => e2e::bench::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Arguments::Chaos(arguments) => e2e::chaos::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Arguments::FlySmoke(arguments) => e2e::fly_smoke::run(arguments).await.map(|()| ExitCode::SUCCESS),
        Arguments::Guard => e2e::guard::run().map(|()| ExitCode::SUCCESS),
        Arguments::Sandbox => sandbox(),
        Arguments::WithPostgres { command } => with_postgres(&command),
    };
    done.unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn sandbox() -> Result<ExitCode> {
    let folder = e2e::folder::scratch()?;
    Ok(if e2e::sandbox::works(folder.path()) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn with_postgres(command: &[String]) -> Result<ExitCode> {
    // Ctrl-C is the command's to handle; we stay to stop Postgres and to remove its folder.
    let _ignored = signal(SignalKind::interrupt())?;
    let folder = e2e::folder::scratch()?;
    let postgres = Postgres::start(&folder.path().join("postgres"), Durability::Memory)?;
    let (program, arguments) = command.split_first().context("a command is missing")?;
    let status = Command::new(program)
        .args(arguments)
        .env("DATABASE_URL", postgres.url("postgres"))
        .status()
        .with_context(|| format!("running {program}"))?;
    Ok(u8::try_from(status.code().unwrap_or(1)).map_or(ExitCode::FAILURE, ExitCode::from))
}
