//! Sites that are slow, and sites that take an application and never say so.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use site::Brand::{Contoso, Northwind};

use crate::{LIMIT, site};

#[tokio::test]
async fn a_slow_page_takes_as_long_as_it_was_told() {
    let (site, client) = site().await;
    let started = Instant::now();
    let url = format!("{}&slow_ms=120", site.form_url(Northwind, "slow"));
    assert_eq!(client.get(url).send().await.unwrap().status(), 200);
    assert!(started.elapsed() >= Duration::from_millis(120));
}

#[tokio::test]
async fn an_application_is_on_record_before_its_answer_hangs() {
    let (site, client) = site().await;
    let url = format!("{}/contoso/applications?ref=lost&on_submit=hang", site.url());
    let body = json!({ "fields": { "first_name": "Alex" }, "resume": null });
    let post = tokio::spawn(client.post(url).json(&body).send());

    assert!(site.wait_until(LIMIT, |site| site.received().len() == 1).await);
    assert!(!post.is_finished(), "the sender must not learn the outcome");

    site.release();
    assert_eq!(post.await.unwrap().unwrap().status(), 422);
}

#[tokio::test]
async fn a_hanging_answer_does_not_hold_up_the_stop() {
    let (site, client) = site().await;
    let url = format!("{}/contoso/applications?on_submit=hang", site.url());
    let post = tokio::spawn(client.post(url).json(&json!({ "fields": {}, "resume": null })).send());
    assert!(site.wait_until(LIMIT, |site| site.received().len() == 1).await);

    let started = Instant::now();
    site.stop().await;
    assert!(started.elapsed() < Duration::from_secs(5));
    let _ = post.await.unwrap();
}

#[tokio::test]
async fn a_failing_answer_comes_after_the_application_was_recorded() {
    let (site, client) = site().await;
    let url = format!("{}/contoso/applications?ref=f&on_submit=fail&submit_delay_ms=50", site.url());
    let reply = client.post(url).json(&json!({ "fields": {}, "resume": null })).send().await.unwrap();
    assert_eq!(reply.status(), 502);
    assert_eq!(site.received().len(), 1);
}

#[tokio::test]
async fn visits_and_posts_can_be_read_over_http_and_from_the_handle() {
    let (site, client) = site().await;
    client.get(site.form_url(Contoso, "job-5")).send().await.unwrap();
    assert!(site.wait_until(LIMIT, |site| site.visits().len() == 1).await);
    assert_eq!(site.visits()[0].reference.as_deref(), Some("job-5"));

    let url = format!("{}/contoso/applications?ref=job-5", site.url());
    client.post(url).json(&json!({ "fields": { "email": "x" }, "resume": null })).send().await.unwrap();
    let seen: Value =
        client.get(format!("{}/received", site.url())).send().await.unwrap().json().await.unwrap();
    assert_eq!(seen[0]["reference"], "job-5");
    assert_eq!(seen[0]["accepted"], false);
    assert_eq!(seen[0]["fields"]["email"], "x");

    let resume = client.get(site.resume_url()).send().await.unwrap().bytes().await.unwrap();
    assert!(resume.starts_with(b"%PDF-"));
}
