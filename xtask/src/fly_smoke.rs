//! `cargo xtask fly-smoke`: the program `stack` of crate `e2e` does it.

/// Builds what asks and becomes it.
pub fn run() -> anyhow::Result<()> {
    crate::build::become_stack(&[])
}
