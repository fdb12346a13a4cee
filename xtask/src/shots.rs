//! `cargo xtask shots`: the dashboard in a real browser, clicked through and photographed: light and dark, desktop and phone.

use anyhow::Result;
use xtask::workspace;

use crate::{build, setup};

/// Writes `target/shots/*.png` and prints how long the first paint of each page takes with 100,000 jobs.
pub fn run() -> Result<()> {
    setup::run()?;
    let mut command = build::cargo_command();
    command.args(["test", "-p", "api", "--test", "it", "--", "shots::", "--nocapture", "--test-threads=1"]);
    build::run(command.env("GH_SHOTS", workspace().join("target/shots")))
}
