//! Nothing of Chromium outlives a job, however the job ends.

use std::os::unix::fs::PermissionsExt;
use std::time::{Duration, Instant};

use domain::attempt::EndClass;
use runner::browser::{BrowserConfig, Session, Workspace};

use crate::candidate::{Run, browser, file};
use crate::site::Site;

/// How many processes belong to a group, zombies included.
fn members(group: i32) -> usize {
    let stats = std::fs::read_dir("/proc")
        .expect("proc")
        .flatten()
        .filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    stats
        .filter(|stat| {
            stat.rsplit_once(") ")
                .and_then(|(_, rest)| rest.split(' ').nth(2))
                .is_some_and(|it| it == group.to_string())
        })
        .count()
}

async fn until(what: &str, condition: impl Fn() -> bool) {
    let end = Instant::now() + Duration::from_secs(10);
    while !condition() {
        assert!(Instant::now() < end, "{what} did not happen");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_closed_browser_leaves_no_process_and_no_folder() {
    let config = browser();
    let workspace = Workspace::new(config.uid).expect("a folder");
    let path = workspace.path().to_owned();
    let session = Session::start(&config, &workspace).await.expect("a browser");
    let group = session.process_group().expect("it runs");
    assert!(members(group) > 1);
    session.close().await;
    until("the end of every process", || members(group) == 0).await;
    drop(workspace);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_dropped_session_kills_its_browser() {
    let config = browser();
    let workspace = Workspace::new(config.uid).expect("a folder");
    let session = Session::start(&config, &workspace).await.expect("a browser");
    let group = session.process_group().expect("it runs");
    drop(session);
    until("the end of every process", || members(group) == 0).await;
}

#[tokio::test]
async fn chromium_runs_as_someone_else_than_root() {
    let config = browser();
    let workspace = Workspace::new(config.uid).expect("a folder");
    let session = Session::start(&config, &workspace).await.expect("a browser");
    let group = session.process_group().expect("it runs");
    let status = std::fs::read_to_string(format!("/proc/{group}/status")).expect("a status");
    let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).expect("a uid");
    assert!(uid.split_whitespace().all(|id| id != "0"), "{uid}");
    session.close().await;
}

#[tokio::test]
async fn a_browser_that_dies_ends_every_wait_at_once() {
    let config = browser();
    let workspace = Workspace::new(config.uid).expect("a folder");
    let session = Session::start(&config, &workspace).await.expect("a browser");
    let world = session.main_world().await.expect("a page");
    let group = session.process_group().expect("it runs");
    let wait = session.run::<serde_json::Value>(&world, "() => new Promise(() => {})", &[]);
    let kill = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        kill_now(&[group.to_string()]);
    };
    let began = Instant::now();
    let (answer, ()) = tokio::join!(wait, kill);
    assert!(matches!(answer, Err(runner::browser::BrowserError::Gone(_))), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_job_that_is_told_to_stop_stops_within_a_second() {
    let site = Site::start().await;
    let run = Run::on(site.url("hang"));
    let stop = run.stop.clone();
    let stopped = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        stop.cancel();
        Instant::now()
    });
    let ran = run.go().await;
    let stopped = stopped.await.expect("a time");
    assert_eq!(ran.outcome.class, EndClass::Released);
    assert!(stopped.elapsed() < Duration::from_secs(1));
}

/// A Chromium that can be told from all others by its command line.
fn marked(folder: &std::path::Path, mark: &str) -> BrowserConfig {
    with_arguments(browser(), folder, &format!("--gh-mark={mark}"))
}

/// A Chromium with more on its command line.
pub fn with_arguments(config: BrowserConfig, folder: &std::path::Path, arguments: &str) -> BrowserConfig {
    let script = folder.join("marked-chromium");
    let text = format!("#!/bin/sh\nexec {} \"$@\" {arguments}\n", config.program.display());
    std::fs::write(&script, text).expect("a script");
    for path in [folder, &script] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    }
    BrowserConfig { program: script, ..config }
}

/// The leader of the marked browser.
fn leader(mark: &str) -> Option<i32> {
    let wanted = format!("--gh-mark={mark}");
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let marked = processes.filter(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).into_owned();
        line.contains(&wanted) && !line.contains("--type=")
    });
    marked.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).min()
}

