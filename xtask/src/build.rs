//! Runs cargo and the programs it built.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use xtask::workspace;

/// Runs cargo in the workspace, with its output for all to see.
pub fn cargo<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Result<()> {
    run(cargo_command().args(arguments))
}

/// The cargo that runs us, in the workspace.
pub fn cargo_command() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(workspace());
    command
}

/// Runs a command to its end; a failure names it.
pub fn run(command: &mut Command) -> Result<()> {
    let words: Vec<_> = [command.get_program()].into_iter().chain(command.get_args()).collect();
    let line = words.join(OsStr::new(" ")).to_string_lossy().into_owned();
    eprintln!("+ {line}");
    let status = command.status().with_context(|| format!("running {line}"))?;
    ensure!(status.success(), "{line} ended with {status}");
    Ok(())
}

/// Builds the programs, becomes `stack`, and hands it the arguments we were given, and further ones.
///
/// Becoming it, rather than starting it, leaves one process to send a signal to.
pub fn become_stack(further: &[&str]) -> Result<()> {
    let build = if cfg!(debug_assertions) { Build::Debug } else { Build::Release };
    become_stack_of(build, further)
}

/// How the programs are built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Build {
    /// Quickly.
    Debug,
    /// As they are deployed.
    Release,
}

/// As [`become_stack`], whatever build we are of ourselves.
pub fn become_stack_of(build: Build, further: &[&str]) -> Result<()> {
    crate::setup::run()?;
    let (folder, flag) = match build {
        Build::Debug => ("debug", None),
        Build::Release => ("release", Some("--release")),
    };
    cargo(["build", "--workspace", "--bins"].into_iter().chain(flag))?;
    let ours = std::env::current_exe()?;
    let target = ours.ancestors().nth(2).context("this program lies nowhere")?;
    let mut command = Command::new(target.join(folder).join("stack"));
    let error = command.args(std::env::args_os().skip(1)).args(further).exec();
    Err(error).context("starting the program behind this task")
}

/// A binary built beside us.
pub fn program(name: &str) -> Result<PathBuf> {
    let ours = std::env::current_exe()?;
    Ok(ours.parent().context("this program lies nowhere")?.join(name))
}
