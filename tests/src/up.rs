//! The whole system until Ctrl-C.

use std::io::Write as _;

use anyhow::{Result, ensure};
use tokio::signal::unix::{SignalKind, signal};

use crate::postgres::Durability;
use crate::{Config, RemoteFly, Stack};

/// Starts everything, says where it is, and ends it at SIGINT or SIGTERM.
///
/// # Errors
/// When a part does not come up, or a process outlived the stop.
pub async fn run(arguments: xtask::arguments::Up) -> Result<()> {
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    let starting = Stack::start(config(&arguments.common, "up")?);
    let stack = tokio::select! {
        stack = starting => stack?,
        _ = interrupt.recv() => return Ok(()),
        _ = terminate.recv() => return Ok(()),
    };
    // Whoever reads this may have read enough and be gone.
    let _ = writeln!(std::io::stdout(), "{}", describe(&stack));
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    eprintln!("stopping");
    let left = stack.stop().await;
    ensure!(left.is_empty(), "these processes were left and had to be killed: {left:#?}");
    eprintln!("stopped, nothing is left");
    Ok(())
}

/// The configuration of a stack for a person: durable, with logs and screenshots kept below `.up`.
///
/// # Errors
/// When `--fly` is used and its environment is incomplete.
pub(crate) fn config(common: &xtask::arguments::Common, task: &str) -> Result<Config> {
    let moment = uuid::Uuid::now_v7().simple().to_string();
    let usual = || xtask::workspace().join(format!(".up/{task}-{}", &moment[..12]));
    let output = common.output.clone().unwrap_or_else(usual);
    Ok(Config {
        durability: Durability::Full,
        keep: Some(std::path::absolute(output)?),
        tiers: common.tiers.clone(),
        api_port: common.port,
        fly: common.fly.as_deref().map(RemoteFly::from_environment).transpose()?,
        ..Config::default()
    })
}

fn describe(stack: &Stack) -> String {
    let mut text = format!(
        "\nGhostHands is up. Ctrl-C ends it and leaves nothing behind.\n\n\
         \x20 api          {api}   (GET {api}/health)\n\
         \x20 Machines API {fly}\n\
         \x20 career site  {site}   (what it received: {site}/received)\n\
         \x20 logs, shots  {output}\n\n\
         To point another program at it:\n\n",
        api = stack.api_url(),
        fly = stack.fly_url(),
        site = stack.site().url(),
        output = stack.output().display(),
    );
    for (name, value) in stack.exports() {
        text.push_str("export ");
        text.push_str(name);
        text.push_str("='");
        text.push_str(&value);
        text.push_str("'\n");
    }
    text
}
