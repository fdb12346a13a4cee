//! Machines made ahead: single use, and never worth anything to a runner that missed its turn.

use domain::id::UserId;
use domain::world::MachineKind;
use store::dispatch::App;
use store::machines::{self, Sighting};
use store::ops::control;
use store::pool;
use store::runner::{Attempt, Start, pool_attempt};

use crate::world::{RUNNER_PASSWORD, World, started};

const IMAGE: &str = "image@sha256:1";

/// A pool machine that is ready, with its token.
async fn ready(world: &World) -> (uuid::Uuid, secrecy::SecretString) {
    let tier = world.tiers.get("starter").expect("a tier");
    let (intent, token) =
        pool::intend(&world.db, &world.lease, "starter", tier, IMAGE, &world.apps, &world.sealer)
            .await
            .expect("answered")
            .expect("a token to spare");
    machines::created(&world.db, intent.id, &format!("fly-{}", intent.id), Some("iad"), "created")
        .await
        .expect("noted");
    machines::seen(&world.db, intent.id, &Sighting { state: "stopped".into(), ..Sighting::default() })
        .await
        .expect("noted");
    (intent.id, token)
}

#[tokio::test]
async fn a_ready_machine_is_given_to_one_job_and_its_runner_finds_it() {
    let world = World::new().await;
    let (machine, token) = ready(&world).await;
    let url = world.database.url_as("gh_runner", RUNNER_PASSWORD).into();
    assert_eq!(pool_attempt(&url, machine, &token).await.expect("answered"), None, "not given yet");
    for _ in 0..2 {
        world.insert(UserId::new(), "starter").await;
    }
    let claimed = world.claim(5).await;
    let (from_pool, made): (Vec<_>, Vec<_>) = claimed.iter().partition(|claimed| claimed.ready.is_some());
    assert_eq!((from_pool.len(), made.len()), (1, 1), "one machine, one job");
    let attempt = pool_attempt(&url, machine, &token).await.expect("answered").expect("given");
    assert_eq!(attempt, from_pool[0].attempt_id);
    let mut runner = Attempt::new(&url, attempt, token).expect("an address");
    started(&mut runner).await;
    assert_eq!(world.job(from_pool[0].job_id, "status").await.as_deref(), Some("running"));
}

#[tokio::test]
async fn a_machine_that_missed_its_turn_can_start_nothing_and_the_attempt_gets_its_own() {
    let world = World::new().await;
    let (machine, token) = ready(&world).await;
    world.insert(UserId::new(), "starter").await;
    let claimed = world.claim(1).await.pop().expect("due");
    assert!(claimed.ready.is_some());
    assert!(pool::miss(&world.db, machine, 60, &world.sealer).await.expect("answered"));
    let url = world.database.url_as("gh_runner", RUNNER_PASSWORD).into();
    assert_eq!(pool_attempt(&url, machine, &token).await.expect("answered"), None);
    let mut late = Attempt::new(&url, claimed.attempt_id, token).expect("an address");
    assert!(matches!(late.start(uuid::Uuid::new_v4(), "late").await.expect("answered"), Start::Refused(_)));
    let rows = machines::world(&world.db).await.expect("a look").machines;
    let own = rows.iter().find(|row| row.id == claimed.attempt_id.0).expect("a machine of its own");
    assert_eq!((own.kind, own.posts, own.fly_id.as_deref()), (MachineKind::Job, 0, None));
    started(&mut world.runner(claimed.attempt_id).await).await;
    assert!(!pool::miss(&world.db, machine, 60, &world.sealer).await.expect("answered"), "once");
}

#[tokio::test]
async fn a_pool_machine_whose_job_was_deleted_is_given_to_no_other_job() {
    let world = World::new().await;
    let (machine, _) = ready(&world).await;
    world.insert(UserId::new(), "starter").await;
    let claimed = world.claim(1).await.pop().expect("due");
    assert!(claimed.ready.is_some());
    let mut sql = world.sql().await;
    sqlx::query("delete from gh_automation_jobs where id = $1")
        .bind(claimed.job_id)
        .execute(&mut sql)
        .await
        .expect("deleted");
    let left = machines::world(&world.db).await.expect("a look").machines.pop().expect("it still runs");
    assert_eq!((left.id, left.state), (machine, None));
    assert!(!left.waits_in_pool(), "it is to be destroyed and paid for");
    world.insert(UserId::new(), "starter").await;
    assert!(world.claim(1).await.pop().expect("due").ready.is_none());
}

