//! Finds the processes of a stack, wherever they ended up.

use std::collections::BTreeMap;
use std::path::Path;

/// A process that belongs to a stack.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its process id.
    pub id: i32,
    /// Its command line.
    pub command: String,
    /// Its environment, where it still shows it.
    pub environment: BTreeMap<String, String>,
}

impl Found {
    /// The machine this process is, when it is a runner (and not something a runner started).
    pub fn machine(&self) -> Option<&str> {
        self.environment.get("FLY_MACHINE_ID").map(String::as_str)
    }
}

/// Every process alive that carries `marker` in its environment, or works in or was told of `folder`.
///
/// The second sign finds those that clear or overwrite their environment, as Chromium and Postgres do.
#[cfg(target_os = "linux")]
pub fn find(marker: &str, folder: &Path) -> Vec<Found> {
    let us = std::process::id().cast_signed();
    let ids = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    ids.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|id| *id != us)
        .filter_map(|id| look(id, marker, folder))
        .collect()
}

/// As on Linux, from what `ps` shows of our own processes.
#[cfg(not(target_os = "linux"))]
pub fn find(marker: &str, folder: &Path) -> Vec<Found> {
    let folder = folder.to_string_lossy();
    let listing = std::process::Command::new("ps").args(["axEww", "-o", "pid=,command="]).output();
    let text = listing.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines()
        .filter(|line| line.contains(marker) || line.contains(&*folder))
        .filter_map(|line| {
            let (id, command) = line.trim().split_once(' ')?;
            let words = command.split(' ').filter_map(|word| word.split_once('='));
            let environment = words.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            Some(Found { id: id.parse().ok()?, command: command.to_owned(), environment })
        })
        .filter(|found| found.id != std::process::id().cast_signed())
        .collect()
}

#[cfg(target_os = "linux")]
fn look(id: i32, marker: &str, folder: &Path) -> Option<Found> {
    let home = Path::new("/proc").join(id.to_string());
    let read = |name: &str| std::fs::read(home.join(name)).unwrap_or_default();
    let words = |bytes: Vec<u8>| -> Vec<String> {
        bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
    };
    let command = words(read("cmdline")).join(" ").trim().to_owned();
    if command.is_empty() {
        return None; // the kernel's own, or a zombie: it runs nothing any more
    }
    let environment: BTreeMap<String, String> = words(read("environ"))
        .iter()
        .filter_map(|word| word.split_once('='))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let branded = environment.values().any(|value| value == marker);
    let told = command.contains(&*folder.to_string_lossy());
    let inside = std::fs::read_link(home.join("cwd")).is_ok_and(|place| place.starts_with(folder));
    (branded || told || inside).then_some(Found { id, command, environment })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use crate::process::{Process, pause};
    use std::process::Command;
    use std::time::{Duration, Instant};

    fn found_within_ten_seconds(marker: &str, folder: &Path) -> Vec<Found> {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let found = find(marker, folder);
            // Between fork and exec a child still shows the parent's command line.
            if found.iter().any(|process| process.command.starts_with("sleep")) || Instant::now() > until {
                return found;
            }
            pause();
        }
    }

    #[test]
    fn a_process_is_found_by_its_mark_or_by_its_folder_and_by_nothing_else() {
        let (ours, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let log = ours.path().join("log");
        // Names of this run alone: the same test may run beside us from another checkout.
        let mark = format!("mark of {}", ours.path().display());
        let nowhere = ours.path().join("nowhere");

        let mut marked = Command::new("sleep");
        marked.arg("60").env("GH_STACK_ID", &mark).env("FLY_MACHINE_ID", "m1").current_dir("/");
        let mut marked = Process::start("marked", marked, &log, libc::SIGKILL).unwrap();
        let mut inside = Command::new("sleep");
        inside.arg("60").env_clear().env("PATH", "/usr/bin:/bin").current_dir(other.path());
        let inside = Process::start("inside", inside, &log, libc::SIGKILL).unwrap();

        let by_mark = found_within_ten_seconds(&mark, &nowhere);
        assert_eq!(by_mark.iter().map(|found| found.id).collect::<Vec<_>>(), [marked.id()], "{by_mark:?}");
        assert_eq!(by_mark[0].machine(), Some("m1"));
        let by_folder = found_within_ten_seconds("no such mark", other.path());
        assert_eq!(
            by_folder.iter().map(|found| found.id).collect::<Vec<_>>(),
            [inside.id()],
            "{by_folder:?}"
        );

        marked.kill();
        assert_eq!(find(&mark, &nowhere), []);
    }
}
