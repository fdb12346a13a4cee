//! Layers as Docker has them: each step's files in a folder of its own, the ones before it mounted read-only below.

use std::collections::hash_map::DefaultHasher;
use std::ffi::OsStr;
use std::fs;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// A stack of layers, the newest last.
#[derive(Clone, Debug, Default)]
pub struct Layers {
    /// Tells this stack from every other one.
    key: u64,
    /// The folders of the layers.
    folders: Vec<PathBuf>,
}

impl Layers {
    /// The folders, oldest first.
    pub fn folders(&self) -> &[PathBuf] {
        &self.folders
    }

    /// The options that mount these layers, with `upper` to write to, or read-only without.
    pub fn mount_options(&self, upper: Option<&Path>) -> String {
        let mut lower: Vec<String> =
            self.folders.iter().rev().map(|path| path.display().to_string()).collect();
        // A read-only overlay wants two layers.
        let floor = store().join("empty");
        while lower.is_empty() || (upper.is_none() && lower.len() < 2) {
            lower.push(floor.display().to_string());
        }
        let mut options = format!("lowerdir={}", lower.join(":"));
        if let Some(upper) = upper {
            options += &format!(",upperdir={},workdir={}.work", upper.display(), upper.display());
        }
        options
    }

    /// The stack with one layer more: what `make` leaves in the folder it is given, from the store when it was made before.
    ///
    /// `input` is everything the result depends on beside the layers below.
    pub fn with(&self, input: &[&[u8]], make: impl FnOnce(&Path) -> Result<()>) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        (self.key, input).hash(&mut hasher);
        let key = hasher.finish();
        let folder = store().join(format!("{key:016x}"));
        if !folder.is_dir() {
            let fresh = store().join(format!("{key:016x}.new"));
            for path in [&fresh, &fresh.with_extension("new.work")] {
                let _ = fs::remove_dir_all(path);
                fs::create_dir_all(path).with_context(|| format!("making {}", path.display()))?;
            }
            make(&fresh)?;
            fs::rename(&fresh, &folder)?;
            let _ = fs::remove_dir_all(fresh.with_extension("new.work"));
        }
        let mut folders = self.folders.clone();
        folders.push(folder);
        Ok(Self { key, folders })
    }
}

/// Where layers are kept.
pub fn store() -> PathBuf {
    xtask::workspace().join("target/image/layers")
}

/// Bytes of all files below a folder, as `du` counts them.
pub fn bytes(folder: &Path) -> Result<u64> {
    let output = Command::new("du").args(["-s", "--apparent-size", "--block-size=1"]).arg(folder).output()?;
    let words = String::from_utf8_lossy(&output.stdout).into_owned();
    words.split_whitespace().next().and_then(|number| number.parse().ok()).context("du said nothing")
}

/// Runs a script of `sh` with its own mounts and process ids, so that nothing of it is left whatever happens.
///
/// The arguments are `$1`, `$2` and so on.
pub fn apart<S: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = S>) -> Command {
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", "--", "sh", "-eu", "-c", script, "image"]);
    command.args(arguments).current_dir(xtask::workspace());
    command
}

/// Runs a command whose output matters only when it fails.
pub fn quietly(command: &mut Command, what: &str) -> Result<()> {
    let output = command.output().with_context(|| what.to_owned())?;
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    ensure!(output.status.success(), "{what} ended with {}:\n{}{}", output.status, said[0], said[1]);
    Ok(())
}
