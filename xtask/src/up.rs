//! `cargo xtask up`: the program `stack` of crate `e2e` does it.

/// Builds what the stack needs and becomes it.
pub fn run() -> anyhow::Result<()> {
    crate::build::become_stack(&[])
}
