//! Every call of flyctl in the scripts, the workflows and the documents, against the commands and options it has.
//!
//! Source: Fly's reference of flyctl, <https://fly.io/docs/flyctl/> (superfly/docs, `flyctl/cmd`, 2026).

use crate::read;

/// A command and the options it takes beside `--app`, which all of these take.
const COMMANDS: &[(&str, &[&str])] = &[
    ("apps create", &["--org", "--network", "--json", "--yes"]),
    ("apps list", &["--org", "--json", "--quiet"]),
    ("auth docker", &[]),
    ("auth login", &[]),
    ("checks list", &["--json"]),
    (
        "deploy",
        &[
            "--config",
            "--image",
            "--env",
            "--yes",
            "--strategy",
            "--ha",
            "--build-only",
            "--push",
            "--image-label",
            "--build-arg",
        ],
    ),
    ("ips allocate-v4", &["--shared", "--yes"]),
    ("ips allocate-v6", &[]),
    ("ips list", &["--json"]),
    ("logs", &["--machine", "--no-tail", "--region"]),
    ("machine destroy", &["--force"]),
    ("machine list", &["--json", "--quiet"]),
    ("machine restart", &["--force"]),
    ("machine start", &[]),
    ("scale count", &["--process-group", "--region", "--yes"]),
    ("scale show", &["--json"]),
    ("secrets deploy", &["--detach"]),
    ("secrets import", &["--stage", "--detach"]),
    ("secrets list", &["--json"]),
    ("secrets set", &["--stage", "--detach"]),
    ("secrets unset", &["--stage", "--detach"]),
    ("ssh console", &["--command", "--process-group", "--machine", "--pty"]),
    ("status", &["--json"]),
    ("tokens create deploy", &["--name", "--expiry", "--json"]),
    ("tokens list", &["--org", "--scope"]),
    ("tokens revoke", &[]),
];

const FILES: [&str; 11] = [
    "infra/fly-setup",
    "infra/fly-deploy",
    ".github/workflows/ci.yml",
    ".github/workflows/nightly.yml",
    ".github/workflows/runner-base.yml",
    "fly.toml",
    "fly.runner.toml",
    "docs/RUNBOOK.md",
    "docs/DEPLOY.md",
    "docs/MIGRATE.md",
    "docs/OPERATIONS.md",
];

/// The calls of a text: the words after `fly`, as far as they belong to it.
fn calls(text: &str) -> Vec<Vec<String>> {
    let text = text.replace("\\\n", " ").replace("\"$fly\"", " flyctl ");
    let mut found = Vec::new();
    for line in text.lines() {
        let line = line.replace(['`', '(', ')', ';', '"', '\''], " ");
        let words: Vec<&str> = line.split_whitespace().collect();
        for (at, word) in words.iter().enumerate() {
            let next = words.get(at + 1).copied().unwrap_or_default();
            let begins = COMMANDS.iter().any(|(command, _)| command.split(' ').next() == Some(next));
            if (*word == "fly" && begins)
                || (*word == "flyctl" && next.starts_with(char::is_alphabetic) && begins)
            {
                let call = words[at + 1..]
                    .iter()
                    .take_while(|word| !["|", "||", "&&", ">", "then", "}", "#"].contains(*word));
                found.push(call.map(|word| (*word).to_owned()).collect());
            }
        }
    }
    found
}

/// What flyctl would not understand of a call.
fn fault(call: &[String]) -> Option<String> {
    let line = call.join(" ");
    let known =
        COMMANDS.iter().find(|(command, _)| line == *command || line.starts_with(&format!("{command} ")));
    let Some((command, options)) = known else { return Some(format!("fly {line}: no such command")) };
    // What a remote program is told is not flyctl's.
    let ours = call.iter().take_while(|word| *word != "--command" && *word != "-C");
    let mut used =
        ours.filter(|word| word.starts_with("--")).map(|word| word.split('=').next().unwrap_or_default());
    let wrong = used.find(|option| *option != "--app" && !options.contains(option))?;
    Some(format!("fly {command} has no {wrong}"))
}

#[test]
fn flyctl_has_every_command_and_option_that_we_name() {
    let mut count = 0;
    for file in FILES {
        for call in calls(&read(file)) {
            count += 1;
            assert_eq!(fault(&call), None, "{file}");
        }
    }
    assert!(count >= 30, "only {count} calls were found");
}

#[test]
fn a_call_that_flyctl_does_not_understand_is_found() {
    for (line, complaint) in [
        ("fly logs --app a --instance 1", "fly logs has no --instance"),
        ("x=$(\"$fly\" tokens list --app \"$runner\" --json)", "fly tokens list has no --json"),
        ("`fly machine kill 1`", "fly machine kill 1: no such command"),
    ] {
        let found: Vec<String> = calls(line).iter().filter_map(|call| fault(call)).collect();
        assert_eq!(found, [complaint]);
    }
}
