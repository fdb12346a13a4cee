//! Either Chromium will do: the headless shell, and the full one with or without a window.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use runner::browser::{BrowserConfig, BrowserError, Session, Workspace};
use runner::egress::{Outside, Policy};
use runner::net::Reach;
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

use crate::candidate::{browser, file, full};
use crate::process::with_arguments;
use crate::site::Site;

/// A folder whose path has so many bytes, inside one that is removed.
fn of_length(outer: &Path, bytes: usize) -> PathBuf {
    let pad = bytes - outer.as_os_str().len() - 1;
    let folder = outer.join("t".repeat(pad));
    std::fs::create_dir(&folder).expect("a folder");
    for folder in [outer, &folder] {
        std::fs::set_permissions(folder, PermissionsExt::from_mode(0o755)).expect("permissions");
    }
    assert_eq!(folder.as_os_str().len(), bytes);
    folder
}

#[tokio::test]
async fn a_form_arrives_with_its_file_however_long_the_path_of_the_temporary_folder_is() {
    // A socket's path has at most 107 bytes; a full Chromium makes one in its temporary folder.
    for (config, bytes) in [(full(), 72), (full(), 160), (browser(), 160)] {
        let (site, outer) = (Site::start().await, tempfile::tempdir().expect("a folder"));
        let folder = of_length(outer.path(), bytes);
        let report = outer.path().join("report.json");
        let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_runner"));
        command.args(["fill", "--url", &site.url("classic.html"), "--profile"]).arg(file("profile.json"));
        command.arg("--resume").arg(file("resume.pdf")).arg("--answers").arg(file("answers.json"));
        command.arg("--report").arg(&report).env("TMPDIR", &folder).env("GH_CHROMIUM", &config.program);
        let status = command.stderr(Stdio::null()).stdout(Stdio::null()).status().await.expect("runner");
        let report = std::fs::read_to_string(&report).expect("a report");
        let report: Value = serde_json::from_str(&report).expect("JSON");
        let case = format!("{} in {bytes} bytes", config.program.display());
        assert!(status.success(), "{case}: {}", report["outcome"]);
        let resume = std::fs::metadata(file("resume.pdf")).expect("a résumé").len();
        let sent = site.only();
        let arrived = sent.pairs.iter().any(|(_, value)| value.ends_with(&format!(":{resume} bytes")));
        assert!(arrived, "{case}: {:?}", sent.pairs);
        let left: Vec<_> = std::fs::read_dir(&folder).expect("a folder").flatten().collect();
        assert!(left.is_empty(), "{case} left {left:?}");
    }
}

#[tokio::test]
async fn a_browser_that_does_not_start_says_what_it_ended_for() {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("chromium");
    let text = "#!/bin/sh\n\
        echo '[7:9:1201/1.1:ERROR:dbus/bus.cc:405] Failed to connect to the bus' >&2\n\
        echo '[7:7:1201/1.2:FATAL:process_singleton_posix.cc:305] Socket path too long' >&2\n\
        echo '[9:9:1201/1.3:ERROR:zygote_main.cc:5] write: Broken pipe (32)' >&2\n";
    std::fs::write(&script, text).expect("a script");
    for path in [folder.path(), &script] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("permissions");
    }
    let config = BrowserConfig { program: script, ..browser() };
    let workspace = Workspace::new(config.uid).expect("a folder");
    let failed = Session::start(&config, &workspace).await.expect_err("it ends at once");
    let BrowserError::Launch(why) = failed else { panic!("{failed:?}") };
    assert!(why.contains("FATAL") && why.contains("Socket path too long"), "{why}");
}

/// How long a browser is watched. Of what Chromium 156 asks its makers in its first ten minutes, every host is asked
/// within four seconds of its start for the first time (measured without the flags that keep it quiet).
const WATCHED: Duration = Duration::from_secs(20);

/// Every host a browser asks for while a person would fill a form: page, file, text with mistakes, password.
async fn asked_by(config: BrowserConfig) -> BTreeSet<String> {
    let site = Site::start().await;
    let (asked, port) = (Arc::<Mutex<BTreeSet<String>>>::default(), site.port);
    let seen = Arc::clone(&asked);
    let public = move |name: &str| -> Vec<IpAddr> {
        seen.lock().unwrap_or_else(PoisonError::into_inner).insert(name.to_owned());
        // What is not the job's has an answer too: a browser that gets none asks less.
        vec![[93, 184, 216, 34].into()]
    };
    let outside = Outside::of_names(public)
        .dialled_by(move |_| Box::pin(TcpStream::connect((Ipv4Addr::LOCALHOST, port))));
    let config = BrowserConfig { outside, ..config };
    let workspace = Workspace::new(config.uid).expect("a folder");
    let session = Session::start(&config, &workspace).await.expect("a browser");
    let end = Instant::now() + WATCHED;
    let target = Url::parse("http://careers.test/classic.html").expect("an address");
    session.gate().allow(Policy::of_job(&target, Reach::Public, None));
    session.goto(target.as_str(), Duration::from_secs(20)).await.expect("the page");
    let world = session.main_world().await.expect("a page");
    for focus in [
        "() => document.getElementById('why').focus()",
        "() => { const it = document.getElementById('mid'); it.type = 'password'; it.focus() }",
    ] {
        session.run::<Value>(&world, focus, &[]).await.expect("an answer");
        session.type_keys("Teh qick brwn fox ").await.expect("typed");
    }
    let hosts = || {
        let mut hosts = asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        hosts.extend(session.gate().refused()); // by its port
        hosts
    };
    while hosts().len() == 1 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    // One that asks one host asks others: all are named, and those of the first seconds are enough.
    let hosts = hosts();
    session.close().await;
    hosts
}

#[tokio::test]
async fn no_browser_asks_for_any_host_but_the_jobs() {
    let folder = tempfile::tempdir().expect("a folder");
    // A window without a screen; everything else is as on one.
    let window = BrowserConfig { headless: false, ..full() };
    let window = with_arguments(window, folder.path(), "--ozone-platform=headless");
    let (shell, full, window) = tokio::join!(asked_by(browser()), asked_by(full()), asked_by(window));
    let job = BTreeSet::from(["careers.test".to_owned()]);
    assert_eq!([&shell, &full, &window], [&job, &job, &job], "shell, full, full with a window");
}
