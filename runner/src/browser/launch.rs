//! Starts Chromium under an unprivileged user with its own sandbox, and leaves nothing of it behind.
//!
//! It ends when we do, however that happens: it holds one end of two pipes whose other ends are ours ([`Leash`]), and the
//! kernel sends a signal (`PR_SET_PDEATHSIG`) to what is too young to watch them. That signal follows the *thread* that
//! started the child, so one thread of ours starts it, waits for it and reaps it. It leads its own process group, which
//! is killed as a whole.

use std::io::{PipeReader, PipeWriter};
use std::os::fd::AsRawFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{ChildStderr, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use super::{BrowserError, Workspace, flags::FLAGS, stderr};
use crate::egress::Outside;

/// How long Chromium may take until its socket is open; a busy machine needs about a second.
const START: Duration = Duration::from_secs(20);
/// How long a killed Chromium may take to be reaped.
const REAP: Duration = Duration::from_millis(500);
/// The user Chromium runs as when we are root: nobody.
const NOBODY: u32 = 65_534;

/// Which Chromium, and how it is started.
#[derive(Clone, Debug)]
pub struct BrowserConfig {
    /// The program.
    pub program: PathBuf,
    /// The user it runs as; none means ours.
    pub uid: Option<u32>,
    /// Whether its sandbox is off; only for kernels that allow no user namespaces.
    pub no_sandbox: bool,
    /// Whether it runs without a window.
    pub headless: bool,
    /// What its window needs of our environment: which X display, and the file that opens it.
    pub display: Vec<(&'static str, String)>,
    /// How names are resolved and addresses dialled for it.
    pub outside: Outside,
}

impl BrowserConfig {
    /// Reads `GH_CHROMIUM`, `GH_BROWSER_UID`, `GH_CHROMIUM_NO_SANDBOX` and `GH_HEADLESS` through `lookup`, and for a window `DISPLAY` and `XAUTHORITY`.
    ///
    /// # Errors
    /// When no Chromium is found.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, BrowserError> {
        let path = lookup("PATH").unwrap_or_default();
        let program = match lookup("GH_CHROMIUM").filter(|given| !given.is_empty()) {
            Some(given) => behind_script(PathBuf::from(given)),
            None => find(&path).ok_or_else(|| {
                BrowserError::Launch(
                    "no chromium found: install chromium-headless-shell or set GH_CHROMIUM".into(),
                )
            })?,
        };
        let headless = lookup("GH_HEADLESS").as_deref() != Some("false");
        let display = [("DISPLAY", lookup("DISPLAY")), ("XAUTHORITY", lookup("XAUTHORITY"))];
        let display = display.into_iter().filter(|_| !headless);
        let uid = lookup("GH_BROWSER_UID").and_then(|uid| uid.parse().ok()).or(is_root().then_some(NOBODY));
        Ok(Self {
            program,
            uid: uid.filter(|_| is_root()),
            no_sandbox: lookup("GH_CHROMIUM_NO_SANDBOX").as_deref() == Some("1"),
            headless,
            display: display.filter_map(|(name, value)| Some((name, value?))).collect(),
            outside: Outside::default(),
        })
    }
}

/// Where distributions keep the program itself, as opposed to the shell script of the same name on the PATH.
const HOMES: &[&str] = &["/usr/lib/chromium", "/usr/lib/chromium-browser", "/opt/google/chrome"];

fn find(path: &str) -> Option<PathBuf> {
    let folders: Vec<&str> = HOMES.iter().copied().chain(path.split(':')).chain(["/usr/bin"]).collect();
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "chrome"].iter().find_map(
        |name| folders.iter().map(|folder| Path::new(folder).join(name)).find(|file| file.is_file()),
    )
}

/// The program behind a distribution's start script: a script that waits for it would take our death signal in its place.
fn behind_script(program: PathBuf) -> PathBuf {
    let mut start = [0; 2];
    let read =
        std::fs::File::open(&program).and_then(|mut file| std::io::Read::read_exact(&mut file, &mut start));
    let name = program.file_name().unwrap_or_default().to_owned();
    if read.is_err() || start != *b"#!" {
        return program;
    }
    HOMES
        .iter()
        .map(|home| Path::new(home).join(&name))
        .find(|file| file.is_file() && *file != program)
        .unwrap_or(program)
}

