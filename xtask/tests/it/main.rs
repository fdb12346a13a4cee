//! What is shipped and is no program: Fly's configuration, workflows, compose, the environment's list, the scripts of infra/.

mod archive;
mod compose;
mod consent;
mod debian;
mod dockerfiles;
mod environment;
mod fly_commands;
mod fly_toml;
mod scripts;
mod workflows;

use std::path::PathBuf;

/// The text of a file of the checkout.
fn read(path: &str) -> String {
    std::fs::read_to_string(xtask::workspace().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A program that `cargo xtask test` installs.
fn program(name: &str) -> PathBuf {
    xtask::tools::on_path(name)
        .unwrap_or_else(|| panic!("{name} is missing: use `cargo xtask test`, or install it"))
}
