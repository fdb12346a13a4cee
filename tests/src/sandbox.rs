//! Whether Chromium's sandbox works on this computer.
//!
//! It needs user namespaces or Debian's package `chromium-sandbox`, and most containers have neither.
//! A stack on such a computer runs its browsers without; nothing else ever does.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use crate::account::Account;
use crate::process::Process;

/// A browser that shows an empty page takes half a second.
const LIMIT: Duration = Duration::from_secs(20);

/// Tries it, once per process, with files in `folder`; true as well when there is no browser to try.
pub fn works(folder: &Path) -> bool {
    static WORKS: OnceLock<bool> = OnceLock::new();
    *WORKS.get_or_init(|| try_it(folder))
}

fn try_it(folder: &Path) -> bool {
    let Some(program) = xtask::tools::chromium() else { return true };
    let profile = folder.join("sandbox-probe");
    let account = Account::nobody();
    if std::fs::create_dir(&profile).is_err() || account.is_some_and(|account| account.own(&profile).is_err())
    {
        return true;
    }
    let mut command = Command::new(program);
    command.env_clear().env("PATH", "/usr/bin:/bin").env("HOME", &profile);
    // A full Chromium killed before its end leaves what it made in its temporary folder.
    command.env("TMPDIR", ".").current_dir(&profile);
    command.args(["--headless", "--disable-gpu", "--no-first-run", "--dump-dom"]);
    command.arg(format!("--user-data-dir={}", profile.display())).arg("about:blank");
    if let Some(account) = account {
        account.apply(&mut command);
    }
    let log = folder.join("sandbox-probe.log");
    let Ok(mut browser) = Process::start("chromium", command, &log, libc::SIGKILL) else { return true };
    let ended_well = browser.stop(0, LIMIT).success(); // no signal: it ends by itself
    // Any other trouble is the runner's to report in its own words.
    ended_well || !browser.log().contains("sandbox")
}
