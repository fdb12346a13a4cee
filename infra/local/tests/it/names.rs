//! Names: unique among the living, free again after death.

use crate::stage::{Stage, job};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_name_is_unique_among_the_living_and_the_refusal_names_the_holder() {
    let stage = Stage::new().await;
    let id = stage.caller.run("gh-1", "sleep 60").await;
    let refused = stage.caller.create(json!({"name": "gh-1", "config": job("sleep 60")})).await;
    let text = format!(
        "already_exists: unique machine name violation, machine ID {id} already exists with name \"gh-1\""
    );
    assert_eq!((refused.status, refused.error()), (409, text.as_str()));
    stage.end().await;
}

#[tokio::test]
async fn a_name_is_free_again_once_its_machine_is_destroyed() {
    let stage = Stage::new().await;
    let first = stage.caller.run("gh-1", "exit 0").await;
    stage.caller.reach(&first, "destroyed").await;
    let second = stage.caller.run("gh-1", "sleep 60").await;
    assert_ne!(first, second);
    stage.end().await;
}

#[tokio::test]
async fn of_many_creates_of_one_name_at_once_one_wins_and_the_others_name_it() {
    let stage = Stage::new().await;
    let calls = (0..8).map(|_| {
        let caller = stage.caller.clone();
        tokio::spawn(async move { caller.create(json!({"name": "gh-1", "config": job("sleep 60")})).await })
    });
    let mut replies = Vec::new();
    for call in calls.collect::<Vec<_>>() {
        replies.push(call.await.unwrap());
    }
    let winner =
        replies.iter().find(|reply| reply.status == 200).unwrap().body["id"].as_str().unwrap().to_owned();
    assert_eq!(
        replies.iter().filter(|reply| reply.status == 409 && reply.error().contains(&winner)).count(),
        7
    );
    assert_eq!(stage.caller.machines(Method::GET, "").await.body.as_array().unwrap().len(), 1);
    stage.end().await;
}
