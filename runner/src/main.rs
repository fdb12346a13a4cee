//! `runner`: one attempt at one job, named by the environment; or `runner fill`, the same agent without a database.
//!
//! Exit codes: 0 done or refused, 1 `fill` did not complete, 70 internal error, 75 fenced, 77 bad configuration.

use clap::{Parser, Subcommand};
use runner::attempt::{self, Exit, Identity, environment};
use runner::browser::Ahead;
use runner::fill::{self, FillArgs};
use runner::init;
use runner::job::Tools;

#[derive(Debug, Parser)]
#[command(version, about = "Fills in and submits one application form")]
struct Cli {
    #[command(subcommand)]
    command: Option<Task>,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Fill in the form behind an address and report every field of it.
    Fill(FillArgs),
}

fn main() -> anyhow::Result<std::process::ExitCode> {
    if init::is_first() { Ok(init::run()) } else { work() }
}

#[tokio::main]
async fn work() -> anyhow::Result<std::process::ExitCode> {
    let cli = Cli::parse();
    boot::init_telemetry("runner");
    let stop = boot::shutdown()?;
    let lookup = variable;
    if let Some(Task::Fill(args)) = cli.command {
        let complete = fill::fill(args, lookup, stop).await?;
        return Ok(std::process::ExitCode::from(u8::from(!complete)));
    }
    let (identity, tools) = match (Identity::from_env(), environment::tools(lookup)) {
        (Ok(identity), Ok(tools)) => (identity, tools),
        (identity, tools) => {
            let why =
                identity.err().map(|error| error.to_string()).or(tools.err().map(|error| error.to_string()));
            tracing::error!(why, "cannot start");
            return Ok(std::process::ExitCode::from(Exit::Config as u8));
        }
    };
    // The job is asked for while its browser starts.
    let ahead = Ahead::begin(&tools.browser);
    let exit = Box::pin(attempt::run(identity, stop, |assignment| Tools {
        model: environment::model(assignment, lookup),
        ahead,
        ..tools
    }))
    .await;
    boot::trace::flush().await;
    Ok(std::process::ExitCode::from(exit as u8))
}

#[expect(
    clippy::disallowed_methods,
    reason = "which variables a model's provider needs is known only by its catalogue entry"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
