//! The scripts of infra/, with a flyctl that only remembers: what they call, and what they leave behind.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::program;

const OLD: &str = "registry.fly.io/ghosthands-api-staging@sha256:1111111111111111111111111111111111111111111111111111111111111111";
const OLD_RUNNER: &str = "registry.fly.io/ghosthands-runner-staging@sha256:2222222222222222222222222222222222222222222222222222222222222222";
const NEW: &str = "registry.fly.io/ghosthands-api-staging@sha256:3333333333333333333333333333333333333333333333333333333333333333";
const NEW_RUNNER: &str = "registry.fly.io/ghosthands-runner-staging@sha256:4444444444444444444444444444444444444444444444444444444444444444";

/// An account at a Fly that only remembers.
struct Account(tempfile::TempDir);

impl Account {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn command(&self, script: &str, arguments: &[&str]) -> Command {
        for name in ["bash", "jq", "curl", "openssl"] {
            program(name);
        }
        let fake = xtask::workspace().join("xtask/tests/it/fake");
        let path = std::env::join_paths(
            [fake].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())),
        );
        let mut command = Command::new("bash");
        command.arg(xtask::workspace().join("infra").join(script)).args(arguments).env_clear();
        // Without the real flyctl, wherever it is: its name comes first.
        command.env("PATH", path.expect("a path")).env("FLY_STATE", self.0.path()).env("HOME", self.0.path());
        command
    }

    fn run(&self, script: &str, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
        self.command(script, arguments).envs(environment.iter().copied()).output().expect("bash runs")
    }

    fn calls(&self) -> Vec<String> {
        let text = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn secret(&self, app: &str, name: &str) -> Option<String> {
        fs::read_to_string(self.0.path().join("secrets").join(app).join(name)).ok()
    }

    /// Every file but the list of calls, with what is in it.
    fn state(&self) -> Vec<(PathBuf, String)> {
        let mut found = Vec::new();
        collect(self.0.path(), &mut found);
        found.retain(|(path, _)| !path.ends_with("calls"));
        found.sort();
        found
    }

    fn release(&self, image: &str, runner: &str) {
        let (name, digest) = image.split_once('@').expect("by digest");
        let (registry, repository) = name.split_once('/').expect("a registry");
        let machines = json!([
            { "config": { "metadata": { "fly_process_group": "api" } } },
            {
                "config": { "metadata": { "fly_process_group": "dispatcher" }, "env": { "GH_RUNNER_IMAGE": runner } },
                "image_ref": { "registry": registry, "repository": repository, "digest": digest },
            },
        ]);
        fs::write(self.0.path().join("machines"), machines.to_string()).expect("written");
    }

    /// The pair that runs.
    fn released(&self) -> (String, String) {
        let text = fs::read_to_string(self.0.path().join("machines")).expect("a release");
        let machines: Value = serde_json::from_str(&text).expect("JSON");
        let machine = machines.as_array().and_then(|list| list.last()).expect("a machine");
        let part = |name: &str| machine["image_ref"][name].as_str().expect("a text").to_owned();
        let image = format!("{}/{}@{}", part("registry"), part("repository"), part("digest"));
        (image, machine["config"]["env"]["GH_RUNNER_IMAGE"].as_str().expect("a text").to_owned())
    }
}

fn collect(folder: &Path, found: &mut Vec<(PathBuf, String)>) {
    for entry in fs::read_dir(folder).expect("a folder").flatten() {
        if entry.path().is_dir() {
            collect(&entry.path(), found);
        } else {
            found.push((entry.path(), fs::read_to_string(entry.path()).expect("a text")));
        }
    }
}