#[tokio::test]
async fn the_pool_takes_no_token_that_a_job_may_need() {
    let mut world = World::new().await;
    world.apps = vec![App { app: "a".into(), rate: 0.001, burst: 3.0 }];
    let tier = world.tiers.get("starter").expect("a tier").clone();
    let mut made = 0;
    for _ in 0..4 {
        let intent =
            pool::intend(&world.db, &world.lease, "starter", &tier, IMAGE, &world.apps, &world.sealer).await;
        made += usize::from(intent.expect("answered").is_some());
    }
    assert_eq!(made, 2, "the last token is left");
    world.insert(UserId::new(), "starter").await;
    assert_eq!(world.claim(5).await.len(), 1);
}

#[tokio::test]
async fn a_machine_of_another_image_or_size_is_not_given() {
    let world = World::new().await;
    let (machine, _) = ready(&world).await;
    sqlx::query("update gh_machines set image = 'older' where id = $1")
        .bind(machine)
        .execute(&mut world.sql().await)
        .await
        .expect("changed");
    world.insert(UserId::new(), "starter").await;
    assert!(world.claim(1).await.pop().expect("due").ready.is_none());
}

#[tokio::test]
async fn keeping_a_machine_ready_is_overhead_with_a_name() {
    let world = World::new().await;
    let (machine, _) = ready(&world).await;
    assert!(pool::retire(&world.db, machine).await.expect("answered"));
    world
        .execute("update gh_machines set posted_at = now() - interval '30 days', destroy_sent_at = now()")
        .await;
    machines::bill(&world.db, machine).await.expect("billed");
    let lines: Vec<(String, String, String)> =
        sqlx::query_as("select kind, tags ->> 'overhead', round(cost_usd, 4)::text from gh_cost_ledger")
            .fetch_all(&mut world.sql().await)
            .await
            .expect("lines");
    // one GB for thirty days
    assert_eq!(lines, [("overhead".to_owned(), "pool_rootfs".to_owned(), "0.1500".to_owned())]);
}

#[tokio::test]
async fn a_job_that_missed_its_time_expires_but_not_while_its_tier_is_paused() {
    let world = World::new().await;
    let missed = world.insert(UserId::new(), "starter").await;
    let retried = world.insert(UserId::new(), "starter").await;
    world.execute("update gh_automation_jobs set scheduled_at = now() - interval '1 hour'").await;
    sqlx::query("update gh_automation_jobs set retry_count = 1 where id = $1")
        .bind(retried.0)
        .execute(&mut world.sql().await)
        .await
        .expect("changed");
    world.execute("update gh_capacity set paused = true").await;
    assert_eq!(store::upkeep::expire(&world.db).await.expect("answered"), 0);
    control::resume(&world.db, "anna", &["starter"]).await.expect("answered");
    let expired = store::upkeep::expire(&world.db).await.expect("answered");
    assert_eq!(expired, 0, "its time begins anew: it was not to start while we held it");
    world.execute("update gh_capacity set resumed_at = now() - interval '1 hour'").await;
    assert_eq!(store::upkeep::expire(&world.db).await.expect("answered"), 1);
    assert_eq!(world.job(missed, "status").await.as_deref(), Some("expired"));
    assert_eq!(world.job(retried, "status").await.as_deref(), Some("queued"));
}

#[tokio::test]
async fn no_job_expires_for_a_breaker_that_stops_its_tier_or_did_a_moment_ago() {
    let world = World::new().await;
    for tier in ["starter", "pro"] {
        world.insert(UserId::new(), tier).await;
    }
    world.execute("update gh_automation_jobs set scheduled_at = now() - interval '1 hour'").await;
    let notice = |value: serde_json::Value| {
        let db = &world.db;
        async move { store::notices::set(db, "breaker", &value).await.expect("noted") }
    };
    let long_ago = "update gh_notices set at = now() - interval '1 hour'";
    for (value, expired) in [
        (serde_json::json!({ "cause": "Auth" }), 0),
        (serde_json::json!({ "cause": "BadImage", "tiers": ["starter"] }), 1),
        (serde_json::Value::Null, 1),
    ] {
        notice(value).await;
        assert_eq!(
            store::upkeep::expire(&world.db).await.expect("answered"),
            0,
            "the breaker moved just now"
        );
        world.execute(long_ago).await;
        assert_eq!(store::upkeep::expire(&world.db).await.expect("answered"), expired);
    }
}

