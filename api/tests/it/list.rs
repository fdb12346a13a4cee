//! `GET /jobs`.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::harness::{Service, faults, stranger, user};

fn ids(body: &Value) -> Vec<&str> {
    body["jobs"].as_array().expect("jobs").iter().map(|job| job["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_list_is_newest_first_and_paged() {
    let service = Service::start().await;
    let mut made = Vec::new();
    for _ in 0..3 {
        made.push(service.job(json!({})).await);
    }
    made.reverse();
    let all = service.get("/jobs").await.body;
    assert_eq!(ids(&all), made);
    assert_eq!((&all["total"], &all["limit"], &all["offset"]), (&json!(3), &json!(20), &json!(0)));
    let page = service.get("/jobs?limit=1&offset=1").await.body;
    assert_eq!(ids(&page), [&made[1]]);
    assert_eq!((&page["total"], &page["limit"], &page["offset"]), (&json!(3), &json!(1), &json!(1)));
}

#[tokio::test]
async fn a_list_is_filtered_by_user_status_and_type() {
    let service = Service::start().await;
    let apply = service.job(json!({})).await;
    let scrape = service.job(json!({ "job_type": "scrape" })).await;
    let theirs = service.job(json!({ "user_id": stranger() })).await;
    service.sql(&format!("update gh_automation_jobs set status = 'failed' where id = '{scrape}'"));
    for (query, expected) in [
        (format!("user_id={}", user()), vec![&scrape, &apply]),
        (format!("user_id={}", stranger()), vec![&theirs]),
        ("status=failed".into(), vec![&scrape]),
        ("status=failed,pending".into(), vec![&theirs, &scrape, &apply]),
        ("job_type=scrape".into(), vec![&scrape]),
        ("status=failed&job_type=apply".into(), vec![]),
        ("status=&job_type=&user_id=".into(), vec![&theirs, &scrape, &apply]),
    ] {
        let body = service.get(&format!("/jobs?{query}")).await.body;
        assert_eq!(ids(&body), expected, "{query}");
        assert_eq!(body["total"], json!(expected.len()), "{query}");
    }
}

#[tokio::test]
async fn every_order_of_the_list_of_orders_works() {
    let service = Service::start().await;
    let late = service.job(json!({ "priority": 9 })).await;
    let soon = service.job(json!({ "priority": 1 })).await;
    for column in
        ["created_at", "updated_at", "started_at", "completed_at", "scheduled_at", "priority", "status"]
    {
        for sort in
            [format!("{column}:asc"), format!("{column}:desc"), format!("-{column}"), column.to_owned()]
        {
            let answer = service.get(&format!("/jobs?sort={sort}")).await;
            assert_eq!(answer.status, 200, "{sort}");
            assert_eq!(ids(&answer.body).len(), 2, "{sort}");
        }
    }
    assert_eq!(ids(&service.get("/jobs?sort=priority:asc").await.body), [&soon, &late]);
    assert_eq!(ids(&service.get("/jobs?sort=-priority").await.body), [&late, &soon]);
    assert_eq!(ids(&service.get("/jobs?sort=created_at:asc").await.body), [&late, &soon]);
}

#[tokio::test]
async fn no_parameter_reaches_the_statement() {
    let service = Service::start().await;
    service.job(json!({})).await;
    let start = Instant::now();
    let injection = "(SELECT 1 FROM pg_sleep(30))";
    for (name, refused) in [
        ("sort", true),
        ("user_id", true),
        ("status", true),
        ("limit", true),
        ("offset", true),
        ("job_type", false),
    ] {
        for text in
            [injection.to_owned(), format!("{injection}:desc"), format!("' or {injection} is not null --")]
        {
            let text: String = url::form_urlencoded::byte_serialize(text.as_bytes()).collect();
            let answer = service.get(&format!("/jobs?{name}={text}")).await;
            if refused {
                assert_eq!(faults(&answer)[0].0, name, "{text}");
            } else {
                assert_eq!(ids(&answer.body), Vec::<&str>::new(), "{text}");
            }
        }
    }
    assert!(start.elapsed() < Duration::from_secs(20));
}

#[tokio::test]
async fn limits_outside_their_range_are_faults() {
    let service = Service::start().await;
    for (query, fault) in [
        ("limit=0", ("limit", "too_small")),
        ("limit=101", ("limit", "too_big")),
        ("offset=-1", ("offset", "too_small")),
        ("limit=x", ("limit", "invalid_type")),
        ("job_type=%00", ("job_type", "invalid_string")),
    ] {
        assert_eq!(faults(&service.get(&format!("/jobs?{query}")).await), [fault], "{query}");
    }
}
