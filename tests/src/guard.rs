//! Ends what outlives a stack that was killed.
//!
//! Machines are meant to survive the server that started them, here as on Fly, so no death signal ties them to us.
//! A small process of our own binary waits for our end instead, then kills everything that carries our mark.

use std::io::{Read as _, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use crate::{leftovers, process, programs};

/// How long the processes of a dead stack are hunted.
const HUNT: Duration = Duration::from_secs(30);

/// Our end of the line to the waiting process; when it is dropped, or we die, the hunt begins.
pub(crate) struct Guard {
    child: Child,
}

impl Guard {
    /// Starts the process. What to hunt goes over the line, so that the hunter does not carry the mark itself.
    pub(crate) fn start(marker: &str, folder: &Path) -> Result<Self> {
        let mut command = Command::new(programs::path("stack")?);
        command.arg("guard").current_dir("/").process_group(0);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut child = command.spawn().context("starting the guard")?;
        let line = child.stdin.as_mut().context("the guard has no input")?;
        writeln!(line, "{marker}\n{}", folder.display())?;
        Ok(Self { child })
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// The waiting process itself: reads what to hunt, waits for the end of its input, and hunts.
///
/// # Errors
/// When nobody says what to hunt.
pub fn run() -> Result<()> {
    let mut text = String::new();
    std::io::stdin().read_to_string(&mut text)?;
    let (marker, folder) = text.trim_end().split_once('\n').context("a marker and a folder on two lines")?;
    let (folder, until) = (Path::new(folder), Instant::now() + HUNT);
    loop {
        let left = leftovers::find(marker, folder);
        if left.is_empty() || Instant::now() > until {
            break;
        }
        for found in left {
            process::send(found.id, libc::SIGKILL);
        }
        process::pause();
    }
    let _ = std::fs::remove_dir_all(folder);
    Ok(())
}
