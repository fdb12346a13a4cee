//! `doctor` finds what is broken and names it.

use local::{Handle, Options};
use serde_json::Value;

use crate::world::{IMAGE, KEY, RUNNER_PASSWORD, World};

const TOKEN: &str = "fo1_a_token_that_nobody_may_see";

/// A world with a whole environment, and its Fly.
async fn whole() -> (World, Handle) {
    let mut world = World::new().await;
    let options = Options { token: Some(TOKEN.into()), apps: vec!["runner".into()], ..Options::default() };
    let fly = local::serve(options).await.expect("a local Fly");
    world.env.extend([
        ("FLY_API_HOSTNAME", fly.base_url().to_owned()),
        ("FLY_API_TOKEN", TOKEN.to_owned()),
        ("GH_RUNNER_APP", "runner".to_owned()),
        ("GH_RUNNER_IMAGE", IMAGE.to_owned()),
        ("GH_ENCRYPTION_KEY", KEY.to_owned()),
    ]);
    (world, fly)
}

/// Runs it, and returns the checks that are not well, as `name: what it says`.
async fn unwell(world: &World) -> (i32, Vec<String>) {
    let (code, said) = world.ask(&["doctor"]).await;
    let checks = said["checks"].as_array().expect("checks");
    let unwell = checks.iter().filter(|check| check["health"] != "ok");
    let text = |check: &Value, key: &str| check[key].as_str().expect("a text").to_owned();
    for check in unwell.clone() {
        assert!(!text(check, "do").is_empty(), "{check:#}");
    }
    (code, unwell.map(|check| format!("{}: {}", text(check, "name"), text(check, "says"))).collect())
}

/// Breaks one thing and expects it to be the only one found.
async fn finds(breakage: &str, name: &str, words: &str) {
    let (world, _fly) = whole().await;
    world.execute(breakage).await;
    let (code, unwell) = unwell(&world).await;
    assert_eq!((code, unwell.len()), (1, 1), "{unwell:?}");
    assert!(unwell[0].starts_with(&format!("{name}: ")) && unwell[0].contains(words), "{unwell:?}");
}

#[tokio::test]
async fn all_is_well_and_no_secret_is_shown() {
    let (world, _fly) = whole().await;
    world.running().await;
    assert_eq!(unwell(&world).await, (0, Vec::new()));
    let said = world.say(&["doctor"]).await;
    for secret in [TOKEN, KEY, RUNNER_PASSWORD, world.database.url.as_str()] {
        assert!(!said.text.contains(secret) && !said.errors.contains(secret), "{}", said.text);
    }
    for check in
        ["listen", "clock", "migrations", "triggers", "indexes", "runner role", "fly runner", "leader", "key"]
    {
        assert!(said.text.contains(&format!("ok    {check}")), "{check} is not in\n{}", said.text);
    }
}

#[tokio::test]
async fn a_missing_trigger_is_named() {
    finds(
        "drop trigger gh_automation_jobs_notify on gh_automation_jobs",
        "triggers",
        "gh_automation_jobs_notify",
    )
    .await;
}

#[tokio::test]
async fn a_trigger_that_is_switched_off_is_named() {
    finds(
        "alter table gh_automation_jobs disable trigger gh_automation_jobs_guard",
        "triggers",
        "gh_automation_jobs_guard",
    )
    .await;
}

#[tokio::test]
async fn a_missing_index_is_named() {
    finds("drop index gh_one_live_attempt", "indexes", "gh_one_live_attempt is missing").await;
}

#[tokio::test]
async fn an_index_that_is_not_valid_or_not_unique_is_named() {
    let invalid = "update pg_index set indisvalid = false where indexrelid = 'gh_jobs_claim'::regclass";
    finds(invalid, "indexes", "gh_jobs_claim is not valid").await;
    let plain =
        "drop index gh_one_live_attempt; create index gh_one_live_attempt on gh_job_attempts (job_id)";
    finds(plain, "indexes", "gh_one_live_attempt is not unique").await;
}

#[tokio::test]
async fn a_grant_to_the_runner_is_named() {
    finds("grant select (status) on gh_automation_jobs to gh_runner", "runner role", "gh_automation_jobs")
        .await;
}

#[tokio::test]
async fn a_migration_that_is_missing_or_changed_is_named() {
    finds("delete from _sqlx_migrations where version = 7", "migrations", "missing: 0007 views").await;
    finds(
        "update _sqlx_migrations set checksum = '\\x00' where version = 7",
        "migrations",
        "another text: 0007 views",
    )
    .await;
}

