//! `cargo xtask bench`: the program `stack` of crate `e2e` does it, in a release build whatever we are.

use crate::build::{Build, become_stack_of};

/// Builds what is measured and becomes what measures it.
pub fn run() -> anyhow::Result<()> {
    become_stack_of(Build::Release, &[])
}
