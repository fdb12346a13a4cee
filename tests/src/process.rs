//! Child processes that cannot outlive us.

use std::fs::File;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{OnceLock, mpsc};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};

/// A process in a group of its own, logging to a file, sent a signal by the kernel when we die.
pub struct Process {
    name: String,
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts `command`; `at_our_death` is the signal it gets when this program dies, however it dies.
    ///
    /// Its output is appended to `log`. Ctrl-C in our terminal does not reach it, so that we decide the order of the end.
    ///
    /// # Errors
    /// When the program or the log file cannot be opened.
    pub fn start(name: &str, mut command: Command, log: &Path, at_our_death: i32) -> Result<Self> {
        let file = File::options().create(true).append(true).open(log);
        let file = file.with_context(|| format!("opening {}", log.display()))?;
        command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
        die_with_us(&mut command, at_our_death);
        let program = command.get_program().to_owned();
        let child = spawn(command).with_context(|| format!("starting {name} ({})", program.display()))?;
        Ok(Self { name: name.to_owned(), child, log: log.to_owned() })
    }

    /// Its process id.
    pub fn id(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// What we call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits until `ready` says yes; an error with its last words when it ends before, or `limit` is over.
    ///
    /// # Errors
    /// See above.
    pub fn wait_until(&mut self, limit: Duration, ready: impl Fn() -> bool) -> Result<()> {
        let until = Instant::now() + limit;
        while !ready() {
            self.expect_alive(until)?;
            pause();
        }
        Ok(())
    }

    /// An error with its last words when it has ended, or `until` is over.
    pub(crate) fn expect_alive(&mut self, until: Instant) -> Result<()> {
        if let Some(status) = self.child.try_wait()? {
            bail!("{} ended while starting ({status}):\n{}", self.name, self.last_words());
        }
        ensure!(Instant::now() < until, "{} is not ready in time:\n{}", self.name, self.last_words());
        Ok(())
    }

    /// Everything it wrote so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// The last lines it wrote, for an error message.
    pub fn last_words(&self) -> String {
        let log = self.log();
        let lines: Vec<&str> = log.lines().collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        send(self.id(), signal);
    }

    /// Asks it to end with `signal`, and kills it when that takes longer than `grace`.
    pub fn stop(&mut self, signal: i32, grace: Duration) -> ExitStatus {
        if self.is_running() {
            self.signal(signal);
        }
        let until = Instant::now() + grace;
        while Instant::now() < until {
            if let Ok(Some(status)) = self.child.try_wait() {
                return status;
            }
            pause();
        }
        self.kill()
    }

    /// Kills it at once (SIGKILL) and reaps it.
    pub fn kill(&mut self) -> ExitStatus {
        let _ = self.child.kill();
        self.child.wait().unwrap_or_else(|_| ExitStatus::from_raw(libc::SIGKILL))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to any process; one that is gone already is no error.
#[expect(unsafe_code, reason = "std can send no signal but SIGKILL")]
pub fn send(id: i32, signal: i32) {
    // SAFETY: no memory is involved; ids 0 and below would mean groups and are never passed.
    if id > 0 {
        unsafe { libc::kill(id, signal) };
    }
}

/// A moment between two looks at something that tells us nothing by itself, such as another process.
#[expect(clippy::disallowed_methods, reason = "the one place that polls what cannot be waited for")]
pub fn pause() {
    std::thread::sleep(Duration::from_millis(5));
}

#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "PR_SET_PDEATHSIG must be set between fork and exec")]
fn die_with_us(command: &mut Command, signal: i32) {
    let us = std::process::id();
    // SAFETY: only async-signal-safe calls, nothing is allocated. It runs after the change of account, which clears the setting.
    unsafe {
        command.pre_exec(move || {
            libc::prctl(libc::PR_SET_PDEATHSIG, signal, 0, 0, 0);
            if libc::getppid().cast_unsigned() != us {
                libc::_exit(1); // we died before it was set
            }
            Ok(())
        });
    }
}

#[cfg(not(target_os = "linux"))]
fn die_with_us(_: &mut Command, _: i32) {}

type Request = (Command, mpsc::SyncSender<std::io::Result<Child>>);

/// Spawns on a thread that never ends: the kernel sends the death signal when the *thread* that spawned is gone,
/// and tests and runtimes come and go with theirs.
fn spawn(command: Command) -> std::io::Result<Child> {
    static SPAWNER: OnceLock<mpsc::Sender<Request>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, requests) = mpsc::channel::<Request>();
        std::thread::spawn(move || {
            for (mut command, reply) in requests {
                // The caller waits for this reply, so somebody always takes it.
                let _ = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, answer) = mpsc::sync_channel(1);
    let gone = |_| std::io::Error::other("the thread that starts processes is gone");
    spawner.send((command, reply)).map_err(|_| gone(mpsc::RecvError))?;
    answer.recv().map_err(gone)?
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start(script: &str, log: &Path) -> Process {
        let mut command = Command::new("/bin/sh");
        command.arg("-c").arg(script);
        Process::start("test", command, log, libc::SIGKILL).unwrap()
    }

    #[test]
    fn a_process_that_ignores_the_polite_signal_is_killed_after_its_grace() {
        let folder = tempfile::tempdir().unwrap();
        let log = folder.path().join("log");
        let mut process = start("trap '' TERM; echo ready; while :; do sleep 0.05; done", &log);
        let until = Instant::now() + Duration::from_secs(10);
        while !process.log().contains("ready") {
            assert!(Instant::now() < until);
            pause();
        }
        let status = process.stop(libc::SIGTERM, Duration::from_millis(200));
        assert_eq!(status.signal(), Some(libc::SIGKILL));
    }

    #[test]
    fn a_child_outlives_the_thread_that_asked_for_it() {
        let folder = tempfile::tempdir().unwrap();
        let (log, flag) = (folder.path().join("log"), folder.path().join("flag"));
        let script = format!("while [ ! -e {} ]; do sleep 0.02; done", flag.display());
        let mut child = std::thread::spawn(move || start(&script, &log)).join().unwrap();

        std::fs::write(&flag, "").unwrap();

        // Signal 0 is none: only the flag ends it, or the death signal it must not have got.
        let status = child.stop(0, Duration::from_secs(10));
        assert_eq!((status.code(), status.signal()), (Some(0), None));
    }
}
