//! What the tasks and the tests share: where the tools of this computer are, what `up` and `demo` take, how a Dockerfile is read.

pub mod arguments;
pub mod consent;
pub mod debian;
pub mod dockerfile;
pub mod tools;

use std::path::{Path, PathBuf};

/// The root of the checkout this was built from.
pub fn workspace() -> PathBuf {
    let ours = Path::new(env!("CARGO_MANIFEST_DIR"));
    ours.parent().unwrap_or(ours).to_owned()
}
