//! `jobs`, `attempts`, `machines`, `pool` and `reap`.

use domain::id::{JobId, UserId};
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn jobs_are_listed_by_status_tier_and_user() {
    let world = World::new().await;
    let user = UserId::new();
    let mine = world.insert(user, "starter").await;
    world.insert(UserId::new(), "pro").await;
    world.running().await;
    let listed = async |arguments: &[&str]| {
        let (code, jobs) = world.ask(&[&["jobs"], arguments].concat()).await;
        assert_eq!(code, 0);
        jobs.as_array().expect("a list").clone()
    };
    assert_eq!(listed(&[]).await.len(), 3);
    assert_eq!(listed(&["--limit", "1"]).await.len(), 1);
    assert_eq!(listed(&["--status", "running"]).await.len(), 1);
    assert_eq!(listed(&["--tier", "pro"]).await.len(), 1);
    let of_user = listed(&["--user", &user.to_string()]).await;
    assert_eq!((of_user.len(), &of_user[0]["id"]), (1, &json!(mine)));
    assert_eq!(world.say(&["jobs", "--status", "resumed"]).await.code, 2);
    assert!(world.say(&["jobs"]).await.text.starts_with("JOB "));
    assert_eq!(world.say(&["jobs", "--status", "expired"]).await.text, "no such job\n");
}

#[tokio::test]
async fn attempts_say_how_each_try_ended() {
    let world = World::new().await;
    let (claimed, runner) = world.running().await;
    let result = json!({ "class": "retryable", "error_code": "page_timeout", "error_message": "slow" });
    runner.finish(&result).await.expect("recorded");
    let job = claimed.job_id.to_string();
    let (code, attempts) = world.ask(&["attempts", &job]).await;
    assert_eq!((code, attempts.as_array().map(Vec::len)), (0, Some(1)));
    assert_eq!((&attempts[0]["state"], &attempts[0]["end_class"]), (&json!("failed"), &json!("retryable")));
    assert!(world.say(&["attempts", &job]).await.text.contains("page_timeout: slow"));
    assert_eq!(world.say(&["attempts", &JobId::new().to_string()]).await.code, 1);
}

#[tokio::test]
async fn machines_show_their_cost_so_far_and_orphans_stand_apart() {
    let world = World::new().await;
    let (claimed, _runner) = world.running().await;
    world.execute("update gh_machines set region = 'iad', seen = 'started', seen_at = now(), started_at = now() - interval '100 seconds'").await;
    let (_, machines) = world.ask(&["machines"]).await;
    assert_eq!(
        (&machines[0]["job_id"], &machines[0]["attempt_state"]),
        (&json!(claimed.job_id), &json!("running"))
    );
    // (2 * 0.695 + 2 * 5) / 2,592,000 a second in iad, for 100 s and a little.
    assert!(
        machines[0]["cost_micros"].as_i64().is_some_and(|cost| (439..500).contains(&cost)),
        "{machines:#}"
    );

    assert_eq!(world.ask(&["machines", "orphans"]).await.1, json!({ "orphans": [], "foreign": [] }));
    world
        .execute(
            "insert into gh_machines (id, kind, app, name, fly_id, tier, guest, image, regions)
             values (gen_random_uuid(), 'orphan', 'runner', 'gh-lost', 'e1', 'free', '{}', 'i', 'iad')",
        )
        .await;
    let foreign = json!([{ "app": "runner", "machine_id": "f1", "name": "somebody's" }]);
    store::notices::set(&world.db, "foreign_machines", &foreign).await.expect("noted");
    let (_, said) = world.ask(&["machines", "orphans"]).await;
    assert_eq!(
        (said["orphans"].as_array().map(Vec::len), &said["orphans"][0]["fly_id"]),
        (Some(1), &json!("e1"))
    );
    assert_eq!(said["foreign"], foreign);
    let text = world.say(&["machines", "orphans"]).await.text;
    assert!(text.contains("gh-lost") && text.contains("somebody's"), "{text}");
}

#[tokio::test]
async fn the_pool_is_counted_tier_by_tier() {
    let world = World::new().await;
    world.execute("update gh_capacity set pool_target = 3 where tier = 'pro'").await;
    for (name, seen) in [("p1", "'stopped'"), ("p2", "null"), ("p3", "'stopped'")] {
        let statement = format!(
            "insert into gh_machines (id, kind, app, name, tier, guest, image, regions, seen)
             values (gen_random_uuid(), 'pool', 'runner', '{name}', 'pro', '{{\"cpu_kind\":\"shared\",\"cpus\":4,\"memory_mb\":4096}}', 'i', 'iad', {seen})"
        );
        world.execute(&statement).await;
    }
    world.execute("update gh_machines set retired_at = now() where name = 'p3'").await;
    let (_, pools) = world.ask(&["pool"]).await;
    let pro =
        pools.as_array().and_then(|pools| pools.iter().find(|pool| pool["tier"] == "pro")).expect("a pool");
    let counts = ["target", "ready", "being_made", "assigned", "leaving"].map(|key| pro[key].as_i64());
    assert_eq!(counts, [Some(3), Some(1), Some(1), Some(0), Some(1)]);
    assert!(world.say(&["pool"]).await.text.starts_with("TIER "));
}

#[tokio::test]
async fn reap_shows_the_plan_and_does_nothing_itself() {
    let world = World::new().await;
    assert_eq!(world.say(&["reap"]).await.code, 2);
    let (_, _runner) = world.running().await;
    world.execute("update gh_attempt_heartbeats set beat_at = now() - interval '5 minutes'").await;
    let (code, said) = world.ask(&["reap", "--dry-run"]).await;
    let actions = said["actions"].as_array().expect("a list");
    assert_eq!(code, 0);
    assert!(
        actions.iter().any(|action| action["action"] == "end attempt"
            && action["detail"].as_str().is_some_and(|detail| detail.starts_with("crash: No heartbeat"))),
        "{said:#}"
    );
    assert_eq!(world.text("select state from gh_job_attempts").await, "running", "nothing was done");
}