fn words(output: &Output) -> String {
    format!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

const FIRST: [(&str, &str); 4] = [
    ("SUPABASE_DIRECT_URL", "postgresql://postgres:owner@db.test:5432/postgres"),
    ("RUNNER_DATABASE_URL", "postgresql://gh_runner.test:PASSWORD@pooler.test:6543/postgres"),
    ("OPENAI_API_KEY", "sk-test"),
    ("CORS_ORIGIN", "https://valet.test"),
];

#[test]
fn setup_run_twice_leaves_what_one_run_left() {
    let account = Account::new();
    let first = account.run("fly-setup", &["production"], &FIRST);
    assert!(first.status.success(), "{}", words(&first));
    let (state, calls) = (account.state(), account.calls().len());

    // The second time nothing has to be given, because nothing is missing.
    let second = account.run("fly-setup", &["production"], &[]);
    assert!(second.status.success(), "{}", words(&second));
    assert_eq!(account.state(), state);
    assert_eq!(second.stdout, b"", "a secret that was there is not printed");
    let changing = ["create", "import", "set", "allocate-v4", "allocate-v6", "revoke", "deploy"];
    for call in account.calls().split_off(calls) {
        assert!(!call.split(' ').any(|word| changing.contains(&word)), "the second run called: fly {call}");
    }
}

#[test]
fn setup_gives_each_process_what_it_needs_and_the_runner_no_more() {
    let account = Account::new();
    let output = account.run("fly-setup", &["staging"], &FIRST);
    assert!(output.status.success(), "{}", words(&output));
    let (api, runner) = ("ghosthands-api-staging", "ghosthands-runner-staging");
    for name in [
        "SUPABASE_DIRECT_URL",
        "GH_SERVICE_SECRET",
        "GH_ENCRYPTION_KEY",
        "GH_WEBHOOK_SECRET",
        "FLY_API_TOKEN",
        "CORS_ORIGIN",
    ] {
        assert!(account.secret(api, name).is_some(), "{api} lacks {name}");
        assert!(account.secret(runner, name).is_none(), "{runner} has {name}");
    }
    assert_eq!(account.secret(runner, "OPENAI_API_KEY").as_deref(), Some("sk-test"));
    assert_eq!(account.secret(api, "OPENAI_API_KEY"), None);
    // One generated password in both places.
    let password = account.secret(api, "GH_RUNNER_DB_PASSWORD").expect("a password");
    assert_eq!(password.len(), 64);
    let address = account.secret(runner, "DATABASE_URL").expect("an address");
    assert_eq!(address, format!("postgresql://gh_runner.test:{password}@pooler.test:6543/postgres"));
    // A network of its own, a token for the runners' app alone that ends one day, and no secret in a command line.
    let calls = account.calls();
    assert!(calls.iter().any(|call| call
        == "apps create ghosthands-runner-staging --org personal --network ghosthands-runner-staging"));
    let tokens: Vec<&String> = calls.iter().filter(|call| call.starts_with("tokens create")).collect();
    assert_eq!(
        tokens,
        [
            "tokens create deploy --app ghosthands-runner-staging --name ghosthands-dispatcher-staging --expiry 2160h"
        ]
    );
    let secrets = [password, account.secret(api, "GH_SERVICE_SECRET").expect("a key"), "sk-test".to_owned()];
    assert!(
        !calls.iter().any(|call| secrets.iter().any(|secret| call.contains(secret.as_str()))),
        "{calls:#?}"
    );
    // What VALET needs is printed the once.
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(printed.contains(&format!("GH_SERVICE_SECRET={}", secrets[1])), "{printed}");
}

#[test]
fn a_password_that_is_missing_in_one_place_is_made_again_in_both() {
    let account = Account::new();
    assert!(account.run("fly-setup", &["production"], &FIRST).status.success());
    let before = account.secret("ghosthands-runner", "DATABASE_URL");
    fs::remove_file(account.0.path().join("secrets/ghosthands-api/GH_RUNNER_DB_PASSWORD")).expect("removed");
    assert!(account.run("fly-setup", &["production"], &FIRST[1..2]).status.success());
    let after = account.secret("ghosthands-runner", "DATABASE_URL").expect("an address");
    assert_ne!(Some(&after), before.as_ref());
    assert!(after.contains(&account.secret("ghosthands-api", "GH_RUNNER_DB_PASSWORD").expect("a password")));
}

#[test]
fn a_renewed_token_is_in_use_before_the_old_one_is_revoked() {
    let account = Account::new();
    assert!(account.run("fly-setup", &["production"], &FIRST).status.success());
    let before = account.secret("ghosthands-api", "FLY_API_TOKEN");
    let calls = account.calls().len();
    let output = account.run("fly-setup", &["production", "renew-token"], &[]);
    assert!(output.status.success(), "{}", words(&output));
    assert_ne!(account.secret("ghosthands-api", "FLY_API_TOKEN"), before);
    let calls = account.calls().split_off(calls);
    let place = |start: &str| {
        calls.iter().position(|call| call.starts_with(start)).unwrap_or_else(|| panic!("no {start}"))
    };
    assert!(
        place("secrets import") < place("secrets deploy") && place("secrets deploy") < place("tokens revoke")
    );
    assert_eq!(calls.iter().filter(|call| call.starts_with("tokens revoke")).count(), 1);
}

#[test]
fn the_token_of_ci_opens_the_two_apps_of_its_environment() {
    let account = Account::new();
    let output = account.run("fly-setup", &["staging", "ci-token"], &[]);
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(output.stdout, b"FlyV1 fm2_ghosthands-api-staging-0,fm2_ghosthands-runner-staging-0\n");
    assert!(account.calls().iter().all(|call| call.contains("--expiry 2160h")));
}

#[test]
fn setup_says_what_is_missing() {
    let account = Account::new();
    let output = account.run("fly-setup", &["production"], &FIRST[1..]);
    assert!(!output.status.success() && words(&output).contains("SUPABASE_DIRECT_URL"), "{}", words(&output));
    let output = account.run("fly-setup", &["test"], &FIRST);
    assert!(
        output.status.code() == Some(2) && words(&output).contains("staging or production"),
        "{}",
        words(&output)
    );
}

/// A deployment that is well, or not; it answers until it is dropped.
struct Deployment {
    url: String,
}

impl Deployment {
    /// Answers as the api does; `leads` says, for each question about the leader, whether there is one.
    fn start(leads: impl Fn() -> bool + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(mut stream) = stream else { return };
                let mut line = String::new();
                let mut reader = BufReader::new(stream.try_clone().expect("a stream"));
                let _ = reader.read_line(&mut line);
                let mut header = line.clone();
                while header.trim() != "" {
                    header.clear();
                    let _ = reader.read_line(&mut header);
                }
                let (status, body) = match line.split(' ').nth(1).unwrap_or_default() {
                    "/health" => ("200 OK", r#"{"status":"ok","commit_sha":"abc"}"#.to_owned()),
                    "/monitoring/health" => (
                        "200 OK",
                        r#"{"status":"healthy","checks":[{"message":"Database answers"}]}"#.to_owned(),
                    ),
                    "/monitoring/metrics" => {
                        ("200 OK", format!("gh_leader{{name=\"dispatcher\"}} {}\n", u8::from(leads())))
                    }
                    _ => ("401 Unauthorized", "{}".to_owned()),
                };
                let _ = write!(
                    stream,
                    "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
                    body.len()
                );
            }
        });
        Self { url }
    }
}

