//! What outlives the server: one JSON file per machine, replaced atomically, and one log per machine.

use crate::record::Record;
use anyhow::Context;
use std::{
    fs,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};

/// The server's folder.
pub struct StateDir {
    root: PathBuf,
    /// Whether it was asked for, so that a later server finds its machines again.
    keeps: bool,
}

impl StateDir {
    /// Opens the folder, or makes one that is removed at the end.
    pub fn open(asked: Option<PathBuf>) -> anyhow::Result<Self> {
        let keeps = asked.is_some();
        let root = asked.unwrap_or_else(|| {
            std::env::temp_dir().join(format!("local-fly-{}", uuid::Uuid::new_v4().simple()))
        });
        for folder in ["machines", "logs"] {
            let path = root.join(folder);
            let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.with_context(|| format!("cannot make {}", path.display()))?;
        }
        Ok(Self { root, keeps })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where a machine's output goes.
    pub fn log(&self, machine: &str) -> PathBuf {
        self.root.join("logs").join(format!("{machine}.log"))
    }

    /// A machine's own temporary folder. Its path is short, because sockets in it may not exceed 108 bytes.
    pub fn home(machine: &str) -> PathBuf {
        std::env::temp_dir().join(format!("fly-{machine}"))
    }

    /// Writes a machine down. A failure is reported, not returned: the machine goes on all the same.
    pub fn save(&self, record: &Record) {
        if self.keeps
            && let Err(error) = self.write(record)
        {
            tracing::error!(
                machine.id = record.id,
                error = format!("{error:#}"),
                "a machine could not be saved"
            );
        }
    }

    fn write(&self, record: &Record) -> anyhow::Result<()> {
        let folder = self.root.join("machines");
        let draft = folder.join(format!("{}.draft", record.id));
        fs::write(&draft, serde_json::to_vec(record)?)?;
        fs::rename(&draft, folder.join(format!("{}.json", record.id)))?;
        Ok(())
    }

    /// The machines of the server that used the folder before, oldest first.
    pub fn load(&self) -> anyhow::Result<Vec<Record>> {
        let mut records: Vec<Record> = Vec::new();
        for entry in fs::read_dir(self.root.join("machines"))? {
            let path = entry?.path();
            if path.extension().is_some_and(|kind| kind == "json") {
                let text = fs::read(&path)?;
                records.push(serde_json::from_slice(&text).with_context(|| path.display().to_string())?);
            }
        }
        records.sort_by(|a, b| (a.created_ms, &a.id).cmp(&(b.created_ms, &b.id)));
        Ok(records)
    }

    /// Removes the folder, unless it was asked for.
    pub fn close(&self) {
        if !self.keeps {
            let _ = fs::remove_dir_all(&self.root);
        }
    }
}
