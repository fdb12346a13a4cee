//! `/monitoring/scaling`.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Ask, KEY, Service};

async fn with_key(service: &Service, path: &str) -> Answer {
    service.request(Method::GET, path).header("X-GH-Service-Key", KEY).answer().await
}

#[tokio::test]
async fn every_decision_of_the_scaling_rule_is_read_with_what_it_was_decided_from() {
    let service = Service::start().await;
    service.sql(
        "insert into gh_scale_log (at, tier, pending, live, capacity_from, capacity_to, pool_target, reason) values
            (now() - interval '2 min', 'starter', 41, 3, 5, 21, 2, 'more than twice as many wait'),
            (now() - interval '1 min', 'pro', 0, 0, 4, 1, 0, 'nothing waited for ten minutes'),
            (now(), 'starter', 0, 1, 21, 8, 2, 'by hand: ops')",
    );
    let all = with_key(&service, "/monitoring/scaling").await.body;
    assert_eq!(all["count"], 3);
    assert_eq!(all["decisions"][0]["reason"], "by hand: ops");
    let mut first =
        with_key(&service, "/monitoring/scaling?tier=starter&limit=5").await.body["decisions"][1].take();
    assert!(first.as_object_mut().expect("a decision").remove("at").expect("a time").is_string());
    let expected = json!({
        "tier": "starter", "pending": 41, "live": 3, "capacity_from": 5, "capacity_to": 21, "pool_target": 2,
        "reason": "more than twice as many wait",
    });
    assert_eq!(first, expected);
    let newest = with_key(&service, "/monitoring/scaling?tier=starter&limit=1").await.body;
    assert_eq!((&newest["count"], &newest["decisions"][0]["capacity_to"]), (&json!(1), &json!(8)));
    assert_eq!(with_key(&service, "/monitoring/scaling?tier=premium").await.body["decisions"], json!([]));
}

#[tokio::test]
async fn a_tier_or_limit_that_cannot_be_is_named() {
    let service = Service::start().await;
    for (query, field) in
        [("tier=gold", "tier"), ("limit=0", "limit"), ("limit=1001", "limit"), ("limit=x", "limit")]
    {
        let answer = with_key(&service, &format!("/monitoring/scaling?{query}")).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.body["details"][0]["field"]),
            (422, &json!(field)),
            "{query}"
        );
    }
}
