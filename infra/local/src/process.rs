//! A machine's process: started with nothing but its own environment, and ended with all it started.

use crate::{events::Exit, options::Options, procfs, record::Process, record::Record, signal};
use anyhow::Context;
use secrecy::ExposeSecret;
use std::{
    fs,
    os::unix::{fs::DirBuilderExt, process::ExitStatusExt},
    path::Path,
    process::{ExitStatus, Stdio},
    time::{Duration, Instant},
};
use tokio::{
    process::{Child, Command},
    sync::watch,
    time::sleep,
};

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// How often a process that is not our child is looked at.
const POLL: Duration = Duration::from_millis(25);

/// How long stragglers are hunted before giving up on them (a process in an uninterruptible call dies later).
const SWEEP: Duration = Duration::from_secs(5);

/// A machine that runs.
pub enum Running {
    /// Our child.
    Child(Child),
    /// Started by an earlier server with the same state folder.
    Adopted(Process),
    /// No process: it ends by itself after a while or by a signal.
    Pretend { lasts: Option<Duration>, signal: watch::Receiver<Option<i32>> },
}

impl Running {
    /// Waits for its end.
    pub async fn ended(&mut self) -> Exit {
        match self {
            Self::Child(child) => child.wait().await.map_or_else(|_| Exit::unknown(), exit_of),
            Self::Adopted(process) => {
                while lives(process) {
                    sleep(POLL).await;
                }
                Exit::unknown()
            }
            Self::Pretend { lasts, signal } => {
                let lasts = lasts.unwrap_or(Duration::from_hours(24 * 365));
                let told = tokio::time::timeout(lasts, signal.wait_for(Option::is_some)).await;
                let killed = matches!(told, Ok(Ok(number)) if *number == Some(libc::SIGKILL));
                let (exit_code, signal) = if killed { (137, libc::SIGKILL) } else { (0, -1) };
                Exit { exit_code, signal, ..Exit::unknown() }
            }
        }
    }
}

/// Whether it is still the process we knew.
pub fn lives(process: &Process) -> bool {
    process.pid.and_then(procfs::one).is_some_and(|found| found.born == process.born)
}

/// The exit as Fly reports it: a signal n shows as code 128 + n.
fn exit_of(status: ExitStatus) -> Exit {
    let signal = status.signal().unwrap_or(-1);
    let exit_code = status.code().unwrap_or(128 + signal);
    Exit { exit_code, signal, ..Exit::unknown() }
}

/// Starts the program of a machine in a session of its own.
pub fn spawn(
    record: &Record,
    options: &Options,
    home: &Path,
    log: &Path,
) -> anyhow::Result<(Child, Process)> {
    let program =
        options.images.get(&record.config.image).context("its image is no longer mapped to a program")?;
    // Others may pass through, so that a browser under another user reaches its profile, but not look around.
    fs::DirBuilder::new().recursive(true).mode(0o711).create(home).context("its temporary folder")?;
    let log = fs::OpenOptions::new().create(true).append(true).open(log).context("its log")?;
    let mut command = Command::new(program);
    command.env_clear().envs(environment(record, options)).current_dir(home);
    command.env("HOME", home).env("TMPDIR", home);
    command.stdin(Stdio::null()).stdout(log.try_clone().context("its log")?).stderr(log);
    if let Some(init) = &record.config.init {
        command.args(init.exec.iter().skip(1));
    }
    signal::fresh_start(&mut command);
    let child = command.spawn().with_context(|| program.display().to_string())?;
    let pid = child.id();
    let born = pid.and_then(procfs::one).map_or(0, |proc| proc.born);
    Ok((child, Process { pid, born }))
}

/// All that a machine's processes find in their environment. Secrets win over `env`, and Fly's own names over both.
fn environment(record: &Record, options: &Options) -> Vec<(String, String)> {
    let mut env = vec![("PATH".to_owned(), PATH.to_owned()), ("LANG".to_owned(), "C.UTF-8".to_owned())];
    env.extend(record.config.env.clone());
    if !record.skip_secrets {
        env.extend(
            options.secrets.iter().map(|(name, value)| (name.clone(), value.expose_secret().to_owned())),
        );
    }
    let group = record.config.metadata.get("fly_process_group").map_or("app", String::as_str);
    let memory = record.config.guest.memory_mb.to_string();
    let own = [
        ("FLY_APP_NAME", record.app.as_str()),
        (procfs::MARKER, &record.id),
        ("FLY_ALLOC_ID", &record.id),
        ("FLY_REGION", &record.region),
        ("FLY_IMAGE_REF", &record.config.image),
        ("FLY_MACHINE_VERSION", &record.instance_id),
        ("FLY_PRIVATE_IP", &record.private_ip),
        ("FLY_PROCESS_GROUP", group),
        ("FLY_VM_MEMORY_MB", &memory),
        ("PRIMARY_REGION", &options.region),
    ];
    env.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    env
}

/// Kills whatever is left of a machine and returns when nothing is.
pub async fn sweep(machine: &str, session: Option<u32>) {
    let deadline = Instant::now() + SWEEP;
    loop {
        let id = machine.to_owned();
        let left = tokio::task::spawn_blocking(move || kill_left(&id, session)).await.unwrap_or_default();
        if left.is_empty() {
            return;
        }
        if Instant::now() > deadline {
            tracing::error!(machine.id = machine, pids = ?left, "processes of a machine outlive it");
            return;
        }
        sleep(Duration::from_millis(5)).await;
    }
}

/// Kills every process of a machine that can be found now, and names them.
pub fn kill_left(machine: &str, session: Option<u32>) -> Vec<u32> {
    if let Some(leader) = session {
        signal::send_group(leader, libc::SIGKILL);
    }
    let left = procfs::belonging(&procfs::all(), machine, session);
    for pid in &left {
        signal::send(*pid, libc::SIGKILL);
    }
    left
}
