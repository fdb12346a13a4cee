//! Proves that `.cargo/deny.toml` keeps the layers apart: with a forbidden edge added, cargo-deny must refuse.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Edges that must never be: who would use what.
const FORBIDDEN: [(&str, &str); 4] =
    [("runner", "fly"), ("api", "chromiumoxide"), ("dispatcher", "llm"), ("api", "sqlx")];

/// What a copy of the checkout leaves out.
const SKIPPED: [&str; 4] = [".git", ".up", "node_modules", "target"];

/// Adds each forbidden edge to a copy of the checkout and expects cargo-deny to name it.
pub fn prove(cargo_deny: &Path) -> Result<()> {
    let folder = xtask::workspace().join("target/layers");
    for (user, used) in FORBIDDEN {
        let _ = fs::remove_dir_all(&folder);
        copy(&xtask::workspace(), &folder)?;
        add_edge(&folder.join(user).join("Cargo.toml"), used)?;
        let mut command = Command::new(cargo_deny);
        command.args(["--all-features", "check", "bans"]).current_dir(&folder);
        let output = command.output().context("running cargo-deny")?;
        let words = String::from_utf8_lossy(&output.stderr);
        let named = words.contains("error[banned]") && words.contains(&format!("crate '{used} = "));
        ensure!(!output.status.success() && named, "cargo-deny lets {user} use {used}:\n{words}");
        eprintln!("as it must, cargo-deny refuses {user} -> {used}");
    }
    fs::remove_dir_all(&folder).context("removing target/layers")
}

fn add_edge(manifest: &Path, used: &str) -> Result<()> {
    let text = fs::read_to_string(manifest)?;
    let (head, tail) = text.split_once("[dependencies]\n").context("a manifest without [dependencies]")?;
    ensure!(!tail.contains(&format!("\n{used}.")), "{} uses {used} already", manifest.display());
    fs::write(manifest, format!("{head}[dependencies]\n{used}.workspace = true\n{tail}"))?;
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        if SKIPPED.iter().any(|name| entry.file_name() == *name) {
            continue;
        }
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
