//! Leases: who holds one, and who is kept out.

use crate::stage::{Stage, job, machines};
use reqwest::Method;
use serde_json::json;

const NONCE: &str = "fly-machine-lease-nonce";

#[tokio::test]
async fn a_lease_keeps_others_from_changing_the_machine_until_it_is_given_back() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "sleep 60").await;
    let path = machines(&format!("/{id}/lease"));
    assert_eq!(stage.caller.get(&path).await.status, 404);
    let lease = stage.caller.post(&path, json!({"ttl": 60, "description": "me"})).await;
    assert_eq!((lease.status, lease.body["status"].as_str()), (201, Some("success")));
    let nonce = lease.body["data"]["nonce"].as_str().unwrap().to_owned();
    assert!(lease.body["data"]["owner"].as_str().unwrap().ends_with("@tokens.fly.io"));

    let destroy = machines(&format!("/{id}?force=true"));
    let refused = stage.caller.try_call(Method::DELETE, &destroy, None).await.unwrap();
    assert_eq!(refused.status, 409);
    assert!(
        refused.error().starts_with(&format!("machine ID {id} lease currently held by ")),
        "{}",
        refused.body
    );
    assert_eq!(stage.caller.post(&path, json!({"ttl": 1})).await.status, 409);

    let refreshed = stage
        .caller
        .try_call_with(Method::POST, &path, Some(json!({"ttl": 90})), &[(NONCE, &nonce)])
        .await
        .unwrap();
    assert_eq!((refreshed.status, refreshed.body["data"]["nonce"].as_str()), (201, Some(nonce.as_str())));
    assert_eq!(stage.caller.try_call(Method::DELETE, &path, None).await.unwrap().status, 409);
    let back = stage.caller.try_call_with(Method::DELETE, &path, None, &[(NONCE, &nonce)]).await.unwrap();
    assert_eq!((back.status, back.body["data"]["ok"].as_bool()), (200, Some(true)));
    assert_eq!(stage.caller.try_call(Method::DELETE, &destroy, None).await.unwrap().status, 200);
    stage.end().await;
}

#[tokio::test]
async fn a_machine_may_be_created_with_a_lease_on_it() {
    let stage = Stage::new().await;
    let reply = stage.caller.create(json!({"lease_ttl": 60, "config": job("sleep 60")})).await;
    let (id, nonce) = (reply.body["id"].as_str().unwrap(), reply.body["nonce"].as_str().unwrap());
    let stop = machines(&format!("/{id}/stop"));
    stage.caller.reach(id, "started").await;
    assert_eq!(stage.caller.try_call(Method::POST, &stop, None).await.unwrap().status, 409);
    let allowed = stage.caller.try_call_with(Method::POST, &stop, None, &[(NONCE, nonce)]).await.unwrap();
    assert_eq!(allowed.status, 200);
    stage.end().await;
}

#[tokio::test]
async fn a_lease_ends_by_itself() {
    let stage = Stage::new().await;
    let id = stage.caller.run("m", "sleep 60").await;
    let path = machines(&format!("/{id}/lease"));
    stage.caller.post(&path, json!({"ttl": 1})).await;
    crate::stage::until("the lease is over", async || stage.caller.get(&path).await.status == 404).await;
    assert_eq!(stage.caller.post(&path, json!({"ttl": 1})).await.status, 201);
    stage.end().await;
}
