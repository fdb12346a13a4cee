//! `cargo xtask test`: everything a test needs, then all tests.

use std::process::Command;

use anyhow::Result;

use crate::{build, setup};

/// What else to hand to `cargo test`.
#[derive(Default, clap::Args)]
pub struct Arguments {
    /// Further arguments of `cargo test`, such as `-p dispatcher` or the name of a test.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    rest: Vec<String>,
}

/// Installs what is missing, builds everything, and runs the tests.
///
/// All targets are built at once: the end-to-end tests start the binaries of other crates, which `cargo test`
/// alone would not build, and so nothing is built a second time with other features.
pub fn run(arguments: &Arguments) -> Result<()> {
    setup::run_for_tests()?;
    build::cargo(["build", "--workspace", "--all-targets"])?;
    let mut command = build::cargo_command();
    // All that is broken, not only the first of it: a run takes minutes.
    command.args(["test", "--no-fail-fast"]);
    if !arguments.rest.iter().any(|word| word == "-p" || word == "--package") {
        command.arg("--workspace");
    }
    if !Command::new(build::program("stack")?).arg("sandbox").status()?.success() {
        eprintln!(
            "Chromium's sandbox does not work on this computer: the tests run their browsers without it"
        );
        command.env("GH_CHROMIUM_NO_SANDBOX", "1");
    }
    build::run(command.args(&arguments.rest))
}
