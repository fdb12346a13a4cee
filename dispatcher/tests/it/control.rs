//! `pause` and `resume`.

use domain::id::UserId;
use serde_json::json;
use sqlx::Connection;

use crate::world::World;

#[tokio::test]
async fn pause_stops_claims_and_resume_lets_them_go_on() {
    let world = World::new().await;
    world.insert(UserId::new(), "starter").await;
    world.insert(UserId::new(), "pro").await;
    let (code, said) = world.ask(&["pause"]).await;
    assert_eq!((code, said["paused_now"].as_array().map(Vec::len)), (0, Some(5)), "{said:#}");
    assert!(world.claim(5).await.is_empty(), "everything is paused");
    let (_, again) = world.ask(&["pause"]).await;
    assert_eq!(again["paused_now"], json!([]), "it was paused already");

    assert_eq!(world.ask(&["resume", "pro"]).await.1["resumed_now"], json!(["pro"]));
    let claimed = world.claim(5).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.intent.tier.as_str()).collect::<Vec<_>>(), ["pro"]);
    world.ask(&["resume"]).await;
    assert_eq!(world.claim(5).await.len(), 1);
}

#[tokio::test]
async fn pausing_one_tier_leaves_the_others() {
    let world = World::new().await;
    world.insert(UserId::new(), "starter").await;
    world.insert(UserId::new(), "pro").await;
    let said = world.say(&["pause", "starter"]).await;
    assert_eq!((said.code, said.text.trim()), (0, "Paused: starter. Nothing new starts."));
    let claimed = world.claim(5).await;
    assert_eq!(claimed.iter().map(|claimed| claimed.intent.tier.as_str()).collect::<Vec<_>>(), ["pro"]);
}

#[tokio::test]
async fn whoever_pauses_is_written_down() {
    let world = World::new().await;
    world.ask(&["pause", "pro"]).await;
    world.ask(&["resume", "pro", "--actor", "berta@ops"]).await;
    let audit = world
        .text("select string_agg(concat_ws(' ', actor, action, subject), '; ' order by id) from gh_audit")
        .await;
    assert_eq!(audit, "anna pause pro; berta@ops resume pro");
}

#[tokio::test]
async fn a_tier_no_dispatcher_has_seen_can_be_paused_too() {
    let world = World::new().await;
    world.execute("delete from gh_capacity").await;
    assert_eq!(world.ask(&["pause"]).await.0, 0);
    world.insert(UserId::new(), "starter").await;
    store::dispatch::seed_capacity(&world.db, &world.tiers).await.expect("seeded");
    assert!(world.claim(5).await.is_empty(), "a dispatcher that starts later does not undo it");
}

#[tokio::test]
async fn a_wrong_tier_is_wrong_usage_and_lists_the_right_ones() {
    let world = World::new().await;
    let said = world.say(&["pause", "gold"]).await;
    assert_eq!(said.code, 2);
    assert!(said.errors.contains("enterprise"), "{}", said.errors);
}

#[tokio::test]
async fn a_pause_waits_for_the_claim_that_is_under_way() {
    let world = World::new().await;
    let mut claim = world.sql().await;
    let mut transaction = claim.begin().await.expect("begun");
    // The first thing a claim does.
    sqlx::query("select gh_check_lead($1, $2)")
        .bind(&world.lease.holder)
        .bind(world.lease.term)
        .execute(&mut *transaction)
        .await
        .expect("leads");
    let pause = world.ask(&["pause"]);
    let release = async {
        world.until_a_command_waits().await;
        transaction.commit().await.expect("committed");
    };
    let ((code, _), ()) = tokio::join!(pause, release);
    assert_eq!(code, 0);
    assert_eq!(world.count("select count(*) from gh_capacity where paused").await, 5);
}

#[tokio::test]
async fn without_a_database_a_command_says_so() {
    let mut world = World::new().await;
    world.env.remove("DATABASE_URL");
    let said = world.say(&["pause", "--json"]).await;
    assert_eq!(said.code, 2);
    assert!(said.json()["error"].as_str().is_some_and(|error| error.contains("DATABASE_URL")));
    world.env.insert("DATABASE_URL", "postgres://someone:hunter2@127.0.0.1:1/none".to_owned());
    let said = world.say(&["pause"]).await;
    assert_eq!(said.code, 1, "{}", said.errors);
    assert!(said.errors.contains("not reachable") && !said.errors.contains("hunter2"), "{}", said.errors);
}
