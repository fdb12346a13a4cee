//! Folders for programs that run as somebody else.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

/// A temporary folder everybody may walk through, removed when dropped. It lies outside the checkout, because
/// Postgres and Chromium give up root's rights and could not enter a checkout below `/root`.
///
/// # Errors
/// When the computer's temporary folder cannot be written.
pub fn scratch() -> Result<tempfile::TempDir> {
    let folder = tempfile::Builder::new().prefix("ghosthands-").tempdir()?;
    set_mode(folder.path(), 0o755)?;
    Ok(folder)
}

/// Sets who may do what with `path`.
pub(crate) fn set_mode(path: &Path, mode: u32) -> Result<()> {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode))
        .with_context(|| format!("setting the rights of {}", path.display()))
}
