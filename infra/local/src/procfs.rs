//! What the kernel says about the processes of this computer (`/proc`).
//!
//! Where there is no `/proc`, there is nothing to see, and only process groups can be ended.

use serde::Serialize;
use std::{collections::HashSet, fs};

/// The variable that marks every process of a machine, however it was started.
pub const MARKER: &str = "FLY_MACHINE_ID";

/// A process that has not ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Proc {
    /// Its pid.
    pub pid: u32,
    /// Its parent's.
    pub parent: u32,
    /// Its session: the pid of the machine's main process, unless it left.
    pub session: u32,
    /// When it was started, in the kernel's ticks.
    pub born: u64,
    /// The machine named in its environment.
    pub machine: Option<String>,
    /// Its name.
    pub name: String,
    /// Whether it has ended and waits to be buried.
    #[serde(skip)]
    zombie: bool,
}

/// The process `pid`, unless it has ended.
pub fn one(pid: u32) -> Option<Proc> {
    read(pid).filter(|proc| !proc.zombie)
}

/// The children of this process that have ended and that nobody has buried.
pub fn dead_children() -> Vec<u32> {
    let me = std::process::id();
    everybody().filter(|proc| proc.zombie && proc.parent == me).map(|proc| proc.pid).collect()
}

fn read(pid: u32) -> Option<Proc> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name is in brackets and may hold anything, brackets too.
    let (head, tail) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = tail.split_ascii_whitespace().collect();
    if *fields.first()? == "X" {
        return None;
    }
    Some(Proc {
        zombie: *fields.first()? == "Z",
        pid,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        born: fields.get(19)?.parse().ok()?,
        machine: machine_of(pid),
        name: head.split_once('(')?.1.to_owned(),
    })
}

fn machine_of(pid: u32) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let entry = environ.split(|byte| *byte == 0).find_map(|entry| entry.strip_prefix(MARKER.as_bytes()))?;
    Some(String::from_utf8_lossy(entry.strip_prefix(b"=")?).into_owned())
}

/// Every process there is that has not ended.
pub fn all() -> Vec<Proc> {
    everybody().filter(|proc| !proc.zombie).collect()
}

fn everybody() -> impl Iterator<Item = Proc> {
    let entries = fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| read(entry.ok()?.file_name().to_str()?.parse().ok()?))
}

/// The pids among `all` that belong to `machine`: of its session, marked by it, or started by one of those.
pub fn belonging(all: &[Proc], machine: &str, session: Option<u32>) -> Vec<u32> {
    let ours = |proc: &&Proc| session == Some(proc.session) || proc.machine.as_deref() == Some(machine);
    let mut found: HashSet<u32> = all.iter().filter(ours).map(|proc| proc.pid).collect();
    loop {
        let before = found.len();
        found.extend(
            all.iter()
                .filter(|proc| proc.parent > 1 && found.contains(&proc.parent))
                .map(|proc| proc.pid)
                .collect::<Vec<_>>(),
        );
        if found.len() == before {
            break;
        }
    }
    found.remove(&std::process::id());
    found.remove(&1);
    let mut pids: Vec<u32> = found.into_iter().collect();
    pids.sort_unstable();
    pids
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc(pid: u32, parent: u32, session: u32, machine: Option<&str>) -> Proc {
        Proc {
            pid,
            parent,
            session,
            born: 0,
            machine: machine.map(str::to_owned),
            name: String::new(),
            zombie: false,
        }
    }

    #[test]
    fn a_process_belongs_by_session_by_marker_or_by_descent() {
        let all = [
            proc(10, 1, 10, None),
            proc(11, 10, 10, None),
            proc(12, 1, 12, Some("m")),
            proc(13, 12, 13, None),
            proc(14, 13, 13, None),
            proc(20, 1, 20, Some("other")),
        ];
        assert_eq!(belonging(&all, "m", Some(10)), [10, 11, 12, 13, 14]);
        assert_eq!(belonging(&all, "none", None), Vec::<u32>::new());
    }

    #[test]
    fn this_process_can_be_read() {
        assert!(one(std::process::id()).is_some_and(|me| me.born > 0));
    }
}