#[expect(unsafe_code, reason = "geteuid has no safe form in std; it cannot fail")]
fn is_root() -> bool {
    // SAFETY: no arguments, no memory, always succeeds.
    unsafe { libc::geteuid() == 0 }
}

/// A running Chromium; killed with its whole process group on drop.
#[derive(Debug)]
pub struct Process {
    ws_url: String,
    group: Arc<Mutex<Option<i32>>>,
    gone: watch::Receiver<bool>,
}

impl Process {
    /// Starts Chromium with its profile in `workspace`, every connection through the proxy on `proxy`, and waits for
    /// its socket.
    ///
    /// # Errors
    /// When it does not start, or its socket does not open in time.
    pub async fn launch(
        config: &BrowserConfig,
        workspace: &Workspace,
        proxy: u16,
    ) -> Result<Self, BrowserError> {
        let mut command = command(config, workspace, proxy);
        let leash = detach(&mut command).map_err(|error| BrowserError::Launch(error.to_string()))?;
        let (url_to_us, url) = oneshot::channel();
        let (gone_to_us, gone) = watch::channel(false);
        let group = Arc::new(Mutex::new(None));
        let held = Arc::clone(&group);
        std::thread::Builder::new()
            .name("chromium".into())
            .spawn(move || {
                own(command, &held, url_to_us);
                drop(leash);
                let _ = gone_to_us.send(true);
            })
            .map_err(|error| BrowserError::Launch(error.to_string()))?;
        let mut process = Self { ws_url: String::new(), group, gone };
        process.ws_url = tokio::time::timeout(START, url)
            .await
            .map_err(|_| BrowserError::Launch("its debugging socket did not open in time".into()))?
            .map_err(|_| BrowserError::Launch("it ended before its debugging socket opened".into()))?
            .map_err(BrowserError::Launch)?;
        Ok(process)
    }

    /// The address of its debugging socket.
    pub fn ws_url(&self) -> &str {
        &self.ws_url
    }

    /// The id of its process group, while it runs.
    pub fn group(&self) -> Option<i32> {
        *self.group.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Kills it and everything it started, and waits until it is reaped.
    pub async fn kill(&mut self) {
        self.signal();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.gone.wait_for(|gone| *gone)).await;
    }

    /// Waits until it is gone, for whatever reason.
    pub async fn gone(&self) {
        let _ = self.gone.clone().wait_for(|gone| *gone).await;
    }

    /// A way to kill it from elsewhere.
    pub fn killer(&self) -> Killer {
        Killer(Arc::clone(&self.group))
    }

    fn signal(&self) {
        self.killer().kill();
    }
}

/// Kills a Chromium without owning it.
#[derive(Clone, Debug)]
pub struct Killer(Arc<Mutex<Option<i32>>>);

impl Killer {
    /// Kills it and everything it started, if it still runs.
    pub fn kill(&self) {
        if let Some(group) = *self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            kill_group(group);
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.signal();
        // The kernel needs a few milliseconds; leaving before would leave a zombie to whoever comes after us.
        let until = Instant::now() + REAP;
        while self.group().is_some() && Instant::now() < until {
            std::thread::park_timeout(Duration::from_millis(2));
        }
    }
}