#[tokio::test]
async fn many_jobs_expire_in_pieces_and_one_that_somebody_holds_keeps_no_other_from_it() {
    let world = World::new().await;
    world
        .execute(
            "insert into gh_automation_jobs (user_id, job_type, target_url, scheduled_at)
             select gen_random_uuid(), 'apply', 'https://example.com', now() - interval '1 hour' from generate_series(1, 600)",
        )
        .await;
    let mut connection = world.sql().await;
    sqlx::raw_sql("begin; select 1 from gh_automation_jobs limit 1 for update")
        .execute(&mut connection)
        .await
        .expect("held");
    let mut pieces = Vec::new();
    for _ in 0..3 {
        pieces.push(store::upkeep::expire(&world.db).await.expect("answered"));
    }
    assert_eq!(pieces, [500, 99, 0]);
}

#[tokio::test]
async fn what_is_kept_for_a_time_only_is_forgotten_however_much_it_is() {
    let world = World::new().await;
    world
        .execute(
            "insert into gh_scale_log (at, tier, pending, live, capacity_from, capacity_to, pool_target, reason)
             select now() - interval '31 days', 'starter', 0, 0, 1, 1, 0, 'bounds' from generate_series(1, 2500)",
        )
        .await;
    store::upkeep::prune(&world.db).await.expect("answered");
    assert_eq!(world.count("select count(*) from gh_scale_log").await, 0);
}

#[tokio::test]
async fn a_pool_machine_that_was_never_made_costs_nothing() {
    let world = World::new().await;
    let tier = world.tiers.get("starter").expect("a tier");
    let (intent, _) =
        pool::intend(&world.db, &world.lease, "starter", tier, IMAGE, &world.apps, &world.sealer)
            .await
            .expect("answered")
            .expect("a token to spare");
    pool::retire(&world.db, intent.id).await.expect("answered");
    world.execute("update gh_machines set posted_at = now() - interval '1 hour'").await;
    machines::bill(&world.db, intent.id).await.expect("billed");
    assert_eq!(world.count("select count(*) from gh_cost_ledger").await, 0);
    assert_eq!(world.count("select count(*) from gh_machines where closed_at is not null").await, 1);
}

#[tokio::test]
async fn a_ready_machine_in_a_region_that_its_tier_has_left_is_given_to_nobody() {
    let world = World::new().await;
    ready(&world).await;
    world.execute("update gh_machines set region = 'syd'").await;
    world.insert(UserId::new(), "starter").await;
    let claimed = world.claim(1).await.pop().expect("due");
    assert_eq!(claimed.ready, None, "it gets a machine of its own");
}

#[tokio::test]
async fn a_machine_that_belongs_to_nobody_shows_in_the_gauge_of_those_that_outlive_their_jobs() {
    let world = World::new().await;
    let gauge = || async {
        let samples = store::board::fleet(&world.db).await.expect("answered");
        samples.iter().find(|sample| sample.name == "gh_machine_after_job_seconds").map(|sample| sample.value)
    };
    ready(&world).await;
    world.execute("update gh_machines set intent_at = now() - interval '20 minutes'").await;
    assert_eq!(gauge().await, Some(0.0), "it waits in the pool");
    for nobodys in [
        "update gh_machines set retired_at = now() - interval '20 minutes'",
        "update gh_machines set kind = 'orphan'",
        "update gh_machines set kind = 'job', retired_at = null, attempt_id = gen_random_uuid()",
    ] {
        world.execute(nobodys).await;
        assert!(gauge().await >= Some(1200.0), "{nobodys}");
    }
    world.execute("update gh_machines set closed_at = now()").await;
    assert_eq!(gauge().await, Some(0.0), "it is gone");
}

#[tokio::test]
async fn a_refill_takes_no_create_token_that_a_job_may_need() {
    let mut world = World::new().await;
    for (burst, made) in [(1.0, false), (2.0, true)] {
        world.apps = vec![App { app: format!("burst-{burst}"), rate: 0.001, burst }];
        let tier = world.tiers.get("starter").expect("a tier");
        let intent =
            pool::intend(&world.db, &world.lease, "starter", tier, IMAGE, &world.apps, &world.sealer);
        assert_eq!(intent.await.expect("answered").is_some(), made, "{burst} tokens");
    }
}

#[tokio::test]
async fn a_capacity_that_new_bounds_move_is_moved_before_the_next_claim_and_logged() {
    let world = World::new().await;
    let max = world.tiers.get("starter").expect("a tier").capacity.max;
    world.capacity("starter", max + 5).await;
    for _ in 0..2 {
        store::dispatch::seed_capacity(&world.db, &world.tiers).await.expect("seeded");
    }
    let moved: Vec<(String, i32, i32, String)> =
        sqlx::query_as("select tier, capacity_from, capacity_to, reason from gh_scale_log")
            .fetch_all(&mut world.sql().await)
            .await
            .expect("the log");
    assert_eq!(moved, [("starter".to_owned(), max + 5, max, "bounds".to_owned())]);
}
