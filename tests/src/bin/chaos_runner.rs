//! `chaos-runner`: what machines run during `cargo xtask chaos` in place of the runner.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    e2e::chaos::runner::run().await
}
