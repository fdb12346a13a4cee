//! Either Chromium will do: the headless shell, and the full one with or without a window.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use runner::browser::{BrowserConfig, BrowserError, Session, Workspace};
use serde_json::Value;

use crate::candidate::{browser, file, full};
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
