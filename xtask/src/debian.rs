//! Programs whose Debian package has a service too, without that package: it would enable the service at boot and start it.
//! The files of the package are enough, and they lie below target/.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Where the files lie.
pub fn folder() -> PathBuf {
    crate::workspace().join("target/tools/debian")
}

/// Puts the files of a package into `folder`, runs none of its scripts, and returns the libraries it asks for.
///
/// `apt` is `apt-get` without arguments; nobody needs to be root.
///
/// # Errors
/// When the package cannot be had, in the words of apt.
pub fn unpack(apt: &mut Command, package: &str, folder: &Path) -> Result<Vec<String>> {
    let fetched = folder.join("fetched");
    let _ = fs::remove_dir_all(&fetched);
    fs::create_dir_all(&fetched).with_context(|| format!("making {}", fetched.display()))?;
    said(apt.args(["download", "-q", package]).current_dir(&fetched))?;
    let mut files = fs::read_dir(&fetched)?;
    let file = files.next().with_context(|| format!("apt-get download {package} left no file"))??.path();
    let depends = said(Command::new("dpkg-deb").arg("--field").arg(&file).arg("Depends"))?;
    said(Command::new("dpkg-deb").arg("--extract").arg(&file).arg(folder))?;
    fs::remove_dir_all(&fetched)?;
    Ok(libraries(&depends))
}

/// The shared libraries of a list of dependencies; those of JavaScript are for the service's pages.
fn libraries(depends: &str) -> Vec<String> {
    let names = depends.split(',').filter_map(|choice| {
        choice.split(['|', '(']).next().and_then(|first| first.split_whitespace().next())
    });
    names.filter(|name| name.starts_with("lib") && !name.starts_with("libjs-")).map(str::to_owned).collect()
}

/// What a command says; when it fails, with what it complained about.
fn said(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("running {command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {complaint}", output.status);
    Ok(String::from_utf8(output.stdout)?)
}
