//! `cargo xtask chaos`: the program `stack` of crate `e2e` does it, in a release build so that the computer is no fault of its own.

use crate::build::{Build, become_stack_of};

/// Builds what is put to the test and becomes what does it.
pub fn run() -> anyhow::Result<()> {
    become_stack_of(Build::Release, &[])
}
