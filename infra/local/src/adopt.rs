//! Taking over the machines of an earlier server that used the same state folder.
//!
//! On Fly machines outlive the API, so here too: a server that was killed leaves its machines running, and the next
//! one finds them by pid and by the machine id in their environment. A process that is not our child does not tell
//! how it ended, so its exit event has `exit_code` -1 and `signal` -1; when it ended while nobody watched, the exit
//! is dated to the moment it was noticed, because nothing better is known.

use crate::{
    life::{self, Destroy},
    lock::lock,
    options::Run,
    process::{self, Running},
    procfs,
    record::{Process, Record, State},
    world::World,
};
use std::{sync::Arc, time::Duration};

impl World {
    /// Loads what an earlier server left and carries on with it.
    pub fn take_over(self: &Arc<Self>) -> anyhow::Result<()> {
        let all = procfs::all();
        for mut record in self.dir.load()? {
            find_process(&mut record, &all);
            let (id, state, process) = (record.id.clone(), record.state, record.process);
            if lock(&self.machines).insert(record).is_err() {
                tracing::warn!(machine.id = id, "a saved machine has the name of another and is left out");
                continue;
            }
            self.update(&id, |_| ());
            self.carry_on(&id, state, process);
        }
        Ok(())
    }

    fn carry_on(self: &Arc<Self>, id: &str, state: State, process: Option<Process>) {
        match (state, process) {
            (State::Created, None) => self.boot(id, self.options.boot_delay),
            (State::Starting, None) => self.boot(id, self.options.start_delay),
            (State::Destroying | State::LaunchFailed, None) => self.finish_destroy(id),
            (_, None) => {}
            (state, Some(process)) => {
                let oom = self.update(id, |slot| slot.record.marks.oom_after_ms).flatten();
                let running = self.resume(id, process);
                self.watch(id, running, oom.map(Duration::from_millis));
                match state {
                    State::Created | State::Starting => {
                        self.update(id, |slot| life::started(&mut slot.record));
                    }
                    State::Stopping => self.kill_after(id, process, self.options.stop_grace),
                    State::Destroying => {
                        let _ = self.destroy(id, Destroy::Force);
                    }
                    _ => {}
                }
            }
        }
    }

    fn resume(&self, id: &str, process: Process) -> Running {
        let signal = self.update(id, |slot| slot.signal.subscribe());
        match (self.options.run, process.pid, signal) {
            (Run::Pretend(lasts), None, Some(signal)) => Running::Pretend { lasts, signal },
            _ => Running::Adopted(process),
        }
    }
}

/// Finds the main process of a machine that was saved before its pid could be.
fn find_process(record: &mut Record, all: &[procfs::Proc]) {
    if record.process.is_none() && matches!(record.state, State::Created | State::Starting) {
        let leads =
            |proc: &&procfs::Proc| proc.pid == proc.session && proc.machine.as_deref() == Some(&record.id);
        record.process = all.iter().find(leads).map(|proc| Process { pid: Some(proc.pid), born: proc.born });
    }
    // A pid that is something else by now must never be signalled. Without one, the machine has ended.
    if let Some(process) = &mut record.process
        && let Some(pid) = process.pid
    {
        let ours = |proc: &procfs::Proc| proc.pid == pid && proc.machine.as_deref() == Some(&record.id);
        if !process::lives(process) || !all.iter().any(ours) {
            process.pid = None;
        }
    }
}