fn command(config: &BrowserConfig, workspace: &Workspace, proxy: u16) -> Command {
    let mut command = Command::new(&config.program);
    command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("HOME", workspace.path());
    // Relative, because a full Chromium makes a socket in it, whose whole path may have 107 bytes.
    command.env("TMPDIR", ".").env("LANG", "C.UTF-8").current_dir(workspace.path());
    command.envs(config.display.iter().map(|(name, value)| (name, value)));
    command.args(FLAGS.iter().map(|(flag, _)| flag));
    command.arg(format!("--user-data-dir={}", workspace.profile().display()));
    command.arg(format!("--proxy-server=http://127.0.0.1:{proxy}"));
    if config.headless {
        command.arg("--headless");
    }
    if config.no_sandbox {
        command.arg("--no-sandbox");
    }
    if let Some(uid) = config.uid {
        command.uid(uid).gid(uid);
    }
    command.arg("about:blank"); // the page we use; made while the debugging socket opens
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

/// Our ends of the pipes Chromium reads commands from and writes answers to. We say nothing through them: when they close,
/// however this process ends, Chromium ends. The kernel's death signal would not do: Chromium forks itself once more at its
/// start, and the signal reaches the first process only (measured with 156).
type Leash = (PipeReader, PipeWriter);

/// Makes the child lead its own session, and ties it to us.
#[expect(unsafe_code, reason = "setsid and the numbers of the pipes must be set between fork and exec")]
fn detach(command: &mut Command) -> std::io::Result<Leash> {
    let (commands, our_commands) = std::io::pipe()?;
    let (our_answers, answers) = std::io::pipe()?;
    command.arg("--remote-debugging-pipe");
    let parent = std::process::id();
    // SAFETY: only async-signal-safe calls; nothing is allocated.
    unsafe {
        command.pre_exec(move || {
            libc::setsid();
            libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0);
            if libc::getppid().cast_unsigned() != parent {
                libc::_exit(1); // we died before the signal was armed
            }
            // First out of the way, because a pipe may have the number that the other one needs.
            let high = [commands.as_raw_fd(), answers.as_raw_fd()]
                .map(|fd| libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 100));
            if libc::dup2(high[0], 3) < 0 || libc::dup2(high[1], 4) < 0 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    Ok((our_answers, our_commands))
}

/// The life of the child, on a thread of its own: start, wait, sweep, reap.
fn own(mut command: Command, group: &Mutex<Option<i32>>, url: oneshot::Sender<Result<String, String>>) {
    let spawned = command.spawn();
    drop(command); // with Chromium's ends of the pipes
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let _ = url.send(Err(error.to_string()));
            return;
        }
    };
    let leader = child.id().cast_signed();
    *group.lock().unwrap_or_else(PoisonError::into_inner) = Some(leader);
    if url.is_closed() {
        kill_group(leader); // whoever asked is gone
    }
    let stderr = child.stderr.take();
    let drain = std::thread::Builder::new().name("chromium-stderr".into());
    let drained = drain.spawn(move || drain_stderr(stderr, url, leader));
    wait_unreaped(leader);
    let mut held = group.lock().unwrap_or_else(PoisonError::into_inner);
    kill_group(leader); // helpers that outlived it; its id is ours until we reap
    *held = None;
    drop(held);
    let status = child.wait();
    tracing::debug!(?status, "chromium ended");
    if let Ok(drained) = drained {
        let _ = drained.join();
    }
}

/// Reports the socket's address, or the line that says why there is none.
fn drain_stderr(stderr: Option<ChildStderr>, url: oneshot::Sender<Result<String, String>>, leader: i32) {
    let Some(stderr) = stderr else { return };
    let mut url = Some(url);
    let told = stderr::drain(stderr, |address| {
        if let Some(waiting) = url.take()
            && waiting.send(Ok(address.to_owned())).is_err()
        {
            kill_group(leader); // whoever asked is gone
        }
    });
    if let Some(waiting) = url {
        let _ = waiting.send(Err(format!("it ended at once: {told}")));
    }
}

#[expect(unsafe_code, reason = "waitid with WNOWAIT has no safe form in std")]
fn wait_unreaped(pid: i32) {
    loop {
        // SAFETY: `info` is plain data that waitid fills in.
        let result = unsafe {
            let mut info: libc::siginfo_t = std::mem::zeroed();
            libc::waitid(libc::P_PID, pid.cast_unsigned(), &raw mut info, libc::WEXITED | libc::WNOWAIT)
        };
        if result == 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            return;
        }
    }
}

#[expect(unsafe_code, reason = "std cannot signal a process group")]
fn kill_group(group: i32) {
    // SAFETY: a plain system call; the group is ours until its leader is reaped, and the caller holds it unreaped.
    unsafe {
        libc::kill(-group, libc::SIGKILL);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn environment(headless: &str) -> Vec<String> {
        let lookup = |name: &str| match name {
            "GH_CHROMIUM" => Some("/bin/true".to_owned()),
            "GH_HEADLESS" => Some(headless.to_owned()),
            name => Some(format!("our {name}")),
        };
        let config = BrowserConfig::from_lookup(lookup).expect("a browser");
        let workspace = Workspace::new(None).expect("a folder");
        let command = command(&config, &workspace, 1);
        command.get_envs().map(|(name, _)| name.to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn only_a_window_learns_which_display_is_ours() {
        let without = environment("true");
        assert_eq!(without, ["HOME", "LANG", "PATH", "TMPDIR"]);
        assert_eq!(environment("false"), ["DISPLAY", "HOME", "LANG", "PATH", "TMPDIR", "XAUTHORITY"]);
    }
}