fn deploy(account: &Account, deployment: &Deployment, further: &[(&str, &str)]) -> Output {
    let mut environment = vec![("GH_API_URL", deployment.url.as_str()), ("GH_HEALTH_TRIES", "1")];
    environment.extend_from_slice(further);
    account.run("fly-deploy", &["staging", NEW, NEW_RUNNER], &environment)
}

#[test]
fn a_release_that_is_well_stays_and_both_images_are_named_by_digest() {
    let account = Account::new();
    account.release(OLD, OLD_RUNNER);
    let output = deploy(&account, &Deployment::start(|| true), &[("COMMIT_SHA", "abc")]);
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(account.released(), (NEW.to_owned(), NEW_RUNNER.to_owned()));
    let deploys = account.calls().iter().filter(|call| call.starts_with("deploy")).count();
    assert_eq!(deploys, 1);
}

#[test]
fn a_release_that_is_not_well_is_put_back_with_the_runner_it_had() {
    let account = Account::new();
    account.release(OLD, OLD_RUNNER);
    // Nobody leads under the new release: whoever looks at what is deployed sees it.
    let state = account.0.path().join("machines");
    let deployment =
        Deployment::start(move || fs::read_to_string(&state).is_ok_and(|text| text.contains("1111")));
    let output = deploy(&account, &deployment, &[]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert!(words(&output).contains("no dispatcher leads"), "{}", words(&output));
    assert_eq!(account.released(), (OLD.to_owned(), OLD_RUNNER.to_owned()));
}

#[test]
fn another_build_that_answers_is_no_release() {
    let account = Account::new();
    account.release(OLD, OLD_RUNNER);
    let output = deploy(&account, &Deployment::start(|| true), &[("COMMIT_SHA", "def")]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert_eq!(account.released().0, OLD);
}

#[test]
fn a_migration_that_fails_leaves_the_release_before() {
    let account = Account::new();
    account.release(OLD, OLD_RUNNER);
    let output = deploy(&account, &Deployment::start(|| true), &[("FLY_REFUSES", NEW)]);
    assert_eq!(output.status.code(), Some(1), "{}", words(&output));
    assert_eq!(account.released(), (OLD.to_owned(), OLD_RUNNER.to_owned()));
}

#[test]
fn a_first_release_that_is_not_well_says_so() {
    let account = Account::new();
    let output = deploy(&account, &Deployment::start(|| false), &[]);
    assert_eq!(output.status.code(), Some(3), "{}", words(&output));
}

#[test]
fn an_image_that_is_named_by_tag_is_refused() {
    let account = Account::new();
    for image in ["registry.fly.io/ghosthands-runner:latest", "registry.fly.io/ghosthands-runner@sha256:12"] {
        let output = account.run("fly-deploy", &["staging", NEW, image], &[]);
        assert_eq!(output.status.code(), Some(2), "{image}: {}", words(&output));
    }
    assert_eq!(account.calls(), Vec::<String>::new());
}

#[test]
fn a_release_of_one_image_keeps_the_other() {
    for (arguments, left) in [([NEW, "keep"], (NEW, OLD_RUNNER)), (["keep", NEW_RUNNER], (OLD, NEW_RUNNER))] {
        let account = Account::new();
        account.release(OLD, OLD_RUNNER);
        let deployment = Deployment::start(|| true);
        let environment = [("GH_API_URL", deployment.url.as_str()), ("GH_HEALTH_TRIES", "1")];
        let words_of = [&["staging"], &arguments[..]].concat();
        let output = account.run("fly-deploy", &words_of, &environment);
        assert!(output.status.success(), "{}", words(&output));
        assert_eq!(account.released(), (left.0.to_owned(), left.1.to_owned()));
    }
}

#[test]
fn what_does_not_run_cannot_be_kept() {
    let account = Account::new();
    for (arguments, complaint) in [
        ([NEW, "keep"], "runs no release yet"),
        (["keep", NEW_RUNNER], "runs no release yet"),
        (["keep", "keep"], "nothing to release"),
    ] {
        let output = account.run("fly-deploy", &[&["staging"], &arguments[..]].concat(), &[]);
        assert_eq!(output.status.code(), Some(2), "{}", words(&output));
        assert!(words(&output).contains(complaint), "{}", words(&output));
    }
    assert!(account.calls().iter().all(|call| !call.starts_with("deploy")));
}

/// What `infra/runner-base/pinned` says in a checkout where `image` is named, with a registry that gives it or not.
fn pinned(image: Option<&str>, registry: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let script = folder.path().join("pinned");
    fs::copy(xtask::workspace().join("infra/runner-base/pinned"), &script).expect("copied");
    if let Some(image) = image {
        fs::write(folder.path().join("image"), format!("{image}\n")).expect("written");
    }
    crate::archive::executable(&folder.path().join("docker"), &format!("#!/bin/sh\n{registry}\n"));
    let path = format!("{}:/usr/local/bin:/usr/bin:/bin", folder.path().display());
    Command::new(program("bash")).arg(script).env("PATH", path).output().expect("bash runs")
}

#[test]
fn the_base_of_a_release_is_one_that_is_named_by_digest_and_can_be_pulled() {
    let output = pinned(Some(OLD_RUNNER), "echo \"$@\" >&2");
    assert!(output.status.success(), "{}", words(&output));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), OLD_RUNNER);
    assert!(
        words(&output).contains(&format!("buildx imagetools inspect {OLD_RUNNER}")),
        "{}",
        words(&output)
    );
    for (image, registry, complaint) in [
        (None, "exit 0", "no base of the runner is named yet"),
        (
            Some("registry.fly.io/ghosthands-runner-staging:base-1"),
            "exit 0",
            "does not hold one image by digest",
        ),
        (Some(OLD_RUNNER), "echo 'ERROR: not found' >&2; exit 1", "the registry does not give"),
    ] {
        let output = pinned(image, registry);
        assert!(!output.status.success() && output.stdout.is_empty(), "{image:?}");
        assert!(words(&output).contains(complaint), "{}", words(&output));
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let workspace = xtask::workspace();
    let scripts = [
        "infra/fly-setup",
        "infra/fly-deploy",
        "infra/smoke",
        "infra/try-image",
        "infra/runner-base/pinned",
        "infra/runner-base/try",
        "xtask/tests/it/fake/fly",
        ".ci/run",
    ];
    let output = Command::new(program("shellcheck"))
        .args(scripts)
        .current_dir(workspace)
        .output()
        .expect("shellcheck runs");
    assert!(output.status.success(), "{}", words(&output));
}
