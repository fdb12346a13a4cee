//! A machine's life: boot, run, end, and go.
//!
//! The record is the truth and every step is one locked change of it. The tasks here only wait for something
//! (a boot delay, a process, a stop timeout) and then look at the record again, so none of them has to be told
//! that another was faster.

use crate::{
    bill::Interval,
    clock,
    events::{End, Event, Exit},
    lock::lock,
    machines::Slot,
    options::{Options, Orphans, Run},
    persist::StateDir,
    process::{self, Running},
    procfs,
    record::{Process, Record, State},
    reply::Refusal,
    signal,
    world::World,
};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::time::sleep;

/// Whether a running machine may be destroyed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destroy {
    /// Only one that does not run.
    Idle,
    /// Any; one that runs is killed.
    Force,
    /// The call is accepted and nothing is done.
    AckOnly,
}

/// What follows a step.
enum Then {
    Nothing,
    Run(Running),
    BootAgain,
    Destroy,
}

impl World {
    fn spawn(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) {
        let halted = self.halted.clone();
        self.tasks.spawn(async move {
            halted.run_until_cancelled(task).await;
        });
    }

    /// Lets a machine come up after `delay`.
    pub fn boot(self: &Arc<Self>, id: &str, delay: Duration) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        self.spawn(async move {
            sleep(delay).await;
            if world.closing.is_cancelled() {
                return;
            }
            let then = world.update(&id, |slot| come_up(slot, &world.options, &world.dir));
            world.follow(&id, then);
        });
    }

    /// Sees to a machine that runs until it has ended, and to what comes after.
    pub fn watch(self: &Arc<Self>, id: &str, mut running: Running, oom: Option<Duration>) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        self.spawn(async move {
            let pid = world.update(&id, |slot| slot.record.process.and_then(|process| process.pid)).flatten();
            let exit = match oom {
                None => running.ended().await,
                Some(after) => match tokio::time::timeout(after, running.ended()).await {
                    Ok(exit) => exit,
                    Err(_) => world.run_out_of_memory(&id, &mut running).await,
                },
            };
            if !matches!(running, Running::Pretend { .. }) {
                process::sweep(&id, pid).await;
                world.bury_orphans();
                let _ = tokio::fs::remove_dir_all(StateDir::home(&id)).await;
            }
            let then = world.update(&id, |slot| end(&mut slot.record, exit));
            world.follow(&id, then);
        });
    }

    /// Buries what became our child when its parent in a machine ended.
    fn bury_orphans(&self) {
        if self.options.orphans == Orphans::LeftToInit {
            return;
        }
        // With the table locked no machine can start, so a main process, which tokio waits for, is always known here.
        let machines = lock(&self.machines);
        let mains: Vec<u32> = machines.live().filter_map(|record| record.process?.pid).collect();
        for pid in procfs::dead_children().into_iter().filter(|pid| !mains.contains(pid)) {
            signal::reap(pid);
        }
    }

    async fn run_out_of_memory(&self, id: &str, running: &mut Running) -> Exit {
        self.update(id, |slot| {
            slot.record.marks.oom_after_ms = None;
            deliver(slot, libc::SIGKILL);
        });
        Exit { exit_code: 137, signal: libc::SIGKILL, oom_killed: true, ..running.ended().await }
    }

    fn follow(self: &Arc<Self>, id: &str, then: Option<Then>) {
        match then {
            None | Some(Then::Nothing) => {}
            Some(Then::Run(running)) => {
                let oom = self.update(id, |slot| slot.record.marks.oom_after_ms).flatten();
                self.watch(id, running, oom.map(Duration::from_millis));
            }
            Some(Then::BootAgain) => self.boot(id, self.options.start_delay),
            Some(Then::Destroy) => self.finish_destroy(id),
        }
    }

    /// Starts a stopped machine; `boots` says whether it ever arrives.
    pub fn start(self: &Arc<Self>, id: &str, boots: Boots) -> Result<State, Refusal> {
        let previous = self.update(id, |slot| {
            let record = &mut slot.record;
            match record.state {
                State::Stopped => {}
                State::Started | State::Stopping => {
                    return Err(Refusal::precondition("machine still active, refusing to start"));
                }
                State::Starting => return Err(Refusal::precondition("machine still attempting to start")),
                other => {
                    let text = format!("unable to start machine from current state: '{}'", other.word());
                    return Err(Refusal::precondition(&text));
                }
            }
            record.state = State::Starting;
            record.skip_launch = false;
            record.requested_stop = false;
            record.events.push(Event::new("start", "starting", "user"));
            Ok(State::Stopped)
        });
        let previous = previous.unwrap_or_else(|| Err(Refusal::machine_not_found()))?;
        if boots == Boots::Yes {
            self.boot(id, self.options.start_delay);
        }
        Ok(previous)
    }

    /// Asks a machine to stop: `number` now, SIGKILL to all of it after `timeout`. Returns before it has stopped.
    pub fn stop(self: &Arc<Self>, id: &str, number: i32, timeout: Duration) -> Result<(), Refusal> {
        let stopping = self.update(id, |slot| match slot.record.state {
            State::Started => {
                slot.record.state = State::Stopping;
                slot.record.requested_stop = true;
                slot.record.events.push(Event::new("stop", "stopping", "user"));
                deliver(slot, number);
                Ok(slot.record.process)
            }
            State::Stopping | State::Stopped | State::Destroying => Ok(None),
            other => {
                let text = format!("unable to stop machine from current state: '{}'", other.word());
                Err(Refusal::precondition(&text))
            }
        });
        if let Some(process) = stopping.unwrap_or_else(|| Err(Refusal::machine_not_found()))? {
            self.kill_after(id, process, timeout);
        }
        Ok(())
    }

    /// Kills a machine that is still the same `process` after `timeout`.
    pub fn kill_after(self: &Arc<Self>, id: &str, process: Process, timeout: Duration) {
        let (world, id) = (Arc::clone(self), id.to_owned());
        self.spawn(async move {
            sleep(timeout).await;
            world.update(&id, |slot| {
                if slot.record.process == Some(process) {
                    deliver(slot, libc::SIGKILL);
                }
            });
        });
    }

    /// Destroys a machine, or refuses while it runs.
    pub fn destroy(self: &Arc<Self>, id: &str, how: Destroy) -> Result<(), Refusal> {
        let finish = self.update(id, |slot| {
            let runs = matches!(slot.record.state, State::Starting | State::Started | State::Stopping);
            if slot.record.state == State::Destroyed {
                return Ok(false);
            }
            if runs && how == Destroy::Idle {
                let text = "unable to destroy machine, not currently stopped, suspended, failed or created";
                return Err(Refusal::precondition(text));
            }
            slot.record.state = State::Destroying;
            slot.record.destroy_requested = true;
            if how == Destroy::AckOnly || slot.record.marks.unreachable {
                return Ok(false);
            }
            slot.record.requested_stop = true;
            deliver(slot, libc::SIGKILL);
            Ok(slot.record.process.is_none())
        });
        if finish.unwrap_or_else(|| Err(Refusal::machine_not_found()))? {
            self.finish_destroy(id);
        }
        Ok(())
    }

    /// The machine is gone.
    pub fn finish_destroy(&self, id: &str) {
        self.update(id, |slot| {
            let record = &mut slot.record;
            if record.state != State::Destroyed {
                let source = if record.destroy_requested { "user" } else { "flyd" };
                record.events.push(Event::new("destroy", "destroyed", source));
                record.state = State::Destroyed;
            }
        });
    }
}

