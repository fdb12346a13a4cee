//! The connections that are kept out between two statements.

use std::time::Duration;

use domain::id::{JobId, UserId};
use store::Db;
use store::jobs::{self, Scope};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use crate::world::World;

async fn opened(world: &World) -> Db {
    Db::open(&world.database.url.clone().into(), "lane", 5).expect("an address")
}

async fn many(db: &Db, job: JobId) -> usize {
    let mut reads = JoinSet::new();
    for _ in 0..200 {
        let db = db.clone();
        reads.spawn(async move { jobs::get(&db, Scope::Everyone, job).await });
    }
    let found = reads.join_all().await;
    found.into_iter().filter(|found| matches!(found, Ok(Some(_)))).count()
}

#[tokio::test]
async fn it_takes_no_more_connections_than_the_pool_may_have_and_leaves_one_to_the_others() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    let db = opened(&world).await;
    assert_eq!(many(&db, job).await, 200);
    let open = "select count(*) from pg_stat_activity where application_name = 'lane' and datname = current_database()";
    let used = world.count(open).await;
    assert!((1..=4).contains(&used), "{used}");
    timeout(Duration::from_secs(5), db.ping()).await.expect("in time").expect("there is one left");
    timeout(Duration::from_secs(5), db.close()).await.expect("nothing is held back");
}

#[tokio::test]
async fn a_connection_that_died_is_replaced() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    let db = opened(&world).await;
    assert_eq!(many(&db, job).await, 200);
    let killed = "select count(pg_terminate_backend(pid)) from pg_stat_activity where application_name = 'lane' and datname = current_database()";
    assert!(world.count(killed).await > 0);
    let until = Instant::now() + Duration::from_secs(10);
    while many(&db, job).await < 200 {
        assert!(Instant::now() < until, "still broken");
        sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_call_nobody_waits_for_any_more_takes_no_place_with_it() {
    let world = World::new().await;
    let job = world.insert(UserId::new(), "starter").await;
    let db = opened(&world).await;
    for _ in 0..20 {
        let mut reads = JoinSet::new();
        for _ in 0..5 {
            let db = db.clone();
            reads.spawn(async move { jobs::get(&db, Scope::Everyone, job).await });
        }
        tokio::task::yield_now().await;
        reads.shutdown().await; // dropped wherever each was
    }
    assert_eq!(many(&db, job).await, 200);
}
