//! `cargo xtask demo`: the program `stack` of crate `e2e` does it.

use xtask::arguments::Demo;
use xtask::consent::{self, Consent};

/// Builds what the demo needs and becomes it; before that, asks whether an application may be sent.
pub fn run(arguments: &Demo) -> anyhow::Result<()> {
    match consent::to_send(arguments)? {
        // Whom we have asked it need not ask again.
        Consent::Asked => crate::build::become_stack(&["--yes"]),
        Consent::Given => crate::build::become_stack(&[]),
    }
}
