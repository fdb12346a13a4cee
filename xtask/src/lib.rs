//! What the tasks and the end-to-end tests share: where the tools of this computer are, and what `up` and `demo` take.

pub mod arguments;
pub mod tools;

use std::path::{Path, PathBuf};

/// The root of the checkout this was built from.
pub fn workspace() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    ours.parent().unwrap_or(ours).to_owned()
}
