//! The private folder of one job: browser profile and files to upload.

use std::path::{Path, PathBuf};

use super::preferences::preferences;

/// What the folders of all jobs begin with; the owner's process follows.
const PREFIX: &str = "gh-job-";

/// A folder that only the browser's user (and root) can enter; removed on drop.
#[derive(Debug)]
pub struct Workspace {
    dir: tempfile::TempDir,
    uid: Option<u32>,
}

impl Workspace {
    /// Makes the folder and gives it to `uid` when the browser runs as someone else.
    ///
    /// Folders whose owner was killed before it could remove them are removed first.
    ///
    /// # Errors
    /// When the temporary folder cannot be written or handed over.
    pub fn new(uid: Option<u32>) -> std::io::Result<Self> {
        let owner = mark(std::process::id());
        if owner.is_some() {
            sweep(&std::env::temp_dir());
        }
        let prefix = format!("{PREFIX}{}-", owner.unwrap_or_default());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir()?;
        let made = Self { dir, uid };
        made.hand_over(made.dir.path())?;
        for name in ["profile", "profile/Default", "files"] {
            let path = made.dir.path().join(name);
            std::fs::create_dir(&path)?;
            made.hand_over(&path)?;
        }
        let path = made.profile().join("Default/Preferences");
        std::fs::write(&path, preferences().to_string())?;
        made.hand_over(&path)?;
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

/// What tells a process from every other, a later one with the same id included; none when it is gone, or on a system
/// without `/proc`.
fn mark(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may hold anything, so the fields are counted from its end: the 20th after it is the start time.
    let started = stat.rsplit_once(") ")?.1.split(' ').nth(19)?;
    Some(format!("{pid}-{started}"))
}

/// Removes the folders in `place` whose owner is gone.
fn sweep(place: &Path) {
    for entry in std::fs::read_dir(place).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some((owner, _)) = name.strip_prefix(PREFIX).and_then(|rest| rest.rsplit_once('-')) else {
            continue;
        };
        let Some(pid) = owner.split_once('-').and_then(|(pid, _)| pid.parse().ok()) else { continue };
        if mark(pid).as_deref() != Some(owner)
            && let Err(error) = std::fs::remove_dir_all(entry.path())
        {
            tracing::debug!(folder = name, %error, "a folder of a runner that is gone stays");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_folders_whose_owner_is_gone_are_swept() {
        let place = tempfile::tempdir().unwrap();
        let own = format!("{PREFIX}{}-abc", mark(std::process::id()).unwrap());
        // The same process id, started at another time: the owner is gone and its id was given away.
        let reused = format!("{PREFIX}{}-1-abc", std::process::id());
        let gone = format!("{PREFIX}4194305-77-abc"); // above the largest process id
        for name in [&own, &reused, &gone, &"gh-job-old".to_owned(), &"other-4194305-77-abc".to_owned()] {
            std::fs::create_dir_all(place.path().join(name).join("profile")).unwrap();
        }
        sweep(place.path());
        let mut left: Vec<String> = std::fs::read_dir(place.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        let mut kept = ["gh-job-old".to_owned(), own, "other-4194305-77-abc".to_owned()];
        kept.sort();
        assert_eq!(left, kept);
    }
}