/// Whether a machine told to start ever arrives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boots {
    Yes,
    Never,
}

/// Sends a signal to a machine: to its main process, and SIGKILL to its whole group.
pub fn deliver(slot: &mut Slot, number: i32) {
    match slot.record.process {
        Some(Process { pid: Some(pid), .. }) if number == libc::SIGKILL => signal::send_group(pid, number),
        Some(Process { pid: Some(pid), .. }) => signal::send(pid, number),
        Some(Process { pid: None, .. }) => {
            slot.signal.send_replace(Some(number));
        }
        None => {}
    }
}

/// The end of the boot delay.
fn come_up(slot: &mut Slot, options: &Options, dir: &StateDir) -> Then {
    let record = &mut slot.record;
    if !matches!(record.state, State::Created | State::Starting)
        || record.process.is_some()
        || record.marks.never_boots
    {
        return Then::Nothing;
    }
    if record.skip_launch {
        record.state = State::Stopped;
        return Then::Nothing;
    }
    if record.marks.launch_fails {
        record.state = State::LaunchFailed;
        record.events.push(Event::new("launch", "launch_failed", "flyd"));
        return Then::Destroy;
    }
    let running = match options.run {
        Run::Pretend(lasts) => {
            slot.signal.send_replace(None);
            record.process = Some(Process { pid: None, born: 0 });
            Running::Pretend { lasts, signal: slot.signal.subscribe() }
        }
        Run::Processes => {
            let spawned = process::spawn(record, options, &StateDir::home(&record.id), &dir.log(&record.id));
            match spawned {
                Ok((child, process)) => {
                    record.process = Some(process);
                    Running::Child(child)
                }
                Err(error) => {
                    tracing::error!(
                        machine.id = record.id,
                        error = format!("{error:#}"),
                        "a machine cannot run"
                    );
                    let _ = std::fs::remove_dir_all(StateDir::home(&record.id));
                    record.state = State::Failed;
                    record.events.push(Event::new("launch", "failed", "flyd"));
                    return Then::Nothing;
                }
            }
        }
    };
    started(record);
    Then::Run(running)
}

/// The machine runs from now on.
pub fn started(record: &mut Record) {
    let event = Event::new("start", "started", "flyd");
    record.state = State::Started;
    record.intervals.push(Interval { started_ms: event.timestamp, exited_ms: None });
    record.events.push(event);
}

/// The machine's main process has ended, and with it all the others.
fn end(record: &mut Record, exit: Exit) -> Then {
    if let Some(interval) = record.intervals.last_mut() {
        interval.exited_ms.get_or_insert(exit.at_ms.max(interval.started_ms));
    }
    let requested = record.requested_stop;
    let leaving = record.destroy_requested || record.state == State::Destroying;
    let again = !requested && !leaving && record.config.restarts(exit.exit_code, record.restarts);
    record.process = None;
    record.requested_stop = false;
    let end = End { exit, requested_stop: requested, restarting: again, restart_count: record.restarts };
    record.events.push(Event::exit(&end, record.marks.exit_shape));
    record.updated_ms = clock::now_ms();
    if again {
        record.restarts += 1;
        record.state = State::Starting;
        record.events.push(Event::new("restart", "starting", "flyd"));
        return Then::BootAgain;
    }
    if leaving && record.marks.unreachable {
        return Then::Nothing;
    }
    if leaving || record.config.auto_destroy {
        record.state = State::Destroying;
        return Then::Destroy;
    }
    record.state = State::Stopped;
    Then::Nothing
}
