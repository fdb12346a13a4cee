//! Rate limits: 1 a second with a burst of 3, 5 and 10 for reading a machine.
//!
//! Buckets fill while a test empties them, so each test counts what was let through against the time it took; the
//! exact numbers are tested beside the code, where time is passed in.

use crate::stage::{Caller, Stage, job, quick};
use local::{Limits, Options};
use reqwest::Method;
use serde_json::json;
use std::time::Instant;

/// Calls until the first refusal, and checks that the bucket let `burst` through and then `per_second`.
async fn drain(caller: &Caller, (burst, per_second): (u64, u64), method: Method, rest: &str) {
    let (start, mut count) = (Instant::now(), 0);
    while caller.machines(method.clone(), rest).await.status != 429 {
        count += 1;
        let most = burst + per_second * (start.elapsed().as_secs() + 1);
        assert!(count <= most, "{count} calls let through, {most} are the most");
    }
    assert!(count >= burst, "{count} calls let through, not {burst}");
}

async fn strict(retry_after: bool) -> Stage {
    let limits = Limits { retry_after, ..Limits::default() };
    Stage::with(Options { limits, ..quick() }).await
}

#[tokio::test]
async fn creates_are_limited_per_app_and_a_429_makes_nothing() {
    let stage = strict(false).await;
    let mut made = 0;
    while stage.caller.create(json!({"name": format!("m-{made}"), "config": job("sleep 60")})).await.status
        == 200
    {
        made += 1;
    }
    assert!(made >= 3);
    assert_eq!(stage.caller.machines(Method::GET, "").await.body.as_array().unwrap().len(), made);
    stage.end().await;
}

#[tokio::test]
async fn each_action_on_each_machine_has_its_own_bucket() {
    let stage = strict(false).await;
    let first = stage.caller.run("m-1", "sleep 60").await;
    let second = stage.caller.run("m-2", "sleep 60").await;
    drain(&stage.caller, (3, 1), Method::POST, &format!("/{first}/start")).await;
    drain(&stage.caller, (3, 1), Method::POST, &format!("/{second}/start")).await;
    drain(&stage.caller, (3, 1), Method::GET, &format!("/{first}/events")).await;
    stage.end().await;
}

#[tokio::test]
async fn reading_a_machine_has_a_burst_of_ten() {
    let stage = strict(false).await;
    let id = stage.caller.run("m", "sleep 60").await;
    drain(&stage.caller, (10, 5), Method::GET, &format!("/{id}")).await;
    stage.end().await;
}

#[tokio::test]
async fn a_429_says_when_to_come_back_only_if_told_to() {
    for says in [false, true] {
        let stage = strict(says).await;
        let refused = loop {
            let reply = stage.caller.machines(Method::GET, "").await;
            if reply.status == 429 {
                break reply;
            }
        };
        assert_eq!(refused.headers.contains_key("retry-after"), says);
        stage.end().await;
    }
}
