//! The claim: fair, exact, and only for the one that leads.

use std::collections::HashSet;
use std::time::Duration;

use domain::id::UserId;
use sqlx::Connection as _;
use store::Error;
use store::dispatch::{App, lead};

use crate::world::World;

#[tokio::test]
async fn urgent_jobs_go_first_then_the_oldest() {
    let world = World::new().await;
    let (old, new, urgent) = (
        world.insert(UserId::new(), "starter").await,
        world.insert(UserId::new(), "starter").await,
        world.insert(UserId::new(), "starter").await,
    );
    sqlx::query("update gh_automation_jobs set priority = 1 where id = $1")
        .bind(urgent.0)
        .execute(&mut world.sql().await)
        .await
        .expect("update");
    let mut order = Vec::new();
    for _ in 0..2 {
        order.extend(world.claim(1).await.iter().map(|claimed| claimed.job_id));
    }
    assert_eq!(order, [urgent, old]);
    world.capacity("starter", 3).await;
    assert_eq!(world.claim(5).await.iter().map(|claimed| claimed.job_id).collect::<Vec<_>>(), [new]);
}

#[tokio::test]
async fn a_job_that_somebody_holds_or_that_is_not_due_is_left_alone() {
    let world = World::new().await;
    world.insert(UserId::new(), "starter").await;
    world.execute("update gh_automation_jobs set worker_id = 'desktop'").await;
    world.insert(UserId::new(), "starter").await;
    world
        .execute(
            "update gh_automation_jobs set scheduled_at = now() + interval '1 hour' where worker_id is null",
        )
        .await;
    assert!(world.claim(5).await.is_empty());
    let held: Vec<String> = sqlx::query_scalar("select id::text from gh_pickup_next_job('old-worker')")
        .fetch_all(&mut world.sql().await)
        .await
        .expect("a call");
    assert!(held.is_empty(), "the old pickup hands out no held job either");
}

#[tokio::test]
async fn the_old_pickup_and_the_claim_never_share_a_job() {
    let world = World::new().await;
    world.insert(UserId::new(), "starter").await;
    let picked: Vec<String> = sqlx::query_scalar("select id::text from gh_pickup_next_job('old-worker')")
        .fetch_all(&mut world.sql().await)
        .await
        .expect("a call");
    assert_eq!(picked.len(), 1);
    assert!(world.claim(5).await.is_empty());
}

#[tokio::test]
async fn two_dispatchers_never_take_the_same_job_nor_pass_a_cap() {
    let world = World::new().await;
    world.capacity("starter", 30).await;
    let users: Vec<UserId> = (0..4).map(|_| UserId::new()).collect();
    for user in &users {
        for _ in 0..10 {
            world.insert(*user, "starter").await;
        }
    }
    // Eight at once, all under the same lease: the database must count for them.
    let claims = (0..8).map(|_| world.claim(10));
    let claimed: Vec<_> = futures::future::join_all(claims).await.into_iter().flatten().collect();
    let jobs: HashSet<_> = claimed.iter().map(|claimed| claimed.job_id).collect();
    assert_eq!(jobs.len(), claimed.len(), "no job twice");
    assert_eq!(claimed.len(), 12, "four users with a cap of three");
    let most: i64 =
        world.count("select max(n) from (select count(*) n from gh_job_attempts group by user_id) x").await;
    assert_eq!(most, 3);
}

#[tokio::test]
async fn capped_users_do_not_hide_the_others() {
    let world = World::new().await;
    world.capacity("starter", 20).await;
    let loud = UserId::new();
    world.insert_many(loud, "starter", 500).await;
    assert_eq!(world.claim(10).await.len(), 3, "the loud user's cap");
    for _ in 0..5 {
        world.insert(UserId::new(), "starter").await;
    }
    assert_eq!(world.claim(10).await.len(), 5, "everybody behind the 497 capped jobs");
}

/// A claim of ten looks at the first hundred jobs of a tier: whoever has one among them gets a turn before anybody's second.
#[tokio::test]
async fn a_burst_of_ninety_jobs_of_one_user_does_not_make_the_next_ten_users_wait() {
    let world = World::new().await;
    world.capacity("enterprise", 20).await;
    world.insert_many(UserId::new(), "enterprise", 90).await;
    for _ in 0..10 {
        world.insert(UserId::new(), "enterprise").await;
    }
    world.claim(10).await;
    assert_eq!(world.count("select count(distinct user_id) from gh_job_attempts").await, 10);
}

