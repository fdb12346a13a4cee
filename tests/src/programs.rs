//! The binaries of this workspace, built beside the program that asks.

use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};

/// The path of a binary of the same build profile as this program.
///
/// # Errors
/// When it was not built yet.
pub fn path(name: &str) -> Result<PathBuf> {
    let ours = std::env::current_exe()?;
    let mut folder = ours.parent().context("this program lies nowhere")?;
    if folder.ends_with("deps") {
        folder = folder.parent().context("deps lies nowhere")?; // we are a test
    }
    let program = folder.join(name);
    ensure!(
        program.is_file(),
        "{} is not built: run `cargo build --workspace --bins`, or use `cargo xtask test`",
        program.display()
    );
    Ok(program)
}
