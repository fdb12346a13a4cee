//! `scale explain` and `scale set`.

use domain::id::UserId;
use serde_json::json;

use crate::world::World;

#[tokio::test]
async fn explain_shows_what_the_rule_sees_and_would_do() {
    let world = World::new().await;
    for _ in 0..7 {
        world.insert(UserId::new(), "starter").await;
    }
    let (code, said) = world.ask(&["scale", "explain", "starter"]).await;
    let tier = &said[0];
    assert_eq!(code, 0);
    assert_eq!((&tier["pending"], &tier["capacity"], &tier["live"]), (&json!(7), &json!(2), &json!(0)));
    assert_eq!((&tier["min"], &tier["max"], &tier["next"]), (&json!(2), &json!(20), &json!(4)));
    let text = world.say(&["scale", "explain"]).await.text;
    assert!(
        text.contains("starter: P = 7 due, C = 2 (2 to 20), 0 live") && text.contains("The rule makes it 4."),
        "{text}"
    );
}

#[tokio::test]
async fn set_moves_the_capacity_and_says_who_did_it() {
    let world = World::new().await;
    world.execute("update gh_capacity set zero_since = now() - interval '1 hour'").await;
    let (code, said) = world.ask(&["scale", "set", "starter", "9"]).await;
    assert_eq!((code, said), (0, json!({ "tier": "starter", "from": 2, "to": 9 })));
    let (_, said) = world.ask(&["scale", "explain", "starter"]).await;
    assert_eq!(said[0]["decisions"][0]["reason"], json!("by hand: anna"));
    assert_eq!(said[0]["next"], json!(9), "an hour of quiet does not take it back at once");
    assert_eq!(
        world.text("select detail::text from gh_audit where action = 'scale_set'").await,
        "{\"to\": 9, \"from\": 2}"
    );
}

#[tokio::test]
async fn set_outside_the_bounds_is_wrong_usage_and_changes_nothing() {
    let world = World::new().await;
    let said = world.say(&["scale", "set", "starter", "21"]).await;
    assert_eq!(said.code, 2);
    assert!(said.errors.contains("21 is not within 2 to 20"), "{}", said.errors);
    assert_eq!(world.count("select capacity::bigint from gh_capacity where tier = 'starter'").await, 2);
    assert_eq!(world.count("select count(*) from gh_audit").await, 0);
}
