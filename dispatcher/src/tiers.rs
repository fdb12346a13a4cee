//! The tiers in force: the embedded file, or one that is read again when it changes.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use domain::tier::Tiers;
use sha2::{Digest as _, Sha256};

/// Where the tiers come from, and what they are now.
pub struct Source {
    path: Option<PathBuf>,
    changed: Option<SystemTime>,
    tiers: Arc<Tiers>,
    hash: String,
    refused: Option<String>,
}

/// What a look at the file found.
#[derive(Debug, PartialEq, Eq)]
pub enum Reload {
    /// Nothing new.
    Same,
    /// A new file, and it is in force.
    Taken,
    /// A new file that is wrong; the last good one stays in force.
    Refused(String),
}

impl Source {
    /// The tiers of a start, which must be right.
    pub fn new(path: Option<PathBuf>, tiers: Tiers) -> Self {
        let text = path.as_ref().and_then(|path| std::fs::read_to_string(path).ok());
        let hash = sha256(text.as_deref().unwrap_or(domain::tier::DEFAULT));
        // Whatever was written since `tiers` were read is found by the first look.
        Self { path, changed: None, tiers: Arc::new(tiers), hash, refused: None }
    }

    /// The tiers in force.
    pub fn tiers(&self) -> &Arc<Tiers> {
        &self.tiers
    }

    /// The file, unless it is the one this program was built with.
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// The sha256 of the file in force, as `sha256sum` prints it.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Why the file is not in force as it is now, if it is wrong.
    pub fn refused(&self) -> Option<&str> {
        self.refused.as_deref()
    }

    /// Looks whether the file changed, and takes it if it is right.
    pub fn reload(&mut self) -> Reload {
        let Some(path) = &self.path else { return Reload::Same };
        let changed = std::fs::metadata(path).and_then(|meta| meta.modified()).ok();
        if changed.is_none() || changed == self.changed {
            return Reload::Same; // an editor may have taken it away for a moment
        }
        self.changed = changed;
        let read = std::fs::read_to_string(path).map_err(|error| error.to_string());
        let parsed = read.and_then(|text| {
            Tiers::parse(&text).map(|tiers| (tiers, sha256(&text))).map_err(|error| error.to_string())
        });
        match parsed {
            Ok((tiers, hash)) => {
                self.hash = hash;
                self.refused = None;
                if tiers == *self.tiers {
                    return Reload::Same;
                }
                self.tiers = Arc::new(tiers);
                Reload::Taken
            }
            Err(why) => {
                let why = format!("{}: {why}", path.display());
                self.refused = Some(why.clone());
                Reload::Refused(why)
            }
        }
    }
}

fn sha256(text: &str) -> String {
    Sha256::digest(text).iter().fold(String::new(), |mut hash, byte| {
        let _ = write!(hash, "{byte:02x}");
        hash
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_good_edit_is_taken_and_a_bad_one_changes_nothing_and_says_why() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tiers.toml");
        std::fs::write(&path, domain::tier::DEFAULT).expect("written");
        let mut source = Source::new(Some(path.clone()), Tiers::default());
        assert_eq!(source.reload(), Reload::Same);

        let touch = |text: &str, seconds: u64| {
            std::fs::write(&path, text).expect("written");
            let file = std::fs::File::options().append(true).open(&path).expect("opened");
            file.set_modified(SystemTime::now() + std::time::Duration::from_secs(seconds)).expect("touched");
        };
        touch(&domain::tier::DEFAULT.replacen("memory_mb = 2048", "memory_mb = 4096", 1), 1);
        assert_eq!(source.reload(), Reload::Taken);
        assert_eq!(source.tiers().get("free").map(|tier| tier.guest.memory_mb), Some(4096));
        let hash = source.hash().to_owned();
        assert_ne!(hash, sha256(domain::tier::DEFAULT));

        touch("[tiers.free]\nguest = 3", 2);
        assert!(
            matches!(source.reload(), Reload::Refused(why) if why.contains("tiers.toml") && why.contains("line 2"))
        );
        assert_eq!(source.tiers().get("free").map(|tier| tier.guest.memory_mb), Some(4096));
        assert_eq!(source.reload(), Reload::Same, "said once");
        assert_eq!(source.hash(), hash, "the refused file is not the one in force");
        assert!(source.refused().is_some());

        touch(&domain::tier::DEFAULT.replacen("memory_mb = 2048", "memory_mb = 4096", 1), 3);
        assert_eq!(source.reload(), Reload::Same, "it is as before the wrong one");
        assert_eq!(source.refused(), None);
    }

    #[test]
    fn an_edit_between_the_reading_of_the_settings_and_the_first_look_is_taken() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("tiers.toml");
        let edited = domain::tier::DEFAULT.replacen("memory_mb = 2048", "memory_mb = 4096", 1);
        std::fs::write(&path, edited).expect("written");
        let mut source = Source::new(Some(path), Tiers::default());
        assert_eq!(source.reload(), Reload::Taken);
        assert_eq!(source.tiers().get("free").map(|tier| tier.guest.memory_mb), Some(4096));
    }
}