#[tokio::test]
async fn a_browser_lost_before_sending_is_started_anew() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let mut run = Run::on(site.url("slow.html"));
    run.tools.browser = marked(folder.path(), "lost-once");
    let kill = tokio::spawn(async {
        until("a marked browser", || leader("lost-once").is_some()).await;
        tokio::time::sleep(Duration::from_millis(800)).await;
        let pid = leader("lost-once").expect("it still runs").to_string();
        kill_now(&[pid]);
    });
    let ran = run.go().await;
    kill.await.expect("the killing");
    ran.arrived();
    assert!(ran.events.contains(&"browser_crash_detected"), "{:?}", ran.events);
    assert_eq!(site.sent().len(), 1);
    assert_eq!(leader("lost-once"), None);
}

#[tokio::test]
async fn a_page_whose_own_process_dies_is_lost_at_once() {
    let config = browser();
    let workspace = Workspace::new(config.uid).expect("a folder");
    let session = Session::start(&config, &workspace).await.expect("a browser");
    let world = session.main_world().await.expect("a page");
    let renderers = renderers(session.process_group().expect("it runs"));
    assert!(!renderers.is_empty());
    let wait = session.run::<serde_json::Value>(&world, "() => new Promise(() => {})", &[]);
    let kill = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        kill_now(&renderers);
    };
    let began = Instant::now();
    let (answer, ()) = tokio::join!(wait, kill);
    assert!(matches!(answer, Err(runner::browser::BrowserError::Gone(_))), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(3));
}

/// SIGKILL, sent by the shell: the program `kill` is not on every computer.
fn kill_now(processes: &[String]) {
    let command = format!("kill -9 {}", processes.join(" "));
    std::process::Command::new("sh").args(["-c", &command]).status().expect("a shell");
}

/// The processes of a browser that run pages.
fn renderers(group: i32) -> Vec<String> {
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let ours = processes.filter(|entry| {
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        let same =
            stat.rsplit_once(") ").and_then(|(_, rest)| rest.split(' ').nth(2)) == Some(&group.to_string());
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        same && String::from_utf8_lossy(&line).contains("--type=renderer")
    });
    ours.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// A process and everything under it, zombies left out.
fn family(root: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("proc").flatten();
    let stats = processes.filter_map(|entry| std::fs::read_to_string(entry.path().join("stat")).ok());
    let parents: Vec<(u32, u32)> = stats
        .filter_map(|stat| {
            let (pid, rest) = (stat.split(' ').next()?.parse().ok()?, stat.rsplit_once(") ")?.1.to_owned());
            let mut rest = rest.split(' ');
            (rest.next()? != "Z").then_some(())?;
            Some((pid, rest.next()?.parse().ok()?))
        })
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while at < found.len() {
        let wanted = found[at];
        found.extend(parents.iter().filter(|(_, parent)| *parent == wanted).map(|(pid, _)| *pid));
        at += 1;
    }
    found
}

fn job_folders(place: &std::path::Path) -> Vec<String> {
    let names = std::fs::read_dir(place).expect("a folder").flatten();
    names.filter_map(|it| it.file_name().into_string().ok()).filter(|it| it.starts_with("gh-job-")).collect()
}

fn runs(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

#[tokio::test]
async fn a_runner_that_is_killed_takes_its_browser_with_it() {
    let (site, folder) = (Site::start().await, tempfile::tempdir().expect("a folder"));
    let mut runner = tokio::process::Command::new(env!("CARGO_BIN_EXE_runner"));
    runner.args(["fill", "--no-submit", "--url", &site.url("hang"), "--profile"]).arg(file("profile.json"));
    runner.arg("--report").arg(folder.path().join("r.json")).env("TMPDIR", folder.path());
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let mut runner = runner.stderr(std::process::Stdio::null()).spawn().expect("runner");
    let pid = runner.id().expect("it runs");
    until("a browser with a page", || family(pid).len() > 5).await;
    let browser: Vec<u32> = family(pid).into_iter().filter(|it| *it != pid).collect();
    runner.kill().await.expect("killed"); // SIGKILL: nothing of ours runs after it
    until("the end of the browser", || browser.iter().all(|pid| !runs(*pid))).await;
    assert_eq!(job_folders(folder.path()).len(), 1, "nobody was left to remove it");
    // The next runner does.
    let mut next = tokio::process::Command::new(env!("CARGO_BIN_EXE_runner"));
    next.args(["fill", "--no-submit", "--url", &site.url("status/404"), "--profile"])
        .arg(file("profile.json"));
    next.arg("--report").arg(folder.path().join("r.json")).env("TMPDIR", folder.path());
    next.stderr(std::process::Stdio::null()).status().await.expect("it ends");
    assert_eq!(job_folders(folder.path()), Vec::<String>::new());
}
