//! A release that carried a migration is put back: `infra/fly-deploy` with a flyctl that only remembers, whose release
//! commands are real, against a real stack that answers and leads.

use std::fs;
use std::process::{Command, Output};

use e2e::{Config, Stack, programs, sql};
use serde_json::json;

/// An image of an app, by digest.
fn image(app: &str, digit: char) -> String {
    format!("registry.fly.io/ghosthands-{app}-staging@sha256:{}", digit.to_string().repeat(64))
}

/// Deploys a release over the one before it. Its release command migrates on; every other one is this build's `api migrate`.
fn deploy(stack: &Stack, state: &std::path::Path) -> Output {
    let release = format!(
        "case $1 in {}) exec psql \"$DATABASE_URL\" --quiet --set ON_ERROR_STOP=1 --command \"$MIGRATION\" ;; *) exec api migrate ;; esac",
        image("api", '3')
    );
    let migration = "create table of_a_later_release (id int);
        insert into _sqlx_migrations (version, description, success, checksum, execution_time)
        values (9000, 'of a later release', true, '\\x00', 1)";
    let workspace = xtask::workspace();
    let built = programs::path("api").expect("built").parent().expect("a folder").to_owned();
    let folders =
        [workspace.join("xtask/tests/it/fake"), built, xtask::tools::postgres().expect("installed")];
    let path = std::env::var_os("PATH").unwrap_or_default();
    let path = std::env::join_paths(folders.into_iter().chain(std::env::split_paths(&path)));
    let mut command = Command::new("bash");
    command
        .arg(workspace.join("infra/fly-deploy"))
        .arg("staging")
        .args([image("api", '3'), image("runner", '4')]);
    command.env_clear().env("PATH", path.expect("a path")).env("HOME", state).env("FLY_STATE", state);
    command.env("DATABASE_URL", stack.database_url()).env("MIGRATION", migration);
    command.env("FLY_RELEASE_COMMAND", release).env("GH_HEALTH_TRIES", "1");
    // The new release is not well: another build answers.
    command.env("GH_API_URL", stack.api_url()).env("COMMIT_SHA", "of the new release");
    command.output().expect("bash runs")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_that_carried_a_migration_is_put_back() {
    let stack = Stack::start(Config::default()).await.expect("the stack starts");
    let state = e2e::folder::scratch().expect("a folder");
    let (api, runner) = (image("api", '1'), image("runner", '2'));
    let (name, digest) = api.split_once('@').expect("by digest");
    let (registry, repository) = name.split_once('/').expect("a registry");
    let machines = json!([{
        "config": { "metadata": { "fly_process_group": "dispatcher" }, "env": { "GH_RUNNER_IMAGE": runner } },
        "image_ref": { "registry": registry, "repository": repository, "digest": digest },
    }]);
    fs::write(state.path().join("machines"), machines.to_string()).expect("written");

    let output = tokio::task::block_in_place(|| deploy(&stack, state.path()));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "1 is for a release that was put back:\n{said}");
    assert!(said.contains("another build answers"), "the release was not well for another reason:\n{said}");
    assert!(said.contains("9000 of a later release"), "{said}");
    let released = fs::read_to_string(state.path().join("machines")).expect("a release");
    assert!(released.contains(digest) && released.contains(&runner), "{released}");
    let later: Vec<serde_json::Value> =
        sql::rows(&stack.database_url(), "select to_regclass('of_a_later_release') is not null as there")
            .expect("a row");
    assert_eq!(later[0]["there"], true, "the schema stays");
    assert_eq!(stack.stop().await, [], "a process was left behind");
}