#[tokio::test]
async fn a_job_that_a_transaction_under_way_holds_is_passed_over_and_not_waited_for() {
    let world = World::new().await;
    let (held, free) =
        (world.insert(UserId::new(), "starter").await, world.insert(UserId::new(), "starter").await);
    let mut other = world.sql().await;
    let mut transaction = other.begin().await.expect("a transaction");
    sqlx::query("update gh_automation_jobs set status = 'cancelled' where id = $1")
        .bind(held.0)
        .execute(&mut *transaction)
        .await
        .expect("cancelled");
    // One slot, and the job that is held stands first.
    let claimed: Vec<_> = world.claim(1).await.iter().map(|claimed| claimed.job_id).collect();
    assert_eq!(claimed, [free]);
    transaction.commit().await.expect("committed");
    assert!(world.claim(1).await.is_empty(), "a cancelled job");
}

#[tokio::test]
async fn no_more_is_claimed_than_the_apps_may_create() {
    let mut world = World::new().await;
    world.apps = vec![
        App { app: "a".into(), rate: 0.001, burst: 2.0 },
        App { app: "b".into(), rate: 0.001, burst: 1.0 },
    ];
    world.capacity("starter", 20).await;
    for _ in 0..5 {
        world.insert(UserId::new(), "starter").await;
    }
    let mut apps: Vec<String> = world.claim(10).await.into_iter().map(|claimed| claimed.intent.app).collect();
    apps.sort();
    assert_eq!(apps, ["a", "a", "b"]);
    assert!(world.claim(10).await.is_empty(), "no token left");
    assert_eq!(
        world.count("select count(*) from gh_automation_jobs where worker_id is null").await,
        2,
        "the rest stays pending"
    );
}

#[tokio::test]
async fn tokens_nobody_needed_are_given_back() {
    let mut world = World::new().await;
    world.apps = vec![App { app: "a".into(), rate: 0.001, burst: 3.0 }];
    world.insert(UserId::new(), "starter").await;
    assert_eq!(world.claim(10).await.len(), 1);
    for _ in 0..2 {
        world.insert(UserId::new(), "starter").await;
    }
    world.capacity("starter", 20).await;
    assert_eq!(world.claim(10).await.len(), 2);
}

#[tokio::test]
async fn a_leader_whose_lease_is_over_claims_nothing() {
    let world = World::new().await;
    world.insert(UserId::new(), "starter").await;
    assert_eq!(lead(&world.db, "other", 60).await.expect("answered"), None, "the lease is held");
    world.execute("update gh_leader set expires_at = now()").await;
    let other = lead(&world.db, "other", 60).await.expect("answered").expect("free now");
    assert_eq!(other.term, world.lease.term + 1);
    let late =
        store::dispatch::claim(&world.db, &world.lease, &world.tiers, "i", &world.apps, &world.sealer, 1)
            .await;
    assert!(matches!(late, Err(Error::NotLeader)), "{late:?}");
    assert_eq!(world.count("select count(*) from gh_job_attempts").await, 0);
}

#[tokio::test]
async fn an_insert_is_heard_with_the_contracts_payload() {
    let world = World::new().await;
    let url = world.database.url.clone().into();
    let mut listener =
        store::listen::Listener::open(&url, "test", &["gh_job_created"]).await.expect("listening");
    let (user, job) = (UserId::new(), world.insert(UserId::new(), "starter").await);
    let notice = tokio::time::timeout(Duration::from_secs(5), listener.next())
        .await
        .expect("in time")
        .expect("alive")
        .expect("a notice");
    let payload: serde_json::Value = serde_json::from_str(&notice.payload).expect("JSON");
    assert_eq!(payload["id"], job.to_string());
    assert_eq!((&payload["job_type"], &payload["priority"]), (&"apply".into(), &5.into()));
    assert_ne!(payload["user_id"], user.to_string());
}

#[tokio::test]
async fn where_create_tokens_are_short_the_tier_with_the_most_urgent_then_the_oldest_job_goes_first() {
    let mut world = World::new().await;
    world.apps = vec![App { app: "a".into(), rate: 0.001, burst: 1.0 }];
    // In the order of their names it would be the other way round.
    let old = world.insert(UserId::new(), "starter").await;
    let new = world.insert(UserId::new(), "enterprise").await;
    let urgent = world.insert(UserId::new(), "pro").await;
    sqlx::query("update gh_automation_jobs set priority = 1 where id = $1")
        .bind(urgent.0)
        .execute(&mut world.sql().await)
        .await
        .expect("update");
    for expected in [urgent, old, new] {
        let claimed: Vec<_> = world.claim(5).await.iter().map(|claimed| claimed.job_id).collect();
        assert_eq!(claimed, [expected]);
        world.execute("update gh_rate set tokens = 1").await;
    }
}
