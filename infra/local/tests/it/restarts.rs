//! A server that was killed, and the next one with the same state folder.

use crate::stage::{APP, Caller, Stage, job, quick, until};
use local::Options;
use reqwest::Method;
use serde_json::json;
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, Command, Stdio},
};

fn kept_in(folder: &Path) -> Options {
    Options { state_dir: Some(folder.to_owned()), ..quick() }
}

/// The program itself, killed when dropped.
pub struct Program(Child);

impl Program {
    /// Starts it and reads where it listens.
    pub fn start(command: &mut Command) -> (Self, Caller) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("listening on ").expect("the first line names the address");
        (Self(child), Caller::new(url))
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn program(folder: &Path) -> (Program, Caller) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_local-fly"));
    command
        .args([
            "--token",
            "secret",
            "--app",
            APP,
            "--image",
            "sh=/bin/sh",
            "--boot-delay-ms",
            "20",
            "--no-limits",
        ])
        .arg("--state-dir")
        .arg(folder);
    Program::start(&mut command)
}

#[tokio::test]
async fn machines_outlive_a_killed_server_and_the_next_one_finds_them() {
    let folder = tempfile::tempdir().unwrap();
    let (mut first, caller) = program(folder.path());
    let kept = caller.run("kept", "trap 'exit 9' TERM; while :; do sleep 0.01; done").await;
    let ended = caller.run("ended", "sleep 60").await;
    let dead = caller.run("dead", "exit 4").await;
    caller.reach(&kept, "started").await;
    caller.reach(&ended, "started").await;
    caller.reach(&dead, "destroyed").await;
    let pid = |listed: &serde_json::Value, id: &str| listed[id][0]["pid"].as_i64().unwrap();
    let before = caller.get("/local/processes").await.body;
    first.0.kill().unwrap();
    first.0.wait().unwrap();
    let gone = pid(&before, &ended).to_string();
    assert!(Command::new("sh").args(["-c", &format!("kill -9 {gone}")]).status().unwrap().success());

    let (second, caller) = program(folder.path());
    assert_eq!(caller.state(&kept).await, "started");
    assert_eq!(pid(&caller.get("/local/processes").await.body, &kept), pid(&before, &kept));
    let clash = caller.create(json!({"name": "kept", "config": job("exit 0")})).await;
    assert_eq!(clash.status, 409);
    assert_eq!(caller.exit(&dead).await["exit_code"], 4);

    caller.reach(&ended, "destroyed").await;
    let exit = caller.exit(&ended).await;
    assert_eq!(
        (exit["exit_code"].as_i64(), exit["signal"].as_i64()),
        (Some(-1), Some(-1)),
        "nobody saw how it ended"
    );

    caller.machines(Method::POST, &format!("/{kept}/stop")).await;
    caller.reach(&kept, "destroyed").await;
    assert_eq!(caller.exit(&kept).await["requested_stop"], true);
    assert_eq!(caller.get("/local/processes").await.body, json!({}));
    assert_eq!(caller.get("/local/bill").await.body.as_array().unwrap().len(), 3);
    drop(second);
}

#[tokio::test]
async fn a_machine_that_had_not_booted_boots_under_the_next_server() {
    let folder = tempfile::tempdir().unwrap();
    let slow = Options { boot_delay: std::time::Duration::from_mins(1), ..kept_in(folder.path()) };
    let first = Stage::with(slow).await;
    let id = first.caller.run("m", "sleep 60").await;
    let prepared =
        first.caller.created(json!({"name": "p", "skip_launch": true, "config": job("exit 0")})).await;
    first.local.abandon().await;
    let second = Stage::with(kept_in(folder.path())).await;
    second.caller.reach(&id, "started").await;
    second.caller.reach(&prepared, "stopped").await;
    second.end().await;
    let third = Stage::with(kept_in(folder.path())).await;
    assert_eq!(third.caller.state(&id).await, "destroyed", "a server that is stopped stops its machines");
    third.end().await;
}

#[tokio::test]
async fn an_abandoned_server_answers_no_more_and_kills_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let first = Stage::with(kept_in(folder.path())).await;
    let id = first.caller.run("m", "sleep 60").await;
    first.caller.reach(&id, "started").await;
    let pid = first.local.processes()[&id][0].pid;
    let caller = first.caller.clone();
    first.local.abandon().await;
    assert!(caller.try_call(Method::GET, "/v1/apps/runner", None).await.is_err());
    assert!(Path::new(&format!("/proc/{pid}")).exists());
    let second = Stage::with(kept_in(folder.path())).await;
    assert_eq!(second.local.processes()[&id][0].pid, pid);
    second.end().await;
}

#[tokio::test]
async fn the_program_told_to_end_stops_its_machines_first() {
    let folder = tempfile::tempdir().unwrap();
    let (mut program, caller) = program(folder.path());
    let id = caller.run("m", "sleep 60 & sleep 60").await;
    caller.reach(&id, "started").await;
    let listed = caller.get("/local/processes").await.body;
    let pids: Vec<u64> =
        listed[&id].as_array().unwrap().iter().map(|found| found["pid"].as_u64().unwrap()).collect();
    let pid = program.0.id().to_string();
    assert!(Command::new("sh").args(["-c", &format!("kill -TERM {pid}")]).status().unwrap().success());
    until("the program has ended", async || program.0.try_wait().unwrap().is_some()).await;
    assert!(program.0.wait().unwrap().success());
    let zombie_or_gone = |pid: &u64| !Path::new(&format!("/proc/{pid}/exe")).exists();
    assert!(pids.iter().all(zombie_or_gone));
}
