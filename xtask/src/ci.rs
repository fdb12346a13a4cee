//! `cargo xtask ci`: what CI runs.

use anyhow::Result;

use crate::{lint, test};

/// Lints, then tests.
pub fn run() -> Result<()> {
    lint::run()?;
    test::run(&test::Arguments::default())
}
