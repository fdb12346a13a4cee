//! `cargo xtask lint`: what can be wrong with the code without running it, cheapest first.

use anyhow::Result;

use crate::build::cargo;
use crate::deny;

/// Stops at the first thing that is wrong.
pub fn run() -> Result<()> {
    cargo(["fmt", "--all", "--check"])?;
    deny::run()?;
    cargo(["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])
}
