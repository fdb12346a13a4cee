//! The documents' commands, typed as they stand; and what is asked of Fly, asked of the local one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use e2e::{Stack, programs};
use serde_json::Value;

use crate::case::Case;

const DOCUMENTS: [&str; 4] = ["README.md", "docs/RUNBOOK.md", "docs/DEPLOY.md", "docs/MIGRATE.md"];

/// What is to be done with a block of commands.
#[derive(Debug, PartialEq)]
enum Mark {
    /// Type it.
    Run,
    /// It needs an account, and why.
    NeedsAccount(String),
    /// Another file runs it.
    ProvenBy(String),
}

/// A block of commands of a document.
#[derive(Debug)]
struct Block {
    line: usize,
    mark: Mark,
    commands: String,
    /// What must be seen; `…` stands for anything.
    seen: Vec<String>,
}

/// Every block of commands of a document, with what is to be seen.
fn blocks(document: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(xtask::workspace().join(document)).expect("a document");
    let mut blocks: Vec<Block> = Vec::new();
    let mut open: Option<(usize, &str, Vec<&str>)> = None;
    let mut before = 0;
    for (number, line) in text.lines().enumerate() {
        match (&mut open, line.strip_prefix("```")) {
            (None, Some(info)) => open = Some((number + 1, info, Vec::new())),
            (Some((start, info, lines)), Some("")) => {
                if *info == "text" && before + 1 == *start {
                    let block = blocks
                        .last_mut()
                        .unwrap_or_else(|| panic!("{document}:{start}: nothing is run before"));
                    block.seen = lines.iter().map(|line| (*line).to_owned()).collect();
                } else if info.starts_with("sh")
                    || info.starts_with("bash")
                    || info.starts_with("sql")
                    || info.starts_with("console")
                {
                    let commands = lines.join("\n");
                    blocks.push(Block {
                        line: *start,
                        mark: mark(document, *start, info),
                        commands,
                        seen: Vec::new(),
                    });
                }
                before = number + 1;
                open = None;
            }
            (Some((_, _, lines)), _) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

fn mark(document: &str, line: usize, info: &str) -> Mark {
    match info.strip_prefix("sh ").map(|rest| rest.split_once(": ").unwrap_or((rest, ""))) {
        Some(("run", "")) => Mark::Run,
        Some(("needs-account", reason)) if !reason.is_empty() => Mark::NeedsAccount(reason.to_owned()),
        Some(("proven-by", file)) if !file.is_empty() => Mark::ProvenBy(file.to_owned()),
        _ => panic!(
            "{document}:{line}: commands marked as {info:?}: `sh run`, `sh needs-account: why` or `sh proven-by: file`"
        ),
    }
}

/// Whether `line` is as `pattern` says.
fn fits(line: &str, pattern: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else { return false };
    for part in parts {
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    pattern.ends_with('…') || rest.is_empty()
}

#[test]
fn every_block_of_commands_says_whether_it_is_typed_and_what_is_not_is_one_for_an_account() {
    // Words that only mean something with an account or with Docker.
    let outside = ["fly ", "gh ", "git push", "infra/fly-setup", "infra/fly-deploy", "docker "];
    let mut listed = String::new();
    let mut count = BTreeMap::new();
    for document in DOCUMENTS {
        for block in blocks(document) {
            let name = format!("{document}:{}", block.line);
            let word = match &block.mark {
                Mark::Run => "run",
                Mark::NeedsAccount(reason) => {
                    let needed = outside.iter().any(|word| block.commands.contains(word));
                    assert!(needed, "{name} says that it needs an account, and calls nothing that does");
                    let _ = writeln!(listed, "{name}: {reason}");
                    "needs-account"
                }
                Mark::ProvenBy(file) => {
                    let file = std::fs::read_to_string(xtask::workspace().join(file))
                        .unwrap_or_else(|error| panic!("{name}: {file}: {error}"));
                    for command in block.commands.lines().filter_map(|line| line.split("  #").next()) {
                        let last = command.trim().rsplit(' ').next().unwrap_or_default();
                        assert!(file.contains(last), "{name}: nothing there runs {command}");
                    }
                    "proven-by"
                }
            };
            *count.entry(word).or_insert(0) += 1;
        }
    }
    println!("{count:?}\n{listed}");
    assert!(count["run"] > count["needs-account"], "{count:?}");
}

#[test]
fn every_alert_has_its_section_in_the_runbook() {
    let read = |path: &str| std::fs::read_to_string(xtask::workspace().join(path)).expect("a file");
    let (rules, runbook) = (read("infra/prometheus/rules.yml"), read("docs/RUNBOOK.md"));
    let alerts: Vec<&str> = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert!(alerts.len() >= 16);
    for alert in &alerts {
        assert!(runbook.contains(&format!("\n### {alert}\n")), "docs/RUNBOOK.md has no section {alert}");
    }
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("### "));
    for section in sections {
        assert!(alerts.contains(&section), "there is no alert {section}");
    }
}

#[test]
fn patterns_are_whole_lines() {
    assert!(fits("ok    leader  x leads, term 3", "ok    leader  … leads, term …"));
    assert!(!fits("FAIL  leader", "ok    leader…"));
    assert!(!fits("UPDATE 12", "UPDATE 1"));
}

/// Types a document's blocks into one shell, and looks at what each prints.
fn type_in(document: &str, stack: &Stack, job: &str) {
    let blocks: Vec<Block> = blocks(document).into_iter().filter(|block| block.mark == Mark::Run).collect();
    let mut script = String::from("set -euo pipefail\n");
    for (number, block) in blocks.iter().enumerate() {
        let _ = write!(script, "echo '@@{number}'\n{}\n", block.commands);
    }
    script.push_str("echo '@@end'\n");
    let ours = programs::path("dispatcher").expect("built");
    let postgres = xtask::tools::postgres().expect("installed");
    let folders = [ours.parent().expect("a folder").to_owned(), postgres];
    let path = std::env::join_paths(
        folders.into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
    );
    let log = stack.output().join("logs/typed.log");
    let file = std::fs::File::create(&log).expect("a log");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).current_dir(xtask::workspace()).stdin(Stdio::null());
    command
        .envs(stack.exports())
        .env("PATH", path.expect("a path"))
        .env("JOB", job)
        .env("USER", "anna")
        .env("PAGER", "cat");
    command.env("RUST_LOG", "warn").stdout(file.try_clone().expect("a log")).stderr(file);
    let status = command.status().expect("bash runs");
    let said = std::fs::read_to_string(&log).expect("a log");
    let last = said.lines().rev().find_map(|line| line.strip_prefix("@@")?.parse::<usize>().ok());
    let last = last.and_then(|number| blocks.get(number)).map_or(0, |block| block.line);
    assert!(status.success(), "{document}:{last} ended with {status}:\n{said}");
    for (number, block) in blocks.iter().enumerate() {
        let output = said
            .split(&format!("@@{number}\n"))
            .nth(1)
            .and_then(|tail| tail.split("\n@@").next())
            .unwrap_or_default();
        for pattern in &block.seen {
            let found = output.lines().any(|line| fits(line.trim_end(), pattern.trim_end()));
            assert!(found, "{document}:{}: no line is {pattern:?}:\n{output}", block.line);
        }
    }
}

/// What `dispatcher reap --dry-run` says.
fn planned(stack: &Stack) -> String {
    let mut command = Command::new(programs::path("dispatcher").expect("built"));
    command.args(["reap", "--dry-run"]).envs(stack.exports()).env("RUST_LOG", "warn").stdin(Stdio::null());
    let output = command.current_dir(xtask::workspace()).output().expect("the dispatcher runs");
    [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat()
}

/// Waits until the dispatcher has done what followed from the last job.
async fn until_nothing_is_planned(stack: &Stack) {
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let planned = tokio::task::block_in_place(|| planned(stack));
        if planned.trim() == "nothing to do" {
            return;
        }
        assert!(Instant::now() < until, "there is always something to do:\n{planned}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_documents_that_needs_no_account_does_what_they_say() {
    let case = Case::new("").await;
    case.until(
        "the end of the job",
        "select 1 as n from gh_automation_jobs where id = '$job' and status = 'completed'",
    )
    .await;
    // The documents show a fleet at rest, and a job is completed before its machine is gone and billed.
    case.until_machines_end().await;
    let Case { stack, job } = case;
    until_nothing_is_planned(&stack).await;
    tokio::task::block_in_place(|| {
        for document in DOCUMENTS {
            type_in(document, &stack, &job);
        }
    });
    assert_eq!(stack.stop().await, [], "a process was left behind");
}

/// `cargo xtask fly-smoke` without a token: the program behind it, on the local Fly.
#[test]
fn the_questions_for_fly_can_be_asked_and_nothing_is_left() {
    let mut command = Command::new(programs::path("stack").expect("built"));
    command.args(["fly-smoke", "--json"]).env_remove("FLY_API_TOKEN").stdin(Stdio::null());
    let output = command.output().expect("stack runs");
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["left"], 0);
    assert!(report["cost_usd"].as_f64().expect("a number") < 0.1, "{report}");
    let answers = report["answers"].as_array().expect("a list");
    let about = |words: &str| {
        let found = answers
            .iter()
            .find(|answer| answer["question"].as_str().is_some_and(|text| text.contains(words)));
        found.map_or_else(|| panic!("{words}: {report}"), |answer| answer["seen"].clone())
    };
    // Three at once are let through, less those that were asked for just before.
    let refused =
        about("429")["statuses"].as_array().expect("a list").iter().filter(|status| **status == 429).count();
    assert!((3..=5).contains(&refused), "{report}");
    assert_eq!(about("clash")["status"], 409);
    assert_eq!(about("stop send")["exit"]["exit_event"]["requested_stop"], true);
    assert_eq!(about("list of regions")["given"], "iad");
}

/// What starts a process tree of our own: as root, with sudo, or with what the kernel lets everybody do; none where it
/// lets nobody, as in a container.
fn alone() -> Option<Command> {
    let tree = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let ways: [&[&str]; 3] = [
        &["unshare"],
        &["sudo", "-n", "--preserve-env", "unshare"],
        &["unshare", "--user", "--map-root-user"],
    ];
    ways.into_iter().find_map(|way| {
        let command = || {
            let mut command = Command::new(way[0]);
            command.args(&way[1..]).args(tree);
            command
        };
        let works = command().arg("true").output().is_ok_and(|output| output.status.success());
        works.then(command)
    })
}

/// Parent, state and id of every process of this computer.
fn processes() -> Vec<(i32, char, i32)> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").expect("procfs").flatten() {
        let Some(id) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let stat = std::fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
        // The name in brackets may hold anything.
        let mut words = stat.rsplit(')').next().unwrap_or_default().split_whitespace();
        let (state, parent) = (words.next(), words.next());
        if let (Some(state), Some(parent)) = (state, parent.and_then(|parent| parent.parse().ok())) {
            found.push((parent, state.chars().next().unwrap_or('?'), id));
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn as_process_one_the_runner_buries_what_its_browser_leaves() {
    let Some(mut command) = alone() else {
        eprintln!("left out: this computer lets nobody start a process tree of their own");
        return;
    };
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let site = site::serve(listener, site::sample_resume()).expect("a site");
    let folder = e2e::folder::scratch().expect("a folder");
    let (profile, report) = (folder.path().join("profile.json"), folder.path().join("report.json"));
    let applicant = e2e::demo::applicant::Applicant::sample();
    std::fs::write(&profile, serde_json::to_vec(&applicant.user_data).expect("JSON")).expect("written");
    // A browser whose first act is to leave a child behind that nobody waits for.
    let browser = folder.path().join("browser");
    let chromium = xtask::tools::chromium().expect("a browser");
    let script =
        format!("#!/bin/sh\n(sleep 0.2 2>/dev/null 3<&- 4<&- &)\nexec {} \"$@\"\n", chromium.display());
    std::fs::write(&browser, script).expect("written");
    for path in [folder.path(), &browser] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).expect("opened");
    }
    command.env("GH_CHROMIUM", &browser).arg(programs::path("runner").expect("built")).args([
        "fill",
        "--no-submit",
        "--timeout-seconds",
        "60",
    ]);
    command.args(["--url", &site.form_url(site::Brand::Northwind, "init")]);
    command.arg("--profile").arg(&profile).arg("--report").arg(&report).env("RUST_LOG", "warn");
    if !e2e::sandbox::works(folder.path()) {
        command.env("GH_CHROMIUM_NO_SANDBOX", "1");
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("unshare runs");
    let ours = child.id().cast_signed();
    let (mut adopted, mut dead) = (std::collections::BTreeSet::new(), BTreeMap::new());
    let until = Instant::now() + Duration::from_mins(2);
    while child.try_wait().expect("a child").is_none() {
        assert!(Instant::now() < until, "the runner does not end");
        let all = processes();
        // Process one is the runner started first; its own child is the runner proper.
        let Some(first) = descendant(&all, ours) else { continue };
        let children: Vec<_> = all.iter().filter(|(parent, ..)| *parent == first).collect();
        adopted.extend(children.iter().map(|(_, _, id)| *id));
        dead.retain(|id, _| children.iter().any(|(_, state, child)| child == id && *state == 'Z'));
        for (_, _, id) in children.iter().filter(|(_, state, _)| *state == 'Z') {
            let since: &mut Instant = dead.entry(*id).or_insert_with(Instant::now);
            assert!(since.elapsed() < Duration::from_secs(2), "process {id} is dead and nobody buries it");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(adopted.len() > 1, "no process lost its parent, so nothing was proven: {adopted:?}");
    assert!(report.is_file(), "the runner wrote no report");
    site.stop().await;
}

/// The process below `unshare` that is the first of its own tree: the last id in its list of ids is 1.
fn descendant(all: &[(i32, char, i32)], root: i32) -> Option<i32> {
    let mut below = vec![root];
    while let Some(parent) = below.pop() {
        for (_, _, id) in all.iter().filter(|(above, ..)| *above == parent) {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let ids = status.lines().find_map(|line| line.strip_prefix("NSpid:")).unwrap_or_default();
            if ids.split_whitespace().count() > 1 && ids.split_whitespace().last() == Some("1") {
                return Some(*id);
            }
            below.push(*id);
        }
    }
    None
}
