//! `cargo xtask deny`: licences, sources, and the layers of `.cargo/deny.toml`.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use crate::{build, layers};

/// The version we install; another one may know other licences.
const VERSION: &str = "0.20.2";

/// Runs the checks that need no network. Advisories need one, so CI on GitHub runs them apart.
pub fn run() -> Result<()> {
    let program = installed()?;
    let mut command = Command::new(&program);
    command.current_dir(xtask::workspace());
    build::run(command.args(["--locked", "--all-features", "check", "bans", "licenses", "sources"]))?;
    layers::prove(&program)
}

/// cargo-deny from `PATH`, else from `target/tools`, where it is built once: some minutes.
fn installed() -> Result<PathBuf> {
    if let Some(program) = xtask::tools::on_path("cargo-deny") {
        return Ok(program);
    }
    let folder = xtask::workspace().join("target/tools");
    let program = folder.join("bin/cargo-deny");
    if !program.is_file() {
        eprintln!("installing cargo-deny {VERSION} into target/tools; this happens once");
        let mut command = Command::new("cargo");
        command.args(["install", "cargo-deny", "--locked", "--version", VERSION, "--root"]).arg(&folder);
        build::run(&mut command)?;
    }
    Ok(program)
}
