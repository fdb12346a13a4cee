//! The private folder of one job: browser profile and files to upload.

use std::path::{Path, PathBuf};

/// A folder that only the browser's user (and root) can enter; removed on drop.
#[derive(Debug)]
pub struct Workspace {
    dir: tempfile::TempDir,
    uid: Option<u32>,
}

impl Workspace {
    /// Makes the folder and gives it to `uid` when the browser runs as someone else.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or handed over.
    pub fn new(uid: Option<u32>) -> std::io::Result<Self> {
        let dir = tempfile::Builder::new().prefix("gh-job-").tempdir()?;
        let made = Self { dir, uid };
        made.hand_over(made.dir.path())?;
        for name in ["profile", "files"] {
            let path = made.dir.path().join(name);
            std::fs::create_dir(&path)?;
            made.hand_over(&path)?;
        }
        Ok(made)
    }

    /// The folder itself.
    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    /// Chromium's user data folder.
    pub fn profile(&self) -> PathBuf {
        self.dir.path().join("profile")
    }

    /// Writes a file the browser may upload; `name` keeps its last path segment only.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn place(&self, name: &str, content: &[u8]) -> std::io::Result<PathBuf> {
        let name = Path::new(name).file_name().unwrap_or_else(|| "file".as_ref());
        let path = self.dir.path().join("files").join(name);
        std::fs::write(&path, content)?;
        self.hand_over(&path)?;
        Ok(path)
    }

    fn hand_over(&self, path: &Path) -> std::io::Result<()> {
        match self.uid {
            Some(uid) => std::os::unix::fs::chown(path, Some(uid), Some(uid)),
            None => Ok(()),
        }
    }
}