#[tokio::test]
async fn nobody_leading_is_found() {
    finds("update gh_leader set expires_at = now()", "leader", "the lease of leader-1 ended").await;
}

#[tokio::test]
async fn a_token_that_does_not_open_the_app_is_found() {
    let (mut world, _fly) = whole().await;
    world.env.insert("FLY_API_TOKEN", "another".to_owned());
    world.env.insert("GH_RUNNER_APP", "runner".to_owned());
    let (code, found) = unwell(&world).await;
    assert_eq!((code, found.len()), (1, 1), "{found:?}");
    assert!(found[0].starts_with("fly runner: get app"), "{found:?}");

    world.env.insert("FLY_API_TOKEN", TOKEN.to_owned());
    world.env.insert("GH_RUNNER_APP", "runner,typo".to_owned());
    let (_, found) = unwell(&world).await;
    assert!(found.len() == 1 && found[0].starts_with("fly typo: "), "{found:?}");
}

#[tokio::test]
async fn an_image_by_tag_is_a_warning() {
    let (mut world, _fly) = whole().await;
    world.env.insert("GH_RUNNER_IMAGE", "registry.fly.io/runner:latest".to_owned());
    let (code, found) = unwell(&world).await;
    assert_eq!(
        (code, found),
        (0, vec!["image: registry.fly.io/runner:latest is not named by digest".to_owned()])
    );
}

#[tokio::test]
async fn another_encryption_key_is_found_once_there_is_an_attempt() {
    let (mut world, _fly) = whole().await;
    world.env.insert("GH_ENCRYPTION_KEY", "11".repeat(32));
    assert_eq!(unwell(&world).await.0, 0, "nothing to try it on");
    world.claimed().await;
    let (code, found) = unwell(&world).await;
    assert_eq!((code, found.len()), (1, 1), "{found:?}");
    assert!(found[0].starts_with("key: "), "{found:?}");
}

#[tokio::test]
async fn a_missing_variable_is_named_and_the_rest_is_checked() {
    let (mut world, _fly) = whole().await;
    world.env.remove("FLY_API_TOKEN");
    let (code, found) = unwell(&world).await;
    assert_eq!(
        (code, found),
        (1, vec!["environment: FLY_API_TOKEN is not set in the environment".to_owned()])
    );
}

#[tokio::test]
async fn a_broken_tiers_file_is_found() {
    let (mut world, _fly) = whole().await;
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tiers.toml");
    std::fs::write(&path, "[tiers]\n").expect("written");
    world.env.insert("GH_TIERS_FILE", path.display().to_string());
    let (code, found) = unwell(&world).await;
    assert_eq!(code, 1);
    assert!(found.iter().any(|check| check.starts_with("tiers: ") && check.contains("missing")), "{found:?}");
}

#[tokio::test]
async fn a_database_out_of_reach_is_one_failure() {
    let (mut world, _fly) = whole().await;
    world.env.insert("DATABASE_URL", "postgres://someone:hunter2@127.0.0.1:1/none".to_owned());
    let (code, found) = unwell(&world).await;
    assert_eq!((code, found.len()), (1, 1), "{found:?}");
    assert!(found[0].starts_with("database: ") && !found[0].contains("hunter2"), "{found:?}");
}

#[tokio::test]
async fn every_outage_that_the_service_tells_is_told_here_in_the_same_words() {
    use e2e::outages::{CALM, OUTAGES};
    let mut missing = Vec::new();
    for outage in &OUTAGES {
        let (world, _fly) = whole().await;
        world.execute(CALM).await;
        world.execute(outage.sql).await;
        let (code, said) = world.ask(&["doctor"]).await;
        let checks = said["checks"].as_array().expect("checks");
        let unwell: Vec<_> = checks.iter().filter(|check| check["health"] != "ok").collect();
        let health = match outage.severity {
            "critical" => "fail",
            "warning" => "warn",
            other => other,
        };
        let is_it = |check: &&Value| {
            check["name"] == outage.of
                && check["health"] == health
                && check["says"].as_str().is_some_and(|says| says.contains(outage.words))
                && check["do"].is_string()
        };
        if unwell.len() != 1 || !unwell.iter().any(is_it) || code != i32::from(health == "fail") {
            missing.push(format!("{} ({}): {code}, {unwell:?}", outage.id, outage.words));
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_not_taken_for_well() {
    let (world, _fly) = whole().await;
    world.execute(e2e::outages::UNREADABLE).await;
    let (code, found) = unwell(&world).await;
    assert_eq!((code, found.len()), (1, 1), "{found:?}");
    assert!(found[0].starts_with("fleet: "), "{found:?}");
}
